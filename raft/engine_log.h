/* The part of the log that is in memory: entries [start, start + n). */
#ifndef RAFT_ENGINE_LOG_H_
#define RAFT_ENGINE_LOG_H_

#include "raft/engine.h"

struct engine_log {
    struct entry **v;
    size_t cap, off, n;
    raft_index start;
};

void engine_log_init(struct engine_log *l);
void engine_log_deinit(struct engine_log *l);
void engine_log_push(struct engine_log *l, struct entry *e);
void engine_log_truncate(struct engine_log *l, raft_index from);  /* Drops >= from. */
void engine_log_trim(struct engine_log *l, raft_index keep_from); /* Drops < keep_from. */
void engine_log_reset(struct engine_log *l, raft_index start);    /* Drops all. */
struct entry *engine_log_get(const struct engine_log *l, raft_index i);
/* The entries from @first on, contiguous. */
struct entry **engine_log_at(const struct engine_log *l, raft_index first);

#endif /* RAFT_ENGINE_LOG_H_ */
