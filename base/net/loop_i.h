/* Inside of the loop, for the files of this folder. */
#ifndef BASE_NET_LOOP_I_H_
#define BASE_NET_LOOP_I_H_

#include <uv.h>

#include "base/net/loop.h"
#include "base/net/timer_i.h"

struct dns;
struct iobuf;
struct sessions;

struct loop {
    uv_loop_t uv;
    uv_prepare_t prepare; /* Before sleeping: runs tasks, ends the turn. */
    uv_check_t check;     /* After I/O: runs tasks. */
    uv_idle_t idle;       /* Active while something waits for the next turn: no sleep then. */
    struct clock *clock;  /* Borrowed. */
    struct arena_pool arena_pool;
    uint64_t turn; /* Counts turns; streams measure what they read in one. */
    uint64_t now_ms;
    int64_t wall_ms;
    bool now_valid, wall_valid;
    bool stopping;
    struct list tasks;      /* This turn's. */
    struct list next_tasks; /* Wait for the next turn, after its I/O. */
    struct wheel wheel;
    struct dns *dns;           /* NULL before the first name. */
    struct iobuf *iobuf;       /* NULL before the first stream. */
    struct sessions *sessions; /* TLS sessions to resume; NULL before the first. */
};

/* Like loop_at_turn_end(), but after the sockets were looked at once more. For work that yields. */
void loop_at_next_turn(struct loop *l, struct loop_task *t);
/* Forgets the cached time; what is called next reads the clock. */
void loop_time_expire(struct loop *l);

#endif /* BASE_NET_LOOP_I_H_ */
