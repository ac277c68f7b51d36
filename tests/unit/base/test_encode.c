/* Hashes, MACs, sealing and encodings against published vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/crypto.h"
#include "base/err.h"

static void hashes_match_their_standards(void **state)
{
    uint8_t out[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];

    (void)state;
    crypto_sha256(SLICE("abc"), out); /* FIPS 180-4 */
    hex_encode(out, sizeof out, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    crypto_hmac_sha256("Jefe", 4, SLICE("what do ya want for nothing?"), out); /* RFC 4231, 2 */
    hex_encode(out, sizeof out, hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert_int_equal(crypto_crc32(SLICE("123456789")), 0xcbf43926u);
    assert_int_equal(crypto_crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(crypto_crc32c(crypto_crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
    assert_int_equal(crypto_crc32c(0, "", 0), 0);
}

static void labels_give_unrelated_keys(void **state)
{
    uint8_t master[MASTER_KEY_BYTES] = {1}, a[32], b[32], again[32];

    (void)state;
    crypto_derive(master, "pepper", a);
    crypto_derive(master, "seal", b);
    crypto_derive(master, "pepper", again);
    assert_memory_not_equal(a, b, 32);
    assert_memory_equal(a, again, 32);
    assert_true(crypto_equal(a, again, 32));
    again[31] ^= 1;
    assert_false(crypto_equal(a, again, 32));
}

static void a_seal_opens_only_as_it_was_made(void **state)
{
    uint8_t key[32] = {7}, other[32] = {8};
    struct buf sealed, out;

    (void)state;
    buf_init(&sealed, 256);
    buf_init(&out, 256);
    crypto_seal(key, SLICE("place"), SLICE("secret"), &sealed);
    assert_int_equal(sealed.n, 6 + SEAL_OVERHEAD_BYTES);
    assert_int_equal(crypto_open(key, SLICE("place"), buf_slice(&sealed), &out), 0);
    assert_true(slice_eq(buf_slice(&out), SLICE("secret")));
    buf_clear(&out);
    assert_int_equal(crypto_open(key, SLICE("elsewhere"), buf_slice(&sealed), &out), Q_EPERM);
    assert_int_equal(crypto_open(other, SLICE("place"), buf_slice(&sealed), &out), Q_EPERM);
    for (size_t i = 0; i < sealed.n; i++) { /* every byte counts, and every length */
        sealed.p[i] ^= 1;
        assert_int_equal(crypto_open(key, SLICE("place"), buf_slice(&sealed), &out), Q_EPERM);
        sealed.p[i] ^= 1;
        assert_int_equal(crypto_open(key, SLICE("place"), slice_of(sealed.p, i), &out), Q_EPERM);
    }
    assert_int_equal(out.n, 0);
    buf_deinit(&sealed);
    buf_init(&sealed, SEAL_OVERHEAD_BYTES);
    crypto_seal(key, SLICE(""), SLICE(""), &sealed); /* nothing at all */
    assert_int_equal(crypto_open(key, SLICE(""), buf_slice(&sealed), &out), 0);
    crypto_seal(key, SLICE(""), SLICE("x"), &sealed);
    assert_true(sealed.full);
    buf_deinit(&sealed);
    buf_deinit(&out);
}

static void hex_goes_there_and_back(void **state)
{
    unsigned char bytes[3];

    (void)state;
    assert_int_equal(hex_decode(SLICE("00fFa5"), bytes, 3), 0);
    assert_memory_equal(bytes, "\x00\xff\xa5", 3);
    assert_int_equal(hex_decode(SLICE("00ffa"), bytes, 3), Q_EINVAL);
    assert_int_equal(hex_decode(SLICE("00ffa5aa"), bytes, 3), Q_EINVAL);
    assert_int_equal(hex_decode(SLICE("00ffag"), bytes, 3), Q_EINVAL);
}

static void base64_goes_there_and_back(void **state)
{
    static const char *const pairs[][2] = {
        /* RFC 4648, 10 */
        {"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
        {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
    static const char *const bad[] = {"Z",    "Zg",   "Zg=",  "Z===",   "====",     "Zh==",
                                      "Zm9=", "Zg=a", "Z g=", "Zm9v\n", "Zg==Zg==", "Zm-_"};
    struct buf text, back;

    (void)state;
    buf_init(&text, 64);
    buf_init(&back, 64);
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        buf_clear(&text);
        buf_clear(&back);
        base64_encode(slice_str(pairs[i][0]), &text);
        assert_true(slice_eq(buf_slice(&text), slice_str(pairs[i][1])));
        assert_int_equal(base64_decode(buf_slice(&text), &back), 0);
        assert_true(slice_eq(buf_slice(&back), slice_str(pairs[i][0])));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        buf_clear(&back);
        assert_int_equal(base64_decode(slice_str(bad[i]), &back), Q_EINVAL);
    }
    buf_clear(&back);
    assert_int_equal(base64_decode(SLICE("A\0AA"), &back), Q_EINVAL);
    buf_deinit(&text);
    buf_deinit(&back);
}

static void base62_is_wide_and_fair(void **state)
{
    unsigned seen[128] = {0};
    char text[4097], id[7];

    (void)state;
    base62_u32(0, id);
    assert_string_equal(id, "000000");
    base62_u32(UINT32_MAX, id);
    assert_string_equal(id, "4gfFC3"); /* 2^32 - 1 in base 62 */
    base62_random(text, 4096);
    assert_int_equal(strlen(text), 4096);
    for (size_t i = 0; i < 4096; i++) {
        seen[(unsigned char)text[i] & 127]++;
    }
    for (const char *c = "09AZaz"; *c != 0; c++) { /* 66 expected, sigma 8 */
        assert_in_range(seen[(unsigned char)*c], 10, 140);
    }
    assert_int_equal(seen['+'] + seen['/'] + seen['-'], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_match_their_standards),
        cmocka_unit_test(labels_give_unrelated_keys),
        cmocka_unit_test(a_seal_opens_only_as_it_was_made),
        cmocka_unit_test(hex_goes_there_and_back),
        cmocka_unit_test(base64_goes_there_and_back),
        cmocka_unit_test(base62_is_wide_and_fair),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
