/* Inside the state machine: fsm.c (apply, reading), fsm_resource.c, fsm_member.c, fsm_result.c,
 * fsm_snapshot.c; ledger_*.c; usage.c.
 *
 * Everything that a log makes is in the tables FSM_T_... and in `struct fsm_scalars`; the tables
 * FSM_X_... are indexes that follow from them and are neither hashed nor sent. */
#ifndef RAFT_FSM_I_H_
#define RAFT_FSM_I_H_

#include "base/arena.h"
#include "base/limits.h"
#include "raft/fsm.h"
#include "raft/record.h"
#include "raft/table.h"

#define FSM_TIME_MS_MAX 253402300799999ll /* The end of the year 9999: the calendar's. */

enum fsm_table {
    FSM_T_RESOURCE, /* kind u8, name -> revision, changed, spec            (struct resource) */
    FSM_T_MEMBER,   /* name -> numbers, addresses                          (struct fsm_member) */
    FSM_T_ACCOUNT, /* id -> budget, window now                            (struct ledger_account) */
    FSM_T_WINDOW,  /* id, wid -> an earlier window that is not empty yet  (struct ledger_window) */
    FSM_T_HISTORY, /* id, wid -> limit, posted, overrun, end */
    FSM_T_LEASE,   /* id, wid, node, inc -> G, S, R, O, presumed          (struct ledger_lease) */
    FSM_T_USAGE,   /* hour, node, dims, inc, worker -> sums               (struct usage_cell) */
    FSM_T_RESULT,  /* origin 0, inc, reqno -> status, revision, sentence */
    FSM_T_ORIGIN,  /* origin -> number of results kept */
    FSM_T_N_,
    FSM_X_REF = FSM_T_N_, /* kind u8, name 0, by-kind u8, by-name -> (a resource refers to it) */
    FSM_X_BUDGET,         /* budget name -> account id */
    FSM_X_LEASE,          /* node, inc, id, wid -> (a lease of that incarnation) */
    FSM_ALL_N_
};

struct fsm_scalars {
    uint64_t applied;
    int64_t now_ms;
    uint64_t revision;
    uint64_t kind_revision[KIND_N_];
    uint64_t acct_next;
    uint32_t node_next; /* Number of the next new member; 0 is "recovered". */
    uint64_t raft_id_next;
    bool has_cluster;
    uint8_t uuid[16], key_check[32];
    uint64_t sweep_acct;            /* Where the slow walk over the accounts has come to. */
    uint32_t usage_hour_kept;       /* Cells of hours before it are gone. */
    uint64_t tick_index, tick_hash; /* Hash after the last TICK; not part of the hash. */
};

struct fsm {
    struct fsm_scalars s;
    struct table tables[FSM_ALL_N_];
    struct arena_pool pool;
    struct arena arena;    /* Of the command being applied. */
    struct buf key, value; /* Scratch of whoever builds a record. */
    struct fsm_restore *restore;
    uint64_t
        n_faulty; /* SYNC items that claimed more than was granted. Of this process: not state. */
};

struct fsm_member {
    struct member pub;
    uint32_t node; /* Stands for the name in keys; never used again. */
    bool removed;
    uint64_t seq0; /* pub.seq at REGISTER: equal when no SYNC of this incarnation has come yet. */
};

extern const struct table_type fsm_table_types[FSM_ALL_N_];

/* Begin a key or a value: the scratch buffer, emptied. */
struct buf *fsm_key(struct fsm *f);
struct buf *fsm_value(struct fsm *f);
/* Writes the record that the two scratch buffers hold. */
void fsm_put(struct fsm *f, enum fsm_table t);
void fsm_encode_scalars(const struct fsm_scalars *s, bool for_hash, struct buf *out);
/* What follows from the tables, after a restore; Q_EPROTO when they contradict each other. */
int fsm_rebuild(struct fsm *f, struct errmsg *err);

void fsm_restore_free(struct fsm *f); /* fsm_snapshot.c */

void fsm_result_fail(struct fsm_result *ret, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* fsm_resource.c */
int fsm_resource_bind(void *head, struct slice key, struct slice value);
void fsm_resource_apply(struct fsm *f, const struct cmd *c, struct fsm_result *ret);
int fsm_resource_index(struct fsm *f, const struct resource *r, struct errmsg *err);

/* fsm_member.c */
int fsm_member_bind(void *head, struct slice key, struct slice value);
void fsm_member_put(struct fsm *f, const struct fsm_member *m);
void fsm_member_apply(struct fsm *f, const struct cmd *c, struct fsm_result *ret);
/* Any member, also a removed one; NULL when never heard of. Valid until the next member_put. */
const struct fsm_member *fsm_member_find(const struct fsm *f, struct slice name);
const struct fsm_member *fsm_member_by_node(const struct fsm *f, uint32_t node);

/* fsm_result.c */
bool fsm_result_recall(const struct fsm *f, const struct cmd *c, struct fsm_result *ret);
void fsm_result_remember(struct fsm *f, const struct cmd *c, const struct fsm_result *r);

#endif /* RAFT_FSM_I_H_ */
