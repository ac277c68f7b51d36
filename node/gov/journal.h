/* The node's ledger journal (column family `journal`): what recovery needs to say what an
 * incarnation really used (LEDGER.md 4.2, strict mode).
 *
 *   I                                        -> inc u32 | registered u32 | seq u64       (all
 *   integers of keys big endian, of values little endian)
 *   R | inc u32 | worker u16 | rid u64       -> n u8 | n x (acct u64 | wid u32 | bound i128)      a
 *   reservation that is open
 *   S | inc u32 | worker u16 | acct u64 | wid u32 -> spent i128
 *   settled by that worker, cumulative
 *   U | inc u32 | worker u16 | hour u32 | 5 x (len u8 | text) -> 5 x u64 | cost i128
 *   usage cell, cumulative
 *
 * RES (put R) is durable before its request is forwarded; SET (delete R, put S and U) is one atomic
 * batch and never waited for. So at any crash: used <= sum of S + sum of open R. */
#ifndef NODE_GOV_JOURNAL_H_
#define NODE_GOV_JOURNAL_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/money.h"
#include "raft/cmd.h"
#include "storage/db.h"

struct journal_meta {
    uint32_t inc;        /* The newest incarnation that was begun. */
    uint32_t registered; /* The newest that the ledger has confirmed. */
    uint64_t seq;        /* The newest SYNC that may have left. */
};
void journal_put_meta(struct batch *b, const struct journal_meta *m);

struct journal_item {
    uint64_t acct;
    uint32_t wid;
    i128 bound;
};
void journal_put_res(struct batch *b, uint32_t inc, unsigned worker, uint64_t rid,
                     const struct journal_item *items, size_t n);
void journal_del_res(struct batch *b, uint32_t inc, unsigned worker, uint64_t rid);
void journal_put_sum(struct batch *b, uint32_t inc, unsigned worker, uint64_t acct, uint32_t wid,
                     i128 spent);
void journal_put_cell(struct batch *b, uint32_t inc, const struct sync_cell *c);
/* Deletes everything of incarnations below @inc. */
void journal_drop_before(struct batch *b, uint32_t inc);

/* What an earlier life left. finals and cells of incarnation meta.registered. */
struct journal_past {
    bool found; /* There is a journal. */
    struct journal_meta meta;
    struct cmd_final *finals;
    size_t n_finals;
    size_t n_open; /* Reservations that were open. */
    struct sync_cell *cells;
    size_t n_cells;
};
/* Blocking. In @arena. Q_ECORRUPT names the record. */
int journal_load(struct db *db, struct arena *arena, struct journal_past *ret, struct errmsg *err);

#endif /* NODE_GOV_JOURNAL_H_ */
