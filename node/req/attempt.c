/* An attempt's life: reservation, the client's leaving, the end. */
#include "node/req/attempt.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/metrics.h"

/* reserving -> sending -> peeking -> relaying -> done; draining once the client has left. */
#define TO(s) SM_BIT(ATTEMPT_##s)
static const struct sm_state attempt_states[] = {
    [ATTEMPT_RESERVING] = {"reserving", TO(SENDING) | TO(DONE)},
    [ATTEMPT_SENDING] = {"sending", TO(PEEKING) | TO(DRAINING) | TO(DONE)},
    [ATTEMPT_PEEKING] = {"peeking", TO(RELAYING) | TO(DRAINING) | TO(DONE)},
    [ATTEMPT_RELAYING] = {"relaying", TO(DRAINING) | TO(DONE)},
    [ATTEMPT_DRAINING] = {"draining", TO(DONE)},
    [ATTEMPT_DONE] = {"done", 0},
};

void attempt_error(struct attempt *a, int http, const char *code, const char *fmt, ...)
{
    struct req *r = a->req;
    char text[512];
    va_list ap;

    if (r == NULL) {
        return; /* Nobody is listening. */
    }
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    r->last =
        (struct req_error){.http = http, .code = code, .retry_after_s = -1, .should_retry = -1};
    r->last.message = arena_strdup(r->arena, slice_str(text));
    record_why(r->record, "%.*s: %s", SLICE_FMT(a->candidate.provider->name), text);
}

/* --- refusals of governance --- */

static const char *attempt_window_name(const struct gov_refusal *why)
{
    return window_every_name(why->every);
}

/* Output tokens that what is left would still pay for; -1 when not even the prompt. */
static int64_t attempt_affordable(const struct attempt *a, const struct gov_refusal *why)
{
    const struct spec_model *m = a->price != NULL ? &a->price->spec : NULL;
    i128 prompt_only, left;

    if (why->unit != UNIT_USD || m == NULL || m->output_pusd <= 0) {
        return -1;
    }
    prompt_only =
        a->bound.amount[UNIT_USD] - a->bound.amount[UNIT_OUTPUT_TOKENS] * (i128)m->output_pusd;
    left = why->left - prompt_only;
    return left <= 0 ? -1 : i128_to_i64_sat(left / m->output_pusd);
}

static void attempt_extra(struct attempt *a, const struct gov_refusal *why)
{
    char text[CIVIL_TEXT_BYTES], amount[AMOUNT_TEXT_BYTES];
    struct req *r = a->req;
    struct jsonw w;
    struct buf b;

    buf_init(&b, 2048);
    jsonw_init(&w, &b);
    jsonw_obj(&w);
    jsonw_kstr(&w, "name", why->budget);
    jsonw_kstr(&w, "scope", why->scope);
    jsonw_kstr(&w, "window", attempt_window_name(why));
    if (why->resets_at_ms > 0) {
        civil_text(why->resets_at_ms, text);
        jsonw_kstr(&w, "resets_at", text);
    }
    if (r->key->spec.see_amounts) {
        int decimals = unit_decimals(why->unit);
        jsonw_kstr(&w, "limit", amount_text(why->limit, decimals, amount));
        jsonw_kstr(&w, "left", amount_text(why->left, decimals, amount));
    }
    if (why->code == GOV_EXCEEDED && attempt_affordable(a, why) > 0) {
        jsonw_ki64(&w, "affordable_output_tokens", attempt_affordable(a, why));
    }
    jsonw_obj_end(&w);
    r->last.extra = arena_strdup(r->arena, slice_of(b.p + 1, b.n - 2)); /* Without the braces. */
    buf_deinit(&b);
}

static void attempt_refused(struct attempt *a, const struct gov_refusal *why)
{
    int64_t now_ms = loop_wall_ms(a->worker->loop);
    struct req *r = a->req;

    switch (why->code) {
    case GOV_EXCEEDED:
        attempt_error(
            a, 429, "budget_exceeded",
            "The budget %s (%s) has too little left for this request in this window (%s).",
            why->budget, why->scope, attempt_window_name(why));
        r->last.should_retry = 0;
        if (why->resets_at_ms > now_ms && why->resets_at_ms - now_ms <= 3600000) {
            r->last.retry_after_s = (why->resets_at_ms - now_ms + 999) / 1000;
        }
        break;
    case GOV_RESERVED:
        attempt_error(a, 429, "budget_reserved",
                      "What is left of the budget %s (%s) is held by requests in flight; retry.",
                      why->budget, why->scope);
        r->last.should_retry = 1;
        r->last.retry_after_s = 1 + (int64_t)rng_below(&a->worker->rng, 5);
        break;
    case GOV_UNAVAILABLE:
        attempt_error(
            a, 503, "budget_unavailable",
            "The budget %s (%s) cannot be checked: this node has no contact with a quorum.",
            why->budget, why->scope);
        r->last.should_retry = 1;
        r->last.retry_after_s = 1;
        break;
    }
    attempt_extra(a, why);
}

/* --- reserving --- */

static void attempt_reserved(void *owner, struct reservation *res, const struct gov_refusal *why)
{
    struct attempt *a = owner;

    a->pending = NULL;
    if (res == NULL) {
        attempt_refused(a, why);
        attempt_finish(a, ATTEMPT_REFUSED);
        return;
    }
    a->reservation = res;
    sm_move(&a->sm, ATTEMPT_SENDING);
    if (attempt_send(a) != 0) {
        attempt_settle(a, CHARGE_NOTHING, true);
        attempt_finish(a, ATTEMPT_FAILED);
    }
}

static uint64_t attempt_park_ms(const struct req *r)
{
    const struct exchange_request *q = exchange_request(r->exchange);
    uint64_t client_ms;

    if (scan_u64(headers_get(&q->headers, "x-quorate-timeout-ms"), 86400000, &client_ms) != 0) {
        return PARK_MS;
    }
    return client_ms < PARK_MS ? client_ms : PARK_MS;
}

static bool attempt_reserve(struct attempt *a)
{
    struct req *r = a->req;
    const struct gov_reserve q = {.view = a->view,
                                  .key = r->key,
                                  .provider = a->candidate.provider->name,
                                  .model = a->candidate.model,
                                  .user = r->user,
                                  .bound = a->bound,
                                  .park_ms = attempt_park_ms(r),
                                  .cb = attempt_reserved,
                                  .owner = a};

    a->reservation = gov_reserve(a->worker->gov, &q, &a->pending);
    if (a->reservation == NULL) {
        return true;
    }
    sm_move(&a->sm, ATTEMPT_SENDING);
    if (attempt_send(a) != 0) {
        attempt_settle(a, CHARGE_NOTHING, true);
        return false;
    }
    return true;
}

static void attempt_drain_late(struct timer *t);

static struct attempt *attempt_new(struct req *r, struct candidate c)
{
    struct arena arena;
    struct attempt *a;

    arena_init(&arena, loop_arena_pool(r->worker->loop));
    a = arena_zalloc(&arena, sizeof *a);
    a->arena = arena;
    a->worker = r->worker;
    a->req = r;
    list_init(&a->link);
    sm_init(&a->sm, "attempt", attempt_states, ATTEMPT_RESERVING);
    a->view = view_ref(r->view);
    a->candidate = c;
    a->candidate.model = arena_slice(&a->arena, c.model);
    a->dialect = r->dialect;
    a->provider =
        c.provider->spec.dialect == SPEC_DIALECT_SIM ? NULL : provider_by_dialect(r->dialect);
    a->stream = r->facts->stream;
    a->hide_usage = a->dialect == DIALECT_OPENAI && !r->facts->include_usage;
    a->req_budgets = r->key->n_budgets > 0;
    a->price = view_model_find(a->view, c.provider->name, a->candidate.model);
    chunkq_init(&a->hold);
    timer_init(&a->drain_timer, a->worker->loop, attempt_drain_late);
    return a;
}

static void attempt_free(struct attempt *a)
{
    struct req_worker *w = a->worker;
    struct arena arena = a->arena;

    ASSERT(a->reservation == NULL);
    ASSERT(a->pending == NULL);
    sm_move(&a->sm, ATTEMPT_DONE);
    if (!list_empty(&a->link)) {
        list_remove(&a->link);
        w->n_drains--;
    }
    timer_stop(&a->drain_timer);
    timer_stop(&a->sim_timer);
    sim_free(a->sim);
    chunkq_deinit(&a->hold);
    if (a->answer != NULL) {
        if (w->answers[a->dialect] == NULL) {
            w->answers[a->dialect] = a->answer;
        } else {
            chat_answer_free(a->answer);
        }
    }
    view_unref(a->view);
    arena_deinit(&arena); /* a is gone. */
    req_maybe_idle(w);
}

bool attempt_start(struct req *r, struct candidate c)
{
    struct attempt *a = attempt_new(r, c);

    r->attempts++;
    (void)slice_copy_str(c.provider->name, r->record->provider, sizeof r->record->provider);
    (void)slice_copy_str(a->candidate.model, r->record->model, sizeof r->record->model);
    r->attempt = a;
    timer_init(&a->sim_timer, a->worker->loop, NULL);
    if (attempt_bound(a) && attempt_reserve(a)) {
        return true;
    }
    r->attempt = NULL;
    attempt_free(a);
    return false;
}

void attempt_finish(struct attempt *a, enum attempt_end end)
{
    struct req *r = a->req;

    attempt_free(a);
    if (r != NULL) {
        req_attempt_ended(r, end);
    }
}

/* --- the client has left --- */

static void attempt_stop_source(struct attempt *a)
{
    if (a->fetch != NULL) {
        fetch_cancel(a->fetch);
        a->fetch = NULL;
    }
    timer_stop(&a->sim_timer);
}

/* Drained for long enough, or too many drain: the rest is charged without being seen. */
static void attempt_give_up(struct attempt *a)
{
    attempt_stop_source(a);
    attempt_settle(a, CHARGE_BOUND, false);
    attempt_finish(a, ATTEMPT_CUT);
}

static void attempt_drain_late(struct timer *t)
{
    attempt_give_up(CONTAINER_OF(t, struct attempt, drain_timer));
}

static void attempt_drain(struct attempt *a)
{
    struct req_worker *w = a->worker;

    sm_move(&a->sm, ATTEMPT_DRAINING);
    list_push_back(&w->drains, &a->link);
    w->n_drains++;
    metric_inc(METRIC_upstream_drained_total);
    timer_start(&a->drain_timer, DRAIN_AFTER_CLIENT_MS);
    chunkq_consume(&a->hold, a->hold.n_bytes);
    if (a->paused && a->fetch != NULL) {
        a->paused = false;
        fetch_resume(a->fetch);
    } else if (a->paused) {
        a->paused = false;
        timer_start(&a->sim_timer, 1);
    }
    if (w->n_drains > DRAIN_FETCHES_MAX) {
        attempt_give_up(LIST_FIRST(&w->drains, struct attempt, link));
    }
}

void attempt_leave(struct attempt *a)
{
    bool unsent = a->fetch != NULL && fetch_sent_us(a->fetch) == 0;

    a->req = NULL;
    if (a->pending != NULL) {
        gov_cancel(a->worker->gov, a->pending);
        a->pending = NULL;
        attempt_free(a);
        return;
    }
    if (unsent) {
        attempt_stop_source(a);
        attempt_settle(a, CHARGE_NOTHING, false);
        attempt_free(a);
        return;
    }
    if (a->candidate.provider->spec.cancel == SPEC_CANCEL_NONE) {
        attempt_drain(a);
        return;
    }
    attempt_stop_source(a);
    attempt_settle(a, CHARGE_USAGE, false); /* Observed, unless usage was seen already. */
    attempt_free(a);
}

void attempt_writable(struct attempt *a)
{
    if (!a->paused) {
        return;
    }
    a->paused = false;
    if (a->fetch != NULL) {
        fetch_resume(a->fetch);
    } else {
        timer_start(&a->sim_timer, 1);
    }
}
