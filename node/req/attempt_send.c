/* Sending: the request's bytes with the few splices, to a provider by fetch or to the built-in sim.
 */
#include <string.h>

#include "base/check.h"
#include "base/metrics.h"
#include "node/req/attempt.h"

static void attempt_fetch_head(struct fetch *f, int status, const struct headers *h)
{
    attempt_on_head(fetch_owner(f), status, h);
}
static void attempt_fetch_body(struct fetch *f, struct block *block, const char *p, size_t n)
{
    attempt_on_body(fetch_owner(f), block, p, n);
}
static void attempt_fetch_end(struct fetch *f)
{
    struct attempt *a = fetch_owner(f);

    a->fetch = NULL;
    attempt_on_end(a);
}
static void attempt_fetch_fail(struct fetch *f, const struct fetch_failure *why)
{
    struct attempt *a = fetch_owner(f);

    a->fetch = NULL;
    attempt_on_fail(a, why);
}

const struct fetch_ops attempt_fetch_ops = {
    .on_head = attempt_fetch_head,
    .on_body = attempt_fetch_body,
    .on_end = attempt_fetch_end,
    .on_fail = attempt_fetch_fail,
};

/* --- sim --- */

static void attempt_sim_step(struct timer *t)
{
    struct attempt *a = CONTAINER_OF(t, struct attempt, sim_timer);
    const struct fetch_failure cut = {.status = Q_ERESET,
                                      .stage = FETCH_STREAMING,
                                      .maybe_processed = true,
                                      .why = "the stream was cut"};
    enum sim_step step;
    struct block *block;
    struct buf piece;

    if (a->status == 0) {
        struct headers h;
        headers_init(&h, &a->arena);
        headers_add_str(&h, "content-type", sim_content_type(a->sim));
        attempt_on_head(a, sim_status(a->sim), &h);
    }
    if (a->paused) {
        return; /* attempt_writable() starts the timer again. */
    }
    buf_init(&piece, UPSTREAM_JSON_BYTES_MAX);
    step = sim_next(a->sim, &piece);
    if (step == SIM_MORE) { /* Before on_body: that may end the attempt and stop the timer. */
        timer_start(&a->sim_timer, sim_delay_ms(a->sim));
    }
    block = block_new(piece.n > 0 ? piece.n : 1);
    memcpy(block->data, piece.p != NULL ? piece.p : "", piece.n);
    if (piece.n > 0) {
        bool alive = true;
        a->sim_alive = &alive;
        attempt_on_body(a, block, block->data, piece.n);
        if (alive) {
            a->sim_alive = NULL;
        } else {
            step = SIM_MORE; /* The attempt is over. */
        }
    }
    block_unref(block);
    buf_deinit(&piece);
    if (step == SIM_END) {
        attempt_on_end(a);
    } else if (step == SIM_CUT) {
        attempt_on_fail(a, &cut);
    }
}

static int attempt_send_sim(struct attempt *a)
{
    struct req *r = a->req;
    size_t n = r->body.n_bytes;
    char *flat = arena_alloc(&a->arena, n + 1);
    struct slice metadata =
        headers_get(&exchange_request(r->exchange)->headers, "x-quorate-metadata");

    (void)chunkq_peek(&r->body, 0, flat, n);
    a->sim = sim_new(a->dialect, slice_of(flat, n), a->candidate.model, metadata,
                     loop_wall_ms(a->worker->loop) / 1000);
    timer_init(&a->sim_timer, a->worker->loop, attempt_sim_step);
    timer_start(&a->sim_timer, sim_delay_ms(a->sim));
    a->sent_us = loop_now_us(a->worker->loop);
    return 0;
}

/* --- providers --- */

static struct slice attempt_target(struct attempt *a)
{
    return slice_str(
        arena_printf(&a->arena, "%s%s", a->candidate.provider->url.path, a->provider->chat_path));
}

static void attempt_rewrite(struct attempt *a, struct chunkq *out)
{
    const struct view_provider *p = a->candidate.provider;
    struct chat_change c = {.max_output = -1};
    char field[64];

    if (!slice_eq(slice_str(a->req->facts->model), a->candidate.model)) {
        c.model = a->candidate.model;
    }
    c.include_usage = a->dialect == DIALECT_OPENAI && a->stream && p->spec.stream_usage;
    if (a->req_budgets && a->bound_sent) {
        c.max_output = a->output_bound;
        c.max_output_field = a->provider->max_output_field;
        if (p->spec.max_tokens_field.n > 0 &&
            slice_copy_str(p->spec.max_tokens_field, field, sizeof field)) {
            c.max_output_field = arena_strdup(&a->arena, slice_str(field));
        }
    }
    chat_rewrite(a->req->scan, &c, &a->req->body, out);
}

static void attempt_provider_headers(struct attempt *a, struct headers *h)
{
    const struct view_provider *p = a->candidate.provider;

    headers_init(h, &a->arena);
    a->provider->headers(h, p->credential, &exchange_request(a->req->exchange)->headers, a->stream);
    for (size_t i = 0; i < p->spec.n_headers; i++) {
        headers_add(h, p->spec.headers[i].key, p->spec.headers[i].value);
    }
}

static void attempt_timeouts(const struct attempt *a, struct fetch_timeouts *t)
{
    const struct exchange_request *q = exchange_request(a->req->exchange);
    uint64_t client_ms;

    *t = a->req->plan.timeouts;
    if (scan_u64(headers_get(&q->headers, "x-quorate-timeout-ms"), 86400000, &client_ms) == 0 &&
        client_ms > 0 && (t->total_ms == 0 || client_ms < t->total_ms)) {
        t->total_ms = client_ms;
    }
}

int attempt_send(struct attempt *a)
{
    const struct view_provider *p = a->candidate.provider;
    struct fetch_request q = {.method = SLICE("POST")};
    struct headers headers;
    struct chunkq body;

    metric_inc(METRIC_upstream_attempts_total);
    a->answer = a->worker->answers[a->dialect];
    a->worker->answers[a->dialect] = NULL;
    if (a->answer == NULL) {
        a->answer = chat_answer_new(a->dialect);
    }
    chat_answer_begin(a->answer, a->stream, a->hide_usage);
    if (a->provider == NULL) {
        return attempt_send_sim(a);
    }
    if (p->url.host[0] == 0) {
        attempt_error(a, 502, "no_healthy_upstream", "the provider has no usable base_url");
        return Q_EINVAL;
    }
    chunkq_init(&body);
    attempt_rewrite(a, &body);
    attempt_provider_headers(a, &headers);
    attempt_timeouts(a, &q.timeouts);
    q.origin = (struct origin){.https = p->url.https,
                               .host = p->url.host,
                               .port = p->url.port,
                               .tls = p->tls,
                               .allow_private = p->spec.allow_private};
    q.target = attempt_target(a);
    q.headers = &headers;
    q.body = &body;
    a->fetch = fetch_start(a->worker->upstream, &q, &attempt_fetch_ops, a);
    chunkq_deinit(&body);
    return 0;
}
