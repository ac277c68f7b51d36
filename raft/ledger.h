/* The ledger (LEDGER.md 2): accounts of budgets, their windows, and what nodes hold of them.
 *
 *   account 7 "research-month"              lease (7, w683, node 2, inc 5): G 90, S 60, R 10
 *     window 683 (now): limit 500           lease (7, w683, node 3, inc 2): G 50, S 20, R  0
 *       posted 340, held 50, presumed 0     held = (90-60-10) + (50-20-0)
 *     window 682 (old): held or presumed is not 0 yet, else it is history
 *
 * INV-L, after every command, for each window:
 *   posted - overrun + held + presumed <= ceil, where ceil = limit, or, when the limit was lowered
 * below that sum, the sum at that moment, falling with it; held = sum of G-S-R of the open leases;
 * presumed = sum of G-S-R of the presumed ones; every term >= 0.
 *
 * A lease is open while its incarnation is the node's and not fenced; after FENCE, or after a
 * REGISTER without a journal, it is presumed: it counts as if spent until a proof says less.
 * Nothing returns to the pool by time: only the window's end plus LEDGER_CLOSE_MS turns presumed
 * into posted, for good. */
#ifndef RAFT_LEDGER_H_
#define RAFT_LEDGER_H_

#include "raft/fsm_i.h"

#define LEDGER_CLOSE_MS       (48ll * 3600 * 1000)
#define LEDGER_HISTORY_MAX    32 /* Windows remembered of an account; the oldest goes. */
#define LEDGER_SWEEP_ACCOUNTS 16 /* Looked at by each TICK and BATCH. */
#define LEDGER_G_MAX          ((i128)1 << 110) /* Of one lease: sums stay far below 2^127. */

struct ledger_window {
    uint32_t wid;
    int64_t end_ms; /* INT64_MAX: once. */
    i128 limit, posted, held, presumed, overrun, ceil;
};
struct ledger_account {
    uint64_t id;
    struct slice budget;
    enum unit unit;
    enum window_every every;
    bool live;        /* The budget exists; else frozen. */
    int64_t wid_base; /* wid = wid_base + window_id(every, t): grows also when `every` changes. */
    uint32_t n_history, n_old;
    struct ledger_window cur;
};
struct ledger_lease {
    uint64_t acct;
    uint32_t wid, node, inc;
    i128 G, S, R, O;
    bool presumed;
};

/* An account and one of its windows, opened for a change. */
struct ledger_at {
    struct ledger_account a;
    struct ledger_window w;
    bool is_cur;
};

static inline i128 ledger_out(const struct ledger_lease *l)
{
    return l->G - l->S - l->R;
}
static inline i128 ledger_avail(const struct ledger_window *w)
{
    return i128_max(0, w->limit - w->posted - w->held - w->presumed);
}

/* ledger_record.c */
int ledger_account_bind(void *head, struct slice key, struct slice value);
int ledger_window_bind(void *head, struct slice key, struct slice value);
int ledger_history_bind(void *head, struct slice key, struct slice value);
int ledger_lease_bind(void *head, struct slice key, struct slice value);
const struct ledger_account *ledger_account(const struct fsm *f, uint64_t acct);
void ledger_account_put(struct fsm *f, const struct ledger_account *a);
void ledger_window_put(struct fsm *f, uint64_t acct, const struct ledger_window *w);
void ledger_history_put(struct fsm *f, uint64_t acct, const struct ledger_window *w);
const struct ledger_lease *ledger_lease(const struct fsm *f, uint64_t acct, uint32_t wid,
                                        uint32_t node, uint32_t inc);
void ledger_lease_put(struct fsm *f, const struct ledger_lease *l);
void ledger_lease_remove(struct fsm *f, const struct ledger_lease *l);
void ledger_lease_index(struct fsm *f, const struct ledger_lease *l);
/* The leases of one window, in order of node and incarnation; @after NULL to begin. */
const struct ledger_lease *ledger_lease_next(const struct fsm *f, uint64_t acct, uint32_t wid,
                                             const struct ledger_lease *after);
/* The leases of one incarnation, in order of account and window; (*acct, *wid) is the place, 0, 0
 * to begin; false at the end. */
bool ledger_lease_of(struct fsm *f, uint32_t node, uint32_t inc, uint64_t *acct, uint32_t *wid,
                     bool first, struct ledger_lease *ret);
const struct ledger_window *ledger_old_next(const struct fsm *f, uint64_t acct, uint32_t after,
                                            bool at_or_above);

/* ledger.c */
/* Rolls the account to the ledger's time and finds its window @wid. False: no such account, or the
 * window is closed. */
bool ledger_open(struct fsm *f, uint64_t acct, uint32_t wid, struct ledger_at *ret);
/* Writes it back; an earlier window that has become empty is closed. Asserts INV-L. */
void ledger_save(struct fsm *f, struct ledger_at *at);
/* 0, or Q_EINVAL with a sentence: what the account of that name does not allow. Pure. */
int ledger_budget_check(const struct fsm *f, struct slice name, const struct spec_budget *b,
                        struct errmsg *err);
void ledger_budget_set(struct fsm *f, struct slice name, const struct spec_budget *b);
void ledger_budget_drop(struct fsm *f, struct slice name);
uint64_t ledger_budget_account(const struct fsm *f, struct slice name); /* 0: none */
/* Closes what time closes; a few accounts at a time. */
void ledger_sweep(struct fsm *f);

/* ledger_sync.c */
void ledger_sync(struct fsm *f, const struct cmd_sync *s);

/* ledger_close.c */
void ledger_register(struct fsm *f, const struct cmd *c, struct fsm_result *ret);
void ledger_release(struct fsm *f, const struct cmd *c, struct fsm_result *ret);
void ledger_fence(struct fsm *f, struct slice node, uint32_t inc);
void ledger_reconcile(struct fsm *f, const struct cmd *c, struct fsm_result *ret);

/* ledger_check.c: recomputes INV-L of one account from its leases; Q_ECORRUPT with a sentence. */
int ledger_check_account(const struct fsm *f, uint64_t acct, struct errmsg *err);
int ledger_check(const struct fsm *f, struct errmsg *err);

#endif /* RAFT_LEDGER_H_ */
