/* The driver of the pipeline, and a request's beginning and end. */
#include "node/req/req.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/sm.h"
#include "node/req/attempt.h"

#define REQ_ID_CHARS 20

void req_run(struct req *r)
{
    enum req_next next;

    ASSERT(!r->running); /* A step never re-enters the driver. */
    r->running = true;
    do {
        trace_event("req", r->step->name, NULL);
        next = r->step->run(r);
    } while (next == REQ_MORE);
    r->running = false;

    if (next == REQ_DONE) {
        req_finish(r); /* r is freed. */
    }
}

enum req_next req_fail(struct req *r, int http, const char *code, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    ASSERT(r->error.http == 0); /* A request fails once: close has no way to fail. */
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    r->error =
        (struct req_error){.http = http, .code = code, .retry_after_s = -1, .should_retry = -1};
    r->error.message = arena_strdup(r->arena, slice_str(text));
    r->step = &req_step_close;
    return REQ_MORE;
}

void req_fail_now(struct req *r, const struct req_error *e)
{
    ASSERT(r->error.http == 0);
    r->error = *e;
    r->step = &req_step_close;
    req_run(r);
}

/* --- the exchange's side --- */

static void req_on_body(struct exchange *e, struct block *block, const char *p, size_t n)
{
    struct req *r = exchange_owner(e);

    if (r->body_bad || r->body_done) {
        return; /* Answered already: the rest is read and dropped. */
    }
    chunkq_add(&r->body, block, p, n);
    if (r->scan != NULL && chat_scan_feed(r->scan, p, n) != 0) {
        r->body_bad = true;
        req_run(r); /* admit says what is wrong. */
    }
}

static void req_on_request_end(struct exchange *e)
{
    struct req *r = exchange_owner(e);

    if (!r->body_bad && !r->body_done) {
        r->body_done = true;
        req_run(r);
    }
}

static void req_on_body_too_large(struct exchange *e)
{
    struct req *r = exchange_owner(e);

    if (!r->body_bad && !r->body_done) {
        r->body_bad = true;
        r->body_too_large = true;
        req_run(r);
    }
}

static void req_on_writable(struct exchange *e)
{
    struct req *r = exchange_owner(e);

    if (r->attempt != NULL) {
        attempt_writable(r->attempt);
    }
}

/* The response is complete, or the client has left. */
static void req_on_close(struct exchange *e, int status)
{
    struct req *r = exchange_owner(e);
    struct attempt *a = r->attempt;

    if (status != 0) {
        r->record->client_left = true;
        metric_inc(METRIC_client_aborted_total);
    }
    r->attempt = NULL;
    if (a != NULL) {
        attempt_leave(
            a); /* Settles by itself; its cost comes into the usage, not into this record. */
    }
    r->exchange = NULL;
    r->step = &req_step_close;
    req_run(r);
}

static const struct exchange_ops req_exchange_ops = {
    .on_body = req_on_body,
    .on_request_end = req_on_request_end,
    .on_body_too_large = req_on_body_too_large,
    .on_writable = req_on_writable,
    .on_close = req_on_close,
};

static void req_id_make(struct req *r)
{
    memcpy(r->id, "req_", 4);
    base62_random(r->id + 4, REQ_ID_CHARS);
}

static bool req_dialect_of(struct slice path, enum dialect *ret)
{
    if (slice_eq(path, SLICE("/v1/chat/completions"))) {
        *ret = DIALECT_OPENAI;
        return true;
    }
    if (slice_eq(path, SLICE("/v1/messages"))) {
        *ret = DIALECT_ANTHROPIC;
        return true;
    }
    return false;
}

static void req_health(struct exchange *e, struct req_worker *w, struct slice path)
{
    bool ready = gov_ready(w->gov) && !w->draining;

    if (slice_eq(path, SLICE("/healthz"))) {
        exchange_reply(e, 200, "application/json", SLICE("{\"status\":\"ok\"}\n"), NULL);
    } else if (ready) {
        exchange_reply(e, 200, "application/json", SLICE("{\"status\":\"ready\"}\n"), NULL);
    } else {
        exchange_reply(e, 503, "application/json",
                       w->draining ? SLICE("{\"status\":\"draining\"}\n")
                                   : SLICE("{\"status\":\"joining\"}\n"),
                       NULL);
    }
}

/* Which path needs which method. */
static const struct req_step *req_first_step(struct req *r, struct slice method, struct slice path)
{
    bool models = req_is_models(path);

    if (!models && !req_dialect_of(path, &r->dialect)) {
        (void)req_fail(r, 404, "invalid_request", "There is nothing at %.*s.", SLICE_FMT(path));
        return &req_step_close;
    }
    if (!slice_eq(method, models ? SLICE("GET") : SLICE("POST"))) {
        (void)req_fail(r, 405, "invalid_request", "Use %s for %.*s.", models ? "GET" : "POST",
                       SLICE_FMT(path));
        return &req_step_close;
    }
    return &req_step_auth;
}

void req_on_request(struct exchange *e, void *arg)
{
    struct req_worker *w = arg;
    const struct exchange_request *q = exchange_request(e);
    struct req *r;

    if (slice_eq(q->path, SLICE("/healthz")) || slice_eq(q->path, SLICE("/readyz"))) {
        req_health(e, w, q->path);
        return;
    }
    r = arena_zalloc(exchange_arena(e), sizeof *r);
    r->worker = w;
    r->exchange = e;
    r->arena = exchange_arena(e);
    r->dialect = headers_has(&q->headers, "anthropic-version") ? DIALECT_ANTHROPIC : DIALECT_OPENAI;
    r->retry_after_min_s = -1;
    chunkq_init(&r->body);
    req_id_make(r);
    r->record = arena_zalloc(r->arena, sizeof *r->record);
    memcpy(r->record->id, r->id, sizeof r->record->id);
    r->record->at_ms = loop_wall_ms(w->loop);
    list_push_back(&w->open, &r->link);
    w->n_open++;
    exchange_accept(e, &req_exchange_ops, r);
    r->step = req_first_step(r, q->method, q->path);
    req_run(r);
}

/* Its memory is the exchange's arena, which goes when on_close has returned: so this runs inside
 * it. */
void req_finish(struct req *r)
{
    struct req_worker *w = r->worker;
    struct record *kept = record_ring_next(&w->records);

    ASSERT(r->attempt == NULL);
    *kept = *r->record;
    chunkq_deinit(&r->body);
    if (r->scan != NULL) {
        if (w->scans[r->dialect] == NULL) {
            chat_scan_reset(r->scan);
            w->scans[r->dialect] = r->scan;
        } else {
            chat_scan_free(r->scan);
        }
    }
    view_unref(r->view);
    list_remove(&r->link);
    w->n_open--;
    req_maybe_idle(w);
}

/* --- the worker's side --- */

void req_worker_init(struct req_worker *w, struct loop *l, struct gov_worker *gov,
                     struct upstream *u, uint64_t body_bytes_max)
{
    memset(w, 0, sizeof *w);
    w->loop = l;
    w->gov = gov;
    w->upstream = u;
    w->body_bytes_max = body_bytes_max;
    rng_init_system(&w->rng);
    record_ring_init(&w->records);
    list_init(&w->open);
    list_init(&w->drains);
}

void req_worker_deinit(struct req_worker *w)
{
    ASSERT(w->n_open == 0);
    for (size_t i = 0; i < DIALECT_N_; i++) {
        chat_scan_free(w->scans[i]);
        chat_answer_free(w->answers[i]);
    }
    record_ring_deinit(&w->records);
}

void req_maybe_idle(struct req_worker *w)
{
    void (*cb)(void *arg) = w->idle_cb;

    if (cb != NULL && w->n_open == 0 && w->n_drains == 0) {
        w->idle_cb = NULL;
        cb(w->idle_arg);
    }
}

void req_worker_drain(struct req_worker *w, void (*idle)(void *arg), void *arg)
{
    w->draining = true;
    w->idle_cb = idle;
    w->idle_arg = arg;
    req_maybe_idle(w);
}
