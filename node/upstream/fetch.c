/* A fetch: deadlines, the one automatic resend, and exactly one end. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "node/upstream/fetch_i.h"

#define CONNECT_MS    3000
#define FIRST_BYTE_MS 60000
#define IDLE_MS       120000
#define TOTAL_MS      600000

static void fetch_free(struct fetch *f)
{
    struct arena arena = f->arena;

    timer_stop(&f->stage_timer);
    timer_stop(&f->total_timer);
    loop_task_cancel(&f->fail_task);
    chunkq_deinit(&f->body);
    chunkq_deinit(&f->resend);
    arena_deinit(&arena); /* f lies in it. */
}

/* The connection goes on without us, or is closed when the answer is not complete. */
static void fetch_detach(struct fetch *f)
{
    struct conn *c = f->conn;

    pool_forget(f);
    f->conn = NULL;
    if (c != NULL) {
        conn_released(c);
    }
}

static void fetch_on_fail_task(struct loop_task *t)
{
    struct fetch *f = CONTAINER_OF(t, struct fetch, fail_task);

    f->failure.why = f->why;
    f->ops->on_fail(f, &f->failure);
    fetch_free(f);
}

static bool fetch_may_resend(const struct fetch *f, int status)
{
    return f->reused && !f->was_resent && !f->got_bytes && f->stage == FETCH_SENT &&
           (status == Q_ERESET || status == Q_EREFUSED || status == Q_EOF || status == Q_EIO);
}

void fetch_failed(struct fetch *f, int status, const char *why)
{
    if (f->done) {
        return;
    }
    if (fetch_may_resend(f, status)) { /* The keep-alive race: once more on a fresh connection. */
        f->was_resent = true;
        f->reused = false;
        f->stage = FETCH_CONNECTING;
        chunkq_share(&f->body, &f->resend);
        fetch_detach(f);
        timer_start(&f->stage_timer, f->timeouts.connect_ms);
        pool_submit(f->pool, f);
        return;
    }
    f->done = true;
    f->failure = (struct fetch_failure){
        .status = status, .stage = f->stage, .maybe_processed = f->stage != FETCH_CONNECTING};
    (void)snprintf(f->why, sizeof f->why, "%s", why != NULL && why[0] != 0 ? why : err_str(status));
    timer_stop(&f->stage_timer);
    timer_stop(&f->total_timer);
    fetch_detach(f);
    loop_at_turn_end(f->upstream->loop, &f->fail_task); /* Never from inside a call of ours. */
}

static void fetch_on_stage_late(struct timer *t)
{
    struct fetch *f = CONTAINER_OF(t, struct fetch, stage_timer);
    static const char *const why[] = {"no connection in time", "no answer in time",
                                      "the answer has stalled"};

    fetch_failed(f, Q_ETIMEDOUT, why[f->stage]);
}

static void fetch_on_total_late(struct timer *t)
{
    fetch_failed(CONTAINER_OF(t, struct fetch, total_timer), Q_ETIMEDOUT,
                 "the whole answer took too long");
}

static uint64_t fetch_or(uint64_t given, uint64_t otherwise)
{
    return given != 0 ? given : otherwise;
}

struct fetch *fetch_start(struct upstream *u, const struct fetch_request *r,
                          const struct fetch_ops *ops, void *owner)
{
    struct arena arena;
    struct fetch *f;

    arena_init(&arena, loop_arena_pool(u->loop));
    f = arena_zalloc(&arena, sizeof *f);
    f->arena = arena;
    f->upstream = u;
    f->ops = ops;
    f->owner = owner;
    list_init(&f->link);
    f->method = arena_slice(&f->arena, r->method);
    f->target = arena_slice(&f->arena, r->target);
    headers_init(&f->headers, &f->arena);
    for (size_t i = 0; i < r->headers->n; i++) {
        headers_add(&f->headers, r->headers->v[i].name, r->headers->v[i].value);
    }
    chunkq_init(&f->body);
    chunkq_init(&f->resend);
    f->has_body = r->body != NULL;
    if (r->body != NULL) {
        f->body_n = r->body->n_bytes;
        chunkq_move(&f->body, r->body);
        chunkq_share(&f->resend, &f->body);
    }
    f->timeouts = (struct fetch_timeouts){fetch_or(r->timeouts.connect_ms, CONNECT_MS),
                                          fetch_or(r->timeouts.first_byte_ms, FIRST_BYTE_MS),
                                          fetch_or(r->timeouts.idle_ms, IDLE_MS),
                                          fetch_or(r->timeouts.total_ms, TOTAL_MS)};
    timer_init(&f->stage_timer, u->loop, fetch_on_stage_late);
    timer_init(&f->total_timer, u->loop, fetch_on_total_late);
    loop_task_init(&f->fail_task, fetch_on_fail_task);
    timer_start(&f->stage_timer, f->timeouts.connect_ms);
    timer_start(&f->total_timer, f->timeouts.total_ms);
    f->pool = pool_get(u, &r->origin);
    pool_submit(f->pool, f);
    return f;
}

void fetch_begin(struct fetch *f, struct conn *c)
{
    f->conn = c;
    f->stage = FETCH_SENT;
    f->sent_us = loop_now_us(f->upstream->loop);
    (void)slice_copy_str(slice_str(stream_peer_addr(c->stream)), f->addr, sizeof f->addr);
    timer_start(&f->stage_timer, f->timeouts.first_byte_ms);
    if (f->paused) {
        conn_pause(c);
    }
}

void fetch_head(struct fetch *f, int status, const struct headers *h)
{
    if (f->done || f->canceled) {
        return;
    }
    if (status / 100 == 1) {
        if (status == 101) {
            fetch_failed(f, Q_EPROTO, "it wants to switch protocols");
        }
        return;
    }
    f->stage = FETCH_STREAMING;
    f->first_us = loop_now_us(f->upstream->loop);
    chunkq_consume(&f->resend, f->resend.n_bytes);
    timer_start(&f->stage_timer, f->timeouts.idle_ms);
    f->in_callback = true;
    f->ops->on_head(f, status, h);
    f->in_callback = false; /* A cancel in it takes effect when the parser has returned. */
}

void fetch_body(struct fetch *f, struct block *block, const char *p, size_t n)
{
    if (f->done || f->canceled) {
        return;
    }
    if (!f->paused) {
        timer_start(&f->stage_timer, f->timeouts.idle_ms);
    }
    f->in_callback = true;
    f->ops->on_body(f, block, p, n);
    f->in_callback = false;
}

void fetch_complete(struct fetch *f)
{
    if (f->done) {
        return; /* Canceled in a callback: its task ends it. */
    }
    f->done = true;
    timer_stop(&f->stage_timer);
    timer_stop(&f->total_timer);
    fetch_detach(f);
    f->ops->on_end(f);
    fetch_free(f);
}

void fetch_pause(struct fetch *f)
{
    f->paused = true;
    if (f->conn != NULL) {
        conn_pause(f->conn);
    }
    if (f->stage == FETCH_STREAMING) {
        timer_stop(&f->stage_timer);
    }
}

void fetch_resume(struct fetch *f)
{
    f->paused = false;
    if (f->conn != NULL) {
        conn_resume(f->conn);
    }
    if (f->stage == FETCH_STREAMING && !f->done) {
        timer_start(&f->stage_timer, f->timeouts.idle_ms);
    }
}

static void fetch_on_cancel_task(struct loop_task *t)
{
    struct fetch *f = CONTAINER_OF(t, struct fetch, fail_task);

    fetch_detach(f);
    fetch_free(f);
}

void fetch_cancel(struct fetch *f)
{
    f->canceled = true;
    f->done = true;
    timer_stop(&f->stage_timer);
    timer_stop(&f->total_timer);
    if (f->in_callback) { /* The parser still holds its arena. */
        loop_task_cancel(&f->fail_task);
        f->fail_task.run = fetch_on_cancel_task;
        loop_at_turn_end(f->upstream->loop, &f->fail_task);
        return;
    }
    fetch_detach(f);
    fetch_free(f);
}

void *fetch_owner(struct fetch *f)
{
    return f->owner;
}

void fetch_set_owner(struct fetch *f, const struct fetch_ops *ops, void *owner)
{
    f->ops = ops;
    f->owner = owner;
}

bool fetch_was_reused(const struct fetch *f)
{
    return f->reused;
}

uint64_t fetch_sent_us(const struct fetch *f)
{
    return f->sent_us;
}

uint64_t fetch_first_us(const struct fetch *f)
{
    return f->first_us;
}

const char *fetch_addr(const struct fetch *f)
{
    return f->addr;
}
