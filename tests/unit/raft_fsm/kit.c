#include "tests/unit/raft_fsm/kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "raft/ledger.h"

void kit_init(struct kit *k)
{
    *k = (struct kit){.f = fsm_new(), .t_ms = KIT_T0};
    buf_init(&k->log, 256u << 20);
}

void kit_deinit(struct kit *k)
{
    fsm_free(k->f);
    buf_deinit(&k->log);
}

int kit_apply(struct kit *k, struct cmd *c)
{
    struct errmsg err = {{0}};
    struct buf b;

    buf_init(&b, CMD_BYTES_MAX);
    assert_int_equal(cmd_encode(c, &b), 0);
    cmd_stamp(b.p, b.n, k->t_ms, c->jump_ok);
    fsm_apply(k->f, ++k->index, buf_slice(&b), &k->res);
    buf_add_u32le(&k->log, (uint32_t)b.n);
    buf_add_slice(&k->log, buf_slice(&b));
    buf_deinit(&b);
    if (ledger_check(k->f, &err) != 0) {
        fail_msg("after entry %llu: %s", (unsigned long long)k->index, err.text);
    }
    return k->res.status;
}

int kit_put(struct kit *k, enum kind kind, const char *name, const char *spec)
{
    struct cmd_resource_op op = {
        .kind = kind, .name = slice_str(name), .spec = slice_str(spec), .expect_revision = -1};
    struct cmd c = {.type = CMD_RESOURCES, .resources = {&op, 1}};

    return kit_apply(k, &c);
}

int kit_delete(struct kit *k, enum kind kind, const char *name)
{
    struct cmd_resource_op op = {
        .is_delete = true, .kind = kind, .name = slice_str(name), .expect_revision = -1};
    struct cmd c = {.type = CMD_RESOURCES, .resources = {&op, 1}};

    return kit_apply(k, &c);
}

int kit_member(struct kit *k, const char *name, uint64_t raft_id)
{
    struct cmd c = {.type = CMD_MEMBER};

    c.member.name = slice_str(name);
    c.member.raft_id = raft_id;
    c.member.peer_addr = SLICE("127.0.0.1:8082");
    return kit_apply(k, &c);
}

int kit_register(struct kit *k, const char *node, uint32_t inc)
{
    struct cmd c = {.type = CMD_REGISTER};

    c.reg.node = slice_str(node);
    c.reg.inc = inc;
    return kit_apply(k, &c);
}

int kit_sync(struct kit *k, const char *node, uint32_t inc, uint64_t seq, uint64_t acct,
             uint32_t wid, i128 S, i128 R, i128 g)
{
    struct cmd_sync_item item = {.acct = acct, .wid = wid, .S = S, .R = R, .g = g};
    struct cmd_sync s = {
        .node = slice_str(node), .inc = inc, .seq = seq, .items = &item, .n_items = 1};
    struct cmd c = {.type = CMD_BATCH};

    c.batch.syncs = &s;
    c.batch.n_syncs = 1;
    return kit_apply(k, &c);
}

struct account_view kit_view(struct kit *k, const char *budget)
{
    struct account_view v = {0};

    assert_int_equal(fsm_account_by_budget(k->f, slice_str(budget), &v), 0);
    return v;
}

struct fsm *kit_copy(const struct fsm *f)
{
    struct fsm_snapshot *s = fsm_snapshot_new(f);
    struct fsm *copy = fsm_new();
    struct errmsg err = {{0}};
    struct buf chunk;

    buf_init(&chunk, SNAPSHOT_CHUNK_BYTES);
    while (fsm_snapshot_next(s, &chunk)) {
        assert_false(chunk.full);
        assert_int_equal(fsm_restore_chunk(copy, buf_slice(&chunk), &err), 0);
        buf_clear(&chunk);
    }
    assert_int_equal(fsm_restore_chunk(copy, SLICE(""), &err), 0);
    buf_deinit(&chunk);
    fsm_snapshot_free(s);
    assert_true(fsm_hash(copy) == fsm_hash(f));
    return copy;
}

void kit_replay(struct kit *k)
{
    struct record_reader r = {buf_slice(&k->log), false};
    struct fsm *again = fsm_new();
    struct fsm_result res;
    uint64_t index = 0;

    while (r.rest.n > 0) {
        uint32_t n = record_u32(&r);
        fsm_apply(again, ++index, record_bytes(&r, n), &res);
    }
    assert_true(fsm_hash(again) == fsm_hash(k->f));
    fsm_free(again);
}
