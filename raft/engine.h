/* The consensus engine: libraft 0.22.1 through raft_step(), events in, decisions out; no I/O, no
 * clock of its own. The same code runs under libuv and under a simulator.
 *
 * Four guards stand between the wire and the library (reference notes in README.md): a membership
 * entry is always first in its AppendEntries; stale rejections are dropped or clamped by match
 * index; vote results
 * are dropped unless we are candidate; InstallSnapshot is dropped while one is being installed.
 * Only what is durable here is applied.
 * Thread: raft. */
#ifndef RAFT_ENGINE_H_
#define RAFT_ENGINE_H_

#include <raft.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

struct entry { /* One of the log, in memory until it is trimmed. */
    raft_term term;
    uint32_t n;
    uint16_t type; /* enum raft_entry_type */
    char data[];
};

struct snapshot_meta {
    raft_index index;
    raft_term term;
    struct raft_configuration conf; /* Owned. */
    raft_index conf_index;
};

struct engine;
struct engine_ops {
    uint64_t (*now_ms)(void *ctx); /* Monotonic. */
    /* Each is durable in the order of the calls; engine_durable(@seq) follows for those with a
     * number. Messages sent later must not leave before set_meta is durable. */
    void (*set_meta)(void *ctx, raft_term term, raft_id vote);
    /* Replaces everything from @first on. */
    void (*append)(void *ctx, uint64_t seq, raft_index first, struct entry *const *entries,
                   unsigned n);
    /* A snapshot of ours at @meta (its content was made by snapshot_take), or one that was received
     * (@installed): then the whole log goes. */
    void (*snapshot_put)(void *ctx, uint64_t seq, const struct snapshot_meta *meta, bool installed,
                         raft_index keep_from);
    void (*send)(void *ctx, const struct raft_message *m, struct entry *const *entries);
    void (*apply)(void *ctx, raft_index index, raft_term term, uint16_t type, struct slice data);
    void (*snapshot_take)(void *ctx); /* Copies the state of now. */
    void (*snapshot_restored)(void *ctx, const struct snapshot_meta *meta);
    void (*state_changed)(void *ctx, int from, int to);
};

/* After a start or a restart. */
struct engine_start {
    raft_term term;
    raft_id vote;
    const struct snapshot_meta *snapshot; /* NULL: none. */
    raft_index first;                     /* Index of entries[0]. */
    struct entry **entries;               /* Taken one by one. */
    size_t n;
};

/* @id 0 is not allowed. */
struct engine *engine_new(raft_id id, const char *address, const struct engine_ops *ops, void *ctx);
void engine_free(struct engine *e);
void engine_tune(struct engine *e, unsigned election_ms, unsigned heartbeat_ms,
                 unsigned snapshot_entries, unsigned trailing, unsigned seed);
int engine_start(struct engine *e, const struct engine_start *s);
/* @m: entries (one raft_malloc batch) and a snapshot's memory pass in. */
int engine_receive(struct engine *e, struct raft_message *m);
int engine_tick(struct engine *e);
uint64_t engine_timeout_ms(const struct engine *e); /* Absolute. */
/* The connection from the leader broke: ask for pre-votes now. */
int engine_leader_lost(struct engine *e);
/* Q_ENOTLEADER. Gives the index of the first. */
int engine_submit(struct engine *e, const struct slice *cmds, unsigned n, raft_index *ret_first);
int engine_change(struct engine *e,
                  const struct raft_configuration *conf); /* Q_EBUSY: one at a time. */
int engine_transfer(struct engine *e, raft_id to);
void engine_durable(struct engine *e, uint64_t seq); /* Everything numbered <= @seq is on disk. */

struct entry *entry_new(raft_term term, uint16_t type, const void *data, size_t n);
const struct entry *engine_entry(const struct engine *e, raft_index i); /* NULL: not in memory. */
struct raft *engine_raft(struct engine *e);                             /* For questions. */
raft_index engine_last(const struct engine *e);
raft_index engine_applied(const struct engine *e);
const struct snapshot_meta *engine_snapshot(const struct engine *e);  /* index 0: none. */
const struct raft_configuration *engine_conf(const struct engine *e); /* The last applied. */
bool engine_is_leader(const struct engine *e);
int raft_conf_copy(const struct raft_configuration *from, struct raft_configuration *to);

#endif /* RAFT_ENGINE_H_ */
