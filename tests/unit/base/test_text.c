/* Slices, scans, amounts and civil time: what is read, and what is refused at each border. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/money.h"
#include "base/rng.h"
#include "base/slice.h"

static void slice_compares(void **state)
{
    (void)state;
    assert_true(slice_eq(slice_of(NULL, 0), SLICE("")));
    assert_false(slice_eq(SLICE("a"), SLICE("b")));
    assert_false(slice_eq(SLICE("a"), SLICE("ab")));
    assert_true(slice_ieq(SLICE("Content-TYPE"), SLICE("content-type")));
    assert_false(slice_ieq(SLICE("[a"), SLICE("{a"))); /* 0x20 apart, and no letters */
    assert_true(slice_cmp(SLICE("a"), SLICE("ab")) < 0);
    assert_true(slice_cmp(SLICE("b"), SLICE("ab")) > 0);
    assert_true(slice_cmp(SLICE("\xff"), SLICE("a")) > 0); /* bytes are unsigned */
    assert_int_equal(slice_cmp(SLICE("ab"), SLICE("ab")), 0);
    assert_true(slice_starts(SLICE("abc"), SLICE("")));
    assert_false(slice_starts(SLICE("ab"), SLICE("abc")));
    assert_true(slice_ends(SLICE("abc"), SLICE("bc")));
    assert_false(slice_ends(SLICE("bc"), SLICE("abc")));
}

static void slice_finds_and_copies(void **state)
{
    char out[4];

    (void)state;
    assert_true(slice_eq(slice_trim(SLICE(" \t\r\na b\n ")), SLICE("a b")));
    assert_int_equal(slice_trim(SLICE(" \n ")).n, 0);
    assert_int_equal(slice_find(SLICE("abc"), 'c'), 2);
    assert_int_equal(slice_find(SLICE("abc"), 'd'), 3);
    assert_int_equal(slice_find(slice_of(NULL, 0), 'd'), 0);
    assert_int_equal(slice_search(SLICE("abcabd"), SLICE("abd")), 3);
    assert_int_equal(slice_search(SLICE("ab"), SLICE("abc")), 2);
    assert_true(slice_copy_str(SLICE("abc"), out, sizeof out));
    assert_string_equal(out, "abc");
    assert_false(slice_copy_str(SLICE("abcd"), out, sizeof out));
    assert_string_equal(out, "");
    assert_false(slice_copy_str(SLICE("a\0b"), out, sizeof out));
    assert_false(slice_copy_str(SLICE("a"), out, 0));
}

static void slice_hash_spreads(void **state)
{
    unsigned buckets[64] = {0};
    char text[16];

    (void)state;
    assert_true(slice_hash(SLICE("a"), 1) == slice_hash(SLICE("a"), 1));
    assert_true(slice_hash(SLICE("a"), 1) != slice_hash(SLICE("a"), 2));
    assert_true(slice_hash(SLICE("a"), 1) != slice_hash(SLICE("a\0"), 1));
    assert_true(slice_hash(SLICE(""), 1) != slice_hash(SLICE("\0\0\0\0\0\0\0\0"), 1));
    for (int i = 0; i < 6400; i++) {
        int n = snprintf(text, sizeof text, "key-%d", i);
        buckets[slice_hash(slice_of(text, (size_t)n), 7) & 63]++;
    }
    for (size_t i = 0; i < ARRAY_LEN(buckets); i++) { /* 100 expected, sigma 10 */
        assert_in_range(buckets[i], 50, 150);
    }
}

static void scan_cuts_tokens(void **state)
{
    struct slice s = SLICE("ab;c;"), token;

    (void)state;
    assert_int_equal(scan_token(&s, ';', 2, &token), 0); /* exactly the maximum */
    assert_true(slice_eq(token, SLICE("ab")));
    assert_int_equal(scan_token(&s, ';', 0, &token), Q_EPROTO);
    assert_true(slice_eq(s, SLICE("c;"))); /* a failure moves nothing */
    assert_int_equal(scan_token(&s, ';', 9, &token), 0);
    assert_int_equal(s.n, 0);
    assert_int_equal(scan_token(&s, ';', 9, &token), Q_EPROTO);
}

static void scan_reads_numbers(void **state)
{
    uint64_t u;
    int64_t i;

    (void)state;
    assert_int_equal(scan_u64(SLICE("18446744073709551615"), UINT64_MAX, &u), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(scan_u64(SLICE("18446744073709551616"), UINT64_MAX, &u), Q_EPROTO);
    assert_int_equal(scan_u64(SLICE("99999999999999999999999"), UINT64_MAX, &u), Q_EPROTO);
    assert_int_equal(scan_u64(SLICE("10"), 10, &u), 0);
    assert_int_equal(scan_u64(SLICE("11"), 10, &u), Q_EPROTO);
    assert_int_equal(scan_u64(SLICE(""), 10, &u), Q_EPROTO);
    assert_int_equal(scan_u64(SLICE("+1"), 10, &u), Q_EPROTO);
    assert_int_equal(scan_u64(SLICE("1 "), 10, &u), Q_EPROTO);
    assert_int_equal(scan_i64(SLICE("-9223372036854775808"), INT64_MIN, INT64_MAX, &i), 0);
    assert_true(i == INT64_MIN);
    assert_int_equal(scan_i64(SLICE("-9223372036854775809"), INT64_MIN, INT64_MAX, &i), Q_EPROTO);
    assert_int_equal(scan_i64(SLICE("9223372036854775808"), INT64_MIN, INT64_MAX, &i), Q_EPROTO);
    assert_int_equal(scan_i64(SLICE("-"), INT64_MIN, INT64_MAX, &i), Q_EPROTO);
    assert_int_equal(scan_i64(SLICE("--1"), INT64_MIN, INT64_MAX, &i), Q_EPROTO);
    assert_int_equal(scan_i64(SLICE("-6"), -5, 5, &i), Q_EPROTO);
}

static void scan_reads_units(void **state)
{
    static const char *const bad[] = {"",     "s",  "1",   "1 s", "-1s",
                                      "1.5s", "1S", "1sx", "1y",  "106751991168d"};
    uint64_t v;

    (void)state;
    assert_int_equal(scan_duration_ms(SLICE("250ms"), &v), 0);
    assert_int_equal(v, 250);
    assert_int_equal(scan_duration_ms(SLICE("10m"), &v), 0);
    assert_int_equal(v, 600000);
    assert_int_equal(scan_duration_ms(SLICE("90d"), &v), 0);
    assert_int_equal(v, 90ull * 86400000);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(scan_duration_ms(slice_str(bad[i]), &v), Q_EINVAL);
    }
    assert_int_equal(scan_bytes(SLICE("32MiB"), &v), 0);
    assert_int_equal(v, 32u << 20);
    assert_int_equal(scan_bytes(SLICE("1000"), &v), 0);
    assert_int_equal(v, 1000);
    assert_int_equal(scan_bytes(SLICE("1MB"), &v), Q_EINVAL); /* ambiguous: not taken */
    assert_int_equal(scan_bytes(SLICE("9223372036854775807GiB"), &v), Q_EINVAL);
}

static void slice_globs(void **state)
{
    (void)state;
    assert_true(slice_glob(SLICE("*"), SLICE("")));
    assert_true(slice_glob(SLICE("gpt-*"), SLICE("gpt-")));
    assert_true(slice_glob(SLICE("*a*b"), SLICE("xaxbab")));
    assert_true(slice_glob(SLICE("a?c**"), SLICE("abc")));
    assert_false(slice_glob(SLICE("a?c"), SLICE("ac")));
    assert_false(slice_glob(SLICE("a"), SLICE("ab")));
    assert_false(slice_glob(SLICE(""), SLICE("a")));
    assert_false(slice_glob(SLICE("*a*a*a*a*b"), SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")));
}

static void amount_is(const char *text, int decimals, i128 want)
{
    i128 v = -1;

    assert_int_equal(amount_parse(slice_str(text), decimals, &v), 0);
    assert_true(v == want);
}

static void amounts_are_exact(void **state)
{
    static const char *const bad[] = {"", "-", ".", ".5", "1.", "1e3", "+1", "1.2.3", " 1", "1,5"};
    i128 v;

    (void)state;
    amount_is("12.5", 12, (i128)12500000000000);
    amount_is("0.15", 12, (i128)150000000000);
    amount_is("-0.000000000001", 12, -1);
    amount_is("0.0000000000001", 12, 1); /* rounds away from zero */
    amount_is("-0.0000000000001", 12, -1);
    amount_is("0.0000000000000", 12, 0);
    amount_is("1.9", 0, 2);
    amount_is("1.0", 0, 1);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(amount_parse(slice_str(bad[i]), 12, &v), Q_EINVAL);
    }
    amount_is("1267650600228229401496703205376", 0, (i128)1 << 100);
    assert_int_equal(amount_parse(SLICE("1267650600228229401496703205377"), 0, &v), Q_ETOOBIG);
    assert_int_equal(amount_parse(SLICE("1267650600228229402"), 12, &v), Q_ETOOBIG);
    assert_true(i128_to_i64_sat((i128)INT64_MAX + 1) == INT64_MAX);
    assert_true(i128_to_i64_sat((i128)INT64_MIN - 1) == INT64_MIN);
}

static void amounts_are_written_short(void **state)
{
    char out[AMOUNT_TEXT_BYTES];
    struct rng r;

    (void)state;
    assert_string_equal(amount_text((i128)12500000000000, 12, out), "12.5");
    assert_string_equal(amount_text(0, 12, out), "0");
    assert_string_equal(amount_text(-1, 12, out), "-0.000000000001");
    assert_string_equal(amount_text((i128)20 * PUSD_PER_USD, 12, out), "20");
    assert_string_equal(amount_text(100, 0, out), "100");
    rng_init_seed(&r, 1);
    for (int i = 0; i < 2000; i++) {
        int decimals = (int)rng_below(&r, 13);
        i128 v = (i128)(rng_u64(&r) >> rng_below(&r, 64)) * (i128)(rng_u64(&r) >> 32);
        v = i % 2 == 0 ? v : -v;
        amount_is(amount_text(v, decimals, out), decimals, v);
    }
}

static void civil_time_goes_there_and_back(void **state)
{
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-02-30",
                                      "2025-02-29",
                                      "2026-13-01",
                                      "2026-00-01",
                                      "2026-01-00",
                                      "1969-12-31",
                                      "2026-01-01T00:00:00",
                                      "2026-01-01T24:00:00Z",
                                      "2026-01-01 00:00:00Z",
                                      "2026-01-01T00:00:00+01:00",
                                      "2026/01/01"};
    char text[CIVIL_TEXT_BYTES];
    int64_t ms;

    (void)state;
    assert_int_equal(civil_parse("2026-11-24T10:15:00Z", &ms), 0);
    assert_true(ms == 1795515300000); /* date -u -d 2026-11-24T10:15:00Z +%s */
    assert_int_equal(civil_parse("2000-02-29", &ms), 0);
    assert_true(ms == 951782400000);
    assert_int_equal(civil_parse("9999-12-31T23:59:59Z", &ms), 0);
    civil_text(ms, text);
    assert_string_equal(text, "9999-12-31T23:59:59Z");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(civil_parse(bad[i], &ms), Q_EINVAL);
    }
    for (int64_t day = 0; day < 2932897; day += 13) { /* to the end of 9999 */
        struct civil c;
        civil_from_ms(day * 86400000 + 86399999, &c);
        assert_true(civil_to_ms(&c) == day * 86400000 + 86399999);
        assert_in_range(c.month, 1, 12);
        assert_in_range(c.day, 1, 31);
    }
}

static void clock_does_not_go_back(void **state)
{
    uint64_t before = clock_mono_us(clock_system());

    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint64_t now = clock_mono_us(clock_system());
        assert_true(now >= before);
        before = now;
    }
    assert_true(clock_wall_ms(clock_system()) > 1700000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slice_compares),
        cmocka_unit_test(slice_finds_and_copies),
        cmocka_unit_test(slice_hash_spreads),
        cmocka_unit_test(scan_cuts_tokens),
        cmocka_unit_test(scan_reads_numbers),
        cmocka_unit_test(scan_reads_units),
        cmocka_unit_test(slice_globs),
        cmocka_unit_test(amounts_are_exact),
        cmocka_unit_test(amounts_are_written_short),
        cmocka_unit_test(civil_time_goes_there_and_back),
        cmocka_unit_test(clock_does_not_go_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
