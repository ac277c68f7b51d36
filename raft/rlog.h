/* The raft log, term and vote, identity and snapshots on disk (column families default, raft_log,
 * snapshots).
 *
 *   default   "meta" -> term u64 | vote u64
 *             "node" -> raft id u64 | cluster uuid 16 bytes (zeros: none yet)
 *             "log"  -> start u64 | last u64: the durable high-water mark | chain of the entry
 *             before start u32
 *             "snap" -> index u64 | term u64 | conf index u64 | chunks u32 | configuration
 *   raft_log  index (big endian) -> chain u32 | term u64 | type u8 | data
 *   snapshots index (big endian) | chunk u32 (big endian) -> bytes
 *
 * chain is the CRC-32C over the previous chain, term, type and data: an entry that is lost, changed
 * or exchanged breaks it. A node never starts from less than "log".last. Little endian otherwise.
 */
#ifndef RAFT_RLOG_H_
#define RAFT_RLOG_H_

#include "base/buf.h"
#include "raft/engine.h"
#include "storage/db.h"

struct rlog {
    raft_index start; /* Of chains[0]. */
    uint32_t *chains; /* Of the entries [start, start + n). */
    size_t n, alloc;
    uint32_t before; /* Chain of the entry before start. */
};

struct rlog_chunks { /* A snapshot's content. */
    struct slice *v; /* Each by mem_alloc. */
    size_t n, alloc;
};
void rlog_chunks_add(struct rlog_chunks *c, struct slice bytes);
void rlog_chunks_free(struct rlog_chunks *c);

struct rlog_state { /* What was on disk. */
    bool found;     /* The node has an identity. */
    raft_id id;
    uint8_t uuid[16];
    raft_term term;
    raft_id vote;
    bool has_snapshot;
    struct snapshot_meta snapshot;
    struct rlog_chunks chunks;
    raft_index first;
    struct entry **entries; /* The caller's. */
    size_t n;
};
/* Blocking. Q_ECORRUPT says which index and what to do. */
int rlog_load(struct rlog *l, struct db *db, struct rlog_state *ret, struct errmsg *err);
void rlog_deinit(struct rlog *l);

void rlog_put_node(struct batch *b, raft_id id, const uint8_t uuid[16]);
void rlog_put_meta(struct batch *b, raft_term term, raft_id vote);
/* Replaces everything from @first on. */
void rlog_put_entries(struct rlog *l, struct batch *b, raft_index first,
                      struct entry *const *entries, unsigned n);
/* @installed: the whole log goes, the next entry is meta->index + 1; else entries before @keep_from
 * go. The snapshot before is deleted. */
void rlog_put_snapshot(struct rlog *l, struct batch *b, const struct snapshot_meta *meta,
                       const struct rlog_chunks *chunks, bool installed, raft_index keep_from);

#endif /* RAFT_RLOG_H_ */
