#include "base/check.h"
#include "raft/wire.h"
#include "raft/wire_i.h"

static int pack_write(void *data, const char *p, size_t n)
{
    struct buf *b = data;

    buf_add(b, p, n);
    return b->full ? -1 : 0;
}

void pack_begin(struct packer *k, struct buf *out, uint8_t type, uint32_t n_fields)
{
    k->out = out;
    k->at = out->n;
    buf_add_u32le(out, 0);
    buf_add_u8(out, WIRE_VERSION);
    buf_add_u8(out, type);
    buf_add_u16le(out, 0);
    msgpack_packer_init(&k->p, out, pack_write);
    pack_array(k, n_fields);
}

void pack_end(struct packer *k)
{
    size_t n = k->out->n - k->at - WIRE_HEAD_BYTES;

    ASSERT(!k->out->full && n <= WIRE_FRAME_BYTES_MAX);
    for (size_t i = 0; i < 4; i++) {
        k->out->p[k->at + i] = (char)(n >> (8 * i));
    }
}

void pack_u64(struct packer *k, uint64_t v)
{
    (void)msgpack_pack_uint64(&k->p, v);
}

void pack_i64(struct packer *k, int64_t v)
{
    (void)msgpack_pack_int64(&k->p, v);
}

void pack_i128(struct packer *k, i128 v)
{
    pack_u64(k, (uint64_t)v);
    pack_u64(k, (uint64_t)((unsigned __int128)v >> 64));
}

void pack_bin(struct packer *k, struct slice v)
{
    (void)msgpack_pack_bin(&k->p, v.n);
    if (v.n > 0) {
        (void)msgpack_pack_bin_body(&k->p, v.p, v.n);
    }
}

void pack_array(struct packer *k, uint32_t n)
{
    (void)msgpack_pack_array(&k->p, n);
}

bool read_begin(struct reader *r, struct slice body, msgpack_zone *zone)
{
    msgpack_object top;
    size_t at = 0;

    *r = (struct reader){.bad = true};
    if (msgpack_unpack(body.p, body.n, &at, zone, &top) != MSGPACK_UNPACK_SUCCESS ||
        top.type != MSGPACK_OBJECT_ARRAY) {
        return false;
    }
    *r = (struct reader){top.via.array.ptr, top.via.array.size, 0, false};
    return true;
}

static const msgpack_object *read_next(struct reader *r)
{
    if (r->bad || r->i == r->n) {
        r->bad = true;
        return NULL;
    }
    return &r->v[r->i++];
}

uint64_t read_u64(struct reader *r, uint64_t max)
{
    const msgpack_object *o = read_next(r);

    if (o == NULL || o->type != MSGPACK_OBJECT_POSITIVE_INTEGER || o->via.u64 > max) {
        r->bad = true;
        return 0;
    }
    return o->via.u64;
}

int64_t read_i64(struct reader *r)
{
    const msgpack_object *o = read_next(r);

    if (o != NULL && o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        return o->via.i64;
    }
    if (o == NULL || o->type != MSGPACK_OBJECT_POSITIVE_INTEGER || o->via.u64 > INT64_MAX) {
        r->bad = true;
        return 0;
    }
    return (int64_t)o->via.u64;
}

i128 read_i128(struct reader *r)
{
    uint64_t lo = read_u64(r, UINT64_MAX);
    uint64_t hi = read_u64(r, UINT64_MAX);

    return (i128)((unsigned __int128)hi << 64 | lo);
}

struct slice read_bin(struct reader *r, size_t max)
{
    const msgpack_object *o = read_next(r);

    if (o == NULL || o->type != MSGPACK_OBJECT_BIN || o->via.bin.size > max) {
        r->bad = true;
        return SLICE("");
    }
    return slice_of(o->via.bin.ptr, o->via.bin.size);
}

struct reader read_array(struct reader *r, uint32_t max)
{
    const msgpack_object *o = read_next(r);

    if (o == NULL || o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size > max) {
        r->bad = true;
        return (struct reader){.bad = true};
    }
    return (struct reader){o->via.array.ptr, o->via.array.size, 0, false};
}
