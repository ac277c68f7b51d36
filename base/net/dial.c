#include "base/net/dial_i.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/net/dns_i.h"
#include "base/net/loop_i.h"

struct dial {
    struct loop *loop;
    char *host;
    uint16_t port;
    bool deny_private;
    dial_cb cb;
    void *arg;
    struct loop_task start; /* Work begins at the end of the turn, outside of the caller's call. */
    struct timer next_timer;
    struct dns_query *query; /* NULL unless resolving. */
    union addr addrs[DNS_ADDRS_MAX];
    size_t n_addrs, n_tried;
    struct list tries; /* Of struct tcp, connecting. */
    int status;        /* Of the last try that failed. */
    struct errmsg err;
};

static void dial_try_next(struct dial *d);

/* Everything but the callback. */
static void dial_free(struct dial *d)
{
    loop_task_cancel(&d->start);
    timer_stop(&d->next_timer);
    dns_cancel(d->query);
    while (!list_empty(&d->tries)) {
        struct tcp *t = LIST_FIRST(&d->tries, struct tcp, link);
        t->owner = NULL;
        tcp_close(t, NULL);
    }
    mem_free(d->host);
    mem_free(d);
}

static void dial_finish(struct dial *d, int status, struct tcp *tcp)
{
    dial_cb cb = d->cb;
    void *arg = d->arg;
    struct errmsg err = d->err;

    dial_free(d);
    cb(arg, status, tcp, &err);
}

static void dial_try_failed(struct dial *d, const union addr *a, int uv_status)
{
    char text[ADDR_TEXT_BYTES];

    d->status = err_from_errno(-uv_status);
    if (d->status == Q_EIO || d->status == Q_EINVAL || d->status == Q_ERESET) {
        d->status = Q_EREFUSED; /* Whatever the kernel calls it: nobody is there. */
    }
    errmsg_set(&d->err, "connect to %s: %s", addr_text(a, text), uv_strerror(uv_status));
}

static void dial_on_connect(uv_connect_t *req, int uv_status)
{
    struct tcp *t = req->data;
    struct dial *d = t->owner;

    if (d == NULL || uv_is_closing((uv_handle_t *)&t->uv)) {
        return; /* Another one won, or nobody wants it any more. */
    }
    list_remove(&t->link);
    if (uv_status == 0) {
        dial_finish(d, 0, t);
        return;
    }
    dial_try_failed(d, &t->peer, uv_status);
    t->owner = NULL;
    tcp_close(t, NULL);
    dial_try_next(d);
}

/* Begins with the next address that the kernel takes; when there is none and nothing is under
 * way, it is over. */
static void dial_try_next(struct dial *d)
{
    while (d->n_tried < d->n_addrs) {
        union addr *a = &d->addrs[d->n_tried++];
        struct tcp *t = tcp_new(d->loop);
        int rv;

        t->peer = *a;
        t->owner = d;
        rv = uv_tcp_connect(&t->connect, &t->uv, &a->any, dial_on_connect);
        if (rv == 0) {
            list_push_back(&d->tries, &t->link);
            if (d->n_tried < d->n_addrs) {
                timer_start(&d->next_timer, DIAL_NEXT_MS);
            }
            return;
        }
        dial_try_failed(d, a, rv);
        t->owner = NULL;
        tcp_close(t, NULL);
    }
    if (list_empty(&d->tries)) {
        dial_finish(d, d->status, NULL);
    }
}

static void dial_on_timer(struct timer *t)
{
    dial_try_next(CONTAINER_OF(t, struct dial, next_timer));
}

/* The resolver's order is kept within a family; the families take turns, the first answer's
 * first. */
static void dial_take_turns(struct dial *d, const union addr *addrs, size_t n)
{
    size_t next[2] = {0, 0};
    sa_family_t family[2];

    family[0] = addrs[0].any.sa_family;
    family[1] = family[0] == AF_INET ? AF_INET6 : AF_INET;
    while (d->n_addrs < n) {
        for (size_t f = 0; f < 2; f++) {
            size_t *i = &next[f];
            while (*i < n && addrs[*i].any.sa_family != family[f]) {
                (*i)++;
            }
            if (*i < n) {
                d->addrs[d->n_addrs++] = addrs[(*i)++];
            }
        }
    }
}

static size_t dial_drop_private(union addr *addrs, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (!addr_is_private(&addrs[i])) {
            addrs[kept++] = addrs[i];
        }
    }
    return kept;
}

static void dial_on_resolved(void *arg, int status, const union addr *addrs, size_t n,
                             const char *why)
{
    struct dial *d = arg;
    union addr kept[DNS_ADDRS_MAX];
    union addr literal;

    d->query = NULL;
    if (status != 0) {
        errmsg_set(&d->err, "resolve %s: %s", d->host, why);
        dial_finish(d, status, NULL);
        return;
    }
    ASSERT(n > 0);
    ASSERT(n <= DNS_ADDRS_MAX);
    memcpy(kept, addrs, n * sizeof *addrs);
    if (d->deny_private && !addr_is_localhost(d->host) &&
        !addr_parse_literal(d->host, d->port, &literal)) {
        n = dial_drop_private(kept, n);
        if (n == 0) {
            errmsg_set(&d->err, "%s resolves to a private address", d->host);
            dial_finish(d, Q_EPERM, NULL);
            return;
        }
    }
    dial_take_turns(d, kept, n);
    dial_try_next(d);
}

static void dial_on_start(struct loop_task *task)
{
    struct dial *d = CONTAINER_OF(task, struct dial, start);
    struct dns_query *q;

    q = dns_lookup(d->loop, d->host, d->port, dial_on_resolved, d);
    if (q != NULL) {
        d->query = q; /* NULL: it has called back, and @d may be gone. */
    }
}

struct dial *dial_start(struct loop *l, const char *host, uint16_t port, bool deny_private,
                        dial_cb cb, void *arg)
{
    struct dial *d = mem_zalloc(sizeof *d);

    d->loop = l;
    d->host = mem_strdup(host);
    d->port = port;
    d->deny_private = deny_private;
    d->cb = cb;
    d->arg = arg;
    d->status = Q_EREFUSED;
    list_init(&d->tries);
    timer_init(&d->next_timer, l, dial_on_timer);
    loop_task_init(&d->start, dial_on_start);
    loop_at_turn_end(l, &d->start);
    return d;
}

void dial_cancel(struct dial *d)
{
    if (d != NULL) {
        dial_free(d);
    }
}
