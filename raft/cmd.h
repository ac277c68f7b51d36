/* Commands of the replicated log: encode and decode pairs (msgpack). One log entry holds one
 * command:
 *
 *   [version, type, t_ms, jump_ok, origin node, origin incarnation, request number, body]
 *
 * t_ms and jump_ok are stamped by the leader when it submits (cmd_stamp); they stand at fixed
 * places. (origin, incarnation, request number) makes a retried command answer as the first time;
 * request number 0 is not remembered. Decoding checks every size; an unknown type or newer version
 * is Q_EVERSION; trailing fields of any array are ignored. Fuzzed. Pure. */
#ifndef RAFT_CMD_H_
#define RAFT_CMD_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/money.h"
#include "base/slice.h"
#include "raft/spec.h"
#include "raft/sync.h"

#define CMD_VERSION 1

enum cmd_type {
    CMD_NOOP = 1,      /* A barrier; it also moves ledger time. */
    CMD_RESOURCES = 2, /* Atomic puts and deletes. */
    CMD_BATCH = 3,     /* Lease traffic of all nodes, ~10 ms of it: SYNC, FENCE. */
    CMD_REGISTER = 4,
    CMD_RELEASE = 5,
    CMD_RECONCILE = 6, /* Also `budget resolve` (proof operator). */
    CMD_MEMBER = 7,    /* A member's name, raft id, addresses, region, version; or its removal. */
    CMD_TICK = 8,      /* Moves ledger time; carries the leader's state hash every 10 s. */
    CMD_CLUSTER = 9    /* First command of a cluster: uuid, master key check value. */
};

struct cmd_resource_op {
    bool is_delete;
    enum kind kind;
    struct slice name;
    struct slice spec;       /* Canonical JSON, sealed; "" for a delete. */
    int64_t expect_revision; /* -1: any; 0: must not exist; else must equal. */
};
struct cmd_sync_item {
    uint64_t acct;
    uint32_t wid;
    i128 S, R, O; /* As in sync_item. */
    i128 g;       /* What the leader's policy wants to grant; the ledger clips it. */
};
struct cmd_sync { /* One node's SYNC as the leader's policy decided it. */
    struct slice node;
    uint32_t inc;
    uint64_t seq; /* 0: not an answer to a SYNC of the node (a waiter is served). */
    struct cmd_sync_item *items;
    size_t n_items;
    struct sync_cell *cells;
    size_t n_cells;
};
struct cmd_final { /* What a closed incarnation really used. */
    uint64_t acct;
    uint32_t wid;
    i128 spent; /* Upper bound, cumulative in the incarnation. */
};
struct cmd_fence {
    struct slice node;
    uint32_t inc; /* Only this incarnation: a node that has registered anew is not meant. */
};
enum cmd_proof { CMD_PROOF_JOURNAL = 1, CMD_PROOF_DRAINED = 2, CMD_PROOF_OPERATOR = 3 };

struct cmd {
    enum cmd_type type;
    int64_t t_ms; /* Unix time of the leader's clock. */
    bool jump_ok; /* t_ms may be more than CMD_JUMP_MS_MAX ahead of the ledger's time: the first
                     stamp of a new leader, confirmed by a majority of the members' clocks. */
    struct slice origin;
    uint32_t origin_inc;
    uint64_t reqno;
    union {
        struct {
            struct cmd_resource_op *ops;
            size_t n;
        } resources;
        struct {
            struct cmd_sync *syncs;
            size_t n_syncs;
            struct cmd_fence *fence;
            size_t n_fence;
        } batch;
        struct { /* REGISTER and RELEASE */
            struct slice node;
            uint32_t inc;
            bool journal_ok;
            uint64_t last_seq;
            struct cmd_final *finals;
            size_t n_finals;
            struct sync_cell *cells;
            size_t n_cells;
        } reg;
        struct {
            struct slice node;
            uint32_t inc_old;
            enum cmd_proof proof;
            struct cmd_final *finals;
            size_t n_finals;
            bool all; /* operator: all of that node at what is presumed */
        } reconcile;
        struct {
            bool remove;
            struct slice name;
            uint64_t raft_id;
            struct slice peer_addr, gateway_addr, region, version;
        } member;
        struct {
            uint64_t hash_index;
            uint64_t hash;
        } tick;
        struct {
            uint8_t uuid[16];
            uint8_t key_check[32];
        } cluster;
    };
};
#define CMD_JUMP_MS_MAX (10 * 60 * 1000)

/* Encodes everything; t_ms and jump_ok are overwritten later by cmd_stamp(). Q_ETOOBIG over
 * CMD_BYTES_MAX; then @out is as it was. */
int cmd_encode(const struct cmd *c, struct buf *out);
/* @encoded is what cmd_encode() appended. */
void cmd_stamp(char *encoded, size_t n, int64_t t_ms, bool jump_ok);
/* Slices point into @bytes, arrays into @arena. */
int cmd_decode(struct slice bytes, struct arena *arena, struct cmd *ret, struct errmsg *err);

#endif /* RAFT_CMD_H_ */
