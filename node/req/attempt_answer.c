/* The answer: held back until the commit point, then relayed as it comes. */
#include <stdio.h>

#include "base/check.h"
#include "base/metrics.h"
#include "node/req/attempt.h"

#define ERROR_BODY_BYTES_MAX (64u << 10) /* Of an error answer; more is dropped. */
#define ANSWER_HOLD_BYTES \
    (256u << 10) /* A JSON answer up to this is sent whole, with its cost in a header. */

/* --- towards the client --- */

static void attempt_respond(struct attempt *a, int64_t length, bool with_cost)
{
    struct req *r = a->req;
    struct headers h;

    ASSERT(!r->answered);
    headers_init(&h, r->arena);
    provider_response_headers(&a->up_headers, &h);
    if (a->fetch != NULL && fetch_first_us(a->fetch) > fetch_sent_us(a->fetch)) {
        r->upstream_us += fetch_first_us(a->fetch) - fetch_sent_us(a->fetch);
    } else if (a->sim != NULL) {
        r->upstream_us += loop_now_us(a->worker->loop) - a->sent_us;
    }
    req_common_headers(r, &h);
    if (with_cost) {
        req_cost_header(r, &h);
    }
    r->answered = true;
    r->record->status = a->status;
    r->record->first_byte_us = loop_now_us(a->worker->loop) - exchange_started_us(r->exchange);
    exchange_respond(r->exchange, a->status, &h, length);
}

static void attempt_send_on(struct attempt *a, struct chunkq *out)
{
    if (out->n_bytes > 0 && !exchange_send(a->req->exchange, out) && !a->paused) {
        a->paused = true;
        if (a->fetch != NULL) {
            fetch_pause(a->fetch);
        }
    }
}

static void attempt_commit(struct attempt *a)
{
    sm_move(&a->sm, ATTEMPT_RELAYING);
    attempt_respond(a, -1, false);
    attempt_send_on(a, &a->hold);
}

static void attempt_end_response(struct attempt *a)
{
    struct headers trailers;

    headers_init(&trailers, a->req->arena);
    req_cost_header(a->req, &trailers);
    exchange_end(a->req->exchange, &trailers);
}

/* After the commit point: an error event, then an end that no client takes for a good one. */
static void attempt_break(struct attempt *a, const char *code, const char *message)
{
    const struct dialect_error e = {
        .http = 502, .code = code, .message = message, .request_id = a->req->id};
    struct chunkq q;
    struct buf b;

    record_why(a->req->record, "%s", message);
    (void)slice_copy_str(slice_str(code), a->req->record->code, sizeof a->req->record->code);
    if (a->stream) {
        buf_init(&b, 4096);
        chunkq_init(&q);
        dialect_error_event(a->dialect, &e, &b);
        chunkq_add_copy(&q, b.p, b.n);
        (void)exchange_send(a->req->exchange, &q);
        chunkq_deinit(&q);
        buf_deinit(&b);
    }
    exchange_abort(a->req->exchange);
}

/* --- what a failure is charged --- */

static enum attempt_charge attempt_cut_charge(const struct attempt *a)
{
    if (chat_answer_usage(a->answer)->known) {
        return CHARGE_USAGE;
    }
    return a->candidate.provider->spec.cancel == SPEC_CANCEL_NONE ? CHARGE_BOUND : CHARGE_OBSERVED;
}

static void attempt_stop(struct attempt *a)
{
    struct fetch *f = a->fetch;

    a->fetch = NULL;
    if (f != NULL) {
        fetch_cancel(f);
    }
    timer_stop(&a->sim_timer);
}

static void attempt_done(struct attempt *a, enum attempt_charge charge, enum attempt_end end)
{
    if (a->sim_alive != NULL) {
        *a->sim_alive = false;
    }
    if (a->reservation != NULL) {
        attempt_settle(a, charge, end != ATTEMPT_OK);
    }
    if (end != ATTEMPT_OK) {
        metric_inc(METRIC_upstream_failures_total);
    }
    attempt_finish(a, end);
}

/* --- what the source says --- */

void attempt_on_head(struct attempt *a, int status, const struct headers *h)
{
    const struct provider *p = a->provider != NULL ? a->provider : provider_by_dialect(a->dialect);

    a->status = status;
    headers_init(&a->up_headers, &a->arena);
    for (size_t i = 0; i < h->n; i++) {
        headers_add(&a->up_headers, h->v[i].name, h->v[i].value);
    }
    a->verdict = provider_classify(p, status, h, SLICE(""));
    if (a->verdict == PROVIDER_OK && !provider_content_ok(h, a->stream)) {
        a->verdict = PROVIDER_BAD;
    }
    if (a->sm.state == ATTEMPT_SENDING) {
        sm_move(&a->sm, ATTEMPT_PEEKING);
    }
}

/* An error in place of content: as if the status had said so. */
static bool attempt_error_first(const struct attempt *a)
{
    return a->stream && chat_answer_error(a->answer).n > 0 && !chat_answer_content_seen(a->answer);
}

static void attempt_peek(struct attempt *a)
{
    if (attempt_error_first(a)) {
        attempt_error(a, 502, "no_healthy_upstream", "it answered with an error event");
        attempt_stop(a);
        attempt_done(a, attempt_cut_charge(a), ATTEMPT_FAILED);
        return;
    }
    if (a->stream ? chat_answer_content_seen(a->answer) || chat_answer_terminal_seen(a->answer)
                  : a->hold.n_bytes > ANSWER_HOLD_BYTES) {
        attempt_commit(a);
    }
}

static void attempt_bad_body(struct attempt *a)
{
    attempt_stop(a);
    if (a->sm.state == ATTEMPT_RELAYING) {
        enum attempt_charge charge = attempt_cut_charge(a);
        attempt_break(a, "upstream_bad_response", "The provider's stream is malformed.");
        attempt_done(a, charge, ATTEMPT_CUT);
        return;
    }
    attempt_error(a, 502, "upstream_bad_response", "its answer is malformed");
    attempt_done(a, attempt_cut_charge(a), ATTEMPT_FAILED);
}

void attempt_on_body(struct attempt *a, struct block *block, const char *p, size_t n)
{
    struct chunkq out;
    int rv;

    if (a->verdict != PROVIDER_OK) {
        if (a->hold.n_bytes + n <= ERROR_BODY_BYTES_MAX && a->req != NULL) {
            chunkq_add(&a->hold, block, p, n);
        }
        return;
    }
    chunkq_init(&out);
    rv = chat_answer_feed(a->answer, block, p, n, &out);
    if (rv != 0) {
        chunkq_deinit(&out);
        attempt_bad_body(a);
        return;
    }
    switch ((enum attempt_state)a->sm.state) {
    case ATTEMPT_PEEKING:
        chunkq_move(&a->hold, &out);
        attempt_peek(a);
        break;
    case ATTEMPT_RELAYING:
        attempt_send_on(a, &out);
        break;
    case ATTEMPT_DRAINING: /* Nobody reads it; we are here for the usage. */
    case ATTEMPT_RESERVING:
    case ATTEMPT_SENDING:
    case ATTEMPT_DONE:
        break;
    }
    chunkq_deinit(&out);
}

/* --- ends --- */

static bool attempt_body_is_json(const struct attempt *a)
{
    struct slice type = headers_get(&a->up_headers, "content-type");

    return slice_starts(type, SLICE("application/json")) && a->hold.n_bytes > 0;
}

/* The provider's own error body, unchanged. */
static void attempt_forward_error(struct attempt *a)
{
    char code[32];

    record_why(a->req->record, "%.*s answered %d.", SLICE_FMT(a->candidate.provider->name),
               a->status);
    (void)snprintf(code, sizeof code, "upstream_%d", a->status);
    (void)slice_copy_str(slice_str(code), a->req->record->code, sizeof a->req->record->code);
    attempt_settle(a, a->status < 500 ? CHARGE_NOTHING : CHARGE_PROMPT, true);
    attempt_respond(a, (int64_t)a->hold.n_bytes, true);
    (void)exchange_send(a->req->exchange, &a->hold);
    exchange_end(a->req->exchange, NULL);
    attempt_done(a, CHARGE_NOTHING, ATTEMPT_OK);
}

static void attempt_verdict_error(struct attempt *a)
{
    switch (a->verdict) {
    case PROVIDER_OK:
        UNREACHABLE();
    case PROVIDER_AUTH:
        attempt_error(a, 502, "upstream_auth", "it refused our credential (%d)", a->status);
        break;
    case PROVIDER_RATE_LIMITED:
        attempt_error(a, 429, "upstream_rate_limited", "it is rate limited");
        if (a->req != NULL) {
            int64_t s = provider_retry_after_s(&a->up_headers, loop_wall_ms(a->worker->loop));
            a->req->last.retry_after_s = s >= 0 ? s : 1;
            a->req->last.should_retry = 1;
        }
        break;
    case PROVIDER_QUOTA:
        attempt_error(a, 502, "upstream_quota", "its account is out of credit");
        break;
    case PROVIDER_OVERLOADED:
    case PROVIDER_FAILED:
    case PROVIDER_CLIENT_ERROR:
        attempt_error(a, 502, "no_healthy_upstream", "it answered %d", a->status);
        break;
    case PROVIDER_BAD:
        attempt_error(a, 502, "upstream_bad_response", "its answer (%d) is not what was asked for",
                      a->status);
        break;
    }
}

static void attempt_on_error_end(struct attempt *a)
{
    char head[1024];
    size_t n = chunkq_peek(&a->hold, 0, head, sizeof head);
    bool may_forward;
    enum attempt_charge charge;

    if (a->status >= 300 &&
        a->verdict != PROVIDER_BAD) { /* The body may say more: out of quota, for one. */
        a->verdict =
            provider_classify(a->provider != NULL ? a->provider : provider_by_dialect(a->dialect),
                              a->status, &a->up_headers, slice_of(head, n));
    }
    may_forward = a->verdict == PROVIDER_CLIENT_ERROR ||
                  ((a->verdict == PROVIDER_FAILED || a->verdict == PROVIDER_OVERLOADED) &&
                   a->req != NULL && !req_may_retry(a->req));
    if (a->req != NULL && may_forward && attempt_body_is_json(a)) {
        attempt_forward_error(a);
        return;
    }
    charge = a->verdict == PROVIDER_BAD && a->status < 300 ? attempt_cut_charge(a)
             : a->status >= 500                            ? CHARGE_PROMPT
                                                           : CHARGE_NOTHING;
    attempt_verdict_error(a);
    attempt_done(a, charge, ATTEMPT_FAILED);
}

static void attempt_on_cut(struct attempt *a, const char *why)
{
    enum attempt_charge charge = attempt_cut_charge(a);

    if (a->sm.state == ATTEMPT_RELAYING) {
        attempt_break(a, "upstream_bad_response", "The provider's stream was cut.");
        attempt_done(a, charge, ATTEMPT_CUT);
        return;
    }
    attempt_error(a, 502, "upstream_bad_response", "%s", why);
    attempt_done(a, charge, ATTEMPT_FAILED);
}

void attempt_on_end(struct attempt *a)
{
    struct chunkq out;
    int rv;

    if (a->verdict != PROVIDER_OK) {
        attempt_on_error_end(a);
        return;
    }
    chunkq_init(&out);
    rv = chat_answer_end(a->answer, &out);
    if (rv != 0 || (a->sm.state == ATTEMPT_PEEKING && attempt_error_first(a))) {
        chunkq_deinit(&out);
        attempt_on_cut(a, "its answer ended too early");
        return;
    }
    if (a->sm.state == ATTEMPT_PEEKING && a->stream) {
        attempt_commit(a);
    }
    if (a->sm.state == ATTEMPT_PEEKING) { /* A JSON answer, whole: its cost goes into a header. */
        chunkq_move(&a->hold, &out);
        attempt_settle(a, CHARGE_USAGE, false);
        attempt_respond(a, (int64_t)a->hold.n_bytes, true);
        (void)exchange_send(a->req->exchange, &a->hold);
        exchange_end(a->req->exchange, NULL);
    } else if (a->sm.state == ATTEMPT_RELAYING) {
        bool broken = chat_answer_error(a->answer).n > 0;
        attempt_settle(a, CHARGE_USAGE, broken);
        (void)exchange_send(a->req->exchange, &out);
        if (broken) {
            exchange_abort(a->req->exchange); /* The error event went through as it came. */
        } else {
            attempt_end_response(a);
        }
    }
    chunkq_deinit(&out);
    attempt_done(a, CHARGE_USAGE, ATTEMPT_OK);
}

static void attempt_failure_error(struct attempt *a, const struct fetch_failure *why)
{
    if (why->status == Q_ETIMEDOUT && why->stage != FETCH_CONNECTING) {
        attempt_error(a, 504, "upstream_timeout", "%s", why->why);
    } else if (why->status == Q_ETLS) {
        attempt_error(a, 502, "upstream_tls", "%s", why->why);
    } else if (why->status == Q_EPROTO || why->status == Q_ETOOBIG ||
               why->stage == FETCH_STREAMING) {
        attempt_error(a, 502, "upstream_bad_response", "%s", why->why);
    } else if (why->status == Q_EBUSY) {
        attempt_error(a, 503, "overloaded", "%s", why->why);
    } else {
        attempt_error(a, 502, "upstream_unreachable", "%s", why->why);
    }
}

void attempt_on_fail(struct attempt *a, const struct fetch_failure *why)
{
    enum attempt_charge charge = why->maybe_processed ? attempt_cut_charge(a) : CHARGE_NOTHING;

    if (a->sm.state == ATTEMPT_RELAYING && chat_answer_terminal_seen(a->answer)) {
        attempt_on_end(a); /* A dirty close after the terminal event is a success. */
        return;
    }
    if (a->verdict != PROVIDER_OK && a->status != 0) { /* An error answer that was cut. */
        attempt_on_error_end(a);
        return;
    }
    if (a->sm.state == ATTEMPT_RELAYING) {
        attempt_on_cut(a, why->why);
        return;
    }
    attempt_failure_error(a, why);
    attempt_done(a, charge, ATTEMPT_FAILED);
}
