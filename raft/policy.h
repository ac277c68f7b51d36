/* The leader's lease policy (LEDGER.md 5.2): soft state, lost with leadership. Decides how much
 * each SYNC is granted, keeps waiters FIFO, recalls idle credit, fences silent nodes. The ledger
 * only clips.
 *
 * consensus.c calls it on the leader; it answers through its ops. Nothing here is needed for
 * safety. No clock: time is passed in (the leader's monotonic milliseconds). Thread: raft. */
#ifndef RAFT_POLICY_H_
#define RAFT_POLICY_H_

#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "raft/cmd.h"
#include "raft/fsm.h"
#include "raft/sync.h"

struct policy;
struct policy_ops {
    /* Sends to a node (also to our own). Decoded form; borrowed during the call. */
    void (*reply)(void *arg, struct slice node, const struct sync_reply *r);
    void (*recall)(void *arg, struct slice node, const struct sync_recall *r);
    /* Puts one command into the log (already encoded; leader stamps it). policy_applied() is called
     * when it has been applied, never before this returns. */
    int (*submit)(void *arg, struct slice cmd);
    /* Call policy_flush() in @ms, instead of whenever an earlier arm() said. */
    void (*arm)(void *arg, uint64_t ms);
};
#define POLICY_BATCH_MS 10
#define POLICY_FENCE_MS 30000 /* Unheard for so long: fenced. */

/* @f is borrowed and may be replaced only together with the policy. */
struct policy *policy_new(const struct fsm *f, const struct policy_ops *ops, void *arg);
void policy_free(struct policy *p);
/* A SYNC has arrived (copied). Duplicates and old ones are fine. */
void policy_sync(struct policy *p, const struct sync_req *r, uint64_t now_ms);
/* The armed timer: submits one BATCH with all that waits; serves waiters; fences; recalls. */
void policy_flush(struct policy *p, uint64_t now_ms);
/* An entry has been applied (any entry): answers the SYNCs it carried and looks after waiters. */
void policy_applied(struct policy *p, uint64_t index, const struct cmd *c, uint64_t now_ms);
/* Once per second: fencing and idle work. */
void policy_tick(struct policy *p, uint64_t now_ms);

#endif /* RAFT_POLICY_H_ */
