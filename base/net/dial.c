/* Becoming connected: resolve, then try addresses 250 ms apart until one answers (happy eyeballs). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/net/listener.h"
#include "base/net/stream_i.h"

#define DIAL_NEXT_MS 250

struct dial_try {
    uv_poll_t poll;
    struct dial *dial; /* NULL once the dial is over. */
    int fd;
    bool live;
};

struct dial {
    struct stream *stream;
    char host[256], verify_name[256];
    uint16_t port;
    bool deny_private;
    struct dns_query *query;
    struct dns_addr addrs[DNS_ADDRS_MAX];
    size_t n_addrs, next;
    struct dial_try *tries[DNS_ADDRS_MAX];
    size_t n_live;
    struct timer next_timer;
    struct loop_task begin;
    int last_errno;
};

static void dial_next(struct dial *d);

static void dial_try_closed(uv_handle_t *h)
{
    mem_free(h->data);
}

static void dial_try_end(struct dial_try *t, bool keep_fd)
{
    (void)uv_poll_stop(&t->poll);
    if (!keep_fd) {
        (void)close(t->fd);
    }
    t->dial = NULL;
    uv_close((uv_handle_t *)&t->poll, dial_try_closed);
}

void dial_free(struct dial *d)
{
    if (d == NULL) {
        return;
    }
    if (d->query != NULL) {
        dns_cancel(d->query);
    }
    timer_stop(&d->next_timer);
    loop_task_cancel(&d->begin);
    for (size_t i = 0; i < d->n_addrs; i++) {
        if (d->tries[i] != NULL && d->tries[i]->live) {
            dial_try_end(d->tries[i], false);
        }
    }
    mem_free(d);
}

static void dial_won(struct dial *d, int fd)
{
    struct stream *s = d->stream;
    char verify[256];

    memcpy(verify, d->verify_name, sizeof verify);
    s->dial = NULL;
    dial_free(d);
    stream_connected(s, fd);
    if (s->closing) {
        return;
    }
    if (s->tls == NULL) {
        stream_opened(s);
        return;
    }
    stream_tls_start(s, verify);
    stream_start_reading(s);
    stream_tls_hello(s);
}

static void dial_lost(struct dial *d, int why)
{
    d->last_errno = why;
    if (d->next < d->n_addrs) {
        dial_next(d);
    } else if (d->n_live == 0) {
        stream_fail(d->stream, err_from_errno(why) == Q_EIO ? Q_EREFUSED : err_from_errno(why),
                    "cannot connect to %s port %u: %s", d->host, d->port, strerror(why));
    }
}

static void dial_try_ready(uv_poll_t *p, int status, int events)
{
    struct dial_try *t = p->data;
    struct dial *d = t->dial;
    int why = 0;
    socklen_t n = sizeof why;

    (void)events;
    if (d == NULL) {
        return;
    }
    if (status != 0) {
        why = -status;
    } else if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &why, &n) != 0) {
        why = errno;
    }
    t->live = false;
    d->n_live--;
    for (size_t i = 0; i < d->n_addrs; i++) {
        d->tries[i] = d->tries[i] == t ? NULL : d->tries[i];
    }
    if (why == 0) {
        int fd = t->fd;
        dial_try_end(t, true);
        dial_won(d, fd);
    } else {
        dial_try_end(t, false);
        dial_lost(d, why);
    }
}

static void dial_on_next(struct timer *t)
{
    dial_next(CONTAINER_OF(t, struct dial, next_timer));
}

static void dial_next(struct dial *d)
{
    struct dns_addr *a;
    struct dial_try *t;
    int fd;

    if (d->next >= d->n_addrs) {
        return;
    }
    a = &d->addrs[d->next];
    fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || (connect(fd, (struct sockaddr *)&a->sa, a->n) != 0 && errno != EINPROGRESS)) {
        int why = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        d->next++;
        dial_lost(d, why);
        return;
    }
    t = mem_zalloc(sizeof *t);
    t->dial = d;
    t->fd = fd;
    t->live = true;
    t->poll.data = t;
    ASSERT(uv_poll_init(loop_uv(d->stream->loop), &t->poll, fd) == 0);
    t->poll.data = t;
    d->tries[d->next++] = t;
    d->n_live++;
    (void)uv_poll_start(&t->poll, UV_WRITABLE, dial_try_ready);
    if (d->next < d->n_addrs) {
        timer_start(&d->next_timer, DIAL_NEXT_MS);
    }
}

struct dial_query {
    struct dns_query query; /* First: freed by dns. */
    struct dial *dial;
};

static void dial_resolved(struct dns_query *q, int status, const struct dns_addr *addrs, size_t n)
{
    struct dial *d = ((struct dial_query *)(void *)q)->dial;

    d->query = NULL;
    if (status != 0) {
        stream_fail(d->stream, Q_EDNS, "the name %s was not resolved", d->host);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (!d->deny_private || !dns_is_private(&addrs[i])) {
            d->addrs[d->n_addrs++] = addrs[i];
        }
    }
    if (d->n_addrs == 0) {
        stream_fail(d->stream, Q_EPERM,
                    "%s resolves to a private address; set allow_private to permit it", d->host);
        return;
    }
    dial_next(d);
}

static void dial_on_begin(struct loop_task *task)
{
    struct dial *d = CONTAINER_OF(task, struct dial, begin);
    struct dial_query *q = mem_zalloc(sizeof *q);

    q->query.cb = dial_resolved;
    q->dial = d;
    d->query = &q->query;
    dns_resolve(d->stream->loop, d->host, d->port, &q->query);
}

struct stream *stream_connect(struct loop *l, const struct stream_dial *in,
                              const struct stream_ops *ops, void *owner)
{
    struct stream *s = stream_new_for_dial(l, in->tls, ops, owner);
    struct dial *d = mem_zalloc(sizeof *d);
    struct dns_addr literal;

    d->stream = s;
    (void)slice_copy_str(slice_str(in->host), d->host, sizeof d->host);
    (void)slice_copy_str(slice_str(in->verify_name != NULL ? in->verify_name : in->host),
                         d->verify_name, sizeof d->verify_name);
    d->port = in->port;
    /* An address or localhost was named on purpose. */
    d->deny_private = in->deny_private && !dns_literal(in->host, in->port, &literal) &&
                      strcmp(in->host, "localhost") != 0;
    timer_init(&d->next_timer, l, dial_on_next);
    loop_task_init(&d->begin, dial_on_begin);
    s->dial = d;
    timer_start(&s->deadline, in->timeout_ms > 0 ? in->timeout_ms : STREAM_HANDSHAKE_MS);
    loop_at_turn_end(l, &d->begin);
    return s;
}
