/* Records of the state machine as bytes: little endian, fixed widths, texts with a 16-bit length.
 * What is written here is hashed and travels in snapshots; the decoder believes nothing. */
#ifndef RAFT_RECORD_H_
#define RAFT_RECORD_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/money.h"
#include "base/slice.h"

void record_add_i128(struct buf *b, i128 v);
void record_add_text(struct buf *b, struct slice s); /* At most 65535 bytes, asserted. */
/* Keys are big endian, so that their order is that of the numbers. */
void record_key_u32(struct buf *b, uint32_t v);
void record_key_u64(struct buf *b, uint64_t v);

struct record_reader {
    struct slice rest;
    bool bad; /* Set once; what is read afterwards is 0 or empty. */
};
uint8_t record_u8(struct record_reader *r);
bool record_bool(struct record_reader *r);
uint16_t record_u16(struct record_reader *r);
uint32_t record_u32(struct record_reader *r);
uint64_t record_u64(struct record_reader *r);
int64_t record_i64(struct record_reader *r);
i128 record_i128(struct record_reader *r);
i128 record_amount(struct record_reader *r); /* bad when negative. */
struct slice record_text(struct record_reader *r);
struct slice record_bytes(struct record_reader *r, size_t n);
uint32_t record_from_key_u32(struct record_reader *r);
uint64_t record_from_key_u64(struct record_reader *r);
/* 0 when everything was read and nothing was bad; else Q_EPROTO. */
int record_end(const struct record_reader *r);

#endif /* RAFT_RECORD_H_ */
