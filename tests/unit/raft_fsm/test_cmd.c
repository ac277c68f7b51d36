/* Commands: what is encoded is decoded; what is cut, changed or newer is refused or ignored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "raft/cmd.h"

static struct arena arena;
static struct buf bytes;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, NULL);
    buf_init(&bytes, 2 * CMD_BYTES_MAX);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_deinit(&arena);
    buf_deinit(&bytes);
    return 0;
}

/* Encodes, and decodes; then tries every shorter text. */
static struct cmd there_and_back(struct cmd *c)
{
    struct errmsg err = {{0}};
    struct cmd back;

    c->origin = SLICE("n1");
    c->origin_inc = 3;
    c->reqno = 1ull << 40;
    assert_int_equal(cmd_encode(c, &bytes), 0);
    cmd_stamp(bytes.p, bytes.n, 1790000000123, true);
    for (size_t n = 0; n < bytes.n; n++) {
        assert_int_equal(cmd_decode(slice_of(bytes.p, n), &arena, &back, &err), Q_EPROTO);
    }
    assert_int_equal(cmd_decode(buf_slice(&bytes), &arena, &back, &err), 0);
    assert_int_equal(back.type, c->type);
    assert_true(back.t_ms == 1790000000123 && back.jump_ok);
    assert_true(slice_eq(back.origin, c->origin) && back.origin_inc == 3);
    assert_true(back.reqno == 1ull << 40);
    return back;
}

static void test_resources(void **state)
{
    struct cmd_resource_op ops[2] = {
        {.kind = KIND_TEAM, .name = SLICE("t"), .spec = SLICE("{}"), .expect_revision = -1},
        {.is_delete = true, .kind = KIND_KEY, .name = SLICE("k"), .expect_revision = 77}};
    struct cmd c = {.type = CMD_RESOURCES, .resources = {ops, 2}}, back;

    (void)state;
    back = there_and_back(&c);
    assert_int_equal(back.resources.n, 2);
    assert_true(slice_eq(back.resources.ops[0].spec, SLICE("{}")));
    assert_int_equal(back.resources.ops[0].expect_revision, -1);
    assert_true(back.resources.ops[1].is_delete);
    assert_int_equal(back.resources.ops[1].kind, KIND_KEY);
    assert_int_equal(back.resources.ops[1].expect_revision, 77);
}

static void test_batch(void **state)
{
    struct cmd_sync_item items[1] = {
        {.acct = UINT64_MAX, .wid = 9, .S = (i128)1 << 99, .R = INT64_MAX, .O = 0, .g = 128}};
    struct sync_cell cells[1] = {{.worker = 1,
                                  .hour = 2,
                                  .dims = {.user = SLICE("u")},
                                  .sums = {.requests = 5, .cost_pusd = (i128)1 << 80}}};
    struct cmd_sync syncs[1] = {{.node = SLICE("n1"),
                                 .inc = 1,
                                 .seq = 300,
                                 .items = items,
                                 .n_items = 1,
                                 .cells = cells,
                                 .n_cells = 1}};
    struct cmd_fence fence[1] = {{SLICE("n2"), 70000}};
    struct cmd c = {.type = CMD_BATCH}, back;

    (void)state;
    c.batch.syncs = syncs;
    c.batch.n_syncs = 1;
    c.batch.fence = fence;
    c.batch.n_fence = 1;
    back = there_and_back(&c);
    assert_true(back.batch.syncs[0].items[0].acct == UINT64_MAX);
    assert_true(back.batch.syncs[0].items[0].S == (i128)1 << 99);
    assert_true(back.batch.syncs[0].items[0].R == INT64_MAX);
    assert_true(back.batch.syncs[0].items[0].g == 128);
    assert_true(slice_eq(back.batch.syncs[0].cells[0].dims.user, SLICE("u")));
    assert_true(back.batch.syncs[0].cells[0].sums.cost_pusd == (i128)1 << 80);
    assert_int_equal(back.batch.fence[0].inc, 70000);
}

static void test_the_others(void **state)
{
    struct cmd_final final = {5, 6, 7};
    struct cmd c = {.type = CMD_REGISTER}, back;

    (void)state;
    c.reg.node = SLICE("n1");
    c.reg.inc = 8;
    c.reg.journal_ok = true;
    c.reg.last_seq = 9;
    c.reg.finals = &final;
    c.reg.n_finals = 1;
    back = there_and_back(&c);
    assert_true(back.reg.journal_ok && back.reg.last_seq == 9 && back.reg.finals[0].spent == 7);
    buf_clear(&bytes);
    c = (struct cmd){.type = CMD_RECONCILE};
    c.reconcile.node = SLICE("n1");
    c.reconcile.proof = CMD_PROOF_OPERATOR;
    c.reconcile.all = true;
    back = there_and_back(&c);
    assert_true(back.reconcile.all && back.reconcile.proof == CMD_PROOF_OPERATOR);
    buf_clear(&bytes);
    c = (struct cmd){.type = CMD_MEMBER};
    c.member.name = SLICE("n1");
    c.member.raft_id = 4;
    c.member.region = SLICE("eu");
    back = there_and_back(&c);
    assert_true(back.member.raft_id == 4 && slice_eq(back.member.region, SLICE("eu")));
    buf_clear(&bytes);
    c = (struct cmd){.type = CMD_CLUSTER};
    memset(c.cluster.key_check, 3, sizeof c.cluster.key_check);
    back = there_and_back(&c);
    assert_memory_equal(back.cluster.key_check, c.cluster.key_check, 32);
    buf_clear(&bytes);
    c = (struct cmd){.type = CMD_TICK};
    c.tick.hash = UINT64_MAX;
    assert_true(there_and_back(&c).tick.hash == UINT64_MAX);
}

static void test_later_fields_are_ignored_later_types_are_not(void **state)
{
    static const char more[] =
        "\x99\x01\x08\xd3\0\0\0\0\0\0\0\1\xc2\xa0\0\0\x93\1\2\xc0\x92\xa1x\xcb";
    struct errmsg err = {{0}};
    struct cmd back;
    char text[sizeof more];

    (void)state;
    memcpy(text, more, sizeof more);
    assert_int_equal(cmd_decode(slice_of(text, sizeof more - 1), &arena, &back, &err), Q_EPROTO);
    text[sizeof more - 2] = (char)0xc3; /* In the place of the float. */
    assert_int_equal(cmd_decode(slice_of(text, sizeof more - 1), &arena, &back, &err), 0);
    assert_true(back.tick.hash_index == 1 && back.tick.hash == 2 && back.t_ms == 1);
    text[2] = 10;
    assert_int_equal(cmd_decode(slice_of(text, sizeof more - 1), &arena, &back, &err), Q_EVERSION);
}

static void test_counts_are_not_believed(void **state)
{
    static const char text[] = "\x98\x01\x02\xd3\0\0\0\0\0\0\0\0\xc2\xa0\0\0\xdd\xff\xff\xff\xff";
    struct errmsg err = {{0}};
    struct cmd back;

    (void)state;
    assert_int_equal(cmd_decode(slice_of(text, sizeof text - 1), &arena, &back, &err), Q_EPROTO);
    assert_true(arena.used_bytes < 4096);
}

static void test_too_large_is_refused(void **state)
{
    static char big[CMD_BYTES_MAX / 4];
    struct cmd_resource_op ops[4];
    struct cmd c = {.type = CMD_RESOURCES, .resources = {ops, 4}};

    (void)state;
    memset(big, 'x', sizeof big);
    for (int i = 0; i < 4; i++) {
        ops[i] = (struct cmd_resource_op){.name = SLICE("n"), .spec = slice_of(big, sizeof big)};
    }
    assert_int_equal(cmd_encode(&c, &bytes), Q_ETOOBIG);
    assert_int_equal(bytes.n, 0);
    c.resources.n = 3;
    assert_int_equal(cmd_encode(&c, &bytes), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_resources),
        T(test_batch),
        T(test_the_others),
        T(test_later_fields_are_ignored_later_types_are_not),
        T(test_counts_are_not_believed),
        T(test_too_large_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
