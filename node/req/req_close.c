/* Step close: runs on every path. Says what went wrong, once, in the client's dialect; the record
 * is written when the exchange is over. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "node/req/req.h"

void req_common_headers(struct req *r, struct headers *h)
{
    char left_text[AMOUNT_TEXT_BYTES];
    i128 left;

    headers_add_static(h, SLICE("x-request-id"), slice_str(r->id));
    if (r->dialect == DIALECT_ANTHROPIC) {
        headers_add_static(h, SLICE("request-id"), slice_str(r->id));
    }
    if (r->attempts > 0) {
        headers_add_str(h, "x-quorate-attempts", arena_printf(r->arena, "%u", r->attempts));
        headers_add_static(h, SLICE("x-quorate-provider"),
                           arena_slice(r->arena, slice_str(r->record->provider)));
        headers_add_static(h, SLICE("x-quorate-model"),
                           arena_slice(r->arena, slice_str(r->record->model)));
    }
    if (r->key != NULL && gov_usd_left(r->worker->gov, r->key, &left)) {
        /* Rounded down to a millionth. */
        left = left < 0 ? 0 : left / 1000000 * 1000000;
        headers_add_str(h, "x-quorate-budget-remaining-usd", amount_text(left, 12, left_text));
    }
    if (r->exchange != NULL) {
        uint64_t total_us = loop_now_us(r->worker->loop) - exchange_started_us(r->exchange);
        uint64_t own_us = total_us > r->upstream_us ? total_us - r->upstream_us : 0;
        r->record->overhead_us = own_us;
        headers_add_str(h, "x-quorate-overhead-us",
                        arena_printf(r->arena, "%llu", (unsigned long long)own_us));
    }
}

void req_cost_header(struct req *r, struct headers *h)
{
    char text[AMOUNT_TEXT_BYTES];

    headers_add_str(h, "x-quorate-cost-usd", amount_text(r->cost_pusd, 12, text));
}

static void req_close_answer(struct req *r)
{
    const struct req_error *e = &r->error;
    const struct dialect_error d = {.http = e->http,
                                    .code = e->code,
                                    .message = e->message,
                                    .param = e->param,
                                    .request_id = r->id,
                                    .extra = slice_str(e->extra != NULL ? e->extra : "")};
    struct headers h;
    struct buf body;

    headers_init(&h, r->arena);
    buf_init(&body, 16384);
    req_common_headers(r, &h);
    req_cost_header(r, &h);
    if (e->retry_after_s >= 0) {
        headers_add_str(&h, "retry-after",
                        arena_printf(r->arena, "%lld", (long long)e->retry_after_s));
    }
    if (e->should_retry >= 0) {
        headers_add_str(&h, "x-should-retry", e->should_retry ? "true" : "false");
    }
    dialect_error_body(r->dialect, &d, &body);
    exchange_reply(r->exchange, e->http, "application/json", buf_slice(&body), &h);
    buf_deinit(&body);
}

static void req_close_record(struct req *r)
{
    struct record *rec = r->record;

    rec->attempts = r->attempts;
    rec->cost_pusd = r->cost_pusd;
    rec->input_tokens = r->input_tokens;
    rec->output_tokens = r->output_tokens;
    if (r->error.http != 0) {
        rec->status = r->error.http;
        (void)slice_copy_str(slice_str(r->error.code), rec->code, sizeof rec->code);
        record_why(rec, "%s", r->error.message);
    }
    if (r->error.http >= 500) {
        LOG_WARN("request failed", LOG_STR("id", r->id), LOG_STR("code", r->error.code),
                 LOG_STR("why", rec->why), LOG_STR("provider", rec->provider));
    }
}

static enum req_next req_close(struct req *r)
{
    if (r->exchange == NULL) { /* on_close has come: this is the end. */
        r->record->total_us = (uint64_t)(loop_wall_ms(r->worker->loop) - r->record->at_ms) * 1000;
        req_close_record(r);
        return REQ_DONE;
    }
    if (r->error.http != 0 && !r->answered) {
        r->answered = true;
        r->body_bad = r->body_bad || !r->body_done;
        req_close_answer(r);
    }
    return REQ_WAIT; /* The exchange's on_close. */
}

const struct req_step req_step_close = {"close", req_close};
