/* Where requests go: providers, models and their prices, routes. */
#include "base/check.h"
#include "raft/spec_i.h"

static void spec_read_secret(struct spec_reader *r, yyjson_val *v, struct spec_secret *ret)
{
    static const struct {
        const char *field;
        enum spec_secret_from from;
    } froms[] = {
        {"sealed", SPEC_SECRET_SEALED}, {"env", SPEC_SECRET_ENV}, {"file", SPEC_SECRET_FILE}};

    if (v == NULL || r->rv != 0) {
        return;
    }
    if (yyjson_obj_get(v, "value") != NULL) { /* Replicated state never holds one in clear. */
        spec_fail(r, "spec.api_key", "value", "has not been sealed");
    }
    spec_fields(r, v, "spec.api_key", "value env file sealed", "");
    for (size_t i = 0; i < ARRAY_LEN(froms) && r->rv == 0; i++) {
        if (yyjson_obj_get(v, froms[i].field) != NULL) {
            ret->from = froms[i].from;
            spec_text(r, v, "spec.api_key", froms[i].field, &ret->text);
        }
    }
    if (yyjson_obj_size(v) != 1 || ret->text.n == 0) {
        spec_fail(r, "spec.api_key", "", "expected exactly one of value, env and file");
    }
}

static bool spec_header_ok(struct slice name, struct slice value)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
        if (!ok) {
            return false;
        }
    }
    for (size_t i = 0; i < value.n; i++) {
        if ((unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7f) {
            return false;
        }
    }
    return name.n > 0;
}

static void spec_read_headers(struct spec_reader *r, yyjson_val *v, struct spec_provider *ret)
{
    yyjson_val *key, *value;
    size_t i, n;

    if (v == NULL || r->rv != 0) {
        return;
    }
    if (!yyjson_is_obj(v) || yyjson_obj_size(v) > SPEC_HEADERS_MAX) {
        spec_fail(r, "spec", "headers", "expected an object of at most %d texts", SPEC_HEADERS_MAX);
        return;
    }
    ret->headers = arena_zalloc(r->arena, (yyjson_obj_size(v) + 1) * sizeof *ret->headers);
    yyjson_obj_foreach(v, i, n, key, value)
    {
        struct spec_kv kv = {json_slice(key), json_slice(value)};
        if (!yyjson_is_str(value) || !spec_header_ok(kv.key, kv.value)) {
            spec_fail(r, "spec", "headers",
                      "expected header names and texts without control "
                      "characters");
            return;
        }
        ret->headers[ret->n_headers].key = arena_slice(r->arena, kv.key);
        ret->headers[ret->n_headers++].value = arena_slice(r->arena, kv.value);
    }
}

static void spec_check_url(struct spec_reader *r, struct slice url)
{
    struct slice rest = url;

    if (slice_starts(url, SLICE("https://"))) {
        rest = slice_of(url.p + 8, url.n - 8);
    } else if (slice_starts(url, SLICE("http://"))) {
        rest = slice_of(url.p + 7, url.n - 7);
    } else {
        rest.n = 0;
    }
    for (size_t i = 0; i < rest.n; i++) {
        unsigned char c = (unsigned char)rest.p[i];
        if (c <= ' ' || c >= 0x7f || c == '?' || c == '#' || c == '@') {
            spec_fail(r, "spec", "base_url", "expected no spaces, '?', '#' or '@' in it");
        }
    }
    if (rest.n == 0 || rest.p[0] == '/' || url.n > SPEC_URL_MAX) {
        spec_fail(r, "spec", "base_url", "expected http://host... or https://host...");
    }
}

void spec_read_provider(struct spec_reader *r, yyjson_val *v, struct slice name,
                        struct spec_provider *ret)
{
    static const char known[] = "dialect base_url api_key cancel allow_private reasoning_bounded "
                                "ca headers max_tokens_field stream_usage";
    int dialect = -1, cancel = SPEC_CANCEL_NONE;

    ret->stream_usage = true;
    spec_fields(r, v, "spec", known, "concurrency region timeouts");
    spec_word(r, v, "spec", "dialect", "openai anthropic sim", &dialect);
    if (dialect < 0) {
        spec_fail(r, "spec", "dialect", "expected one of: openai anthropic sim");
        return;
    }
    ret->dialect = (enum spec_dialect)dialect;
    spec_text(r, v, "spec", "base_url", &ret->base_url);
    spec_word(r, v, "spec", "cancel", "none bounded exact", &cancel);
    ret->cancel = (enum spec_cancel)cancel;
    spec_bool(r, v, "spec", "allow_private", &ret->allow_private);
    spec_bool(r, v, "spec", "reasoning_bounded", &ret->reasoning_bounded);
    spec_bool(r, v, "spec", "stream_usage", &ret->stream_usage);
    spec_text(r, v, "spec", "ca", &ret->ca);
    spec_text(r, v, "spec", "max_tokens_field", &ret->max_tokens_field);
    if (ret->max_tokens_field.n > 0 && !slice_eq(ret->max_tokens_field, SLICE("max_tokens")) &&
        !slice_eq(ret->max_tokens_field, SLICE("max_completion_tokens"))) {
        spec_fail(r, "spec", "max_tokens_field", "expected max_tokens or max_completion_tokens");
    }
    spec_read_headers(r, yyjson_obj_get(v, "headers"), ret);
    spec_read_secret(r, yyjson_obj_get(v, "api_key"), &ret->api_key);
    if (r->rv != 0) {
        return;
    }
    if (ret->dialect == SPEC_DIALECT_SIM && ret->base_url.n > 0) {
        spec_fail(r, "spec", "base_url", "the sim dialect is answered inside the gateway");
    } else if (ret->dialect != SPEC_DIALECT_SIM) {
        spec_check_url(r, ret->base_url);
    }
    if (slice_eq(name, SLICE("sim")) && ret->dialect != SPEC_DIALECT_SIM) {
        spec_fail(r, "spec", "dialect", "the provider named sim is the built-in one");
    }
}

/* Dollars for a million tokens -> pico-dollars for one, rounded up. */
static void spec_price(struct spec_reader *r, yyjson_val *v, const char *field, int decimals,
                       int64_t *ret)
{
    i128 price;

    if (!spec_decimal(r, v, "spec", field, SLICE("usd"), decimals, &price)) {
        return;
    }
    if (price > SPEC_COUNT_MAX) {
        spec_fail(r, "spec", field, "is above any price");
        return;
    }
    *ret = (int64_t)price;
}

void spec_read_model(struct spec_reader *r, yyjson_val *v, struct slice name,
                     struct spec_model *ret)
{
    static const char known[] =
        "input_usd_per_mtok output_usd_per_mtok cache_read_usd_per_mtok cache_write_usd_per_mtok "
        "request_usd max_input_tokens max_output_tokens reasoning_bounded";
    size_t slash = slice_find(name, '/');

    ret->provider = arena_slice(r->arena, slice_of(name.p, slash));
    ret->model = arena_slice(r->arena, slice_of(name.p + slash + 1, name.n - slash - 1));
    ret->cache_read_pusd = ret->cache_write_pusd = -1;
    ret->input_pusd = ret->output_pusd = -1;
    spec_fields(r, v, "spec", known, "batch_discount long_context allowances aliases tokenizer");
    spec_price(r, v, "input_usd_per_mtok", 6, &ret->input_pusd);
    spec_price(r, v, "output_usd_per_mtok", 6, &ret->output_pusd);
    spec_price(r, v, "cache_read_usd_per_mtok", 6, &ret->cache_read_pusd);
    spec_price(r, v, "cache_write_usd_per_mtok", 6, &ret->cache_write_pusd);
    spec_price(r, v, "request_usd", 12, &ret->request_pusd);
    spec_count(r, v, "spec", "max_input_tokens", INT32_MAX, &ret->max_input_tokens);
    spec_count(r, v, "spec", "max_output_tokens", INT32_MAX, &ret->max_output_tokens);
    spec_bool(r, v, "spec", "reasoning_bounded", &ret->reasoning_bounded);
    if (ret->input_pusd < 0) {
        spec_fail(r, "spec", "input_usd_per_mtok", "required; 0 when it is free");
    }
    if (ret->output_pusd < 0) {
        spec_fail(r, "spec", "output_usd_per_mtok", "required; 0 when it is free");
    }
}

/* --- routes --- */

static void spec_read_target(struct spec_reader *r, yyjson_val *v, struct spec_target *ret)
{
    static const char path[] = "spec.targets[]";

    ret->weight = 1;
    spec_fields(r, v, path, "provider model weight", "region");
    spec_name(r, v, path, "provider", KIND_PROVIDER, &ret->provider);
    spec_text(r, v, path, "model", &ret->model);
    spec_count(r, v, path, "weight", 1000000, &ret->weight);
    if (ret->provider.n == 0) {
        spec_fail(r, path, "provider", "required");
    }
    if (ret->model.n == 0 || ret->model.n > NAME_BYTES_MAX) {
        spec_fail(r, path, "model", "required, at most %d bytes", NAME_BYTES_MAX);
    }
}

static void spec_read_targets(struct spec_reader *r, yyjson_val *v, struct spec_route *ret)
{
    size_t n = yyjson_arr_size(v);
    int64_t weight = 0;

    if (r->rv != 0) {
        return;
    }
    if (!yyjson_is_arr(v) || n == 0 || n > ROUTE_TARGETS_MAX) {
        spec_fail(r, "spec", "targets", "expected a list of 1 to %d targets", ROUTE_TARGETS_MAX);
        return;
    }
    ret->targets = arena_zalloc(r->arena, n * sizeof *ret->targets);
    for (; ret->n_targets < n && r->rv == 0; ret->n_targets++) {
        struct spec_target *t = &ret->targets[ret->n_targets];
        spec_read_target(r, yyjson_arr_get(v, ret->n_targets), t);
        weight += t->weight;
    }
    if (weight == 0) {
        spec_fail(r, "spec", "targets", "expected at least one weight above 0");
    }
}

void spec_read_route(struct spec_reader *r, yyjson_val *v, struct spec_route *ret)
{
    yyjson_val *timeouts = yyjson_obj_get(v, "timeouts"), *retries = yyjson_obj_get(v, "retries");
    struct slice strategy = json_slice(yyjson_obj_get(v, "strategy"));
    int word = 0;

    ret->retries_max = 2;
    spec_fields(r, v, "spec", "targets strategy timeouts retries",
                "fallbacks cache guardrails hedge regions sticky");
    if (slice_eq(strategy, SLICE("latency")) || slice_eq(strategy, SLICE("cost")) ||
        slice_eq(strategy, SLICE("least_busy"))) {
        spec_fail(r, "spec.strategy", "", "%.*s: not enforced by this version",
                  SLICE_FMT(strategy));
    }
    spec_word(r, v, "spec", "strategy", "weighted priority", &word);
    ret->strategy = word == 0 ? SPEC_ROUTE_WEIGHTED : SPEC_ROUTE_PRIORITY;
    spec_read_targets(r, yyjson_obj_get(v, "targets"), ret);
    if (timeouts != NULL) {
        spec_fields(r, timeouts, "spec.timeouts", "connect first_byte idle total", "");
        spec_duration(r, timeouts, "spec.timeouts", "connect", &ret->connect_ms);
        spec_duration(r, timeouts, "spec.timeouts", "first_byte", &ret->first_byte_ms);
        spec_duration(r, timeouts, "spec.timeouts", "idle", &ret->idle_ms);
        spec_duration(r, timeouts, "spec.timeouts", "total", &ret->total_ms);
    }
    if (retries != NULL) {
        spec_fields(r, retries, "spec.retries", "max", "on backoff");
        spec_count(r, retries, "spec.retries", "max", ROUTE_TARGETS_MAX, &ret->retries_max);
    }
}
