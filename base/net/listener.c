/* A listening socket that is polled and accepted from by hand: callers want the descriptor,
 * before they know which kind of stream it becomes.
 *
 * When descriptors run out: the one in reserve is given up for a moment to accept one connection
 * and close it (its client learns at once), and accepting pauses; the socket would otherwise be
 * readable for ever. */
#include "base/net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/net/addr_i.h"
#include "base/net/loop_i.h"

#define LISTENER_BACKLOG      4096 /* The kernel cuts it to somaxconn. */
#define LISTENER_TURN_ACCEPTS 64
#define LISTENER_BACKOFF_MS   100

struct listener {
    uv_poll_t poll;
    struct timer backoff;
    listener_cb cb;
    void *arg;
    int fd;
    int reserve_fd; /* -1: none could be had. */
    uint16_t port;
    bool paused, closing;
};

static void listener_on_poll(uv_poll_t *h, int status, int events);

static void listener_update(struct listener *l)
{
    if (l->closing) {
        return;
    }
    if (l->paused || timer_is_running(&l->backoff)) {
        (void)uv_poll_stop(&l->poll);
    } else {
        (void)uv_poll_start(&l->poll, UV_READABLE, listener_on_poll);
    }
}

static int listener_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void listener_back_off(struct listener *l)
{
    int fd;

    if (l->reserve_fd >= 0) {
        (void)close(l->reserve_fd);
        fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            (void)close(fd);
        }
        l->reserve_fd = listener_reserve();
    }
    timer_start(&l->backoff, LISTENER_BACKOFF_MS);
    listener_update(l);
}

static void listener_on_backoff(struct timer *t)
{
    struct listener *l = CONTAINER_OF(t, struct listener, backoff);

    if (l->reserve_fd < 0) {
        l->reserve_fd = listener_reserve();
    }
    listener_update(l);
}

static void listener_on_poll(uv_poll_t *h, int status, int events)
{
    struct listener *l = h->data;

    (void)status, (void)events;
    for (unsigned i = 0; i < LISTENER_TURN_ACCEPTS && !l->paused && !l->closing; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            l->cb(l, fd, l->arg); /* May pause or close; the memory is libuv's until later. */
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            listener_back_off(l);
            return;
        } else if (errno == EAGAIN) {
            return;
        }
        /* Otherwise that connection is gone already: the next. */
    }
}

static int listener_resolve(const char *addr, union addr *ret, struct errmsg *err)
{
    char host[ADDR_HOST_BYTES];
    uint16_t port;

    if (addr_split(addr, host, sizeof host, &port) != 0) {
        errmsg_set(err, "listen on %s: expected host:port or [v6]:port", addr);
        return Q_EINVAL;
    }
    if (!addr_parse_literal(addr_is_localhost(host) ? "127.0.0.1" : host, port, ret)) {
        errmsg_set(err, "listen on %s: expected an IP address or localhost", addr);
        return Q_EINVAL;
    }
    return 0;
}

static int listener_fail(const char *addr, int fd, struct errmsg *err)
{
    int e = errno;

    errmsg_set(err, "listen on %s: %s", addr, e == EADDRINUSE ? "port in use" : strerror(e));
    if (fd >= 0) {
        (void)close(fd);
    }
    return err_from_errno(e);
}

static int listener_open(const char *addr, bool reuseport, int *ret_fd, uint16_t *ret_port,
                         struct errmsg *err)
{
    union addr a;
    socklen_t n = sizeof a;
    int one = 1, fd, rv = listener_resolve(addr, &a, err);

    if (rv != 0) {
        return rv;
    }
    fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        (reuseport && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0) ||
        bind(fd, &a.any, addr_size(&a)) != 0 || listen(fd, LISTENER_BACKLOG) != 0 ||
        getsockname(fd, &a.any, &n) != 0) {
        return listener_fail(addr, fd, err);
    }
    *ret_fd = fd;
    *ret_port = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
    return 0;
}

int listener_start(struct loop *loop, const char *addr, bool reuseport, listener_cb cb, void *arg,
                   struct listener **ret, struct errmsg *err)
{
    struct listener *l;
    uint16_t port;
    int fd, rv = listener_open(addr, reuseport, &fd, &port, err);

    if (rv != 0) {
        return rv;
    }
    l = mem_zalloc(sizeof *l);
    rv = uv_poll_init(&loop->uv, &l->poll, fd);
    if (rv != 0) {
        mem_free(l);
        errno = -rv;
        return listener_fail(addr, fd, err);
    }
    l->poll.data = l;
    l->cb = cb;
    l->arg = arg;
    l->fd = fd;
    l->port = port;
    l->reserve_fd = listener_reserve();
    timer_init(&l->backoff, loop, listener_on_backoff);
    listener_update(l);
    *ret = l;
    return 0;
}

uint16_t listener_port(const struct listener *l)
{
    return l->port;
}

void listener_pause(struct listener *l)
{
    l->paused = true;
    listener_update(l);
}

void listener_resume(struct listener *l)
{
    l->paused = false;
    listener_update(l);
}

static void listener_on_closed(uv_handle_t *h)
{
    mem_free(h->data);
}

void listener_close(struct listener *l)
{
    if (l == NULL || l->closing) {
        return;
    }
    l->closing = true;
    timer_stop(&l->backoff);
    uv_close((uv_handle_t *)&l->poll, listener_on_closed);
    (void)close(l->fd); /* libuv has forgotten it by now. */
    if (l->reserve_fd >= 0) {
        (void)close(l->reserve_fd);
    }
}
