/* One thread's event loop: libuv, the time of the turn, end-of-turn tasks. Everything in
 * base/net belongs to the thread that runs its loop, but for mailbox_send(). libuv ends in this
 * directory. */
#ifndef BASE_NET_LOOP_H_
#define BASE_NET_LOOP_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/list.h"

struct loop; /* Opaque: holds the uv_loop_t. */

/* Ours until loop_free(). @clock is borrowed for life. */
struct loop *loop_new(struct clock *clock);
/* Runs until loop_stop(), or until nothing is left that could wake it (handles, timers, tasks). */
void loop_run(struct loop *l);
void loop_stop(struct loop *l); /* Thread: owner. Others send a letter. */
/* Everything on it has been closed by its owner: waits for closes under way (a gentle one may
 * take 2 s), not for timers. Also gives back the blocks that this thread keeps
 * (block_pool_release()). NULL is fine. */
void loop_free(struct loop *l);

/* Cached per turn. */
uint64_t loop_now_ms(struct loop *l);
uint64_t loop_now_us(struct loop *l); /* Not cached: for latencies. */
int64_t loop_wall_ms(struct loop *l); /* Cached per turn. */
struct clock *loop_clock(struct loop *l);
struct arena_pool *loop_arena_pool(struct loop *l);

/* A task that runs once at the end of this turn, before the loop sleeps: flushes of gathered
 * writes. Adding a task that is already queued does nothing. Tasks added by tasks run in the
 * same turn. */
struct loop_task {
    struct list link; /* list_init() before first use. */
    void (*run)(struct loop_task *t);
};
void loop_task_init(struct loop_task *t, void (*run)(struct loop_task *t));
void loop_at_turn_end(struct loop *l, struct loop_task *t);
void loop_task_cancel(struct loop_task *t);

/* Coarse timers: one hashed wheel per loop, LOOP_TICK_MS wide, no uv_timer each. Never early;
 * late by at most a tick when the loop is free. */
#define LOOP_TICK_MS 5
struct timer {
    struct list link;
    struct loop *loop;
    uint64_t at_ms; /* 0 when idle. */
    void (*cb)(struct timer *t);
};
void timer_init(struct timer *t, struct loop *l, void (*cb)(struct timer *t));
void timer_start(struct timer *t, uint64_t after_ms); /* Restarts when running. */
void timer_stop(struct timer *t); /* Harmless when idle. No memory of it is kept. */
static inline bool timer_is_running(const struct timer *t)
{
    return t->at_ms != 0;
}

#endif /* BASE_NET_LOOP_H_ */
