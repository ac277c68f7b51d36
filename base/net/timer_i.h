/* The wheel: time cut into ticks of LOOP_TICK_MS, tick t in slot t % WHEEL_SLOTS. A timer
 * further away than one turn of the wheel stays in its slot and is passed over until its tick
 * comes.
 *
 *   done_tick            armed_tick
 *       |                    |
 *   ----x----.----.----.-----o-----.----o--->   one uv_timer, armed for the first slot in use
 */
#ifndef BASE_NET_TIMER_I_H_
#define BASE_NET_TIMER_I_H_

#include <uv.h>

#include "base/list.h"

#define WHEEL_SLOTS 4096 /* 20 s a turn: few idle timers are passed over in vain. */
#define WHEEL_WORDS (WHEEL_SLOTS / 64)

struct wheel {
    uv_timer_t uv;
    uint64_t done_tick;         /* All ticks up to here have fired. */
    uint64_t armed_tick;        /* What uv will wake us for; UINT64_MAX when it is not armed. */
    size_t n_running;           /* Timers in slots and in due. */
    uint64_t used[WHEEL_WORDS]; /* A bit for each slot that is not empty. */
    struct list due;            /* Expired, being called. */
    struct list slots[WHEEL_SLOTS];
};

struct loop;
void timer_wheel_init(struct loop *l);
void timer_wheel_close(struct loop *l);

#endif /* BASE_NET_TIMER_I_H_ */
