#include "raft/record.h"

#include "base/check.h"
#include "base/err.h"

void record_add_i128(struct buf *b, i128 v)
{
    buf_add_u64le(b, (uint64_t)v);
    buf_add_u64le(b, (uint64_t)(v >> 64));
}

void record_add_text(struct buf *b, struct slice s)
{
    ASSERT(s.n <= UINT16_MAX);
    buf_add_u16le(b, (uint16_t)s.n);
    buf_add_slice(b, s);
}

void record_key_u32(struct buf *b, uint32_t v)
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        buf_add_u8(b, (uint8_t)(v >> shift));
    }
}

void record_key_u64(struct buf *b, uint64_t v)
{
    buf_add_u64be(b, v);
}

struct slice record_bytes(struct record_reader *r, size_t n)
{
    struct slice s = slice_of(r->rest.p, n);

    if (r->bad || r->rest.n < n) {
        r->bad = true;
        return SLICE("");
    }
    r->rest = slice_of(r->rest.p + n, r->rest.n - n);
    return s;
}

static uint64_t record_le(struct record_reader *r, size_t n)
{
    struct slice s = record_bytes(r, n);
    uint64_t v = 0;

    for (size_t i = s.n; i > 0; i--) {
        v = v << 8 | (uint8_t)s.p[i - 1];
    }
    return v;
}

static uint64_t record_be(struct record_reader *r, size_t n)
{
    struct slice s = record_bytes(r, n);
    uint64_t v = 0;

    for (size_t i = 0; i < s.n; i++) {
        v = v << 8 | (uint8_t)s.p[i];
    }
    return v;
}

uint8_t record_u8(struct record_reader *r)
{
    return (uint8_t)record_le(r, 1);
}

bool record_bool(struct record_reader *r)
{
    uint8_t v = record_u8(r);

    r->bad = r->bad || v > 1;
    return v == 1;
}

uint16_t record_u16(struct record_reader *r)
{
    return (uint16_t)record_le(r, 2);
}

uint32_t record_u32(struct record_reader *r)
{
    return (uint32_t)record_le(r, 4);
}

uint64_t record_u64(struct record_reader *r)
{
    return record_le(r, 8);
}

int64_t record_i64(struct record_reader *r)
{
    return (int64_t)record_le(r, 8);
}

i128 record_i128(struct record_reader *r)
{
    uint64_t low = record_le(r, 8), high = record_le(r, 8);

    return (i128)((unsigned __int128)high << 64 | low);
}

i128 record_amount(struct record_reader *r)
{
    i128 v = record_i128(r);

    r->bad = r->bad || v < 0 || v > (i128)1 << 120;
    return r->bad ? 0 : v;
}

struct slice record_text(struct record_reader *r)
{
    return record_bytes(r, record_u16(r));
}

uint32_t record_from_key_u32(struct record_reader *r)
{
    return (uint32_t)record_be(r, 4);
}

uint64_t record_from_key_u64(struct record_reader *r)
{
    return record_be(r, 8);
}

int record_end(const struct record_reader *r)
{
    return r->bad || r->rest.n > 0 ? Q_EPROTO : 0;
}
