/* Calendar windows of budgets, in UTC. */
#include "base/check.h"
#include "base/clock.h"
#include "raft/spec.h"

#define WINDOW_HOUR_MS  3600000ll
#define WINDOW_DAY_MS   (24 * WINDOW_HOUR_MS)
#define WINDOW_YEAR_MAX 9999

const char *window_every_name(enum window_every w)
{
    static const char *const names[] = {"once", "hour", "day", "week", "month", "quarter", "year"};

    ASSERT(w < ARRAY_LEN(names));
    return names[w];
}

/* The number of the window that holds @now_ms; 1970-01-01 was a Thursday, so that week 0 began
 * three days before it. */
static int64_t window_ordinal(enum window_every every, int64_t now_ms)
{
    struct civil c;

    civil_from_ms(now_ms, &c);
    switch (every) {
    case WINDOW_ONCE:
        return 0;
    case WINDOW_HOUR:
        return now_ms / WINDOW_HOUR_MS;
    case WINDOW_DAY:
        return now_ms / WINDOW_DAY_MS;
    case WINDOW_WEEK:
        return (now_ms / WINDOW_DAY_MS + 3) / 7;
    case WINDOW_MONTH:
        return (c.year - 1970) * 12 + (c.month - 1);
    case WINDOW_QUARTER:
        return (c.year - 1970) * 4 + (c.month - 1) / 3;
    case WINDOW_YEAR:
        return c.year - 1970;
    }
    UNREACHABLE();
}

static int64_t window_month_start(int64_t month)
{
    struct civil c = {.year = (int)(1970 + month / 12), .month = (int)(month % 12) + 1, .day = 1};

    return c.year > WINDOW_YEAR_MAX ? INT64_MAX : civil_to_ms(&c);
}

static int64_t window_start(enum window_every every, int64_t ordinal)
{
    switch (every) {
    case WINDOW_ONCE:
        return ordinal == 0 ? 0 : INT64_MAX;
    case WINDOW_HOUR:
        return ordinal * WINDOW_HOUR_MS;
    case WINDOW_DAY:
        return ordinal * WINDOW_DAY_MS;
    case WINDOW_WEEK:
        return ordinal == 0 ? 0 : (ordinal * 7 - 3) * WINDOW_DAY_MS;
    case WINDOW_MONTH:
        return window_month_start(ordinal);
    case WINDOW_QUARTER:
        return window_month_start(ordinal * 3);
    case WINDOW_YEAR:
        return window_month_start(ordinal * 12);
    }
    UNREACHABLE();
}

/* Year 9999 is the last one that the calendar knows. */
static int64_t window_clamp(int64_t now_ms)
{
    const int64_t last = 253402300799999;

    return now_ms < 0 ? 0 : now_ms > last ? last : now_ms;
}

void window_bounds(enum window_every every, int64_t now_ms, int64_t *ret_start_ms,
                   int64_t *ret_end_ms)
{
    int64_t ordinal = window_ordinal(every, window_clamp(now_ms));

    *ret_start_ms = window_start(every, ordinal);
    *ret_end_ms = window_start(every, ordinal + 1);
}

uint32_t window_id(enum window_every every, int64_t now_ms)
{
    return (uint32_t)window_ordinal(every, window_clamp(now_ms));
}
