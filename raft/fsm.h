/* The replicated state machine: resources, ledger, members, usage, remembered results. A pure
 * function of its log: no clock, no chance, no I/O, no float, no hash order; time is in the
 * commands. Thread: raft. Readers on that thread may look at any time between two applies. */
#ifndef RAFT_FSM_H_
#define RAFT_FSM_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "raft/cmd.h"
#include "raft/spec.h"

struct fsm;
struct fsm *fsm_new(void);
void fsm_free(struct fsm *f);

/* What a command answered: a code and a JSON or msgpack-free text for people/API. */
struct fsm_result {
    int status;        /* 0 or Q_E...: a *result*, never a failure to apply. */
    uint64_t revision; /* RESOURCES: the new revision. REGISTER: the incarnation. */
    struct errmsg err; /* When status != 0. */
};
/* Applies the entry at @index. Never fails: a command that cannot be decoded or is newer than us
 * (Q_EVERSION) leaves the state unchanged but for the index; the caller steps aside on Q_EVERSION.
 */
void fsm_apply(struct fsm *f, uint64_t index, struct slice entry, struct fsm_result *ret);
uint64_t fsm_applied(const struct fsm *f);
int64_t fsm_now_ms(const struct fsm *f); /* Ledger time. */
uint64_t fsm_hash(
    const struct fsm *f); /* Order-independent over tables; equal logs give equal hashes. */
/* What the leader puts into the next TICK: the hash after the last TICK, at its index. Every
 * replica compares it with what it kept itself; fsm_apply() answers Q_ECORRUPT where they differ:
 * that replica must stop. A TICK that speaks of another index (0, 0 to begin) only moves time. */
void fsm_tick_hash(const struct fsm *f, uint64_t *ret_index, uint64_t *ret_hash);

/* Snapshot: chunks of at most SNAPSHOT_CHUNK_BYTES, iterated by id. fsm_snapshot_new() is a
 * consistent copy (or copy-on-write view) of now; the fsm may go on. */
struct fsm_snapshot;
struct fsm_snapshot *fsm_snapshot_new(const struct fsm *f);
void fsm_snapshot_free(struct fsm_snapshot *s);
/* Appends the next chunk; false when there is none left. Thread: any one thread. */
bool fsm_snapshot_next(struct fsm_snapshot *s, struct buf *out);
/* Restore into a fresh fsm chunk by chunk; Q_EPROTO/Q_EVERSION on damage. The last call has n = 0.
 */
int fsm_restore_chunk(struct fsm *f, struct slice chunk, struct errmsg *err);

/* --- reading --- */
struct resource {
    enum kind kind;
    struct slice name;
    struct slice spec;
    uint64_t revision; /* Of its last change. */
    int64_t changed_ms;
};
uint64_t fsm_revision(const struct fsm *f); /* Of the last change of any resource. */
/* Per kind, for views: changes whenever a resource of that kind does. */
uint64_t fsm_kind_revision(const struct fsm *f, enum kind k);
const struct resource *fsm_get(
    const struct fsm *f, enum kind k,
    struct slice name); /* NULL when absent; valid until the next apply. */
/* Ordered by name. @cursor "" to begin; for (r = fsm_next(f, k, NULL); r; r = fsm_next(f, k, r)).
 */
const struct resource *fsm_next(const struct fsm *f, enum kind k, const struct resource *after);

struct account_view { /* A budget's ledger account. */
    uint64_t acct;
    struct slice budget;
    enum unit unit;
    enum window_every every;
    bool live; /* The budget exists (else frozen until held and presumed are 0). */
    uint32_t wid;
    i128 limit, posted, held, presumed, overrun;
    int64_t resets_at_ms; /* 0: never */
};
/* The current window at ledger time @at_ms (>= fsm_now_ms; pass the leader-synchronised time for
 * display). */
int fsm_account_by_budget(const struct fsm *f, struct slice budget, struct account_view *ret);
int fsm_account_by_id(const struct fsm *f, uint64_t acct, struct account_view *ret);
/* Held and presumed by node of the current window. */
struct account_node {
    struct slice node;
    uint32_t inc;
    i128 G, S, R, presumed;
};
size_t fsm_account_nodes(const struct fsm *f, uint64_t acct, struct account_node *out, size_t max);
/* One lease, of any window that is not closed. False when there is none. */
bool fsm_lease(const struct fsm *f, uint64_t acct, uint32_t wid, struct slice node, uint32_t inc,
               struct account_node *ret);

struct member {
    struct slice name;
    uint64_t raft_id;
    struct slice peer_addr, gateway_addr, region, version;
    uint32_t inc; /* Ledger incarnation; 0: never registered. */
    bool fenced;
    uint64_t seq;
};
const struct member *fsm_member(const struct fsm *f, struct slice name);
const struct member *fsm_member_by_raft_id(const struct fsm *f, uint64_t raft_id);
const struct member *fsm_member_next(const struct fsm *f, const struct member *after);
uint64_t fsm_raft_id_next(const struct fsm *f); /* Never used before. */
bool fsm_cluster(const struct fsm *f, uint8_t uuid[16],
                 uint8_t key_check[32]); /* False before CMD_CLUSTER. */

/* Usage rows merged over nodes; @each gets sums per distinct (hour, dims, node). @node "recovered"
 * rows have empty dims. */
struct usage_row {
    uint32_t hour;
    struct slice node;
    struct usage_dims dims;
    struct usage_sums sums;
};
void fsm_usage_each(const struct fsm *f, uint32_t hour_from, uint32_t hour_to,
                    bool (*each)(void *arg, const struct usage_row *row), void *arg);

#endif /* RAFT_FSM_H_ */
