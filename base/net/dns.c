#include "base/net/dns.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/net/loop_i.h"

#define DNS_TIMER_MS 500

/* One c-ares channel a loop; its sockets are watched by uv_poll. */
struct dns {
    struct loop *loop;
    ares_channel channel;
    struct list sockets;
    struct timer timer;
    size_t n_queries;
};

struct dns_socket {
    uv_poll_t poll;
    struct dns *dns;
    ares_socket_t fd;
    struct list link;
};

static void dns_socket_closed(uv_handle_t *h)
{
    mem_free(h->data);
}

static void dns_socket_ready(uv_poll_t *p, int status, int events)
{
    struct dns_socket *s = p->data;
    bool in = status != 0 || (events & UV_READABLE) != 0;
    bool out = status != 0 || (events & UV_WRITABLE) != 0;

    ares_process_fd(s->dns->channel, in ? s->fd : ARES_SOCKET_BAD, out ? s->fd : ARES_SOCKET_BAD);
}

/* c-ares tells which of its sockets it waits for. */
static void dns_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct dns *d = arg;
    struct dns_socket *s = NULL;

    LIST_EACH (it, &d->sockets) {
        struct dns_socket *at = LIST_ENTRY(it, struct dns_socket, link);
        s = at->fd == fd ? at : s;
    }
    if (readable == 0 && writable == 0) {
        if (s != NULL) {
            list_remove(&s->link);
            (void)uv_poll_stop(&s->poll);
            uv_close((uv_handle_t *)&s->poll, dns_socket_closed);
        }
        return;
    }
    if (s == NULL) {
        s = mem_zalloc(sizeof *s);
        s->dns = d;
        s->fd = fd;
        (void)uv_poll_init_socket(loop_uv(d->loop), &s->poll, fd);
        s->poll.data = s;
        list_push_back(&d->sockets, &s->link);
    }
    (void)uv_poll_start(&s->poll,
                        (readable != 0 ? UV_READABLE : 0) | (writable != 0 ? UV_WRITABLE : 0),
                        dns_socket_ready);
}

static void dns_on_timer(struct timer *t)
{
    struct dns *d = CONTAINER_OF(t, struct dns, timer);

    ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    if (d->n_queries > 0) {
        timer_start(&d->timer, DNS_TIMER_MS);
    }
}

static struct dns *dns_of(struct loop *l)
{
    struct ares_options o = {0};
    struct dns *d = l->dns;

    if (d != NULL) {
        return d;
    }
    (void)ares_library_init(ARES_LIB_INIT_ALL);
    d = mem_zalloc(sizeof *d);
    d->loop = l;
    list_init(&d->sockets);
    timer_init(&d->timer, l, dns_on_timer);
    o.sock_state_cb = dns_socket_state;
    o.sock_state_cb_data = d;
    o.timeout = 1000;
    o.tries = 2;
    ASSERT(ares_init_options(&d->channel, &o,
                             ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) ==
           ARES_SUCCESS);
    l->dns = d;
    return d;
}

void loop_free_dns(struct loop *l)
{
    struct dns *d = l->dns;

    if (d != NULL) {
        ares_destroy(d->channel);
        timer_stop(&d->timer);
        mem_free(d);
        l->dns = NULL;
    }
}

/* --- answers --- */

static size_t dns_take(const struct ares_addrinfo_node *nodes, int family, size_t skip,
                       struct dns_addr *ret)
{
    for (; nodes != NULL; nodes = nodes->ai_next) {
        if (nodes->ai_family == family && nodes->ai_addrlen <= sizeof ret->sa && skip-- == 0) {
            memcpy(&ret->sa, nodes->ai_addr, nodes->ai_addrlen);
            ret->n = nodes->ai_addrlen;
            return 1;
        }
    }
    return 0;
}

struct dns_call {
    struct dns *dns;
    struct dns_query *query;
};

static void dns_answered(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct dns_call *call = arg;
    struct dns_query *q = call->query;
    struct dns_addr addrs[DNS_ADDRS_MAX];
    size_t n = 0;

    (void)timeouts;
    call->dns->n_queries--;
    mem_free(call);
    if (status == ARES_SUCCESS && info != NULL) { /* v6, v4, v6, v4 ... */
        for (size_t i = 0; i < DNS_ADDRS_MAX / 2; i++) {
            n += dns_take(info->nodes, AF_INET6, i, &addrs[n]);
            n += dns_take(info->nodes, AF_INET, i, &addrs[n]);
        }
    }
    if (info != NULL) {
        ares_freeaddrinfo(info);
    }
    if (!q->canceled) {
        q->cb(q, n > 0 ? 0 : Q_EDNS, addrs, n);
    }
    mem_free(q);
}

bool dns_literal(const char *host, uint16_t port, struct dns_addr *ret)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&ret->sa;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ret->sa;

    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        ret->n = sizeof *v4;
        return true;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        ret->n = sizeof *v6;
        return true;
    }
    return false;
}

void dns_resolve(struct loop *l, const char *host, uint16_t port, struct dns_query *q)
{
    const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC,
                                              .ai_socktype = SOCK_STREAM,
                                              .ai_flags = ARES_AI_NUMERICSERV};
    struct dns_addr literal;
    struct dns_call *call;
    char service[8];

    if (dns_literal(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port, &literal)) {
        q->cb(q, 0, &literal, 1);
        mem_free(q);
        return;
    }
    call = mem_alloc(sizeof *call);
    call->dns = dns_of(l);
    call->query = q;
    call->dns->n_queries++;
    timer_start(&call->dns->timer, DNS_TIMER_MS);
    (void)snprintf(service, sizeof service, "%u", port);
    ares_getaddrinfo(call->dns->channel, host, service, &hints, dns_answered, call);
}

void dns_cancel(struct dns_query *q)
{
    q->canceled = true;
}

/* --- addresses that a public name must not lead to --- */

static bool dns_is_private_v4(uint32_t a)
{
    static const struct {
        uint32_t net, mask;
    } nets[] = {{0x00000000, 0xff000000}, {0x0a000000, 0xff000000}, {0x64400000, 0xffc00000},
                {0x7f000000, 0xff000000}, {0xa9fe0000, 0xffff0000}, {0xac100000, 0xfff00000},
                {0xc0000000, 0xffffff00}, {0xc0a80000, 0xffff0000}, {0xc6120000, 0xfffe0000},
                {0xe0000000, 0xe0000000}};

    for (size_t i = 0; i < ARRAY_LEN(nets); i++) {
        if ((a & nets[i].mask) == nets[i].net) {
            return true;
        }
    }
    return false;
}

bool dns_is_private(const struct dns_addr *a)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a->sa;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a->sa;
    const uint8_t *b = v6->sin6_addr.s6_addr;
    static const uint8_t zeros[12];
    uint32_t tail;

    if (a->sa.ss_family == AF_INET) {
        return dns_is_private_v4(ntohl(v4->sin_addr.s_addr));
    }
    memcpy(&tail, b + 12, 4);
    if (memcmp(b, zeros, 10) == 0 && (memcmp(b + 10, "\xff\xff", 2) == 0 || memcmp(b + 10, zeros, 2) == 0)) {
        return dns_is_private_v4(ntohl(tail)) || ntohl(tail) <= 1; /* Mapped, compatible, ::, ::1 */
    }
    if (b[0] == 0 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b) {
        return dns_is_private_v4(ntohl(tail)); /* NAT64 */
    }
    return (b[0] & 0xfe) == 0xfc || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80) || b[0] == 0xff;
}
