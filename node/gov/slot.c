#include "node/gov/slot.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

/* The averages forget in about two seconds. */
#define EWMA_TAU_MS 2000

struct slot *slot_new(uint64_t acct, uint32_t wid, enum unit unit)
{
    struct slot *s = aligned_alloc(64, (sizeof *s + 63) / 64 * 64);

    ASSERT(s != NULL);
    memset(s, 0, sizeof *s);
    s->acct = acct;
    s->wid = wid;
    s->unit = unit;
    list_init(&s->link);
    return s;
}

void slot_free(struct slot *s)
{
    free(s);
}

bool slot_take(struct slot *s, int64_t w)
{
    int64_t have = atomic_load_explicit(&s->avail, memory_order_relaxed);

    ASSERT(w >= 0);
    do {
        if (have < w) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&s->avail, &have, have - w,
                                                    memory_order_acq_rel, memory_order_relaxed));
    atomic_fetch_add_explicit(&s->inflight, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->gross_d, w, memory_order_relaxed);
    if (w > atomic_load_explicit(&s->wmax, memory_order_relaxed)) {
        atomic_store_explicit(&s->wmax, w, memory_order_relaxed); /* A race loses a hint only. */
    }
    return true;
}

void slot_untake(struct slot *s, int64_t w)
{
    atomic_fetch_sub_explicit(&s->gross_d, w, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->avail, w, memory_order_acq_rel);
    atomic_fetch_sub_explicit(&s->inflight, 1, memory_order_release);
}

int64_t slot_settle(struct slot *s, int64_t w, int64_t cost)
{
    int64_t over = 0;

    ASSERT(cost >= 0);
    if (cost > w) { /* The bound was wrong: pay from what is here, the rest is overrun. */
        int64_t have = atomic_load_explicit(&s->avail, memory_order_relaxed);
        int64_t take;
        do {
            take = cost - w < have ? cost - w : have;
        } while (!atomic_compare_exchange_weak_explicit(
            &s->avail, &have, have - take, memory_order_acq_rel, memory_order_relaxed));
        over = cost - w - take;
        atomic_fetch_add_explicit(&s->over_d, over, memory_order_relaxed);
        atomic_fetch_add_explicit(&s->spent_d, w + take, memory_order_release);
    } else {
        /* spent first: S may be seen too early, never too late, when avail is seen. */
        atomic_fetch_add_explicit(&s->spent_d, cost, memory_order_release);
        atomic_fetch_add_explicit(&s->refund_d, w - cost, memory_order_relaxed);
        atomic_fetch_add_explicit(&s->avail, w - cost, memory_order_acq_rel);
    }
    atomic_fetch_sub_explicit(&s->inflight, 1, memory_order_release);
    return over;
}

int64_t slot_withdraw(struct slot *s, int64_t most)
{
    int64_t have = atomic_load_explicit(&s->avail, memory_order_relaxed);
    int64_t take;

    do {
        take = have < most ? have : most;
        if (take <= 0) {
            return 0;
        }
    } while (!atomic_compare_exchange_weak_explicit(&s->avail, &have, have - take,
                                                    memory_order_acq_rel, memory_order_relaxed));
    return take;
}

/* avg += (rate - avg) * dt / (tau + dt), in integers. */
static void slot_average(i128 *avg, i128 amount, uint64_t dt_ms)
{
    i128 rate = amount * 1000 / (i128)dt_ms;

    *avg += (rate - *avg) * (i128)dt_ms / (i128)(EWMA_TAU_MS + dt_ms);
}

void slot_harvest(struct slot *s, uint64_t now_ms)
{
    i128 gross = atomic_exchange_explicit(&s->gross_d, 0, memory_order_relaxed);
    i128 refund = atomic_exchange_explicit(&s->refund_d, 0, memory_order_relaxed);
    uint64_t dt_ms = now_ms > s->harvested_ms ? now_ms - s->harvested_ms : 1;

    s->S += atomic_exchange_explicit(&s->spent_d, 0, memory_order_acq_rel);
    s->O += atomic_exchange_explicit(&s->over_d, 0, memory_order_acq_rel);
    if (gross > 0) {
        s->used_ms = now_ms;
    }
    slot_average(&s->gross_ps, gross, dt_ms);
    slot_average(&s->refund_ps, refund, dt_ms);
    s->harvested_ms = now_ms;
}

struct gacct *gacct_new(uint64_t id, enum unit unit, enum window_every every)
{
    struct gacct *a = mem_zalloc(sizeof *a);

    a->id = id;
    a->unit = unit;
    a->every = every;
    atomic_store(&a->refs, 1);
    list_init(&a->slots);
    list_init(&a->active);
    return a;
}

struct gacct *gacct_ref(struct gacct *a)
{
    atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
    return a;
}

void gacct_unref(struct gacct *a)
{
    if (a != NULL && atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) == 1) {
        ASSERT(list_empty(&a->slots));
        mem_free(a);
    }
}
