#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/slice.h"

static uint64_t clock_system_mono_us(struct clock *c)
{
    struct timespec t;

    (void)c;
    (void)clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int64_t clock_system_wall_ms(struct clock *c)
{
    struct timespec t;

    (void)c;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct clock *clock_system(void)
{
    static const struct clock_ops ops = {clock_system_mono_us, clock_system_wall_ms};
    static struct clock clock = {&ops};

    return &clock;
}

/* Days since 1970-01-01 of a civil date, and back (proleptic Gregorian, eras of 400 years). */
static int64_t civil_days(int64_t y, int m, int d)
{
    int64_t era, yoe, doy;

    y -= m <= 2;
    era = y / 400;
    yoe = y - era * 400;
    doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

void civil_from_ms(int64_t unix_ms, struct civil *ret)
{
    int64_t ms = unix_ms < 0 ? 0 : unix_ms;
    int64_t days = ms / 86400000, rest = ms % 86400000;
    int64_t z = days + 719468, era = z / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

    ret->day = (int)(doy - (153 * mp + 2) / 5 + 1);
    ret->month = (int)(mp < 10 ? mp + 3 : mp - 9);
    ret->year = (int)(yoe + era * 400 + (ret->month <= 2));
    ret->hour = (int)(rest / 3600000);
    ret->minute = (int)(rest / 60000 % 60);
    ret->second = (int)(rest / 1000 % 60);
    ret->ms = (int)(rest % 1000);
}

int64_t civil_to_ms(const struct civil *c)
{
    return civil_days(c->year, c->month, c->day) * 86400000 + (int64_t)c->hour * 3600000 +
           (int64_t)c->minute * 60000 + (int64_t)c->second * 1000 + c->ms;
}

void civil_text(int64_t unix_ms, char *out)
{
    struct civil c;

    civil_from_ms(unix_ms, &c);
    (void)snprintf(out, CIVIL_TEXT_BYTES, "%04d-%02d-%02dT%02d:%02d:%02dZ", c.year % 10000, c.month,
                   c.day, c.hour, c.minute, c.second);
}

static int civil_number(struct slice s, size_t at, size_t n, uint64_t max, int *ret)
{
    uint64_t v;

    if (at + n > s.n || scan_u64(slice_of(s.p + at, n), max, &v) != 0) {
        return Q_EINVAL;
    }
    *ret = (int)v;
    return 0;
}

int civil_parse(const char *text, int64_t *ret_unix_ms)
{
    struct slice s = slice_str(text);
    struct civil c = {0}, back;
    int rv = civil_number(s, 0, 4, 9999, &c.year);

    rv = rv != 0 ? rv : civil_number(s, 5, 2, 12, &c.month);
    rv = rv != 0 ? rv : civil_number(s, 8, 2, 31, &c.day);
    if (rv != 0 || s.p[4] != '-' || s.p[7] != '-' || c.year < 1970 || c.month < 1 || c.day < 1) {
        return Q_EINVAL;
    }
    if (s.n != 10) {
        rv = civil_number(s, 11, 2, 23, &c.hour);
        rv = rv != 0 ? rv : civil_number(s, 14, 2, 59, &c.minute);
        rv = rv != 0 ? rv : civil_number(s, 17, 2, 59, &c.second);
        if (rv != 0 || s.n != 20 || s.p[10] != 'T' || s.p[13] != ':' || s.p[16] != ':' ||
            s.p[19] != 'Z') {
            return Q_EINVAL;
        }
    }
    civil_from_ms(civil_to_ms(&c), &back);
    if (back.day != c.day || back.month != c.month) {
        return Q_EINVAL; /* 30 February. */
    }
    *ret_unix_ms = civil_to_ms(&c);
    return 0;
}
