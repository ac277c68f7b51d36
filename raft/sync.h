/* SYNC: what a node and the leader's policy tell each other about leases (LEDGER.md 4.7). All
 * counters are cumulative in an incarnation and merged by max(): lost, repeated and reordered
 * messages are harmless. Amounts are in the account's unit (pico-dollars or counts). These structs
 * are the decoded form; wire_sync.c encodes them. */
#ifndef RAFT_SYNC_H_
#define RAFT_SYNC_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/money.h"
#include "base/slice.h"

#define SYNC_ITEMS_MAX 4096
#define SYNC_CELLS_MAX 4096

struct sync_item { /* node -> leader, one account and window */
    uint64_t acct;
    uint32_t wid;
    i128 S, R, O; /* Settled, returned, overrun. */
    i128 free;    /* Credit that could be returned now. */
    i128 gross;   /* Reserved per second (EWMA), for sizing. */
    i128 refund;  /* Given back by settlements per second (EWMA). */
    i128 wmax;    /* Largest recent reservation. */
    i128 ask;     /* Credit wanted in all on top of what is held. */
    i128 need;    /* Of that, what parked requests wait for; 0 none. */
};

/* Usage, cumulative per (node, incarnation, worker, hour, dimensions). */
struct usage_dims {
    struct slice team, key, user, model, provider; /* "" when absent. */
};
struct usage_sums {
    uint64_t requests, errors, input_tokens, cached_tokens, output_tokens;
    i128 cost_pusd;
};
struct sync_cell {
    uint32_t worker;
    uint32_t hour; /* Unix time / 3600, of admission. */
    struct usage_dims dims;
    struct usage_sums sums;
};

struct sync_req {
    struct slice node;
    uint32_t inc;
    uint64_t seq;
    struct sync_item *items;
    size_t n_items;
    struct sync_cell *cells;
    size_t n_cells;
};

enum sync_flag { SYNC_EXHAUSTED = 1, SYNC_ROLLED = 2, SYNC_FROZEN = 4 };

struct sync_grant { /* leader -> node, per account */
    uint64_t acct;
    uint32_t wid; /* The current window; an item for an older one comes back with SYNC_ROLLED and
                     the G of that older window. */
    i128 G;       /* Cumulative granted to this incarnation. */
    uint32_t flags;
    i128 keep; /* Hint: credit this node may sit on. */
    i128 left; /* limit - posted - presumed: what requests in flight and later ones can still use. A
                  request whose bound is above it can never be admitted in this window. */
    i128 limit;
    int64_t win_left_ms;  /* Until the window ends by the ledger's time; -1 never. */
    int64_t resets_at_ms; /* Unix; 0 never. */
};

struct sync_reply { /* also sent unasked: GRANT (seq 0) */
    int status;     /* 0, Q_ENOTLEADER, Q_EPERM (fenced or old incarnation: register again) */
    uint32_t inc;   /* The ledger's incarnation of that node. */
    uint64_t seq;
    int64_t now_ms; /* Ledger time. */
    struct sync_grant *grants;
    size_t n_grants;
};

struct sync_recall { /* leader -> node: return what is idle of it, now */
    uint64_t acct;
    uint32_t wid;
};

#endif /* RAFT_SYNC_H_ */
