/* c-ares asks for sockets to be watched: each gets a uv_poll. Its timeouts are one timer of the
 * wheel, set anew after everything that c-ares did. A channel that is idle and old is made anew,
 * so that a changed resolv.conf is noticed.
 *
 * When it fails: Q_EDNS with c-ares's reason, or nothing, for a query that was cancelled: c-ares
 * cannot forget a single query, so a cancelled one lives on without its callback until c-ares is
 * done with it. */
#include "base/net/dns_i.h"

#include <ares.h>
#include <pthread.h>
#include <string.h>
#include <uv.h>

#include "base/check.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/net/loop_i.h"

#define DNS_TIMEOUT_MS 2000 /* of the first try; c-ares doubles it */
#define DNS_TRIES      3
#define DNS_CHANNEL_MS 60000 /* an idle channel older than this is made anew */

struct dns {
    struct loop *loop;
    ares_channel channel; /* NULL: to be made. */
    uint64_t made_ms;
    size_t n_queries;
    struct list polls;
    struct timer timer;
};

struct dns_poll {
    uv_poll_t uv;
    struct list link;
    struct dns *dns;
    ares_socket_t fd;
};

struct dns_query {
    struct dns *dns;
    dns_cb cb; /* NULL: cancelled. */
    void *arg;
    uint16_t port;
    bool starting; /* Inside dns_lookup(). */
    bool done;     /* Called back while starting. */
};

static pthread_once_t dns_once = PTHREAD_ONCE_INIT;

static void dns_library_init(void)
{
    int rv = ares_library_init(ARES_LIB_INIT_ALL);

    ASSERT(rv == ARES_SUCCESS);
}

/* c-ares names its next deadline; UINT64_MAX-like waits do not occur while a query runs. */
static void dns_set_timer(struct dns *d)
{
    struct timeval tv;

    if (d->channel == NULL || ares_timeout(d->channel, NULL, &tv) == NULL) {
        timer_stop(&d->timer);
        return;
    }
    timer_start(&d->timer, (uint64_t)tv.tv_sec * 1000 + (uint64_t)tv.tv_usec / 1000 + 1);
}

static void dns_on_timer(struct timer *t)
{
    struct dns *d = CONTAINER_OF(t, struct dns, timer);

    ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    dns_set_timer(d);
}

static void dns_on_poll(uv_poll_t *h, int status, int events)
{
    struct dns_poll *p = h->data;
    struct dns *d = p->dns;
    ares_socket_t fd = p->fd;
    bool readable = status != 0 || (events & UV_READABLE) != 0;
    bool writable = status != 0 || (events & UV_WRITABLE) != 0;

    /* An error is both, so that c-ares meets it. @p may be gone afterwards. */
    ares_process_fd(d->channel, readable ? fd : ARES_SOCKET_BAD, writable ? fd : ARES_SOCKET_BAD);
    dns_set_timer(d);
}

static void dns_poll_on_closed(uv_handle_t *h)
{
    mem_free(h->data);
}

static struct dns_poll *dns_poll_find(struct dns *d, ares_socket_t fd)
{
    LIST_EACH (it, &d->polls) {
        struct dns_poll *p = LIST_ENTRY(it, struct dns_poll, link);
        if (p->fd == fd) {
            return p;
        }
    }
    return NULL;
}

/* c-ares says what it waits for on @fd; nothing: it is about to close it. */
static void dns_on_sock_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct dns *d = arg;
    struct dns_poll *p = dns_poll_find(d, fd);

    if (!readable && !writable) {
        if (p != NULL) {
            list_remove(&p->link);
            uv_close((uv_handle_t *)&p->uv, dns_poll_on_closed);
        }
        return;
    }
    if (p == NULL) {
        p = mem_zalloc(sizeof *p);
        p->dns = d;
        p->fd = fd;
        p->uv.data = p;
        list_init(&p->link);
        if (uv_poll_init(&d->loop->uv, &p->uv, fd) != 0) {
            mem_free(p); /* The query then runs into its timeout. */
            return;
        }
        list_push_back(&d->polls, &p->link);
    }
    (void)uv_poll_start(&p->uv, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0),
                        dns_on_poll);
}

static void dns_channel_free(struct dns *d)
{
    ares_channel channel = d->channel;

    d->channel = NULL;
    if (channel != NULL) {
        ares_destroy(channel);
    }
}

static int dns_channel_make(struct dns *d)
{
    struct ares_options o = {0};
    int rv;

    if (d->channel != NULL && d->n_queries == 0 &&
        loop_now_ms(d->loop) - d->made_ms > DNS_CHANNEL_MS) {
        dns_channel_free(d);
    }
    if (d->channel != NULL) {
        return ARES_SUCCESS;
    }
    o.timeout = DNS_TIMEOUT_MS;
    o.tries = DNS_TRIES;
    o.lookups = (char[]){"fb"}; /* The hosts file, then servers. */
    o.sock_state_cb = dns_on_sock_state;
    o.sock_state_cb_data = d;
    rv = ares_init_options(&d->channel, &o,
                           ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                               ARES_OPT_SOCK_STATE_CB);
    if (rv != ARES_SUCCESS) {
        d->channel = NULL;
    }
    d->made_ms = loop_now_ms(d->loop);
    return rv;
}

static size_t dns_copy(const struct ares_addrinfo *r, uint16_t port, union addr *out)
{
    size_t n = 0;

    for (const struct ares_addrinfo_node *a = r->nodes; a != NULL; a = a->ai_next) {
        if (n == DNS_ADDRS_MAX || (a->ai_family != AF_INET && a->ai_family != AF_INET6) ||
            a->ai_addrlen > sizeof out[n]) {
            continue;
        }
        memset(&out[n], 0, sizeof out[n]);
        memcpy(&out[n], a->ai_addr, a->ai_addrlen);
        addr_set_port(&out[n], port);
        n++;
    }
    return n;
}

static void dns_on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *r)
{
    struct dns_query *q = arg;
    dns_cb cb = q->cb;
    void *cb_arg = q->arg;
    union addr addrs[DNS_ADDRS_MAX];
    size_t n = 0;

    (void)timeouts;
    if (r != NULL) {
        n = dns_copy(r, q->port, addrs);
        ares_freeaddrinfo(r);
    }
    q->dns->n_queries--;
    q->done = true;
    if (!q->starting) {
        mem_free(q);
    }
    if (cb != NULL && status == ARES_SUCCESS && n > 0) {
        cb(cb_arg, 0, addrs, n, "");
    } else if (cb != NULL) {
        cb(cb_arg, Q_EDNS, NULL, 0, status != ARES_SUCCESS ? ares_strerror(status) : "no address");
    }
}

static struct dns *dns_new(struct loop *l)
{
    struct dns *d = mem_zalloc(sizeof *d);

    (void)pthread_once(&dns_once, dns_library_init);
    d->loop = l;
    list_init(&d->polls);
    timer_init(&d->timer, l, dns_on_timer);
    return d;
}

static void dns_localhost(uint16_t port, dns_cb cb, void *arg)
{
    union addr addrs[2];
    bool ok = addr_parse_literal("127.0.0.1", port, &addrs[0]) &&
              addr_parse_literal("::1", port, &addrs[1]);

    ASSERT(ok);
    cb(arg, 0, addrs, 2, "");
}

struct dns_query *dns_lookup(struct loop *l, const char *host, uint16_t port, dns_cb cb, void *arg)
{
    static const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC,
                                                     .ai_socktype = SOCK_STREAM};
    struct dns_query *q;
    union addr literal;
    int rv;

    if (addr_parse_literal(host, port, &literal)) {
        cb(arg, 0, &literal, 1, "");
        return NULL;
    }
    if (addr_is_localhost(host)) {
        dns_localhost(port, cb, arg);
        return NULL;
    }
    if (l->dns == NULL) {
        l->dns = dns_new(l);
    }
    rv = dns_channel_make(l->dns);
    if (rv != ARES_SUCCESS) {
        cb(arg, Q_EDNS, NULL, 0, ares_strerror(rv));
        return NULL;
    }
    q = mem_zalloc(sizeof *q);
    *q = (struct dns_query){.dns = l->dns, .cb = cb, .arg = arg, .port = port, .starting = true};
    l->dns->n_queries++;
    ares_getaddrinfo(l->dns->channel, host, NULL, &hints, dns_on_answer, q);
    q->starting = false;
    dns_set_timer(l->dns);
    if (q->done) {
        mem_free(q);
        return NULL;
    }
    return q;
}

void dns_cancel(struct dns_query *q)
{
    if (q != NULL) {
        q->cb = NULL;
    }
}

void dns_free(struct dns *d)
{
    if (d == NULL) {
        return;
    }
    dns_channel_free(d); /* Cancelled queries are answered here, for nobody. */
    ASSERT(d->n_queries == 0);
    timer_stop(&d->timer);
    mem_free(d);
}
