/* Frames between nodes (TLS 1.3, both certificates).
 *
 *   0       4       5      6       8              8+n
 *   | len n | ver=1 | type | flags | msgpack body |      little endian, n <= WIRE_FRAME_BYTES_MAX
 *
 * Bodies are msgpack arrays; unknown trailing fields and unknown types are ignored. Version bumps
 * when a field changes meaning. Decoding checks every type and size. Fuzzed. */
#ifndef RAFT_WIRE_H_
#define RAFT_WIRE_H_

#include <raft.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "raft/engine.h"
#include "raft/sync.h"

#define WIRE_VERSION    1
#define WIRE_HEAD_BYTES 8

enum wire_type {
    WIRE_HELLO = 1,
    WIRE_RAFT = 2, /* One raft message; the first field tells which. */
    WIRE_SUBMIT = 3,
    WIRE_RESULT = 4,
    WIRE_SYNC = 5,
    WIRE_SYNC_REPLY = 6,
    WIRE_RECALL = 7,
    WIRE_SNAPSHOT_GET = 8,
    WIRE_SNAPSHOT_CHUNK = 9,
    WIRE_JOIN = 10,
    WIRE_JOIN_REPLY = 11
};

struct wire_hello {
    struct slice uuid; /* 16 bytes; "" before the node belongs to a cluster. */
    struct slice name, peer_addr;
    uint64_t raft_id;
    int64_t wall_ms;
};
struct wire_submit {
    uint64_t seq;
    struct slice cmd;
};
struct wire_result {
    uint64_t seq;
    int64_t status; /* Q_ENOTLEADER: not submitted. Q_EUNKNOWN: may be committed. */
    uint64_t index, revision;
    struct slice err;
};
struct wire_snapshot_get {
    uint64_t index;
    uint32_t chunk;
};
struct wire_snapshot_chunk {
    uint64_t index;
    uint32_t chunk;
    bool last, found;
    struct slice bytes;
};
struct wire_join {
    struct slice name, peer_addr, gateway_addr, region, version, key_check;
};
struct wire_join_reply {
    int64_t status;
    struct slice leader_addr; /* Where to ask when status is Q_ENOTLEADER. */
    uint64_t raft_id;
    struct slice uuid, err;
};

/* A frame is begun, its body packed, and ended, all into one buffer. */
void wire_hello(struct buf *out, const struct wire_hello *m);
/* @entries: of an AppendEntries, in the place of m->append_entries.entries. */
void wire_raft(struct buf *out, const struct raft_message *m, struct entry *const *entries);
void wire_submit(struct buf *out, const struct wire_submit *m);
void wire_result(struct buf *out, const struct wire_result *m);
void wire_sync(struct buf *out, const struct sync_req *m);
void wire_sync_reply(struct buf *out, const struct sync_reply *m);
void wire_recall(struct buf *out, const struct sync_recall *m);
void wire_snapshot_get(struct buf *out, const struct wire_snapshot_get *m);
void wire_snapshot_chunk(struct buf *out, const struct wire_snapshot_chunk *m);
void wire_join(struct buf *out, const struct wire_join *m);
void wire_join_reply(struct buf *out, const struct wire_join_reply *m);

struct wire_frame {
    enum wire_type type;
    struct slice body;
};
/* Looks at the beginning of @bytes: 1 a whole frame (*ret, *ret_n bytes), 0 more bytes are needed,
 * Q_EPROTO. */
int wire_next(struct slice bytes, struct wire_frame *ret, size_t *ret_n);

/* Slices point into the body or @arena. Q_EPROTO. */
int wire_read_hello(struct slice body, struct arena *a, struct wire_hello *ret);
/* Memory for raft as the engine expects it: one raft_malloc batch of entries, an array by
 * mem_alloc; a decoded configuration. server_id and address are the caller's to fill. */
int wire_read_raft(struct slice body, struct arena *a, struct raft_message *ret);
int wire_read_submit(struct slice body, struct arena *a, struct wire_submit *ret);
int wire_read_result(struct slice body, struct arena *a, struct wire_result *ret);
int wire_read_sync(struct slice body, struct arena *a, struct sync_req *ret);
int wire_read_sync_reply(struct slice body, struct arena *a, struct sync_reply *ret);
int wire_read_recall(struct slice body, struct arena *a, struct sync_recall *ret);
int wire_read_snapshot_get(struct slice body, struct arena *a, struct wire_snapshot_get *ret);
int wire_read_snapshot_chunk(struct slice body, struct arena *a, struct wire_snapshot_chunk *ret);
int wire_read_join(struct slice body, struct arena *a, struct wire_join *ret);
int wire_read_join_reply(struct slice body, struct arena *a, struct wire_join_reply *ret);

#endif /* RAFT_WIRE_H_ */
