/* The log: one JSON object a line on stderr.
 *
 *   {"ts":"2026-11-24T10:15:00.123Z","level":"info","node":"n1","msg":"leader elected","term":7}
 *
 * Fields are given as a NULL-terminated list of constructors:
 *   LOG_INFO("leader elected", LOG_U64("term", term), LOG_STR("leader", name));
 * A secret is never a field. Lines are cut at LOG_LINE_BYTES_MAX. Thread: any (one mutex around
 * write). */
#ifndef BASE_LOG_H_
#define BASE_LOG_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

#define LOG_LINE_BYTES_MAX 4096

struct log_field {
    const char *name;
    enum { LOG_FIELD_STR, LOG_FIELD_I64, LOG_FIELD_U64, LOG_FIELD_BOOL } kind;
    struct slice str;
    int64_t i64;
    uint64_t u64;
};
#define LOG_STR(name, s)   ((struct log_field){(name), LOG_FIELD_STR, slice_str(s), 0, 0})
#define LOG_SLICE(name, s) ((struct log_field){(name), LOG_FIELD_STR, (s), 0, 0})
#define LOG_I64(name, v)   ((struct log_field){(name), LOG_FIELD_I64, {0, 0}, (v), 0})
#define LOG_U64(name, v)   ((struct log_field){(name), LOG_FIELD_U64, {0, 0}, 0, (v)})
#define LOG_BOOL(name, v)  ((struct log_field){(name), LOG_FIELD_BOOL, {0, 0}, (v), 0})

/* @node appears in every line (copied; may be NULL before the configuration is read). */
void log_setup(enum log_level level, const char *node);
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
bool log_level_parse(struct slice name, enum log_level *ret);
/* @fields ends with a field whose name is NULL. */
void log_write(enum log_level level, const char *msg, const struct log_field *fields);

#define LOG_AT(level, msg, ...)                                                               \
    do {                                                                                      \
        if (log_enabled(level)) {                                                             \
            log_write(level, msg, (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}}); \
        }                                                                                     \
    } while (0)
#define LOG_DEBUG(...) LOG_AT(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define LOG_INFO(...)  LOG_AT(LOG_LEVEL_INFO, __VA_ARGS__)
#define LOG_WARN(...)  LOG_AT(LOG_LEVEL_WARN, __VA_ARGS__)
#define LOG_ERROR(...) LOG_AT(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif /* BASE_LOG_H_ */
