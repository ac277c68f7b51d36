/* The exchange: what is the same for both protocols. */
#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "node/serve/session.h"

static void exchange_on_begin(struct loop_task *t);

struct exchange *exchange_new(struct session *s)
{
    struct arena arena;
    struct exchange *e;

    arena_init(&arena, loop_arena_pool(s->loop));
    e = arena_zalloc(&arena, sizeof *e);
    e->arena = arena;
    e->session = s;
    e->request.content_length = -1;
    e->request.peer_addr = stream_peer_addr(s->stream);
    e->request.tls = stream_is_tls(s->stream);
    headers_init(&e->request.headers, &e->arena);
    chunkq_init(&e->out);
    chunkq_init(&e->early);
    loop_task_init(&e->begin, exchange_on_begin);
    e->length = -1;
    return e;
}

const struct exchange_request *exchange_request(struct exchange *e)
{
    return &e->request;
}

struct arena *exchange_arena(struct exchange *e)
{
    return &e->arena;
}

struct loop *exchange_loop(struct exchange *e)
{
    return e->session->loop;
}

uint64_t exchange_started_us(struct exchange *e)
{
    return e->started_us;
}

void *exchange_owner(struct exchange *e)
{
    return e->owner;
}

bool exchange_responded(const struct exchange *e)
{
    return e->responded;
}

void exchange_begin(struct exchange *e)
{
    struct serve *s = e->session->serve;

    e->started_us = loop_now_us(e->session->loop);
    e->head_only = slice_eq(e->request.method, SLICE("HEAD"));
    metric_inc(METRIC_requests_total);
    metric_add(METRIC_requests_open, 1);
    s->cfg.on_request(e, s->cfg.arg);
}

/* --- the request's body --- */

static void exchange_tell_body(struct exchange *e, struct block *block, const char *p, size_t n)
{
    if (e->too_large || e->ops == NULL || e->ops->on_body == NULL) {
        return;
    }
    e->body_seen += n;
    if (e->body_seen > e->session->serve->cfg.body_bytes_max) {
        e->too_large = true;
        if (e->ops->on_body_too_large != NULL) {
            e->ops->on_body_too_large(e);
        }
        return;
    }
    e->ops->on_body(e, block, p, n);
}

static void exchange_tell_end(struct exchange *e)
{
    if (e->request_ended && !e->end_told && !e->too_large && chunkq_empty(&e->early)) {
        e->end_told = true;
        if (e->ops->on_request_end != NULL) {
            e->ops->on_request_end(e);
        }
    }
}

/* What came before the handler had accepted, or while it had paused. */
static void exchange_on_begin(struct loop_task *t)
{
    struct exchange *e = CONTAINER_OF(t, struct exchange, begin);

    while (!chunkq_empty(&e->early) && !e->paused && !e->closed) {
        struct chunkq one;
        chunkq_init(&one);
        chunkq_move_n(&one, &e->early, e->early.first->n);
        exchange_tell_body(e, one.first->block, one.first->p, one.first->n);
        chunkq_deinit(&one);
    }
    if (!e->paused && !e->closed) {
        exchange_tell_end(e);
    }
}

void exchange_feed(struct exchange *e, struct block *block, const char *p, size_t n)
{
    if (!e->accepted || e->paused || !chunkq_empty(&e->early)) {
        chunkq_add(&e->early, block, p, n);
        if (e->accepted && !e->paused) {
            loop_at_turn_end(e->session->loop, &e->begin);
        }
        return;
    }
    exchange_tell_body(e, block, p, n);
}

void exchange_feed_end(struct exchange *e)
{
    e->request_ended = true;
    if (e->accepted && chunkq_empty(&e->early) && !e->paused) {
        exchange_tell_end(e);
    } else if (e->accepted && !e->paused) {
        loop_at_turn_end(e->session->loop, &e->begin);
    }
}

void exchange_accept(struct exchange *e, const struct exchange_ops *ops, void *owner)
{
    ASSERT(!e->accepted);
    e->accepted = true;
    e->ops = ops;
    e->owner = owner;
    e->session->ops->wants_body(e);
    loop_at_turn_end(e->session->loop, &e->begin);
}

void exchange_pause(struct exchange *e)
{
    if (!e->paused) {
        e->paused = true;
        e->session->ops->pause(e);
    }
}

void exchange_resume(struct exchange *e)
{
    if (e->paused) {
        e->paused = false;
        loop_at_turn_end(e->session->loop, &e->begin);
        e->session->ops->resume(e);
    }
}

/* --- the response --- */

static void exchange_count(int status)
{
    if (status < 400) {
        metric_inc(METRIC_responses_2xx_total);
    } else {
        metric_inc(status < 500 ? METRIC_responses_4xx_total : METRIC_responses_5xx_total);
    }
}

void exchange_respond(struct exchange *e, int status, const struct headers *h, int64_t length)
{
    ASSERT(!e->responded);
    e->responded = true;
    e->status_sent = status;
    e->length = length;
    exchange_count(status);
    e->session->ops->respond(e, status, h, length);
}

bool exchange_send(struct exchange *e, struct chunkq *q)
{
    ASSERT(e->responded && !e->ended);
    if (e->closed || e->aborted || e->head_only) {
        chunkq_consume(q, q->n_bytes);
        return true;
    }
    chunkq_move(&e->out, q);
    e->session->ops->send(e);
    e->wants_writable =
        e->out.n_bytes + stream_unsent(e->session->stream) > EXCHANGE_SEND_BYTES_MAX;
    return !e->wants_writable;
}

void exchange_end(struct exchange *e, const struct headers *trailers)
{
    ASSERT(e->responded && !e->ended);
    e->ended = true;
    if (!e->aborted && !e->closed) {
        e->session->ops->end(e, trailers);
    }
}

void exchange_abort(struct exchange *e)
{
    if (!e->ended && !e->aborted && !e->closed) {
        e->aborted = true;
        e->session->ops->abort(e);
    }
}

void exchange_reply(struct exchange *e, int status, const char *type, struct slice body,
                    const struct headers *h)
{
    static const struct exchange_ops nobody;
    struct headers all;
    struct chunkq q;

    headers_init(&all, &e->arena);
    for (size_t i = 0; h != NULL && i < h->n; i++) {
        headers_add_static(&all, h->v[i].name, h->v[i].value);
    }
    if (type != NULL) {
        headers_add_static(&all, SLICE("content-type"), slice_str(type));
    }
    if (!e->accepted) {
        exchange_accept(e, &nobody, NULL);
    }
    exchange_respond(e, status, &all, (int64_t)body.n);
    chunkq_init(&q);
    chunkq_add_copy(&q, body.p, body.n);
    (void)exchange_send(e, &q);
    chunkq_deinit(&q);
    exchange_end(e, NULL);
}

void exchange_progress(struct exchange *e, size_t unsent)
{
    if (e->wants_writable && !e->closed && unsent + e->out.n_bytes < EXCHANGE_SEND_BYTES_MAX / 2) {
        e->wants_writable = false;
        if (e->ops != NULL && e->ops->on_writable != NULL) {
            e->ops->on_writable(e);
        }
    }
}

void exchange_finish(struct exchange *e, int status)
{
    struct arena arena;

    ASSERT(!e->closed);
    e->closed = true;
    loop_task_cancel(&e->begin);
    metric_add(METRIC_requests_open, -1);
    if (e->ops != NULL && e->ops->on_close != NULL) {
        e->ops->on_close(e, status);
    }
    chunkq_deinit(&e->out);
    chunkq_deinit(&e->early);
    arena = e->arena; /* e lies in it. */
    arena_deinit(&arena);
}
