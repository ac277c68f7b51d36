#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"

static const char *const log_names[] = {"debug", "info", "warn", "error"};
static _Atomic int log_level = LOG_LEVEL_INFO;
static char log_node[64];
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;

void log_setup(enum log_level level, const char *node)
{
    log_set_level(level);
    (void)slice_copy_str(slice_str(node != NULL ? node : ""), log_node, sizeof log_node);
}

void log_set_level(enum log_level level)
{
    atomic_store(&log_level, (int)level);
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&log_level, memory_order_relaxed);
}

bool log_level_parse(struct slice name, enum log_level *ret)
{
    for (int i = LOG_LEVEL_DEBUG; i <= LOG_LEVEL_ERROR; i++) {
        if (slice_eq(name, slice_str(log_names[i]))) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static void log_time(char *out, size_t cap)
{
    struct civil c;

    civil_from_ms(clock_wall_ms(clock_system()), &c);
    (void)snprintf(out, cap, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", c.year, c.month, c.day, c.hour,
                   c.minute, c.second, c.ms);
}

static void log_one_field(struct jsonw *w, const struct log_field *f)
{
    jsonw_key(w, f->name);
    switch (f->kind) {
    case LOG_FIELD_STR:
        jsonw_slice(w, slice_of(f->str.p, f->str.n < 2048 ? f->str.n : 2048));
        break;
    case LOG_FIELD_I64:
        jsonw_i64(w, f->i64);
        break;
    case LOG_FIELD_U64:
        jsonw_u64(w, f->u64);
        break;
    case LOG_FIELD_BOOL:
        jsonw_bool(w, f->i64 != 0);
        break;
    }
}

void log_write(enum log_level level, const char *msg, const struct log_field *fields)
{
    char time[64];
    struct jsonw w;
    struct buf line;

    log_time(time, sizeof time);
    buf_init(&line, LOG_LINE_BYTES_MAX);
    jsonw_init(&w, &line);
    jsonw_obj(&w);
    jsonw_kstr(&w, "ts", time);
    jsonw_kstr(&w, "level", log_names[level]);
    if (log_node[0] != 0) {
        jsonw_kstr(&w, "node", log_node);
    }
    jsonw_kstr(&w, "msg", msg);
    for (; fields->name != NULL; fields++) {
        size_t before = line.n;
        uint64_t items = w.has_item;
        log_one_field(&w, fields);
        if (line.full || line.n + 2 > LOG_LINE_BYTES_MAX) { /* The field does not fit: left out. */
            line.n = before;
            line.full = false;
            w.has_item = items;
        }
    }
    jsonw_obj_end(&w);
    buf_add_str(&line, "\n");
    (void)pthread_mutex_lock(&log_mutex);
    for (size_t at = 0; at < line.n;) {
        ssize_t n = write(STDERR_FILENO, line.p + at, line.n - at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break; /* Nobody to tell. */
        }
        at += (size_t)n;
    }
    (void)pthread_mutex_unlock(&log_mutex);
    buf_deinit(&line);
}
