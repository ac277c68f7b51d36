/* A lease slot: what this node may still spend of one account in one window. The raft loop (lease
 * manager) owns G and R and creates and retires slots; workers touch the atomics only.
 *
 *      ledger:  G granted   R returned   S settled          (cumulative in this incarnation)
 *      here:    avail = G - R - S - reserved                 never below 0
 *
 * A reservation takes its bound out of avail; a settlement puts the rest back and adds the cost to
 * spent_d, which the manager harvests into S. Giving credit back takes it out of
 * avail first. So used = S + reserved <= G - R at every instant, which is all that the proof in
 * LEDGER.md 3 asks of a node. */
#ifndef NODE_GOV_SLOT_H_
#define NODE_GOV_SLOT_H_

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/money.h"
#include "raft/spec.h"

#define GOV_WORKERS_MAX 64

struct slot {
    alignas(64) _Atomic int64_t avail;
    _Atomic int64_t spent_d;  /* Settled since the last harvest. */
    _Atomic int64_t over_d;   /* Cost beyond all credit since the last harvest. */
    _Atomic int64_t gross_d;  /* Reserved since the last harvest. */
    _Atomic int64_t refund_d; /* Given back by settlements since the last harvest. */
    _Atomic int64_t wmax;     /* Largest reservation since the manager last halved it. */
    alignas(64) _Atomic uint32_t inflight; /* Reservations open. */
    _Atomic int64_t low;                   /* Below it a reservation wakes the manager. */
    _Atomic uint64_t deadline_us; /* Monotonic; not used for admission from then on; 0: none. */
    _Atomic int64_t left,
        limit; /* From the last grant: what the budget has left after settled spend. */
    _Atomic uint64_t left_at_us; /* When that came; 0: never. */
    _Atomic int64_t resets_at_ms;
    _Atomic uint32_t flags; /* sync_flag of the last grant. */
    uint64_t acct;          /* Fixed from here on. */
    uint32_t wid;
    enum unit unit;
    /* Raft loop only. */
    i128 G, R, S, O;
    i128 gross_ps, refund_ps; /* EWMA, units per second. */
    i128 target, keep, asked;
    uint64_t harvested_ms, used_ms, asked_ms;
    bool retired;
    struct list link; /* In acct's list of slots. */
    i128 sums
        /* [w] belongs to worker w: settled there, cumulative; what its journal says. */
        [GOV_WORKERS_MAX];
};

/* One budget's account on this node; lives as long as a view or a slot points at it. */
struct gacct {
    uint64_t id;
    enum unit unit;
    enum window_every every;
    _Atomic(struct slot *) cur;
    _Atomic uint32_t waiters;     /* Parked requests on all workers. */
    _Atomic int64_t need;         /* Sum of their bounds on this account. */
    _Atomic bool woken;           /* A letter to the manager is under way. */
    _Atomic uint64_t answered_us; /* When the leader last answered about it. */
    _Atomic uint32_t refs;
    /* Raft loop only. */
    struct list slots;  /* Current first, then old windows with reservations open. */
    struct list active; /* In gov's list of accounts that SYNC looks at. */
    bool is_active, want_sync;
};

struct slot *slot_new(uint64_t acct, uint32_t wid, enum unit unit);
void slot_free(struct slot *s);
/* Thread: any. Takes @w or nothing. */
bool slot_take(struct slot *s, int64_t w);
/* Undoes slot_take() as if it had not been. */
void slot_untake(struct slot *s, int64_t w);
/* Ends a reservation of @w that cost @cost (>= 0). Returns what went beyond all credit (0
 * normally). */
int64_t slot_settle(struct slot *s, int64_t w, int64_t cost);
/* Takes up to @most out of avail, for a return; gives how much. Thread: raft. */
int64_t slot_withdraw(struct slot *s, int64_t most);
/* Brings the deltas of the workers into S, O and the averages. Thread: raft. */
void slot_harvest(struct slot *s, uint64_t now_ms);

struct gacct *gacct_new(uint64_t id, enum unit unit, enum window_every every);
struct gacct *gacct_ref(struct gacct *a);
void gacct_unref(struct gacct *a);

#endif /* NODE_GOV_SLOT_H_ */
