/* Streams over libuv: life, reading, gathered writing. */
#include "base/net/stream_i.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"

#define STREAM_FLUSH_BYTES (64 * 1024) /* Past it a write leaves at once. */
#define STREAM_IOV_MAX 64
#define STREAM_GENTLE_MS 2000

struct stream_write {
    uv_write_t req;
    struct stream *stream;
    struct chunkq bytes;
};

/* --- the end --- */

static void stream_free(struct stream *s)
{
    chunkq_deinit(&s->out);
    chunkq_deinit(&s->wire);
    stream_tls_free(s);
    tls_ctx_unref(s->tls);
    mem_free(s);
}

static void stream_ended(struct stream *s)
{
    if (s->ops->on_close != NULL) {
        s->ops->on_close(s, s->status);
    }
    stream_free(s);
}

static void stream_on_uv_closed(uv_handle_t *h)
{
    stream_ended(h->data);
}

static void stream_on_close_task(struct loop_task *t)
{
    stream_ended(CONTAINER_OF(t, struct stream, close_task));
}

/* The one way out: everything that could still call back is stopped here. */
static void stream_end(struct stream *s, int status)
{
    if (s->closing) {
        return;
    }
    s->closing = true;
    s->status = status;
    timer_stop(&s->deadline);
    loop_task_cancel(&s->flush);
    loop_task_cancel(&s->begin);
    loop_task_cancel(&s->resume_task);
    dial_free(s->dial);
    s->dial = NULL;
    if (s->tcp_made) {
        uv_close((uv_handle_t *)&s->tcp, stream_on_uv_closed);
    } else {
        loop_at_turn_end(s->loop, &s->close_task);
    }
}

void stream_fail(struct stream *s, int status, const char *fmt, ...)
{
    va_list ap;

    if (s->closing) {
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(s->err.text, sizeof s->err.text, fmt, ap);
    va_end(ap);
    stream_end(s, status);
}

void stream_close(struct stream *s)
{
    if (!s->closing && s->ssl != NULL && s->tls_done && !s->shut_sent) {
        stream_tls_shutdown(s); /* The alert, if the kernel takes it at once. */
        stream_flush(s);
    }
    stream_end(s, 0);
}

static bool stream_all_sent(const struct stream *s)
{
    return chunkq_empty(&s->out) && chunkq_empty(&s->wire) && s->n_writing == 0;
}

void stream_close_gently(struct stream *s)
{
    if (s->closing) {
        return;
    }
    s->gentle = true;
    stream_shutdown(s);
    stream_flush(s);
    if (!s->closing && stream_all_sent(s)) {
        stream_end(s, 0);
    } else if (!s->closing) {
        timer_start(&s->deadline, STREAM_GENTLE_MS);
    }
}

static void stream_on_deadline(struct timer *t)
{
    struct stream *s = CONTAINER_OF(t, struct stream, deadline);

    if (s->gentle) {
        stream_end(s, 0);
    } else {
        stream_fail(s, Q_ETIMEDOUT, "%s took too long",
                    s->tcp_made ? "the TLS handshake" : "connecting");
    }
}

/* --- the beginning --- */

static void stream_on_flush(struct loop_task *t)
{
    stream_flush(CONTAINER_OF(t, struct stream, flush));
}

static void stream_on_begin(struct loop_task *t)
{
    struct stream *s = CONTAINER_OF(t, struct stream, begin);

    if (s->ssl != NULL) {
        stream_start_reading(s);
    } else {
        stream_opened(s);
    }
}

static void stream_on_resume(struct loop_task *t)
{
    struct stream *s = CONTAINER_OF(t, struct stream, resume_task);

    if (s->ssl != NULL && s->tls_done) {
        stream_tls_read(s);
    }
    if (!s->closing && !s->paused) {
        stream_start_reading(s);
    }
}

static struct stream *stream_new(struct loop *l, struct tls_ctx *tls, const struct stream_ops *ops,
                                 void *owner)
{
    struct stream *s = mem_zalloc(sizeof *s);

    s->loop = l;
    s->ops = ops;
    s->owner = owner;
    s->tls = tls != NULL ? tls_ctx_ref(tls) : NULL;
    chunkq_init(&s->out);
    chunkq_init(&s->wire);
    loop_task_init(&s->flush, stream_on_flush);
    loop_task_init(&s->begin, stream_on_begin);
    loop_task_init(&s->resume_task, stream_on_resume);
    loop_task_init(&s->close_task, stream_on_close_task);
    timer_init(&s->deadline, l, stream_on_deadline);
    return s;
}

static void stream_adopt(struct stream *s, int fd)
{
    int rv = uv_tcp_init(loop_uv(s->loop), &s->tcp);
    struct sockaddr_storage sa;
    int n = sizeof sa;
    char host[48] = "";

    ASSERT(rv == 0);
    s->tcp.data = s;
    s->tcp_made = true;
    rv = uv_tcp_open(&s->tcp, fd);
    if (rv != 0) {
        (void)close(fd);
        stream_fail(s, err_from_errno(-rv), "%s", uv_strerror(rv));
        return;
    }
    (void)uv_tcp_nodelay(&s->tcp, 1);
    if (uv_tcp_getpeername(&s->tcp, (struct sockaddr *)&sa, &n) == 0) {
        bool v4 = sa.ss_family == AF_INET;
        uint16_t port = v4 ? ((struct sockaddr_in *)&sa)->sin_port
                           : ((struct sockaddr_in6 *)&sa)->sin6_port;
        (void)uv_ip_name((struct sockaddr *)&sa, host, sizeof host);
        (void)snprintf(s->peer_addr, sizeof s->peer_addr, v4 ? "%s:%u" : "[%s]:%u", host,
                       ntohs(port));
    }
}

struct stream *stream_accept(struct loop *l, int fd, struct tls_ctx *tls,
                             const struct stream_ops *ops, void *owner)
{
    struct stream *s = stream_new(l, tls, ops, owner);

    stream_adopt(s, fd);
    if (s->closing) {
        return s;
    }
    if (tls != NULL) {
        stream_tls_start(s, NULL);
        timer_start(&s->deadline, STREAM_HANDSHAKE_MS);
    }
    loop_at_turn_end(l, &s->begin);
    return s;
}

struct stream *stream_new_for_dial(struct loop *l, struct tls_ctx *tls,
                                   const struct stream_ops *ops, void *owner)
{
    return stream_new(l, tls, ops, owner);
}

void stream_connected(struct stream *s, int fd)
{
    stream_adopt(s, fd);
}

void stream_opened(struct stream *s)
{
    timer_stop(&s->deadline);
    s->open = true;
    s->ops->on_open(s);
    if (!s->closing && !s->paused) {
        stream_start_reading(s);
    }
    if (!s->closing && !chunkq_empty(&s->out)) {
        loop_at_turn_end(s->loop, &s->flush);
    }
}

/* --- reading --- */

static void stream_on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *out)
{
    struct stream *s = h->data;

    (void)hint;
    if (s->ssl != NULL) {
        *out = uv_buf_init(s->loop->read_buf, LOOP_READ_BYTES);
    } else {
        struct block *b = block_new(STREAM_READ_BYTES);
        *out = uv_buf_init(b->data, STREAM_READ_BYTES);
    }
}

static void stream_on_eof(struct stream *s)
{
    s->tcp_eof = true;
    (void)uv_read_stop((uv_stream_t *)&s->tcp);
    s->reading = false;
    if (s->ssl != NULL && !s->tls_peer_shut) {
        stream_fail(s, s->tls_done ? Q_ERESET : Q_ETLS,
                    s->tls_done ? "the connection was cut (no TLS close_notify)"
                                : "the connection was closed during the TLS handshake");
        return;
    }
    if (!s->eof_told) {
        s->eof_told = true;
        if (s->ops->on_eof != NULL) {
            s->ops->on_eof(s);
        }
    }
}

static void stream_on_uv_read(uv_stream_t *uv, ssize_t n, const uv_buf_t *buf)
{
    struct stream *s = uv->data;
    struct block *block =
        s->ssl == NULL && buf->base != NULL ? CONTAINER_OF(buf->base, struct block, data) : NULL;

    if (s->closing || n == 0) {
        block_unref(block);
        return;
    }
    if (n < 0) {
        block_unref(block);
        if (n == UV_EOF) {
            stream_on_eof(s);
        } else {
            stream_fail(s, err_from_errno((int)-n), "%s", uv_strerror((int)n));
        }
        return;
    }
    s->loop->now_us = 0;
    if (s->ssl != NULL) {
        stream_tls_input(s, buf->base, (size_t)n);
        return;
    }
    s->ops->on_read(s, block, block->data, (size_t)n);
    block_unref(block);
}

void stream_start_reading(struct stream *s)
{
    if (!s->reading && !s->tcp_eof && !s->closing && s->tcp_made) {
        s->reading = uv_read_start((uv_stream_t *)&s->tcp, stream_on_alloc, stream_on_uv_read) == 0;
    }
}

void stream_pause(struct stream *s)
{
    s->paused = true;
    if (s->reading) {
        (void)uv_read_stop((uv_stream_t *)&s->tcp);
        s->reading = false;
    }
}

void stream_resume(struct stream *s)
{
    if (s->paused && !s->closing) {
        s->paused = false;
        if (s->open) {
            loop_at_turn_end(s->loop, &s->resume_task);
        }
    }
}

/* --- writing --- */

static void stream_after_progress(struct stream *s)
{
    if (s->closing) {
        return;
    }
    if (s->gentle && stream_all_sent(s)) {
        stream_end(s, 0);
        return;
    }
    if (stream_all_sent(s) && s->open && s->ops->on_drain != NULL) {
        s->ops->on_drain(s);
    }
}

static void stream_on_written(uv_write_t *req, int status)
{
    struct stream_write *w = CONTAINER_OF(req, struct stream_write, req);
    struct stream *s = w->stream;

    s->n_writing -= w->bytes.n_bytes;
    chunkq_deinit(&w->bytes);
    mem_free(w);
    if (s->closing) {
        return;
    }
    if (status != 0) {
        stream_fail(s, err_from_errno(-status), "%s", uv_strerror(status));
        return;
    }
    if (!chunkq_empty(&s->out) || !chunkq_empty(&s->wire)) {
        stream_flush(s);
    } else {
        stream_after_progress(s);
    }
}

static unsigned stream_iov(const struct chunkq *q, uv_buf_t *iov, unsigned max)
{
    unsigned n = 0;

    for (const struct chunk *c = q->first; c != NULL && n < max; c = c->next) {
        iov[n++] = uv_buf_init((char *)(uintptr_t)c->p, (unsigned)c->n);
    }
    return n;
}

/* What the kernel does not take at once waits in one request; the rest stays queued behind it. */
static void stream_send(struct stream *s, struct chunkq *q)
{
    uv_buf_t iov[STREAM_IOV_MAX];
    struct stream_write *w;
    uv_buf_t *all;
    unsigned n;
    int rv;

    while (!chunkq_empty(q)) {
        n = stream_iov(q, iov, STREAM_IOV_MAX);
        rv = uv_try_write((uv_stream_t *)&s->tcp, iov, n);
        if (rv < 0 && rv != UV_EAGAIN) {
            stream_fail(s, err_from_errno(-rv), "%s", uv_strerror(rv));
            return;
        }
        if (rv <= 0) {
            break;
        }
        chunkq_consume(q, (size_t)rv);
    }
    if (chunkq_empty(q)) {
        return;
    }
    w = mem_zalloc(sizeof *w);
    w->stream = s;
    chunkq_init(&w->bytes);
    chunkq_move(&w->bytes, q);
    n = 0;
    for (const struct chunk *c = w->bytes.first; c != NULL; c = c->next) {
        n++;
    }
    all = mem_alloc(n * sizeof *all);
    (void)stream_iov(&w->bytes, all, n);
    s->n_writing += w->bytes.n_bytes;
    rv = uv_write(&w->req, (uv_stream_t *)&s->tcp, all, n, stream_on_written);
    mem_free(all); /* libuv keeps a copy of the array. */
    if (rv != 0) {
        s->n_writing -= w->bytes.n_bytes;
        chunkq_deinit(&w->bytes);
        mem_free(w);
        stream_fail(s, err_from_errno(-rv), "%s", uv_strerror(rv));
    }
}

static void stream_on_shut(uv_shutdown_t *req, int status)
{
    (void)status;
    mem_free(req);
}

static void stream_maybe_shutdown(struct stream *s)
{
    uv_shutdown_t *req;

    if (!s->shut_wanted || s->shut_sent || !chunkq_empty(&s->out)) {
        return;
    }
    s->shut_sent = true;
    if (s->ssl != NULL) {
        stream_tls_shutdown(s);
        stream_send(s, &s->wire);
        if (s->closing) {
            return;
        }
    }
    req = mem_zalloc(sizeof *req);
    if (uv_shutdown(req, (uv_stream_t *)&s->tcp, stream_on_shut) != 0) {
        mem_free(req);
    }
}

void stream_flush(struct stream *s)
{
    bool had;

    if (s->closing || !s->tcp_made) {
        return;
    }
    if (s->n_writing > 0) {
        return; /* stream_on_written() goes on. */
    }
    had = !chunkq_empty(&s->out);
    if (s->ssl != NULL) {
        if (s->tls_done) {
            stream_tls_encrypt(s);
        }
        stream_send(s, &s->wire);
    } else if (s->open) {
        stream_send(s, &s->out);
    }
    if (!s->closing && s->open) {
        stream_maybe_shutdown(s);
    }
    if (!s->closing && had && stream_all_sent(s)) {
        stream_after_progress(s);
    }
}

void stream_write(struct stream *s, struct chunkq *q)
{
    if (s->closing || s->shut_wanted) {
        chunkq_consume(q, q->n_bytes);
        return;
    }
    chunkq_move(&s->out, q);
    if (s->open && !chunkq_empty(&s->out)) {
        loop_at_turn_end(s->loop, &s->flush);
    }
}

void stream_write_copy(struct stream *s, const void *p, size_t n)
{
    struct chunkq q;

    chunkq_init(&q);
    chunkq_add_copy(&q, p, n);
    stream_write(s, &q);
    chunkq_deinit(&q);
}

size_t stream_unsent(const struct stream *s)
{
    return s->out.n_bytes + s->wire.n_bytes + s->n_writing;
}

void stream_shutdown(struct stream *s)
{
    if (!s->shut_wanted && !s->closing) {
        s->shut_wanted = true;
        loop_at_turn_end(s->loop, &s->flush);
    }
}

/* --- questions --- */

void *stream_owner(struct stream *s)
{
    return s->owner;
}

void stream_set_owner(struct stream *s, const struct stream_ops *ops, void *owner)
{
    s->ops = ops;
    s->owner = owner;
}

const char *stream_peer_addr(struct stream *s)
{
    return s->peer_addr;
}

bool stream_is_tls(const struct stream *s)
{
    return s->tls != NULL;
}

const char *stream_errmsg(struct stream *s)
{
    return s->err.text;
}
