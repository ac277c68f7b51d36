/* A state machine, its log, and short ways to write commands. */
#ifndef TESTS_UNIT_RAFT_FSM_KIT_H_
#define TESTS_UNIT_RAFT_FSM_KIT_H_

#include "raft/fsm.h"

#define KIT_T0  1790000000000ll /* 2026-09-21T14:13:20Z */
#define KIT_MAC "\"mac\":\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\""

struct kit {
    struct fsm *f;
    uint64_t index;
    int64_t t_ms;
    struct fsm_result res; /* Of the last command. */
    struct buf log;        /* Every entry: n u32, bytes. */
};

void kit_init(struct kit *k);
void kit_deinit(struct kit *k);
/* Encodes, stamps and applies; then recomputes INV-L of every account. Gives the status. */
int kit_apply(struct kit *k, struct cmd *c);
int kit_put(struct kit *k, enum kind kind, const char *name, const char *spec);
int kit_delete(struct kit *k, enum kind kind, const char *name);
int kit_member(struct kit *k, const char *name, uint64_t raft_id);
int kit_register(struct kit *k, const char *node, uint32_t inc);
/* One SYNC with one item. */
int kit_sync(struct kit *k, const char *node, uint32_t inc, uint64_t seq, uint64_t acct,
             uint32_t wid, i128 S, i128 R, i128 g);
struct account_view kit_view(struct kit *k, const char *budget);
/* A new state machine from a snapshot of this one; hashes compared. */
struct fsm *kit_copy(const struct fsm *f);
/* A new state machine from the log; hashes compared. */
void kit_replay(struct kit *k);

#endif /* TESTS_UNIT_RAFT_FSM_KIT_H_ */
