/* The life of a stream; reading is in stream_read.c, writing in stream_write.c.
 *
 * When it goes well: dial (or accept) -> handshake -> open -> the owner closes -> libuv lets go
 * -> on_close. Whatever fails ends in stream_fail(), which asks libuv to close the socket;
 * on_close comes from libuv's close callback, or from a task when there was no socket yet, so
 * never from inside a call of the owner's. */
#include "base/net/stream.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/net/stream_i.h"

#define TO(s) SM_BIT(STREAM_##s)
static const struct sm_state stream_states[] = {
    [STREAM_DIAL] = {"dial", TO(HANDSHAKE) | TO(CLOSING)},
    [STREAM_HANDSHAKE] = {"handshake", TO(OPEN) | TO(LINGER) | TO(CLOSING)},
    [STREAM_OPEN] = {"open", TO(LINGER) | TO(CLOSING)},
    [STREAM_LINGER] = {"linger", TO(CLOSING)},
    [STREAM_CLOSING] = {"closing", 0},
};
#undef TO

static void stream_on_start(struct loop_task *task);
static void stream_on_close_task(struct loop_task *task);
static void stream_on_timer(struct timer *t);

static struct stream *stream_new(struct loop *l, struct tls_ctx *ctx, const struct stream_ops *ops,
                                 void *owner, enum stream_state state)
{
    struct stream *s = mem_zalloc(sizeof *s);

    sm_init(&s->sm, "stream", stream_states, (int)state);
    s->loop = l;
    s->io = iobuf_get(l);
    s->ops = ops;
    s->owner = owner;
    s->ctx = ctx != NULL ? tls_ctx_ref(ctx) : NULL;
    loop_task_init(&s->start_task, stream_on_start);
    loop_task_init(&s->close_task, stream_on_close_task);
    timer_init(&s->timer, l, stream_on_timer);
    stream_read_init(s);
    stream_write_init(s);
    return s;
}

/* The last thing that happens to a stream. */
static void stream_finish(struct stream *s)
{
    ASSERT(stream_is(s, STREAM_CLOSING));
    ASSERT(s->dial == NULL);
    s->ops->on_close(s, s->status);
    chunkq_deinit(&s->out);
    chunkq_deinit(&s->wire);
    chunkq_deinit(&s->flight);
    tlsio_free(s->tls);
    tls_ctx_unref(s->ctx);
    mem_free(s->rest);
    mem_free(s->host);
    mem_free(s->verify_name);
    mem_free(s);
}

static void stream_on_tcp_closed(void *owner)
{
    struct stream *s = owner;

    s->tcp = NULL;
    stream_finish(s);
}

static void stream_on_close_task(struct loop_task *task)
{
    stream_finish(CONTAINER_OF(task, struct stream, close_task));
}

static void stream_begin_close(struct stream *s)
{
    sm_move(&s->sm, STREAM_CLOSING);
    timer_stop(&s->timer);
    loop_task_cancel(&s->start_task);
    loop_task_cancel(&s->flush_task);
    loop_task_cancel(&s->pump_task);
    dial_cancel(s->dial);
    s->dial = NULL;
    if (s->tcp != NULL) {
        tcp_close(s->tcp, stream_on_tcp_closed);
    } else {
        loop_at_turn_end(s->loop, &s->close_task);
    }
}

void stream_fail(struct stream *s, int status)
{
    ASSERT(status < 0);
    if (stream_is(s, STREAM_CLOSING)) {
        return;
    }
    if (s->status == 0) { /* The first reason is the reason: lingering can fail too. */
        s->status = status;
    }
    stream_begin_close(s);
}

static void stream_linger(struct stream *s, uint64_t ms)
{
    sm_move(&s->sm, STREAM_LINGER);
    loop_task_cancel(&s->start_task);
    loop_task_cancel(&s->pump_task);
    s->shut_wanted = true;
    timer_start(&s->timer, ms);
    loop_at_turn_end(s->loop, &s->flush_task);
    stream_read_update(s);
}

void stream_fail_after_alert(struct stream *s, int status)
{
    ASSERT(status < 0);
    if (stream_is(s, STREAM_LINGER) || stream_is(s, STREAM_CLOSING)) {
        return;
    }
    s->status = status;
    s->notify_sent = true; /* The alert says more. */
    chunkq_deinit(&s->out);
    chunkq_init(&s->out);
    stream_write_collect(s);
    if (!stream_is(s, STREAM_CLOSING)) {
        stream_linger(s, STREAM_LINGER_FAILED_MS);
    }
}

void stream_maybe_lingered(struct stream *s)
{
    if (stream_is(s, STREAM_LINGER) && s->fin_done && s->eof) {
        stream_begin_close(s);
    }
}

static void stream_on_timer(struct timer *t)
{
    struct stream *s = CONTAINER_OF(t, struct stream, timer);

    if (stream_is(s, STREAM_LINGER)) {
        if (s->status == 0 && stream_unsent(s) > 0) {
            errmsg_set(&s->err, "%zu bytes were not taken in time", stream_unsent(s));
            s->status = Q_ETIMEDOUT;
        }
        stream_begin_close(s);
        return;
    }
    errmsg_set(&s->err, "%s%s%s: not finished in %llu ms",
               stream_is(s, STREAM_DIAL) ? "connect" : "TLS handshake",
               s->host != NULL ? " to " : "", s->host != NULL ? s->host : "",
               (unsigned long long)s->timeout_ms);
    stream_fail(s, Q_ETIMEDOUT);
}

/* The socket is there: what follows is TLS, or nothing. */
static void stream_begin_handshake(struct stream *s)
{
    s->tcp->owner = s;
    (void)uv_tcp_nodelay(&s->tcp->uv, 1);
    if (s->ctx == NULL) {
        stream_opened(s);
        return;
    }
    s->tls = tlsio_new(s->loop, s->ctx, &s->io->cipher_out, s->verify_name, s->host, s->port);
    stream_read_update(s);
    if (!s->ctx->server) {
        stream_read_pump(s); /* The client speaks first. */
    }
}

void stream_opened(struct stream *s)
{
    sm_move(&s->sm, STREAM_OPEN);
    timer_stop(&s->timer);
    loop_at_turn_end(s->loop, &s->flush_task); /* What was written before. */
    stream_read_update(s);
    if (stream_is(s, STREAM_OPEN)) {
        s->ops->on_open(s);
    }
}

/* An accepted stream, at the end of the turn that accepted it. */
static void stream_on_start(struct loop_task *task)
{
    struct stream *s = CONTAINER_OF(task, struct stream, start_task);

    if (s->status != 0) {
        stream_begin_close(s);
        return;
    }
    stream_begin_handshake(s);
}

struct stream *stream_accept(struct loop *l, int fd, struct tls_ctx *tls,
                             const struct stream_ops *ops, void *owner)
{
    struct stream *s = stream_new(l, tls, ops, owner, STREAM_HANDSHAKE);
    int rv;

    ASSERT(tls == NULL || tls->server);
    s->tcp = tcp_new(l);
    s->tcp->owner = s;
    rv = uv_tcp_open(&s->tcp->uv, fd);
    if (rv != 0) {
        (void)close(fd);
        errmsg_set(&s->err, "accepted socket: %s", uv_strerror(rv));
        s->status = err_from_errno(-rv);
    }
    s->timeout_ms = STREAM_HANDSHAKE_MS;
    if (tls != NULL) {
        timer_start(&s->timer, s->timeout_ms);
    }
    loop_at_turn_end(l, &s->start_task);
    return s;
}

static void stream_on_dialed(void *arg, int status, struct tcp *tcp, const struct errmsg *err)
{
    struct stream *s = arg;

    s->dial = NULL;
    if (status != 0) {
        s->err = *err;
        stream_fail(s, status);
        return;
    }
    s->tcp = tcp;
    (void)uv_tcp_keepalive(&tcp->uv, 1, 60); /* A provider that vanished while its line was idle. */
    sm_move(&s->sm, STREAM_HANDSHAKE);
    stream_begin_handshake(s);
}

struct stream *stream_connect(struct loop *l, const struct stream_dial *d,
                              const struct stream_ops *ops, void *owner)
{
    struct stream *s = stream_new(l, d->tls, ops, owner, STREAM_DIAL);
    const char *verify = d->verify_name != NULL ? d->verify_name : d->host;
    size_t host_n = strlen(d->host), verify_n = strlen(verify);

    ASSERT(d->tls == NULL || !d->tls->server);
    s->host = mem_strdup(d->host);
    s->verify_name = mem_strdup(verify);
    s->port = d->port;
    s->timeout_ms = d->timeout_ms != 0 ? d->timeout_ms : STREAM_HANDSHAKE_MS;
    if (host_n == 0 || host_n >= ADDR_HOST_BYTES - 2 || verify_n >= ADDR_HOST_BYTES - 2) {
        errmsg_set(&s->err, "a host name has 1 to 253 bytes");
        stream_fail(s, Q_EDNS);
        return s;
    }
    timer_start(&s->timer, s->timeout_ms);
    s->dial = dial_start(l, d->host, d->port, d->deny_private, stream_on_dialed, s);
    return s;
}

void *stream_owner(struct stream *s)
{
    return s->owner;
}

void stream_set_owner(struct stream *s, const struct stream_ops *ops, void *owner)
{
    s->ops = ops;
    s->owner = owner;
}

void stream_close(struct stream *s)
{
    if (stream_is(s, STREAM_CLOSING)) {
        return;
    }
    if (stream_is(s, STREAM_OPEN) && s->tls != NULL && !s->notify_sent && !s->writing &&
        chunkq_empty(&s->out) && chunkq_empty(&s->wire)) {
        /* Nothing is cut off, and the other side may know: as far as the kernel takes it at
         * once. */
        tlsio_shutdown(s->tls);
        stream_write_collect(s);
    }
    if (!stream_is(s, STREAM_CLOSING)) {
        stream_begin_close(s);
    }
}

void stream_close_gently(struct stream *s)
{
    bool plain_early = stream_is(s, STREAM_HANDSHAKE) && s->ctx == NULL && s->status == 0;

    if (stream_is(s, STREAM_OPEN) || plain_early) {
        stream_linger(s, STREAM_LINGER_MS);
    } else if (!stream_is(s, STREAM_LINGER)) {
        stream_close(s);
    }
}

struct slice stream_alpn(struct stream *s)
{
    return s->tls != NULL ? tlsio_alpn(s->tls) : SLICE("");
}

struct slice stream_peer_name(struct stream *s)
{
    return s->tls != NULL ? tlsio_peer_name(s->tls) : SLICE("");
}

bool stream_peer_has_name(struct stream *s, const char *name)
{
    return s->tls != NULL && tlsio_peer_has_name(s->tls, name);
}

const char *stream_peer_addr(struct stream *s)
{
    union addr a = {0};
    int n = (int)sizeof a;

    if (s->peer_text[0] == 0 && s->tcp != NULL &&
        uv_tcp_getpeername(&s->tcp->uv, (struct sockaddr *)&a.room, &n) == 0) {
        (void)addr_text(&a, s->peer_text);
    }
    return s->peer_text[0] != 0 ? s->peer_text : "?";
}

bool stream_is_tls(const struct stream *s)
{
    return s->ctx != NULL;
}

const char *stream_errmsg(struct stream *s)
{
    return s->err.text[0] != 0 ? s->err.text : err_str(s->status);
}
