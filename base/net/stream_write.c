/* Writing. What a turn has written leaves at its end: plain chunks in one writev; under TLS in
 * records of up to 16 KiB, small chunks put together into one, encrypted into the loop's buffer
 * and written from there. What the kernel does not take waits in one uv_write, and nothing more
 * is encrypted until it is through:
 *
 *   plain:  out ----------------> kernel     out -> flight (uv_write) -> kernel
 *   TLS:    out -> cipher_out --> kernel     cipher_out -> wire -> flight (uv_write) -> kernel
 */
#include "base/check.h"
#include "base/mem.h"
#include "base/net/stream_i.h"

#define STREAM_IOV_MAX      64
#define STREAM_RECORD_BYTES IOBUF_GATHER_BYTES
/* A chunk this long is a record of its own; shorter ones are put together by copying. */
#define STREAM_RECORD_BYTES_MIN   (STREAM_RECORD_BYTES / 2)
#define STREAM_CIPHER_BATCH_BYTES (48u << 10)  /* records that go in one system call */
#define STREAM_TURN_SEND_BYTES    (256u << 10) /* encrypted in one go */

static void stream_write_error(struct stream *s, int uv_status)
{
    errmsg_set(&s->err, "write: %s", uv_strerror(uv_status));
    stream_fail(s, err_from_errno(-uv_status));
}

static unsigned stream_write_iov(const struct chunkq *q, uv_buf_t bufs[STREAM_IOV_MAX],
                                 size_t *ret_bytes)
{
    unsigned n = 0;

    *ret_bytes = 0;
    for (const struct chunk *c = q->first; c != NULL && n < STREAM_IOV_MAX; c = c->next) {
        bufs[n++] = (uv_buf_t){.base = (char *)(uintptr_t)c->p, .len = c->n};
        *ret_bytes += c->n;
    }
    return n;
}

static void stream_write_on_done(uv_write_t *req, int uv_status)
{
    struct stream *s = CONTAINER_OF(req, struct stream, write_req);

    s->writing = false;
    if (stream_is(s, STREAM_CLOSING)) {
        return;
    }
    if (uv_status != 0) {
        stream_write_error(s, uv_status);
        return;
    }
    chunkq_deinit(&s->flight);
    chunkq_init(&s->flight);
    stream_write_now(s);
    loop_at_turn_end(s->loop, &s->flush_task); /* For on_drain. */
}

/* libuv sends the first chunks of @q when the kernel has room again. */
static void stream_write_submit(struct stream *s, struct chunkq *q)
{
    uv_buf_t bufs[STREAM_IOV_MAX];
    size_t bytes;
    unsigned n;
    int rv;

    ASSERT(!s->writing);
    ASSERT(chunkq_empty(&s->flight));
    (void)stream_write_iov(q, bufs, &bytes);
    chunkq_move_n(&s->flight, q, bytes);
    n = stream_write_iov(&s->flight, bufs, &bytes);
    rv = uv_write(&s->write_req, (uv_stream_t *)&s->tcp->uv, bufs, n, stream_write_on_done);
    if (rv != 0) {
        stream_write_error(s, rv);
        return;
    }
    s->writing = true;
}

/* Gives @q to the kernel as far as it goes, and the next part to libuv. */
static void stream_write_chunks(struct stream *s, struct chunkq *q)
{
    uv_buf_t bufs[STREAM_IOV_MAX];
    size_t bytes;

    while (!s->writing && !chunkq_empty(q)) {
        unsigned n = stream_write_iov(q, bufs, &bytes);
        int rv = uv_try_write((uv_stream_t *)&s->tcp->uv, bufs, n);
        if (rv < 0 && rv != UV_EAGAIN) {
            stream_write_error(s, rv);
            return;
        }
        chunkq_consume(q, rv > 0 ? (size_t)rv : 0);
        if (rv < 0 || (size_t)rv < bytes) {
            stream_write_submit(s, q);
            return;
        }
    }
}

void stream_write_collect(struct stream *s)
{
    struct buf *out = &s->io->cipher_out;
    size_t sent = 0;

    if (out->n == 0) {
        return;
    }
    if (!s->writing && chunkq_empty(&s->wire)) {
        uv_buf_t b = uv_buf_init(out->p, (unsigned)out->n);
        int rv = uv_try_write((uv_stream_t *)&s->tcp->uv, &b, 1);
        if (rv < 0 && rv != UV_EAGAIN) {
            buf_clear(out);
            stream_write_error(s, rv);
            return;
        }
        sent = rv > 0 ? (size_t)rv : 0;
    }
    chunkq_add_copy(&s->wire, out->p + sent, out->n - sent);
    buf_clear(out);
    if (!s->writing && !chunkq_empty(&s->wire)) {
        stream_write_submit(s, &s->wire);
    }
    if (s->wire.n_bytes > STREAM_TLS_BACKLOG_MAX) {
        errmsg_set(&s->err, "the other side asks for TLS messages and does not read them");
        stream_fail(s, Q_EPROTO);
    }
}

/* One record. The plain text is taken where it lies, unless small chunks are better put
 * together. */
static int stream_write_record(struct stream *s)
{
    const struct chunk *c = s->out.first;
    const char *p = c->p;
    size_t n = c->n < STREAM_RECORD_BYTES ? c->n : STREAM_RECORD_BYTES;
    int rv;

    if (n < STREAM_RECORD_BYTES_MIN && c->next != NULL) {
        n = chunkq_peek(&s->out, 0, s->io->gather, STREAM_RECORD_BYTES);
        p = s->io->gather;
    }
    rv = tlsio_write(s->tls, p, n, &s->err);
    if (rv == 0) {
        chunkq_consume(&s->out, n);
    }
    return rv;
}

/* Encrypts only what the kernel can take soon: the rest may still be dropped, and needs no
 * second buffer. */
static void stream_write_tls(struct stream *s)
{
    size_t before = s->out.n_bytes;

    while (!s->writing && chunkq_empty(&s->wire) && !chunkq_empty(&s->out) &&
           !stream_is(s, STREAM_CLOSING)) {
        if (before - s->out.n_bytes >= STREAM_TURN_SEND_BYTES) {
            loop_task_cancel(&s->flush_task);
            loop_at_next_turn(s->loop, &s->flush_task);
            return;
        }
        while (!chunkq_empty(&s->out) && s->io->cipher_out.n < STREAM_CIPHER_BATCH_BYTES) {
            int rv = stream_write_record(s);
            if (rv != 0) {
                stream_fail_after_alert(s, rv);
                return;
            }
        }
        stream_write_collect(s);
    }
}

static void stream_write_on_fin(uv_shutdown_t *req, int uv_status)
{
    struct stream *s = CONTAINER_OF(req, struct stream, shutdown_req);

    s->fin_done = true;
    if (uv_status != 0 && stream_is(s, STREAM_LINGER)) {
        s->eof = true; /* Not connected any more: nothing to wait for. */
    }
    stream_maybe_lingered(s);
}

/* After the last byte: close_notify, then FIN. */
static void stream_write_end(struct stream *s)
{
    if (!s->shut_wanted || s->fin_sent || !chunkq_empty(&s->out)) {
        return;
    }
    if (s->tls != NULL && !s->notify_sent) {
        s->notify_sent = true;
        tlsio_shutdown(s->tls);
        stream_write_collect(s);
    }
    if (stream_is(s, STREAM_CLOSING) || !chunkq_empty(&s->wire)) {
        return; /* The uv_write under way calls us again. */
    }
    s->fin_sent = true;
    if (uv_shutdown(&s->shutdown_req, (uv_stream_t *)&s->tcp->uv, stream_write_on_fin) != 0) {
        s->fin_done = true;
        s->eof = s->eof || stream_is(s, STREAM_LINGER);
        stream_maybe_lingered(s);
    }
}

void stream_write_now(struct stream *s)
{
    if (!stream_is(s, STREAM_OPEN) && !stream_is(s, STREAM_LINGER)) {
        return;
    }
    if (s->tls == NULL) {
        stream_write_chunks(s, &s->out);
    } else {
        stream_write_chunks(s, &s->wire);
        if (!stream_is(s, STREAM_CLOSING)) {
            stream_write_tls(s);
        }
    }
    if (stream_is(s, STREAM_OPEN) || stream_is(s, STREAM_LINGER)) {
        stream_write_end(s);
    }
}

static void stream_write_on_task(struct loop_task *task)
{
    struct stream *s = CONTAINER_OF(task, struct stream, flush_task);

    stream_write_now(s);
    if (stream_is(s, STREAM_OPEN) && s->drain_due && stream_unsent(s) == 0) {
        s->drain_due = false;
        if (s->ops->on_drain != NULL) {
            s->ops->on_drain(s);
        }
    }
}

void stream_write_init(struct stream *s)
{
    chunkq_init(&s->out);
    chunkq_init(&s->wire);
    chunkq_init(&s->flight);
    loop_task_init(&s->flush_task, stream_write_on_task);
}

void stream_write(struct stream *s, struct chunkq *q)
{
    if (stream_is(s, STREAM_CLOSING) || stream_is(s, STREAM_LINGER) || s->shut_wanted) {
        chunkq_deinit(q);
        chunkq_init(q);
        return;
    }
    if (chunkq_empty(q)) {
        return;
    }
    chunkq_move(&s->out, q);
    s->drain_due = true;
    loop_at_turn_end(s->loop, &s->flush_task);
    if (s->out.n_bytes >= STREAM_GATHER_BYTES && !s->writing) {
        stream_write_now(s);
    }
}

void stream_write_copy(struct stream *s, const void *p, size_t n)
{
    struct chunkq q;

    chunkq_init(&q);
    chunkq_add_copy(&q, p, n);
    stream_write(s, &q);
}

size_t stream_unsent(const struct stream *s)
{
    size_t flying =
        s->writing ? uv_stream_get_write_queue_size((const uv_stream_t *)&s->tcp->uv) : 0;

    return s->out.n_bytes + s->wire.n_bytes + flying;
}

void stream_flush(struct stream *s)
{
    stream_write_now(s);
}

void stream_shutdown(struct stream *s)
{
    if (stream_is(s, STREAM_CLOSING) || stream_is(s, STREAM_LINGER) || s->shut_wanted) {
        return;
    }
    s->shut_wanted = true;
    loop_at_turn_end(s->loop, &s->flush_task);
}
