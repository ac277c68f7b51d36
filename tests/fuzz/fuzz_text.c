/* The small readers of text: numbers, sizes, times, amounts, encodings. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/money.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice s = slice_of((const char *)data, n);
    char text[64], hex[64], amount[AMOUNT_TEXT_BYTES];
    enum log_level level;
    struct buf out, again;
    uint64_t u;
    int64_t ms;
    i128 v, back;

    (void)scan_u64(s, UINT64_MAX, &u);
    (void)scan_duration_ms(s, &u);
    (void)scan_bytes(s, &u);
    (void)log_level_parse(s, &level);
    (void)hex_decode(s, hex, n / 2 < sizeof hex ? n / 2 : 0);
    if (slice_copy_str(s, text, sizeof text)) {
        (void)civil_parse(text, &ms);
    }
    if (amount_parse(s, 12, &v) == 0) { /* What is read is written and read again the same. */
        ASSERT(amount_parse(slice_str(amount_text(v, 12, amount)), 12, &back) == 0);
        ASSERT(v == back);
    }
    buf_init(&out, 1 << 20);
    buf_init(&again, 1 << 20);
    if (n < 1 << 19 && base64_decode(s, &out) == 0) { /* One text for each sequence of bytes. */
        base64_encode(buf_slice(&out), &again);
        ASSERT(slice_eq(buf_slice(&again), s));
    }
    buf_deinit(&out);
    buf_deinit(&again);
    return 0;
}
