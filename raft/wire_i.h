/* Packing and reading msgpack arrays, field by field. */
#ifndef RAFT_WIRE_I_H_
#define RAFT_WIRE_I_H_

#include <msgpack.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/money.h"
#include "base/slice.h"

struct packer {
    msgpack_packer p;
    struct buf *out;
    size_t at; /* Where the frame began. */
};
void pack_begin(struct packer *k, struct buf *out, uint8_t type, uint32_t n_fields);
void pack_end(struct packer *k);
void pack_u64(struct packer *k, uint64_t v);
void pack_i64(struct packer *k, int64_t v);
void pack_i128(struct packer *k, i128 v); /* Two fields. */
void pack_bin(struct packer *k, struct slice v);
void pack_array(struct packer *k, uint32_t n);

/* Reads the fields of an array in order; after the first wrong one everything is 0 or "" and `bad`
 * stays. */
struct reader {
    const msgpack_object *v;
    uint32_t n, i;
    bool bad;
};
/* Parses @body into @zone; the top must be an array. */
bool read_begin(struct reader *r, struct slice body, msgpack_zone *zone);
uint64_t read_u64(struct reader *r, uint64_t max);
int64_t read_i64(struct reader *r);
i128 read_i128(struct reader *r);
struct slice read_bin(struct reader *r, size_t max);
/* A nested array of at most @max fields. */
struct reader read_array(struct reader *r, uint32_t max);

#endif /* RAFT_WIRE_I_H_ */
