#include "base/money.h"

#include "base/check.h"
#include "base/err.h"

#define AMOUNT_MAX ((i128)1 << 100)

/* Adds a digit; false past the maximum. */
static bool amount_digit(i128 *v, char c)
{
    *v = *v * 10 + (c - '0');
    return *v <= AMOUNT_MAX;
}

int amount_parse(struct slice text, int decimals, i128 *ret)
{
    bool minus = text.n > 0 && text.p[0] == '-', dot = false, round_up = false;
    int left = decimals;
    size_t digits = 0;
    i128 v = 0;

    for (size_t i = minus; i < text.n; i++) {
        char c = text.p[i];
        if (c == '.' && !dot && digits > 0) {
            dot = true;
            continue;
        }
        if (c < '0' || c > '9') {
            return Q_EINVAL;
        }
        digits++;
        if (dot && left == 0) { /* Beyond what is kept: any non-zero digit rounds away from zero. */
            round_up = round_up || c != '0';
            continue;
        }
        left -= dot;
        if (!amount_digit(&v, c)) {
            return Q_ETOOBIG;
        }
    }
    if (digits == 0 || text.p[text.n - 1] == '.') {
        return Q_EINVAL;
    }
    for (; left > 0; left--) {
        if (!amount_digit(&v, '0')) {
            return Q_ETOOBIG;
        }
    }
    v += round_up;
    *ret = minus ? -v : v;
    return 0;
}

char *amount_text(i128 v, int decimals, char out[AMOUNT_TEXT_BYTES])
{
    char rev[AMOUNT_TEXT_BYTES];
    unsigned __int128 u = v < 0 ? -(unsigned __int128)v : (unsigned __int128)v;
    size_t n = 0, at = 0;
    int digits = 0;
    bool tail = true; /* Still in the trailing zeros of the fraction. */

    ASSERT(decimals >= 0 && decimals <= 12);
    while (u > 0 || digits <= decimals) {
        char c = (char)('0' + (int)(u % 10));
        if (digits == decimals && decimals > 0 && !tail) {
            rev[n++] = '.';
        }
        tail = tail && digits < decimals && c == '0';
        if (!tail) {
            rev[n++] = c;
        }
        u /= 10;
        digits++;
    }
    if (v < 0) {
        out[at++] = '-';
    }
    while (n > 0) {
        out[at++] = rev[--n];
    }
    out[at] = 0;
    return out;
}
