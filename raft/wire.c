/* The frames that are not raft's own and not SYNC's. */
#include "raft/wire.h"

#include <string.h>

#include "base/check.h"
#include "raft/wire_i.h"

#define WIRE_NAME_MAX 256

int wire_next(struct slice bytes, struct wire_frame *ret, size_t *ret_n)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    uint32_t n;

    if (bytes.n < WIRE_HEAD_BYTES) {
        return 0;
    }
    n = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    if (n > WIRE_FRAME_BYTES_MAX || p[4] != WIRE_VERSION) {
        return Q_EPROTO;
    }
    if (bytes.n < WIRE_HEAD_BYTES + (size_t)n) {
        return 0;
    }
    ret->type = (enum wire_type)p[5];
    ret->body = slice_of(bytes.p + WIRE_HEAD_BYTES, n);
    *ret_n = WIRE_HEAD_BYTES + (size_t)n;
    return 1;
}

/* Reads with a zone of its own; slices point into the body, which outlives it. */
#define WIRE_READ(body, r, code)                \
    do {                                        \
        msgpack_zone zone;                      \
        ASSERT(msgpack_zone_init(&zone, 4096)); \
        if (read_begin(&(r), body, &zone)) {    \
            code                                \
        }                                       \
        msgpack_zone_destroy(&zone);            \
    } while (0)

void wire_hello(struct buf *out, const struct wire_hello *m)
{
    struct packer k;

    pack_begin(&k, out, WIRE_HELLO, 5);
    pack_bin(&k, m->uuid);
    pack_bin(&k, m->name);
    pack_bin(&k, m->peer_addr);
    pack_u64(&k, m->raft_id);
    pack_i64(&k, m->wall_ms);
    pack_end(&k);
}

int wire_read_hello(struct slice body, struct arena *a, struct wire_hello *ret)
{
    struct reader r;

    (void)a;
    WIRE_READ(body, r, {
        ret->uuid = read_bin(&r, 16);
        ret->name = read_bin(&r, WIRE_NAME_MAX);
        ret->peer_addr = read_bin(&r, WIRE_NAME_MAX);
        ret->raft_id = read_u64(&r, UINT64_MAX);
        ret->wall_ms = read_i64(&r);
    });
    return r.bad ? Q_EPROTO : 0;
}

void wire_submit(struct buf *out, const struct wire_submit *m)
{
    struct packer k;

    pack_begin(&k, out, WIRE_SUBMIT, 2);
    pack_u64(&k, m->seq);
    pack_bin(&k, m->cmd);
    pack_end(&k);
}

int wire_read_submit(struct slice body, struct arena *a, struct wire_submit *ret)
{
    struct reader r;

    (void)a;
    WIRE_READ(body, r, {
        ret->seq = read_u64(&r, UINT64_MAX);
        ret->cmd = read_bin(&r, CMD_BYTES_MAX);
    });
    return r.bad ? Q_EPROTO : 0;
}

void wire_result(struct buf *out, const struct wire_result *m)
{
    struct packer k;

    pack_begin(&k, out, WIRE_RESULT, 5);
    pack_u64(&k, m->seq);
    pack_i64(&k, m->status);
    pack_u64(&k, m->index);
    pack_u64(&k, m->revision);
    pack_bin(&k, m->err);
    pack_end(&k);
}

int wire_read_result(struct slice body, struct arena *a, struct wire_result *ret)
{
    struct reader r;

    (void)a;
    WIRE_READ(body, r, {
        ret->seq = read_u64(&r, UINT64_MAX);
        ret->status = read_i64(&r);
        ret->index = read_u64(&r, UINT64_MAX);
        ret->revision = read_u64(&r, UINT64_MAX);
        ret->err = read_bin(&r, ERRMSG_BYTES_MAX);
    });
    return r.bad || ret->status > 0 || ret->status < -2000 ? Q_EPROTO : 0;
}

void wire_snapshot_get(struct buf *out, const struct wire_snapshot_get *m)
{
    struct packer k;

    pack_begin(&k, out, WIRE_SNAPSHOT_GET, 2);
    pack_u64(&k, m->index);
    pack_u64(&k, m->chunk);
    pack_end(&k);
}

int wire_read_snapshot_get(struct slice body, struct arena *a, struct wire_snapshot_get *ret)
{
    struct reader r;

    (void)a;
    WIRE_READ(body, r, {
        ret->index = read_u64(&r, UINT64_MAX);
        ret->chunk = (uint32_t)read_u64(&r, UINT32_MAX);
    });
    return r.bad ? Q_EPROTO : 0;
}

void wire_snapshot_chunk(struct buf *out, const struct wire_snapshot_chunk *m)
{
    struct packer k;

    pack_begin(&k, out, WIRE_SNAPSHOT_CHUNK, 5);
    pack_u64(&k, m->index);
    pack_u64(&k, m->chunk);
    pack_u64(&k, m->last);
    pack_u64(&k, m->found);
    pack_bin(&k, m->bytes);
    pack_end(&k);
}

int wire_read_snapshot_chunk(struct slice body, struct arena *a, struct wire_snapshot_chunk *ret)
{
    struct reader r;

    (void)a;
    WIRE_READ(body, r, {
        ret->index = read_u64(&r, UINT64_MAX);
        ret->chunk = (uint32_t)read_u64(&r, UINT32_MAX);
        ret->last = read_u64(&r, 1) != 0;
        ret->found = read_u64(&r, 1) != 0;
        ret->bytes = read_bin(&r, WIRE_FRAME_BYTES_MAX);
    });
    return r.bad ? Q_EPROTO : 0;
}

void wire_join(struct buf *out, const struct wire_join *m)
{
    struct packer k;

    pack_begin(&k, out, WIRE_JOIN, 6);
    pack_bin(&k, m->name);
    pack_bin(&k, m->peer_addr);
    pack_bin(&k, m->gateway_addr);
    pack_bin(&k, m->region);
    pack_bin(&k, m->version);
    pack_bin(&k, m->key_check);
    pack_end(&k);
}

int wire_read_join(struct slice body, struct arena *a, struct wire_join *ret)
{
    struct reader r;

    (void)a;
    WIRE_READ(body, r, {
        ret->name = read_bin(&r, NAME_BYTES_MAX);
        ret->peer_addr = read_bin(&r, WIRE_NAME_MAX);
        ret->gateway_addr = read_bin(&r, WIRE_NAME_MAX);
        ret->region = read_bin(&r, WIRE_NAME_MAX);
        ret->version = read_bin(&r, WIRE_NAME_MAX);
        ret->key_check = read_bin(&r, 32);
    });
    return r.bad ? Q_EPROTO : 0;
}

void wire_join_reply(struct buf *out, const struct wire_join_reply *m)
{
    struct packer k;

    pack_begin(&k, out, WIRE_JOIN_REPLY, 5);
    pack_i64(&k, m->status);
    pack_bin(&k, m->leader_addr);
    pack_u64(&k, m->raft_id);
    pack_bin(&k, m->uuid);
    pack_bin(&k, m->err);
    pack_end(&k);
}

int wire_read_join_reply(struct slice body, struct arena *a, struct wire_join_reply *ret)
{
    struct reader r;

    (void)a;
    WIRE_READ(body, r, {
        ret->status = read_i64(&r);
        ret->leader_addr = read_bin(&r, WIRE_NAME_MAX);
        ret->raft_id = read_u64(&r, UINT64_MAX);
        ret->uuid = read_bin(&r, 16);
        ret->err = read_bin(&r, ERRMSG_BYTES_MAX);
    });
    return r.bad ? Q_EPROTO : 0;
}
