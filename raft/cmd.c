/* Encoding of commands. A command is one msgpack array; every struct in it is an array too, so that
 * a later version can add fields at the end:
 *
 *   98 version type d3 t_ms(8) c2|c3 origin inc reqno body
 *    0       1    2  3        4..11     12
 *
 * The packer is msgpack-c's. Decoding is in cmd_decode.c. */
#include "raft/cmd.h"

#include <msgpack.h>

#include "base/check.h"
#include "base/limits.h"

#define CMD_STAMP_AT   4
#define CMD_JUMP_AT    12
#define CMD_HEAD_BYTES 13

static int cmd_write(void *data, const char *p, size_t n)
{
    buf_add(data, p, n);
    return 0; /* The buffer's `full` tells. */
}

static void cmd_pack_slice(msgpack_packer *k, struct slice s)
{
    msgpack_pack_str(k, s.n);
    msgpack_pack_str_body(k, s.p, s.n);
}

/* An int when it fits into 64 bits, else 16 bytes, little endian. */
static void cmd_pack_i128(msgpack_packer *k, i128 v)
{
    uint64_t parts[2] = {(uint64_t)v, (uint64_t)(v >> 64)};
    char bytes[16];

    if (v >= INT64_MIN && v <= INT64_MAX) {
        msgpack_pack_int64(k, (int64_t)v);
        return;
    }
    for (size_t i = 0; i < 16; i++) {
        bytes[i] = (char)(parts[i / 8] >> (i % 8 * 8));
    }
    msgpack_pack_bin(k, 16);
    msgpack_pack_bin_body(k, bytes, 16);
}

static void cmd_pack_bool(msgpack_packer *k, bool v)
{
    if (v) {
        msgpack_pack_true(k);
    } else {
        msgpack_pack_false(k);
    }
}

static void cmd_pack_resources(msgpack_packer *k, const struct cmd *c)
{
    msgpack_pack_array(k, c->resources.n);
    for (size_t i = 0; i < c->resources.n; i++) {
        const struct cmd_resource_op *op = &c->resources.ops[i];
        msgpack_pack_array(k, 5);
        cmd_pack_bool(k, op->is_delete);
        msgpack_pack_uint32(k, (uint32_t)op->kind);
        cmd_pack_slice(k, op->name);
        cmd_pack_slice(k, op->spec);
        msgpack_pack_int64(k, op->expect_revision);
    }
}

static void cmd_pack_cells(msgpack_packer *k, const struct sync_cell *cells, size_t n)
{
    msgpack_pack_array(k, n);
    for (size_t i = 0; i < n; i++) {
        const struct sync_cell *c = &cells[i];
        msgpack_pack_array(k, 13);
        msgpack_pack_uint32(k, c->worker);
        msgpack_pack_uint32(k, c->hour);
        cmd_pack_slice(k, c->dims.team);
        cmd_pack_slice(k, c->dims.key);
        cmd_pack_slice(k, c->dims.user);
        cmd_pack_slice(k, c->dims.model);
        cmd_pack_slice(k, c->dims.provider);
        msgpack_pack_uint64(k, c->sums.requests);
        msgpack_pack_uint64(k, c->sums.errors);
        msgpack_pack_uint64(k, c->sums.input_tokens);
        msgpack_pack_uint64(k, c->sums.cached_tokens);
        msgpack_pack_uint64(k, c->sums.output_tokens);
        cmd_pack_i128(k, c->sums.cost_pusd);
    }
}

static void cmd_pack_sync(msgpack_packer *k, const struct cmd_sync *s)
{
    msgpack_pack_array(k, 5);
    cmd_pack_slice(k, s->node);
    msgpack_pack_uint32(k, s->inc);
    msgpack_pack_uint64(k, s->seq);
    msgpack_pack_array(k, s->n_items);
    for (size_t i = 0; i < s->n_items; i++) {
        const struct cmd_sync_item *it = &s->items[i];
        msgpack_pack_array(k, 6);
        msgpack_pack_uint64(k, it->acct);
        msgpack_pack_uint32(k, it->wid);
        cmd_pack_i128(k, it->S);
        cmd_pack_i128(k, it->R);
        cmd_pack_i128(k, it->O);
        cmd_pack_i128(k, it->g);
    }
    cmd_pack_cells(k, s->cells, s->n_cells);
}

static void cmd_pack_batch(msgpack_packer *k, const struct cmd *c)
{
    msgpack_pack_array(k, 2);
    msgpack_pack_array(k, c->batch.n_syncs);
    for (size_t i = 0; i < c->batch.n_syncs; i++) {
        cmd_pack_sync(k, &c->batch.syncs[i]);
    }
    msgpack_pack_array(k, c->batch.n_fence);
    for (size_t i = 0; i < c->batch.n_fence; i++) {
        msgpack_pack_array(k, 2);
        cmd_pack_slice(k, c->batch.fence[i].node);
        msgpack_pack_uint32(k, c->batch.fence[i].inc);
    }
}

static void cmd_pack_finals(msgpack_packer *k, const struct cmd_final *finals, size_t n)
{
    msgpack_pack_array(k, n);
    for (size_t i = 0; i < n; i++) {
        msgpack_pack_array(k, 3);
        msgpack_pack_uint64(k, finals[i].acct);
        msgpack_pack_uint32(k, finals[i].wid);
        cmd_pack_i128(k, finals[i].spent);
    }
}

static void cmd_pack_reg(msgpack_packer *k, const struct cmd *c)
{
    msgpack_pack_array(k, 6);
    cmd_pack_slice(k, c->reg.node);
    msgpack_pack_uint32(k, c->reg.inc);
    cmd_pack_bool(k, c->reg.journal_ok);
    msgpack_pack_uint64(k, c->reg.last_seq);
    cmd_pack_finals(k, c->reg.finals, c->reg.n_finals);
    cmd_pack_cells(k, c->reg.cells, c->reg.n_cells);
}

static void cmd_pack_reconcile(msgpack_packer *k, const struct cmd *c)
{
    msgpack_pack_array(k, 5);
    cmd_pack_slice(k, c->reconcile.node);
    msgpack_pack_uint32(k, c->reconcile.inc_old);
    msgpack_pack_uint32(k, (uint32_t)c->reconcile.proof);
    cmd_pack_finals(k, c->reconcile.finals, c->reconcile.n_finals);
    cmd_pack_bool(k, c->reconcile.all);
}

static void cmd_pack_member(msgpack_packer *k, const struct cmd *c)
{
    msgpack_pack_array(k, 7);
    cmd_pack_bool(k, c->member.remove);
    cmd_pack_slice(k, c->member.name);
    msgpack_pack_uint64(k, c->member.raft_id);
    cmd_pack_slice(k, c->member.peer_addr);
    cmd_pack_slice(k, c->member.gateway_addr);
    cmd_pack_slice(k, c->member.region);
    cmd_pack_slice(k, c->member.version);
}

static void cmd_pack_cluster(msgpack_packer *k, const struct cmd *c)
{
    msgpack_pack_array(k, 2);
    msgpack_pack_bin(k, sizeof c->cluster.uuid);
    msgpack_pack_bin_body(k, c->cluster.uuid, sizeof c->cluster.uuid);
    msgpack_pack_bin(k, sizeof c->cluster.key_check);
    msgpack_pack_bin_body(k, c->cluster.key_check, sizeof c->cluster.key_check);
}

static void cmd_pack_body(msgpack_packer *k, const struct cmd *c)
{
    switch (c->type) {
    case CMD_NOOP:
        msgpack_pack_array(k, 0);
        break;
    case CMD_RESOURCES:
        cmd_pack_resources(k, c);
        break;
    case CMD_BATCH:
        cmd_pack_batch(k, c);
        break;
    case CMD_REGISTER:
    case CMD_RELEASE:
        cmd_pack_reg(k, c);
        break;
    case CMD_RECONCILE:
        cmd_pack_reconcile(k, c);
        break;
    case CMD_MEMBER:
        cmd_pack_member(k, c);
        break;
    case CMD_TICK:
        msgpack_pack_array(k, 2);
        msgpack_pack_uint64(k, c->tick.hash_index);
        msgpack_pack_uint64(k, c->tick.hash);
        break;
    case CMD_CLUSTER:
        cmd_pack_cluster(k, c);
        break;
    }
}

int cmd_encode(const struct cmd *c, struct buf *out)
{
    static const char head[CMD_HEAD_BYTES] = {(char)0x98, CMD_VERSION, 0, (char)0xd3};
    size_t before = out->n;
    msgpack_packer k;
    struct buf all;

    buf_init(&all, CMD_BYTES_MAX);
    buf_add(&all, head, sizeof head);
    all.p[2] = (char)c->type;
    cmd_stamp(all.p, all.n, c->t_ms, c->jump_ok);
    msgpack_packer_init(&k, &all, cmd_write);
    cmd_pack_slice(&k, c->origin);
    msgpack_pack_uint32(&k, c->origin_inc);
    msgpack_pack_uint64(&k, c->reqno);
    cmd_pack_body(&k, c);
    if (!all.full) {
        buf_add_slice(out, buf_slice(&all));
    }
    buf_deinit(&all);
    return out->n > before ? 0 : Q_ETOOBIG;
}

void cmd_stamp(char *encoded, size_t n, int64_t t_ms, bool jump_ok)
{
    ASSERT(n >= CMD_HEAD_BYTES);
    ASSERT((uint8_t)encoded[CMD_STAMP_AT - 1] == 0xd3);
    for (size_t i = 0; i < 8; i++) {
        encoded[CMD_STAMP_AT + i] = (char)((uint64_t)t_ms >> (56 - 8 * i));
    }
    encoded[CMD_JUMP_AT] = (char)(jump_ok ? 0xc3 : 0xc2);
}
