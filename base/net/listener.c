/* Listening sockets. */
#include "base/net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/net/loop_i.h"
#include "base/slice.h"

#define LISTENER_BACKLOG 4096
#define LISTENER_PER_TURN 64    /* Connections accepted before other work gets its turn. */
#define LISTENER_FULL_MS 100    /* Out of file descriptors: how long to wait. */

struct listener {
    uv_poll_t poll;
    struct timer retry;
    int fd, reserve_fd;
    uint16_t port;
    listener_cb cb;
    void *arg;
    bool paused, closing;
};

int addr_split(const char *addr, char *host, size_t host_cap, uint16_t *ret_port)
{
    struct slice s = slice_str(addr), h;
    size_t colon = s.n;
    uint64_t port;

    for (size_t i = 0; i < s.n; i++) {
        colon = s.p[i] == ':' ? i : colon;
    }
    if (colon == s.n || scan_u64(slice_of(s.p + colon + 1, s.n - colon - 1), 65535, &port) != 0) {
        return Q_EINVAL;
    }
    h = slice_of(s.p, colon);
    if (h.n >= 2 && h.p[0] == '[' && h.p[h.n - 1] == ']') {
        h = slice_of(h.p + 1, h.n - 2);
    } else if (slice_find(h, ':') < h.n) {
        return Q_EINVAL; /* IPv6 needs brackets. */
    }
    if (h.n == 0 || !slice_copy_str(h, host, host_cap)) {
        return Q_EINVAL;
    }
    *ret_port = (uint16_t)port;
    return 0;
}

bool addr_is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
           strncmp(host, "127.", 4) == 0;
}

static int listener_sockaddr(const char *addr, struct sockaddr_storage *ret, socklen_t *ret_n)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
    char host[256];
    uint16_t port;

    memset(ret, 0, sizeof *ret);
    if (addr_split(addr, host, sizeof host, &port) != 0) {
        return Q_EINVAL;
    }
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &v4->sin_addr) ==
        1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        *ret_n = sizeof *v4;
        return 0;
    }
    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        *ret_n = sizeof *v6;
        return 0;
    }
    return Q_EINVAL;
}

static void listener_on_retry(struct timer *t);
static void listener_on_ready(uv_poll_t *p, int status, int events);

/* One connection; false when there is none to take now. */
static bool listener_accept(struct listener *l)
{
    int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        l->cb(l, fd, l->arg);
        return true;
    }
    if (errno == ECONNABORTED || errno == EINTR) {
        return true;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        /* With the descriptor held in reserve one waiting client learns now, the others in a moment. */
        if (l->reserve_fd >= 0) {
            (void)close(l->reserve_fd);
            fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
            if (fd >= 0) {
                (void)close(fd);
            }
            l->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        }
        (void)uv_poll_stop(&l->poll);
        timer_start(&l->retry, LISTENER_FULL_MS);
    }
    return false;
}

static void listener_on_ready(uv_poll_t *p, int status, int events)
{
    struct listener *l = p->data;

    (void)events;
    if (status != 0) {
        return;
    }
    for (int i = 0; i < LISTENER_PER_TURN && !l->paused && !l->closing; i++) {
        if (!listener_accept(l)) {
            break;
        }
    }
}

static void listener_on_retry(struct timer *t)
{
    listener_resume(CONTAINER_OF(t, struct listener, retry));
}

static int listener_socket(const char *addr, bool reuseport, int *ret_fd, struct errmsg *err)
{
    struct sockaddr_storage sa;
    socklen_t n;
    int one = 1, fd;

    if (listener_sockaddr(addr, &sa, &n) != 0) {
        errmsg_set(err, "%s: expected IP:PORT, [IPv6]:PORT or localhost:PORT", addr);
        return Q_EINVAL;
    }
    fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        errmsg_set(err, "%s: %s", addr, strerror(errno));
        return err_from_errno(errno);
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (reuseport) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* Inherited by what is accepted. */
    if (bind(fd, (struct sockaddr *)&sa, n) != 0 || listen(fd, LISTENER_BACKLOG) != 0) {
        int code = errno;
        errmsg_set(err, "cannot listen on %s: %s", addr,
                   code == EADDRINUSE ? "the port is in use" : strerror(code));
        (void)close(fd);
        return err_from_errno(code);
    }
    *ret_fd = fd;
    return 0;
}

static uint16_t listener_bound_port(int fd)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof sa;

    if (getsockname(fd, (struct sockaddr *)&sa, &n) != 0) {
        return 0;
    }
    return ntohs(sa.ss_family == AF_INET ? ((struct sockaddr_in *)&sa)->sin_port
                                         : ((struct sockaddr_in6 *)&sa)->sin6_port);
}

int listener_start(struct loop *loop, const char *addr, bool reuseport, listener_cb cb, void *arg,
                   struct listener **ret, struct errmsg *err)
{
    struct listener *l;
    int fd, rv = listener_socket(addr, reuseport, &fd, err);

    if (rv != 0) {
        return rv;
    }
    l = mem_zalloc(sizeof *l);
    l->fd = fd;
    l->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    l->cb = cb;
    l->arg = arg;
    l->port = listener_bound_port(fd);
    ASSERT(uv_poll_init(loop_uv(loop), &l->poll, fd) == 0);
    l->poll.data = l;
    timer_init(&l->retry, loop, listener_on_retry);
    listener_resume(l);
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
    timer_stop(&l->retry);
    (void)uv_poll_stop(&l->poll);
}

void listener_resume(struct listener *l)
{
    l->paused = false;
    (void)uv_poll_start(&l->poll, UV_READABLE, listener_on_ready);
}

static void listener_on_closed(uv_handle_t *h)
{
    mem_free(h->data);
}

void listener_close(struct listener *l)
{
    l->closing = true;
    timer_stop(&l->retry);
    (void)uv_poll_stop(&l->poll);
    uv_close((uv_handle_t *)&l->poll, listener_on_closed);
    (void)close(l->fd);
    if (l->reserve_fd >= 0) {
        (void)close(l->reserve_fd);
    }
}
