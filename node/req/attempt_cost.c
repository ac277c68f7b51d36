/* What an attempt may cost at most, and what it did cost (LEDGER.md 4.6). Prices are pico-dollars a
 * token; both sums use the same monotone function, so a cost never exceeds its bound by rounding.
 */
#include "base/check.h"
#include "base/metrics.h"
#include "node/req/attempt.h"

/* Tokens that a margin may still arrive after a cut, for `cancel: bounded`. */
#define CANCEL_MARGIN_TOKENS 64

static i128 attempt_max_i(i128 a, i128 b)
{
    return a > b ? a : b;
}

/* An absent cache price is the input's. */
static int64_t attempt_read_pusd(const struct spec_model *m)
{
    return m->cache_read_pusd >= 0 ? m->cache_read_pusd : m->input_pusd;
}

static int64_t attempt_write_pusd(const struct spec_model *m)
{
    return m->cache_write_pusd >= 0 ? m->cache_write_pusd : m->input_pusd;
}

static i128 attempt_usd(const struct spec_model *m, uint64_t plain, uint64_t read, uint64_t write,
                        uint64_t output)
{
    return (i128)plain * m->input_pusd + (i128)read * attempt_read_pusd(m) +
           (i128)write * attempt_write_pusd(m) + (i128)output * m->output_pusd + m->request_pusd;
}

/* The dearest that @input tokens of prompt and @output tokens can be. */
static i128 attempt_usd_max(const struct spec_model *m, int64_t input, int64_t output)
{
    i128 in =
        attempt_max_i(m->input_pusd, attempt_max_i(attempt_read_pusd(m), attempt_write_pusd(m)));

    return (i128)input * in + (i128)output * m->output_pusd + m->request_pusd;
}

static void attempt_bound_set(struct bound *b, i128 usd, int64_t input, int64_t output)
{
    b->amount[UNIT_USD] = usd;
    b->amount[UNIT_INPUT_TOKENS] = input;
    b->amount[UNIT_OUTPUT_TOKENS] = output;
    b->amount[UNIT_TOKENS] = (i128)input + output;
    b->amount[UNIT_REQUESTS] = 1;
}

static int64_t attempt_least(int64_t a, int64_t b)
{
    return a < 0 ? b : b < 0 ? a : a < b ? a : b;
}

static int64_t attempt_limit(int64_t v)
{
    return v > 0 ? v : -1;
}

static void attempt_measure(struct attempt *a)
{
    const struct chat_facts *f = a->req->facts;
    const struct spec_model *m = a->price != NULL ? &a->price->spec : NULL;
    int64_t out = f->max_output;

    out = attempt_least(out, attempt_limit(a->req->key->spec.max_output_tokens));
    if (m != NULL) {
        out = attempt_least(out, attempt_limit(m->max_output_tokens));
    }
    a->output_bound = out;
    a->prompt_bound =
        f->refers ? (m != NULL ? attempt_limit(m->max_input_tokens) : -1) : chat_prompt_bound(f);
}

static bool attempt_unbounded(struct attempt *a, const char *why)
{
    attempt_error(a, 400, "unpriced_model",
                  "%.*s/%.*s cannot be used under a hard budget: %s. Ask your operator.",
                  SLICE_FMT(a->candidate.provider->name), SLICE_FMT(a->candidate.model), why);
    return false;
}

bool attempt_bound(struct attempt *a)
{
    const struct chat_facts *f = a->req->facts;
    bool hard = a->req->key->n_budgets > 0;
    int64_t outputs;

    attempt_measure(a);
    if (!hard) {
        return true;
    }
    if (gov_is_hard_usd(a->req->key) && a->price == NULL) {
        return attempt_unbounded(a, "it has no price");
    }
    if (f->dear_tier || f->hosted_tools || chat_tools_hosted(a->req->scan, &a->req->body)) {
        attempt_error(a, 400, "invalid_request",
                      "%s cannot be used under a hard budget: the cost has no bound.",
                      f->dear_tier ? "This service tier" : "Tools that the provider hosts");
        return false;
    }
    if (a->prompt_bound < 0) {
        return attempt_unbounded(a, "the request refers to content outside of it and the model's "
                                    "max_input_tokens is not known");
    }
    if (a->output_bound < 0) {
        return attempt_unbounded(a, "no limit of its output is known; send max_tokens");
    }
    if (a->provider != NULL && !a->provider->output_bound_covers_reasoning &&
        !a->candidate.provider->spec.reasoning_bounded &&
        !(a->price != NULL && a->price->spec.reasoning_bounded)) {
        return attempt_unbounded(a, "it is not known whether its output bound covers hidden "
                                    "reasoning (reasoning_bounded)");
    }
    outputs = f->n > 1 ? f->n : 1;
    if (outputs > 1024 || a->output_bound > (1ll << 40)) {
        attempt_error(a, 400, "invalid_request", "`n` or the output bound is too large.");
        return false;
    }
    outputs *= a->output_bound;
    attempt_bound_set(&a->bound,
                      a->price != NULL ? attempt_usd_max(&a->price->spec, a->prompt_bound, outputs)
                                       : 0,
                      a->prompt_bound, outputs);
    a->bound_sent = f->max_output != a->output_bound;
    return true;
}

/* --- settling --- */

static void attempt_actual_usage(const struct attempt *a, const struct chat_usage *u,
                                 struct gov_actual *ret)
{
    uint64_t cached = u->cache_read_tokens + u->cache_write_tokens;
    uint64_t plain = u->input_tokens > cached ? u->input_tokens - cached : 0;
    i128 usd = a->price != NULL ? attempt_usd(&a->price->spec, plain, u->cache_read_tokens,
                                              u->cache_write_tokens, u->output_tokens)
                                : 0;

    attempt_bound_set(&ret->cost, usd, (int64_t)u->input_tokens, (int64_t)u->output_tokens);
    ret->input_tokens = u->input_tokens;
    ret->cached_tokens = u->cache_read_tokens;
    ret->output_tokens = u->output_tokens;
}

/* Without usage: the prompt's bound, and as many tokens of output as bytes were seen. */
static void attempt_actual_seen(const struct attempt *a, uint64_t output_tokens,
                                struct gov_actual *ret)
{
    int64_t input = a->prompt_bound >= 0 ? a->prompt_bound : 0;
    int64_t output = output_tokens > INT32_MAX ? INT32_MAX : (int64_t)output_tokens;
    i128 usd = a->price != NULL ? attempt_usd_max(&a->price->spec, input, output) : 0;

    attempt_bound_set(&ret->cost, usd, input, output);
    ret->input_tokens = (uint64_t)input;
    ret->output_tokens = (uint64_t)output;
}

/* An estimate never exceeds what was reserved: the bound is a bound. */
static void attempt_cap(const struct attempt *a, struct gov_actual *ret)
{
    for (size_t i = 0; a->req_budgets && i < UNIT_N_; i++) {
        ret->cost.amount[i] = i128_min(ret->cost.amount[i], a->bound.amount[i]);
    }
}

void attempt_settle(struct attempt *a, enum attempt_charge charge, bool error)
{
    struct gov_actual actual = {.error = error};
    const struct chat_usage *u = a->answer != NULL ? chat_answer_usage(a->answer) : NULL;
    struct reservation *r = a->reservation;

    ASSERT(r != NULL);
    if (charge == CHARGE_USAGE && (u == NULL || !u->known || u->odd)) {
        charge = u != NULL && u->odd ? CHARGE_BOUND : CHARGE_OBSERVED;
    }
    switch (charge) {
    case CHARGE_NOTHING:
        break;
    case CHARGE_PROMPT:
        attempt_actual_seen(a, 0, &actual);
        attempt_cap(a, &actual);
        break;
    case CHARGE_USAGE:
        attempt_actual_usage(a, u, &actual);
        break;
    case CHARGE_OBSERVED:
        attempt_actual_seen(
            a, (a->answer != NULL ? chat_answer_text_bytes(a->answer) : 0) + CANCEL_MARGIN_TOKENS,
            &actual);
        attempt_cap(a, &actual);
        break;
    case CHARGE_BOUND:
        actual.cost = a->bound;
        actual.input_tokens = (uint64_t)i128_to_i64_sat(a->bound.amount[UNIT_INPUT_TOKENS]);
        actual.output_tokens = (uint64_t)i128_to_i64_sat(a->bound.amount[UNIT_OUTPUT_TOKENS]);
        break;
    }
    a->reservation = NULL;
    if (a->req != NULL) {
        a->req->cost_pusd += actual.cost.amount[UNIT_USD];
        a->req->input_tokens += actual.input_tokens;
        a->req->output_tokens += actual.output_tokens;
    }
    gov_settle(a->worker->gov, r, &actual);
}
