/* Specs: what is taken, what is refused and by which words; sealing; windows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "raft/spec.h"

static struct arena arena;
static struct errmsg err;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

static struct spec take(enum kind kind, const char *name, const char *json)
{
    struct spec s = {0};

    if (spec_parse(kind, slice_str(name), slice_str(json), &arena, &s, &err) != 0) {
        fail_msg("%s: %s", json, err.text);
    }
    return s;
}

static void refuse(enum kind kind, const char *name, const char *json, const char *why)
{
    struct spec s;

    assert_int_equal(spec_parse(kind, slice_str(name), slice_str(json), &arena, &s, &err),
                     Q_EINVAL);
    if (strstr(err.text, why) == NULL) {
        fail_msg("%s: \"%s\" does not say \"%s\"", json, err.text, why);
    }
}

static void test_prices_are_exact(void **state)
{
    struct spec s = take(KIND_MODEL, "openai/gpt-4o-mini",
                         "{\"input_usd_per_mtok\":0.15,\"cache_read_usd_per_mtok\":\"0.075\","
                         "\"output_usd_per_mtok\":0.60,\"max_input_tokens\":128000}");

    (void)state;
    assert_true(slice_eq(s.model.provider, SLICE("openai")));
    assert_true(slice_eq(s.model.model, SLICE("gpt-4o-mini")));
    assert_int_equal(s.model.input_pusd, 150000);
    assert_int_equal(s.model.cache_read_pusd, 75000);
    assert_int_equal(s.model.cache_write_pusd, -1);
    assert_int_equal(s.model.output_pusd, 600000);
    assert_int_equal(s.model.max_input_tokens, 128000);
    s = take(KIND_MODEL, "p/a/b:c", "{\"input_usd_per_mtok\":0.0000001,\"output_usd_per_mtok\":0}");
    assert_int_equal(s.model.input_pusd, 1); /* Rounded up. */
    assert_true(slice_eq(s.model.model, SLICE("a/b:c")));
    refuse(KIND_MODEL, "p/m", "{\"input_usd_per_mtok\":1}", "spec.output_usd_per_mtok: required");
    refuse(KIND_MODEL, "p/m", "{\"input_usd_per_mtok\":-1,\"output_usd_per_mtok\":1}", "negative");
    refuse(KIND_MODEL, "p/m", "{\"input_usd_per_mtok\":1e3,\"output_usd_per_mtok\":1}", "decimal");
    refuse(KIND_MODEL, "m", "{}", "provider/model");
}

static void test_providers(void **state)
{
    struct spec s = take(KIND_PROVIDER, "openai",
                         "{\"dialect\":\"openai\",\"base_url\":\"https://api.openai.com/v1\","
                         "\"api_key\":{\"env\":\"OPENAI_API_KEY\"},\"headers\":{\"X-A\":\"b\"}}");

    (void)state;
    assert_int_equal(s.provider.api_key.from, SPEC_SECRET_ENV);
    assert_true(slice_eq(s.provider.api_key.text, SLICE("OPENAI_API_KEY")));
    assert_true(s.provider.stream_usage);
    assert_int_equal(s.provider.n_headers, 1);
    take(KIND_PROVIDER, "sim", "{\"dialect\":\"sim\"}");
    refuse(KIND_PROVIDER, "v1", "{\"dialect\":\"sim\"}", "a path of the gateway");
    refuse(KIND_PROVIDER, "p", "{\"dialect\":\"gemini\"}", "expected one of: openai anthropic sim");
    refuse(KIND_PROVIDER, "p", "{\"dialect\":\"openai\"}", "base_url: expected http");
    refuse(KIND_PROVIDER, "p", "{\"dialect\":\"openai\",\"base_url\":\"ftp://x\"}", "base_url");
    refuse(KIND_PROVIDER, "p", "{\"dialect\":\"sim\",\"api_key\":{\"value\":\"secret\"}}",
           "has not been sealed");
    refuse(KIND_PROVIDER, "p", "{\"dialect\":\"sim\",\"concurrency\":3}",
           "spec.concurrency: not enforced by this version");
    refuse(KIND_PROVIDER, "p", "{\"dialect\":\"sim\",\"headers\":{\"a\":\"b\\r\\nc\"}}", "headers");
    refuse(KIND_PROVIDER, "p", "{\"dialect\":\"sim\",\"dialect\":\"sim\"}", "twice");
    refuse(KIND_PROVIDER, "a/b", "{\"dialect\":\"sim\"}", "letters, digits");
}

static void test_routes(void **state)
{
    struct spec s = take(KIND_ROUTE, "smart",
                         "{\"targets\":[{\"provider\":\"a\",\"model\":\"m\",\"weight\":80},"
                         "{\"provider\":\"b\",\"model\":\"n\"}],\"strategy\":\"priority\","
                         "\"timeouts\":{\"connect\":\"3s\",\"total\":\"10m\"},"
                         "\"retries\":{\"max\":1}}");

    (void)state;
    assert_int_equal(s.route.n_targets, 2);
    assert_int_equal(s.route.targets[0].weight, 80);
    assert_int_equal(s.route.targets[1].weight, 1);
    assert_int_equal(s.route.strategy, SPEC_ROUTE_PRIORITY);
    assert_true(s.route.connect_ms == 3000 && s.route.total_ms == 600000 && s.route.idle_ms == 0);
    assert_int_equal(s.route.retries_max, 1);
    refuse(KIND_ROUTE, "r", "{\"targets\":[]}", "spec.targets: expected a list");
    refuse(KIND_ROUTE, "r",
           "{\"targets\":[{\"provider\":\"a\",\"model\":\"m\"}],\"fallbacks\":[\"x\"]}",
           "spec.fallbacks: not enforced by this version");
    refuse(KIND_ROUTE, "r",
           "{\"targets\":[{\"provider\":\"a\",\"model\":\"m\"}],\"strategy\":\"latency\"}",
           "latency: not enforced by this version");
}

static void test_budgets(void **state)
{
    struct spec s = take(KIND_BUDGET, "b",
                         "{\"match\":{\"team\":\"t\",\"key\":\"k\"},\"unit\":\"usd\","
                         "\"limit\":\"0.5usd\",\"window\":{\"every\":\"month\",\"tz\":\"UTC\"},"
                         "\"mode\":\"hard\"}");

    (void)state;
    assert_true(s.budget.limit == PUSD_PER_USD / 2);
    assert_int_equal(s.budget.every, WINDOW_MONTH);
#define B(match, rest) "{\"match\":" match ",\"unit\":\"usd\",\"limit\":500" rest "}"
#define W              ",\"window\":{\"every\":\"day\"}"
    s = take(KIND_BUDGET, "b", B("{\"org\":\"o\"}", W));
    assert_true(s.budget.limit == 500 * (i128)PUSD_PER_USD);
    refuse(KIND_BUDGET, "b", B("{}", W), "spec.match: expected at least one");
    refuse(KIND_BUDGET, "b", B("{\"user\":\"u\"}", W), "spec.match.user: not enforced");
    refuse(KIND_BUDGET, "b", B("{\"tag.x\":\"u\"}", W), "spec.match.tag.x: not enforced");
    refuse(KIND_BUDGET, "b", B("{\"team\":\"t\"}", W ",\"alerts\":[75]"),
           "spec.alerts: not enforced by this version");
    refuse(KIND_BUDGET, "b", B("{\"team\":\"t\"}", W ",\"mode\":\"soft\""),
           "spec.mode: other than");
    refuse(KIND_BUDGET, "b", B("{\"team\":\"t\"}", W ",\"moed\":1"), "spec.moed: unknown field");
    refuse(KIND_BUDGET, "b", B("{\"team\":\"t\"}", ",\"window\":{\"every\":\"rolling 24h\"}"),
           "rolling: not enforced");
    refuse(KIND_BUDGET, "b",
           B("{\"team\":\"t\"}", ",\"window\":{\"every\":\"day\",\"tz\":\"Europe/Paris\"}"),
           "spec.window.tz: other than UTC");
    refuse(KIND_BUDGET, "b", B("{\"team\":\"t\"}", ""), "spec.window: expected an object");
    refuse(KIND_LIMIT, "l", "{}", "not enforced by this version");
}

static void test_keys(void **state)
{
#define MAC "\"mac\":\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\""
    struct spec s = take(KIND_KEY, "k",
                         "{\"team\":\"t\",\"models\":[\"openai/*\"],"
                         "\"expires\":\"2026-12-31T00:00:00Z\"," MAC "}");

    (void)state;
    assert_int_equal(s.key.n_models, 1);
    assert_int_equal(s.key.expires_ms, 1798675200000);
    assert_int_equal(s.key.mac[1], 0x11);
    refuse(KIND_KEY, "k", "{\"team\":\"t\"}", "quoratectl key create");
    refuse(KIND_KEY, "k", "{" MAC ",\"pin\":{\"user\":\"a\"}}", "spec.pin: not enforced");
    refuse(KIND_KEY, "k", "{" MAC ",\"expires\":\"90d\"}", "spec.expires: expected a time");
}

static void test_a_credential_is_sealed_and_shown_as_a_fingerprint(void **state)
{
    static const uint8_t key[32] = {1}, other[32] = {2};
    struct buf stored, shown, again, plain;
    struct spec s;

    (void)state;
    buf_init(&stored, 65536);
    buf_init(&shown, 65536);
    buf_init(&again, 65536);
    buf_init(&plain, 65536);
    assert_int_equal(spec_seal(KIND_PROVIDER, SLICE("p"),
                               SLICE("{\"dialect\":\"sim\", \"api_key\":{\"value\":\"sk-1\"}}"),
                               SLICE(""), key, &stored, &err),
                     0);
    assert_true(slice_search(buf_slice(&stored), SLICE("sk-1")) == stored.n);
    assert_int_equal(spec_parse(KIND_PROVIDER, SLICE("p"), buf_slice(&stored), &arena, &s, &err),
                     0);
    assert_int_equal(s.provider.api_key.from, SPEC_SECRET_SEALED);
    assert_int_equal(spec_unseal(SLICE("p"), &s.provider.api_key, key, &plain), 0);
    assert_true(slice_eq(buf_slice(&plain), SLICE("sk-1")));
    assert_int_equal(spec_unseal(SLICE("q"), &s.provider.api_key, key, &plain), Q_EPERM);
    assert_int_equal(spec_unseal(SLICE("p"), &s.provider.api_key, other, &plain), Q_EPERM);
    spec_show(KIND_PROVIDER, buf_slice(&stored), &shown);
    assert_true(slice_search(buf_slice(&shown), SLICE("\"value\":\"sealed:")) < shown.n);
    /* What was read is applied again: nothing changes. */
    assert_int_equal(spec_seal(KIND_PROVIDER, SLICE("p"), buf_slice(&shown), buf_slice(&stored),
                               key, &again, &err),
                     0);
    assert_true(slice_eq(buf_slice(&again), buf_slice(&stored)));
    buf_clear(&again);
    assert_int_equal(
        spec_seal(KIND_PROVIDER, SLICE("p"), buf_slice(&shown), SLICE("{}"), key, &again, &err),
        Q_EINVAL);
    assert_int_equal(again.n, 0);
    buf_deinit(&stored);
    buf_deinit(&shown);
    buf_deinit(&again);
    buf_deinit(&plain);
}

static void test_macs_are_never_shown_and_survive_a_write(void **state)
{
    static const uint8_t key[32] = {1};
    struct slice stored = SLICE("{" MAC ",\"team\":\"t\"}");
    struct buf shown, again;

    (void)state;
    buf_init(&shown, 65536);
    buf_init(&again, 65536);
    spec_show(KIND_KEY, stored, &shown);
    assert_true(slice_eq(buf_slice(&shown), SLICE("{\"team\":\"t\"}")));
    assert_int_equal(spec_seal(KIND_KEY, SLICE("k"), buf_slice(&shown), stored, key, &again, &err),
                     0);
    assert_true(slice_eq(buf_slice(&again), stored));
    buf_deinit(&shown);
    buf_deinit(&again);
}

static void check_window(enum window_every every, const char *at, const char *start,
                         const char *end)
{
    int64_t now, from, to, want_from, want_to;

    assert_int_equal(civil_parse(at, &now), 0);
    assert_int_equal(civil_parse(start, &want_from), 0);
    assert_int_equal(civil_parse(end, &want_to), 0);
    window_bounds(every, now, &from, &to);
    assert_int_equal(from, want_from);
    assert_int_equal(to, want_to);
    assert_int_equal(window_id(every, from), window_id(every, now));
    assert_int_equal(window_id(every, to - 1), window_id(every, now));
    assert_int_equal(window_id(every, to), window_id(every, now) + 1);
}

static void test_windows(void **state)
{
    int64_t from, to;

    (void)state;
    check_window(WINDOW_HOUR, "2026-11-24T10:15:00Z", "2026-11-24T10:00:00Z",
                 "2026-11-24T11:00:00Z");
    check_window(WINDOW_DAY, "2028-02-29T23:59:59Z", "2028-02-29", "2028-03-01");
    check_window(WINDOW_WEEK, "2026-11-24T00:00:00Z", "2026-11-23", "2026-11-30");
    check_window(WINDOW_MONTH, "2026-12-31T23:59:59Z", "2026-12-01", "2027-01-01");
    check_window(WINDOW_QUARTER, "2026-11-24T00:00:00Z", "2026-10-01", "2027-01-01");
    check_window(WINDOW_YEAR, "2026-01-01T00:00:00Z", "2026-01-01", "2027-01-01");
    window_bounds(WINDOW_ONCE, 1790000000000, &from, &to);
    assert_true(from == 0 && to == INT64_MAX && window_id(WINDOW_ONCE, 1790000000000) == 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_prices_are_exact),
        T(test_providers),
        T(test_routes),
        T(test_budgets),
        T(test_keys),
        T(test_a_credential_is_sealed_and_shown_as_a_fingerprint),
        T(test_macs_are_never_shown_and_survive_a_write),
        T(test_windows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
