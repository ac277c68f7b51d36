/* Text from outside: a pointer and a length, borrowed, never terminated. And the scan_... functions
 * that
 * cut it; each takes a maximum where the size is the peer's. */
#ifndef BASE_SLICE_H_
#define BASE_SLICE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *p;
    size_t n;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})
/* For printf's "%.*s". */
#define SLICE_FMT(s) (int)(s).n, (s).p

static inline struct slice slice_of(const char *p, size_t n)
{
    return (struct slice){p, n};
}
static inline struct slice slice_str(const char *zero_terminated)
{
    return (struct slice){zero_terminated, strlen(zero_terminated)};
}
static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
/* ASCII case-insensitive. */
bool slice_ieq(struct slice a, struct slice b);
bool slice_starts(struct slice s, struct slice prefix);
bool slice_ends(struct slice s, struct slice suffix);
/* memcmp order, shorter first. */
int slice_cmp(struct slice a, struct slice b);
/* Without leading and trailing spaces, tabs, CR, LF. */
struct slice slice_trim(struct slice s);
/* Index of @c, or s.n. */
size_t slice_find(struct slice s, char c);
/* Index of the first @needle, or s.n. */
size_t slice_search(struct slice s, struct slice needle);
/* Copies into @out with a final 0; false (and out[0]=0) when it does not fit or holds a 0. */
bool slice_copy_str(struct slice s, char *out, size_t cap);
uint64_t slice_hash(struct slice s, uint64_t seed);

/* Cuts up to @delim (not included, removed from @s). Q_EPROTO when there is no @delim in the first
 * @max+1
 * bytes. */
int scan_token(struct slice *s, char delim, size_t max, struct slice *ret_token);
/* A whole slice as a decimal number without sign; Q_EPROTO when empty, above @max or not digits. */
int scan_u64(struct slice s, uint64_t max, uint64_t *ret);
int scan_i64(struct slice s, int64_t min, int64_t max, int64_t *ret);
/* "90d", "10m", "250ms", "3s", "2h" -> milliseconds. Q_EINVAL otherwise. */
int scan_duration_ms(struct slice s, uint64_t *ret_ms);
/* "32MiB", "64KiB", "1000" -> bytes. Q_EINVAL otherwise. */
int scan_bytes(struct slice s, uint64_t *ret_bytes);
/* Glob with '*' (any run) and '?' only. */
bool slice_glob(struct slice pattern, struct slice s);

#endif /* BASE_SLICE_H_ */
