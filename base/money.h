/* Amounts: pico-dollars (1e-12 USD) or counts. int64 for one request, __int128 for totals. No
 * floating
 * point. Text is decimal with a dot, exact, no exponent. */
#ifndef BASE_MONEY_H_
#define BASE_MONEY_H_

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

typedef __int128 i128;

#define PUSD_PER_USD      1000000000000ll
#define AMOUNT_TEXT_BYTES 48

/* "12.5" with @decimals 12 -> 12500000000000. More digits than @decimals round up (away from zero).
 * Q_EINVAL: not a decimal number; Q_ETOOBIG: above 2^100. */
int amount_parse(struct slice text, int decimals, i128 *ret);
/* 12500000000000 with @decimals 12 -> "12.5". Trailing zeros are cut. Returns @out. */
char *amount_text(i128 v, int decimals, char out[AMOUNT_TEXT_BYTES]);

static inline i128 i128_min(i128 a, i128 b)
{
    return a < b ? a : b;
}
static inline i128 i128_max(i128 a, i128 b)
{
    return a > b ? a : b;
}
/* Clamps into int64; for one request's amounts. */
static inline int64_t i128_to_i64_sat(i128 v)
{
    return v > INT64_MAX ? INT64_MAX : v < INT64_MIN ? INT64_MIN : (int64_t)v;
}

#endif /* BASE_MONEY_H_ */
