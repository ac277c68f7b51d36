/* Checksums and text encodings. */
#include <string.h>

#include "base/check.h"
#include "base/crypto.h"
#include "base/err.h"

/* Reflected CRC of four bits at a time: small tables, fast enough for what it guards. */
static uint32_t crc_table(uint32_t polynomial, uint32_t i)
{
    for (int k = 0; k < 8; k++) {
        i = (i >> 1) ^ ((i & 1) != 0 ? polynomial : 0);
    }
    return i;
}

uint32_t crypto_crc32(struct slice data)
{
    uint32_t crc = ~0u;

    for (size_t i = 0; i < data.n; i++) {
        crc = (crc >> 8) ^ crc_table(0xedb88320u, (crc ^ (unsigned char)data.p[i]) & 0xff);
    }
    return ~crc;
}

struct crc32c_table {
    uint32_t v[256];
};

static const struct crc32c_table *crc32c_make(void)
{
    static _Thread_local struct crc32c_table t;

    if (t.v[1] == 0) {
        for (uint32_t i = 0; i < 256; i++) {
            t.v[i] = crc_table(0x82f63b78u, i);
        }
    }
    return &t;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_hw(uint32_t crc, const unsigned char *p,
                                                            size_t n)
{
    uint64_t c = crc;

    for (; n >= 8; n -= 8, p += 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        c = __builtin_ia32_crc32di(c, w);
    }
    for (; n > 0; n--) {
        c = __builtin_ia32_crc32qi((uint32_t)c, *p++);
    }
    return (uint32_t)c;
}
#endif

uint32_t crypto_crc32c(uint32_t crc, const void *p, size_t n)
{
    const unsigned char *at = p;
    const struct crc32c_table *t;

    crc = ~crc;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) {
        return ~crc32c_hw(crc, at, n);
    }
#endif
    t = crc32c_make();
    for (size_t i = 0; i < n; i++) {
        crc = (crc >> 8) ^ t->v[(crc ^ at[i]) & 0xff];
    }
    return ~crc;
}

void hex_encode(const void *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *at = p;

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[at[i] >> 4];
        out[2 * i + 1] = digits[at[i] & 15];
    }
    out[2 * n] = 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int hex_decode(struct slice text, void *out, size_t n)
{
    unsigned char *to = out;

    if (text.n != 2 * n) {
        return Q_EINVAL;
    }
    for (size_t i = 0; i < n; i++) {
        int hi = hex_digit(text.p[2 * i]), lo = hex_digit(text.p[2 * i + 1]);
        if (hi < 0 || lo < 0) {
            return Q_EINVAL;
        }
        to[i] = (unsigned char)(hi << 4 | lo);
    }
    return 0;
}

static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

void base62_random(char *out, size_t n_chars)
{
    unsigned char random[64];
    size_t at = sizeof random;

    for (size_t i = 0; i < n_chars;) {
        if (at == sizeof random) {
            crypto_random(random, sizeof random);
            at = 0;
        }
        if (random[at] < 248) { /* 4 x 62: no character is likelier than another. */
            out[i++] = base62[random[at] % 62];
        }
        at++;
    }
    out[n_chars] = 0;
}

void base62_u32(uint32_t v, char out[7])
{
    for (int i = 5; i >= 0; i--) {
        out[i] = base62[v % 62];
        v /= 62;
    }
    out[6] = 0;
}

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct slice data, struct buf *out)
{
    const unsigned char *p = (const unsigned char *)data.p;

    for (size_t i = 0; i < data.n; i += 3) {
        size_t left = data.n - i;
        uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                     (left > 2 ? p[i + 2] : 0u);
        buf_add_u8(out, (uint8_t)base64[v >> 18]);
        buf_add_u8(out, (uint8_t)base64[v >> 12 & 63]);
        buf_add_u8(out, left > 1 ? (uint8_t)base64[v >> 6 & 63] : '=');
        buf_add_u8(out, left > 2 ? (uint8_t)base64[v & 63] : '=');
    }
}

static int base64_digit(char c)
{
    const char *at = c == 0 ? NULL : strchr(base64, c);

    return at == NULL ? -1 : (int)(at - base64);
}

int base64_decode(struct slice text, struct buf *out)
{
    size_t n = text.n;

    if (n % 4 != 0) {
        return Q_EINVAL;
    }
    for (size_t pad = 0; pad < 2 && n > 0 && text.p[n - 1] == '='; pad++) {
        n--;
    }
    for (size_t i = 0; i < n; i += 4) {
        size_t have = n - i < 4 ? n - i : 4;
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            int d = k < have ? base64_digit(text.p[i + k]) : 0;
            if (d < 0) {
                return Q_EINVAL;
            }
            v = v << 6 | (uint32_t)d;
        }
        if (have < 2 || (have == 2 && (v & 0xffff) != 0) || (have == 3 && (v & 0xff) != 0)) {
            return Q_EINVAL; /* Bits beyond the end. */
        }
        buf_add_u8(out, (uint8_t)(v >> 16));
        if (have > 2) {
            buf_add_u8(out, (uint8_t)(v >> 8));
        }
        if (have > 3) {
            buf_add_u8(out, (uint8_t)v);
        }
    }
    return 0;
}
