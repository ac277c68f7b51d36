/* Inside policy.c (SYNCs in, batches and replies out) and policy_decide.c (who gets how much). */
#ifndef RAFT_POLICY_I_H_
#define RAFT_POLICY_I_H_

#include "base/arena.h"
#include "base/list.h"
#include "base/strmap.h"
#include "raft/policy.h"

#define POLICY_PENDING_MAX \
    1024 /* SYNCs waiting for the next batch; more are dropped: nodes repeat. */
#define POLICY_WAIT_MS       2000  /* A waiter is forgotten: its requests have given up. */
#define POLICY_RECALL_MS     250   /* Between two recalls of one account. */
#define POLICY_ACTIVE_MS     5000  /* A node that was heard so recently counts as active. */
#define POLICY_FORGET_MS     60000 /* Demand unheard for so long is dropped. */
#define POLICY_PROPOSED_MS   5000  /* Proposed grants that were not applied by then do not count. */
#define POLICY_NOOP_MS       2000  /* The barrier of a new leader is repeated. */
#define POLICY_AMPLE_PERCENT 2     /* All nodes together may sit on so much of what is left. */
#define POLICY_NODES_MAX     64    /* Leases of an account looked at for a recall. */

/* What one node wants of one account. */
struct policy_demand {
    struct list link; /* In policy_acct.demands. */
    struct list
        wait; /* In policy_acct.waiters, in order of arrival; alone when it does not wait. */
    struct slice node;
    uint32_t inc;
    i128 free, gross, wmax, ask;
    uint64_t heard_ms;
    i128 need_left; /* What its parked requests still lack, */
    i128 need_sent; /* and what of it is in batches that have not been applied yet. */
    uint64_t wait_until_ms;
    uint32_t wid;  /* The window that G_seen is of. */
    i128 G_seen;   /* Granted as of the last batch that was applied. */
    i128 proposed; /* In batches that have not been applied yet. */
};
struct policy_acct {
    uint64_t id;
    struct list demands, waiters;
    struct list link;        /* In policy.waiting while waiters is not empty. */
    struct list got_back;    /* In policy.returns while returned is not 0. */
    i128 proposed, returned; /* returned: by the SYNCs of the batch being made. */
    uint64_t proposed_ms, recall_ms;
};
struct policy_node {
    struct list link;
    struct slice name;
    uint32_t inc;
    uint64_t seq, heard_ms;
    bool fence;
};
struct policy_pending {
    struct list link;
    struct arena arena;
    struct sync_req r;
    bool repeated; /* Its wishes have been seen before. */
};
struct policy {
    const struct fsm *f;
    const struct policy_ops *ops;
    void *arg;
    bool is_ready; /* Our own NOOP is applied: the state is at least the one our term began with. */
    bool noop_sent;
    uint64_t noop_ms;
    char token[48];
    bool armed;
    uint64_t armed_ms;
    struct list pending, nodes, waiting, returns;
    size_t n_pending;
    int64_t n_members; /* As of the entry members_index. */
    uint64_t members_index;
    struct strmap accts;
};

/* policy_decide.c */
struct policy_acct *policy_acct(struct policy *p, uint64_t id);
struct policy_demand *policy_demand(struct policy *p, struct policy_acct *a, struct slice node,
                                    uint32_t inc, uint64_t now_ms);
void policy_acct_free(struct policy_acct *a);
void policy_returned(struct policy *p, struct policy_acct *a, i128 more);
int64_t policy_members(struct policy *p);
i128 policy_ample(struct policy *p, const struct account_view *v);
/* Takes note of an item's wishes; gives the grant to propose now. */
i128 policy_decide(struct policy *p, const struct account_view *v, struct slice node, uint32_t inc,
                   const struct sync_item *it, uint64_t now_ms);
/* The next waiter of @a that can be served, and how much it gets; NULL when none can. */
struct policy_demand *policy_serve(struct policy *p, struct policy_acct *a, uint64_t now_ms,
                                   i128 *ret_g);
void policy_propose(struct policy_acct *a, struct policy_demand *d, i128 g, uint64_t now_ms);
/* A proposed grant has been applied, perhaps clipped. */
void policy_granted(struct policy *p, uint64_t acct, struct slice node, uint32_t inc, uint32_t wid,
                    i128 g, uint64_t now_ms);
void policy_expire_waiters(struct policy *p, uint64_t now_ms);
void policy_recall(struct policy *p, struct policy_acct *a, uint64_t now_ms);
void policy_forget_old(struct policy *p, uint64_t now_ms);

#endif /* RAFT_POLICY_I_H_ */
