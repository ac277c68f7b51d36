/* Reading. Plain bytes land in a shared block and go up as they are. Ciphertext lands in the
 * loop's buffer and is decrypted into the block until nothing is left, or the owner pauses: what
 * is then left is kept in rest, and the socket is not read before it is used up.
 *
 * When it fails: a FIN without close_notify is Q_ERESET; what OpenSSL refuses is Q_ETLS, after
 * its alert is sent. */
#include "base/check.h"
#include "base/mem.h"
#include "base/net/stream_i.h"

static bool stream_read_is_wanted(const struct stream *s)
{
    switch ((enum stream_state)s->sm.state) {
    case STREAM_HANDSHAKE:
        return s->tls != NULL && !s->eof;
    case STREAM_OPEN:
        return !s->paused && !s->eof && !s->more;
    case STREAM_LINGER:
        return !s->eof;
    case STREAM_DIAL:
    case STREAM_CLOSING:
        return false;
    }
    UNREACHABLE();
}

/* A turn's share is used up: libuv is told that there is no room, and asks again in the next
 * turn. */
static void stream_read_on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct stream *s = ((struct tcp *)h->data)->owner;
    size_t left, n = sizeof s->io->cipher_in;
    char *p = s->io->cipher_in;

    (void)suggested;
    if (s->turn != s->loop->turn) {
        s->turn = s->loop->turn;
        s->turn_bytes = 0;
    }
    left = s->turn_bytes < STREAM_TURN_BYTES ? STREAM_TURN_BYTES - s->turn_bytes : 0;
    if (s->tls == NULL && !stream_is(s, STREAM_LINGER)) {
        p = iobuf_space(s->io, &n);
    }
    *buf = uv_buf_init(p, (unsigned)(n < left ? n : left));
}

static void stream_read_eof(struct stream *s)
{
    s->eof = true;
    stream_read_update(s);
    if (stream_is(s, STREAM_LINGER)) {
        stream_maybe_lingered(s);
    } else if (stream_is(s, STREAM_HANDSHAKE)) {
        errmsg_set(&s->err, "connection closed during the TLS handshake");
        stream_fail(s, Q_ERESET);
    } else if (s->tls != NULL) {
        errmsg_set(&s->err, "connection closed without close_notify: cut off");
        stream_fail(s, Q_ERESET);
    } else {
        s->ops->on_eof(s);
    }
}

static void stream_read_error(struct stream *s, int uv_status)
{
    if (stream_is(s, STREAM_LINGER) && stream_unsent(s) == 0) {
        s->eof = true; /* Everything was sent; how the other side left is its own affair. */
        s->fin_done = true;
        stream_maybe_lingered(s);
        return;
    }
    errmsg_set(&s->err, "read: %s", uv_strerror(uv_status));
    stream_fail(s, err_from_errno(-uv_status));
}

static void stream_read_plain(struct stream *s, size_t n)
{
    struct block *block = s->io->block;
    const char *p = block->data + s->io->block_at;

    iobuf_commit(s->io, n);
    s->ops->on_read(s, block, p, n);
}

static void stream_read_cipher(struct stream *s, const char *p, size_t n)
{
    ASSERT(s->tls->in_n == 0);
    ASSERT(s->rest == NULL);
    s->tls->in = p;
    s->tls->in_n = n;
    stream_read_pump(s);
}

static void stream_read_on_uv(uv_stream_t *h, ssize_t n, const uv_buf_t *buf)
{
    struct stream *s = ((struct tcp *)h->data)->owner;

    if (n == 0 || n == UV_ENOBUFS || stream_is(s, STREAM_CLOSING)) {
        return;
    }
    if (n == UV_EOF) {
        stream_read_eof(s);
        return;
    }
    if (n < 0) {
        stream_read_error(s, (int)n);
        return;
    }
    s->turn_bytes += (size_t)n;
    if (stream_is(s, STREAM_LINGER)) {
        return;
    }
    if (s->tls != NULL) {
        stream_read_cipher(s, buf->base, (size_t)n);
    } else {
        stream_read_plain(s, (size_t)n);
    }
}

void stream_read_update(struct stream *s)
{
    bool wanted = stream_read_is_wanted(s);
    uv_stream_t *h;
    int rv;

    if (wanted == s->reading || s->tcp == NULL || stream_is(s, STREAM_CLOSING)) {
        return;
    }
    h = (uv_stream_t *)&s->tcp->uv;
    s->reading = wanted;
    rv = wanted ? uv_read_start(h, stream_read_on_alloc, stream_read_on_uv) : uv_read_stop(h);
    if (rv != 0) {
        s->reading = false;
        stream_read_error(s, rv);
    }
}

/* One step of the handshake. False: nothing more can be done now. */
static bool stream_read_handshake(struct stream *s)
{
    int rv = tlsio_handshake(s->tls, &s->err);

    if (rv == 0) {
        stream_write_collect(s);
        if (stream_is(s, STREAM_HANDSHAKE)) {
            stream_opened(s);
        }
        return true;
    }
    if (rv == Q_EAGAIN) {
        stream_write_collect(s);
        return false;
    }
    if (s->host != NULL) {
        errmsg_wrap(&s->err, "%s port %u", s->host, s->port);
    }
    stream_fail_after_alert(s, rv);
    return false;
}

/* Decrypts one block full and hands it up. False: nothing more can be done now. */
static bool stream_read_decrypt(struct stream *s)
{
    size_t n = 0, got = 0, cap;
    char *p = iobuf_space(s->io, &cap);
    struct block *block = s->io->block;
    int rv = 0;

    while (got < cap && rv == 0) {
        rv = tlsio_read(s->tls, p + got, cap - got, &n, &s->err);
        got += rv == 0 ? n : 0;
    }
    if (rv != Q_ETLS) {
        stream_write_collect(s); /* Answers to key updates. */
    }
    if (got > 0 && stream_is(s, STREAM_OPEN)) {
        iobuf_commit(s->io, got);
        s->ops->on_read(s, block, p, got);
    }
    if (rv == 0 || !stream_is(s, STREAM_OPEN)) {
        return true;
    }
    if (rv == Q_EOF) {
        s->eof = true;
        s->tls->in_n = 0; /* Nothing counts after close_notify. */
        stream_read_update(s);
        s->ops->on_eof(s);
    } else if (rv != Q_EAGAIN) {
        stream_fail_after_alert(s, rv);
    }
    return false;
}

/* Keeps what was not decrypted: the buffer it is in belongs to the loop. */
static void stream_read_keep_rest(struct stream *s)
{
    char *old = s->rest;

    s->rest = NULL;
    if (s->tls->in_n > 0 && stream_is(s, STREAM_OPEN)) {
        s->rest = mem_dup(s->tls->in, s->tls->in_n);
        s->tls->in = s->rest;
    } else {
        s->tls->in = NULL;
        s->tls->in_n = 0;
    }
    mem_free(old);
}

void stream_read_pump(struct stream *s)
{
    bool going = true;

    s->more = false;
    while (going) {
        if (stream_is(s, STREAM_HANDSHAKE)) {
            going = stream_read_handshake(s);
        } else if (stream_is(s, STREAM_OPEN) && !s->eof) {
            s->more = s->paused;
            going = !s->paused && stream_read_decrypt(s);
        } else {
            going = false;
        }
    }
    stream_read_keep_rest(s);
    stream_read_update(s);
}

static void stream_read_on_pump_task(struct loop_task *task)
{
    struct stream *s = CONTAINER_OF(task, struct stream, pump_task);

    if (stream_is(s, STREAM_OPEN) && s->more && !s->paused) {
        s->turn_bytes += s->tls->in_n;
        stream_read_pump(s);
    }
}

void stream_read_init(struct stream *s)
{
    loop_task_init(&s->pump_task, stream_read_on_pump_task);
}

void stream_pause(struct stream *s)
{
    s->paused = true;
    stream_read_update(s);
}

void stream_resume(struct stream *s)
{
    if (!s->paused) {
        return;
    }
    s->paused = false;
    if (stream_is(s, STREAM_OPEN) && s->more) {
        loop_at_turn_end(s->loop, &s->pump_task);
    }
    stream_read_update(s);
}
