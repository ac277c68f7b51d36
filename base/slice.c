#include "base/slice.h"

#include "base/err.h"

static char slice_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool slice_ieq(struct slice a, struct slice b)
{
    if (a.n != b.n) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        if (slice_lower(a.p[i]) != slice_lower(b.p[i])) {
            return false;
        }
    }
    return true;
}

bool slice_starts(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool slice_ends(struct slice s, struct slice suffix)
{
    return s.n >= suffix.n &&
           (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n == 0 ? 0 : memcmp(a.p, b.p, n);

    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

static bool slice_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice s)
{
    while (s.n > 0 && slice_is_space(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && slice_is_space(s.p[s.n - 1])) {
        s.n--;
    }
    return s;
}

size_t slice_find(struct slice s, char c)
{
    const char *at = s.n == 0 ? NULL : memchr(s.p, c, s.n);

    return at == NULL ? s.n : (size_t)(at - s.p);
}

size_t slice_search(struct slice s, struct slice needle)
{
    const char *at = s.n == 0 || needle.n > s.n ? NULL : memmem(s.p, s.n, needle.p, needle.n);

    return at == NULL ? s.n : (size_t)(at - s.p);
}

bool slice_copy_str(struct slice s, char *out, size_t cap)
{
    if (s.n + 1 > cap || slice_find(s, 0) < s.n) {
        if (cap > 0) {
            out[0] = 0;
        }
        return false;
    }
    if (s.n > 0) {
        memcpy(out, s.p, s.n);
    }
    out[s.n] = 0;
    return true;
}

static uint64_t slice_mix(uint64_t a, uint64_t b)
{
    unsigned __int128 m = (unsigned __int128)a * b;

    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint64_t slice_hash(struct slice s, uint64_t seed)
{
    const uint64_t k0 = 0x9e3779b97f4a7c15u, k1 = 0xd6e8feb86659fd93u;
    uint64_t h = seed ^ k0 ^ s.n;
    size_t i = 0;
    uint64_t last = 0;

    for (; i + 8 <= s.n; i += 8) {
        uint64_t w;
        memcpy(&w, s.p + i, 8);
        h = slice_mix(h ^ w, k1);
    }
    if (i < s.n) {
        memcpy(&last, s.p + i, s.n - i);
    }
    h = slice_mix(h ^ last, k0 ^ (s.n - i));
    return slice_mix(h, k1 ^ seed);
}

int scan_token(struct slice *s, char delim, size_t max, struct slice *ret_token)
{
    size_t window = s->n < max + 1 ? s->n : max + 1;
    size_t at = slice_find(slice_of(s->p, window), delim);

    if (at == window) {
        return Q_EPROTO;
    }
    *ret_token = slice_of(s->p, at);
    *s = slice_of(s->p + at + 1, s->n - at - 1);
    return 0;
}

int scan_u64(struct slice s, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;

    if (s.n == 0) {
        return Q_EPROTO;
    }
    for (size_t i = 0; i < s.n; i++) {
        uint64_t d = (uint64_t)(unsigned char)s.p[i] - '0';
        if (d > 9 || v > (UINT64_MAX - d) / 10) {
            return Q_EPROTO;
        }
        v = v * 10 + d;
    }
    if (v > max) {
        return Q_EPROTO;
    }
    *ret = v;
    return 0;
}

int scan_i64(struct slice s, int64_t min, int64_t max, int64_t *ret)
{
    bool minus = s.n > 0 && s.p[0] == '-';
    uint64_t v;
    int64_t signed_v;

    if (minus) {
        s = slice_of(s.p + 1, s.n - 1);
    }
    if (scan_u64(s, minus ? (uint64_t)INT64_MAX + 1 : INT64_MAX, &v) != 0) {
        return Q_EPROTO;
    }
    signed_v = minus ? (int64_t)(0 - v) : (int64_t)v;
    if (signed_v < min || signed_v > max) {
        return Q_EPROTO;
    }
    *ret = signed_v;
    return 0;
}

struct scan_unit {
    const char *name;
    uint64_t factor;
};

static int scan_with_unit(struct slice s, const struct scan_unit *units, uint64_t *ret)
{
    size_t digits = 0;
    uint64_t v;

    while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9') {
        digits++;
    }
    if (scan_u64(slice_of(s.p, digits), UINT64_MAX, &v) != 0) {
        return Q_EINVAL;
    }
    for (const struct scan_unit *u = units; u->name != NULL; u++) {
        if (slice_eq(slice_of(s.p + digits, s.n - digits), slice_str(u->name))) {
            if (v > (uint64_t)INT64_MAX / u->factor) {
                return Q_EINVAL;
            }
            *ret = v * u->factor;
            return 0;
        }
    }
    return Q_EINVAL;
}

int scan_duration_ms(struct slice s, uint64_t *ret_ms)
{
    static const struct scan_unit units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                             {"h", 3600000}, {"d", 86400000}, {"w", 604800000},
                                             {NULL, 0}};

    return scan_with_unit(s, units, ret_ms);
}

int scan_bytes(struct slice s, uint64_t *ret_bytes)
{
    static const struct scan_unit units[] = {
        {"", 1}, {"B", 1}, {"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}, {NULL, 0}};

    return scan_with_unit(s, units, ret_bytes);
}

bool slice_glob(struct slice pattern, struct slice s)
{
    size_t p = 0, i = 0, star = pattern.n, mark = 0;

    while (i < s.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            mark = i;
        } else if (p < pattern.n && (pattern.p[p] == '?' || pattern.p[p] == s.p[i])) {
            p++;
            i++;
        } else if (star < pattern.n) { /* The last star takes one more. */
            p = star + 1;
            i = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*') {
        p++;
    }
    return p == pattern.n;
}
