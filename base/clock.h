/* Time is a parameter: production reads the kernel, the simulator counts by itself. */
#ifndef BASE_CLOCK_H_
#define BASE_CLOCK_H_

#include <stdint.h>

struct clock;
struct clock_ops {
    uint64_t (*mono_us)(struct clock *c); /* Never goes back; counts while the machine sleeps. */
    int64_t (*wall_ms)(struct clock *c);  /* Unix time. */
};
struct clock {
    const struct clock_ops *ops;
};

/* CLOCK_BOOTTIME and CLOCK_REALTIME. Thread: any. */
struct clock *clock_system(void);

static inline uint64_t clock_mono_us(struct clock *c)
{
    return c->ops->mono_us(c);
}
static inline uint64_t clock_mono_ms(struct clock *c)
{
    return c->ops->mono_us(c) / 1000;
}
static inline int64_t clock_wall_ms(struct clock *c)
{
    return c->ops->wall_ms(c);
}

/* Civil time in UTC, pure integers, valid for years 1970 to 9999. */
struct civil {
    int year, month, day; /* month 1..12, day 1..31 */
    int hour, minute, second, ms;
};
void civil_from_ms(int64_t unix_ms, struct civil *ret);
int64_t civil_to_ms(const struct civil *c);
/* "2026-11-24T10:15:00Z"; @out holds CIVIL_TEXT_BYTES. */
#define CIVIL_TEXT_BYTES 32
void civil_text(int64_t unix_ms, char *out);
/* Parses RFC 3339 in UTC ("Z") or "YYYY-MM-DD"; Q_EINVAL otherwise. */
int civil_parse(const char *text, int64_t *ret_unix_ms);

#endif /* BASE_CLOCK_H_ */
