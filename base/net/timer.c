#include "base/net/timer_i.h"

#include <assert.h>

#include "base/check.h"
#include "base/net/loop_i.h"

#define WHEEL_MASK (WHEEL_SLOTS - 1)

static_assert((WHEEL_SLOTS & WHEEL_MASK) == 0, "slots are taken by a mask");

static void wheel_on_uv(uv_timer_t *uv);

/* The tick at whose end @at_ms has passed. */
static uint64_t wheel_tick_of(uint64_t at_ms)
{
    return at_ms / LOOP_TICK_MS + (at_ms % LOOP_TICK_MS != 0);
}

static void wheel_mark(struct wheel *w, uint64_t tick)
{
    uint64_t slot = tick & WHEEL_MASK;
    uint64_t bit = 1ull << (slot % 64);

    if (list_empty(&w->slots[slot])) {
        w->used[slot / 64] &= ~bit;
    } else {
        w->used[slot / 64] |= bit;
    }
}

/* The first tick after done_tick whose slot is in use; UINT64_MAX when there is none. */
static uint64_t wheel_next(const struct wheel *w)
{
    uint64_t first = w->done_tick + 1;
    uint64_t slot = first & WHEEL_MASK;

    for (uint64_t i = 0; i <= WHEEL_WORDS; i++) {
        uint64_t word = (slot / 64 + i) % WHEEL_WORDS;
        uint64_t bits = w->used[word];
        uint64_t found;
        if (i == 0) {
            bits &= ~0ull << (slot % 64);
        } else if (i == WHEEL_WORDS) {
            bits &= ~(~0ull << (slot % 64));
        }
        if (bits != 0) {
            found = word * 64 + (uint64_t)__builtin_ctzll(bits);
            return first + ((found - slot) & WHEEL_MASK);
        }
    }
    return UINT64_MAX;
}

/* Wakes at the end of @tick. */
static void wheel_arm(struct loop *l, uint64_t tick)
{
    uint64_t at_ms = tick * LOOP_TICK_MS, now_ms = loop_now_ms(l);
    int rv = uv_timer_start(&l->wheel.uv, wheel_on_uv, at_ms > now_ms ? at_ms - now_ms : 0, 0);

    ASSERT(rv == 0);
    l->wheel.armed_tick = tick;
}

static void wheel_rearm(struct loop *l)
{
    uint64_t tick = wheel_next(&l->wheel);

    if (tick != UINT64_MAX) {
        wheel_arm(l, tick);
    } else {
        l->wheel.armed_tick = UINT64_MAX;
        (void)uv_timer_stop(&l->wheel.uv);
    }
}

/* Keeps due in the order of the deadlines; equal ones in the order of starting. */
static void wheel_add_due(struct wheel *w, struct timer *t)
{
    struct list *after = w->due.prev;

    while (after != &w->due && LIST_ENTRY(after, struct timer, link)->at_ms > t->at_ms) {
        after = after->prev;
    }
    list_remove(&t->link);
    list_push_front(after, &t->link);
}

static void wheel_collect(struct wheel *w, uint64_t tick, uint64_t now_tick)
{
    LIST_EACH_SAFE (it, &w->slots[tick & WHEEL_MASK]) {
        struct timer *t = LIST_ENTRY(it, struct timer, link);
        if (wheel_tick_of(t->at_ms) <= now_tick) {
            wheel_add_due(w, t);
        }
    }
    wheel_mark(w, tick);
}

/* Fires what is due. Callbacks start and stop what they like: what they start belongs to later
 * ticks. */
static void wheel_on_uv(uv_timer_t *uv)
{
    struct loop *l = uv->data;
    struct wheel *w = &l->wheel;
    uint64_t now_tick, last;

    loop_time_expire(l);
    now_tick = loop_now_ms(l) / LOOP_TICK_MS;
    w->armed_tick = UINT64_MAX;
    if (now_tick > w->done_tick) {
        last = now_tick - w->done_tick > WHEEL_SLOTS ? w->done_tick + WHEEL_SLOTS : now_tick;
        for (uint64_t tick = w->done_tick + 1; tick <= last; tick++) {
            wheel_collect(w, tick, now_tick);
        }
        w->done_tick = now_tick;
    }
    while (!list_empty(&w->due)) {
        struct timer *t = LIST_FIRST(&w->due, struct timer, link);
        list_remove(&t->link);
        t->at_ms = 0;
        w->n_running--;
        t->cb(t);
    }
    wheel_rearm(l);
}

void timer_init(struct timer *t, struct loop *l, void (*cb)(struct timer *t))
{
    *t = (struct timer){.loop = l, .cb = cb};
    list_init(&t->link);
}

void timer_start(struct timer *t, uint64_t after_ms)
{
    struct loop *l = t->loop;
    struct wheel *w = &l->wheel;
    uint64_t now_ms = loop_now_ms(l), tick;

    timer_stop(t);
    if (w->n_running == 0 && now_ms / LOOP_TICK_MS > w->done_tick) {
        w->done_tick = now_ms / LOOP_TICK_MS; /* Nothing was waiting for the ticks since. */
    }
    t->at_ms = after_ms < UINT64_MAX / 2 - now_ms ? now_ms + after_ms : UINT64_MAX / 2;
    if (t->at_ms <= w->done_tick * LOOP_TICK_MS) {
        t->at_ms = w->done_tick * LOOP_TICK_MS + 1;
    }
    tick = wheel_tick_of(t->at_ms);
    list_push_back(&w->slots[tick & WHEEL_MASK], &t->link);
    wheel_mark(w, tick);
    w->n_running++;
    /* The slot comes by at least once a turn of the wheel; that visit is the one to wake up for. */
    if (tick > w->done_tick + WHEEL_SLOTS) {
        tick = w->done_tick + 1 + ((tick - w->done_tick - 1) & WHEEL_MASK);
    }
    if (tick < w->armed_tick) {
        wheel_arm(l, tick);
    }
}

void timer_stop(struct timer *t)
{
    struct wheel *w = &t->loop->wheel;
    uint64_t tick;

    if (t->at_ms == 0) {
        return;
    }
    tick = wheel_tick_of(t->at_ms);
    list_remove(&t->link);
    wheel_mark(w, tick);
    t->at_ms = 0;
    w->n_running--;
    if (w->n_running == 0) {
        w->armed_tick = UINT64_MAX;
        (void)uv_timer_stop(&w->uv);
    }
}

void timer_wheel_init(struct loop *l)
{
    struct wheel *w = &l->wheel;
    int rv = uv_timer_init(&l->uv, &w->uv);

    ASSERT(rv == 0);
    w->uv.data = l;
    w->armed_tick = UINT64_MAX;
    w->done_tick = loop_now_ms(l) / LOOP_TICK_MS;
    list_init(&w->due);
    for (size_t i = 0; i < WHEEL_SLOTS; i++) {
        list_init(&w->slots[i]);
    }
}

void timer_wheel_close(struct loop *l)
{
    uv_close((uv_handle_t *)&l->wheel.uv, NULL);
}
