/* The state machine by hand-written logs: resources, members, results, windows, recovery. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "raft/ledger.h"
#include "tests/unit/raft_fsm/kit.h"

#define HOUR_MS 3600000ll
#define TEAM_BUDGET(limit, every)                                      \
    "{\"match\":{\"team\":\"t\"},\"unit\":\"tokens\",\"limit\":" limit \
    ",\"window\":{\"every\":\"" every "\"}}"

static int setup(void **state)
{
    static struct kit k;

    kit_init(&k);
    *state = &k;
    return 0;
}

static int teardown(void **state)
{
    struct kit *k = *state;

    fsm_free(kit_copy(k->f));
    kit_replay(k);
    kit_deinit(k);
    return 0;
}

static void begin(struct kit *k, const char *budget_spec)
{
    assert_int_equal(kit_put(k, KIND_TEAM, "t", "{}"), 0);
    assert_int_equal(kit_put(k, KIND_BUDGET, "b", budget_spec), 0);
    assert_int_equal(kit_member(k, "n1", 1), 0);
    assert_int_equal(kit_member(k, "n2", 2), 0);
    assert_int_equal(kit_register(k, "n1", 1), 0);
    assert_int_equal(kit_register(k, "n2", 1), 0);
}

/* --- resources --- */

static void test_references_must_exist(void **state)
{
    struct kit *k = *state;

    assert_int_equal(kit_put(k, KIND_KEY, "k1", "{\"team\":\"t\"," KIT_MAC "}"), Q_EINVAL);
    assert_string_equal(k->res.err.text, "key k1: it refers to team t, which does not exist");
    assert_int_equal(
        kit_put(k, KIND_MODEL, "p/m", "{\"input_usd_per_mtok\":1,\"output_usd_per_mtok\":2}"),
        Q_EINVAL);
    assert_int_equal(
        kit_put(k, KIND_MODEL, "sim/m", "{\"input_usd_per_mtok\":1,\"output_usd_per_mtok\":2}"), 0);
    assert_int_equal(
        kit_put(k, KIND_ROUTE, "r", "{\"targets\":[{\"provider\":\"p\",\"model\":\"m\"}]}"),
        Q_EINVAL);
    assert_true(fsm_get(k->f, KIND_KEY, SLICE("k1")) == NULL);
    assert_int_equal(fsm_revision(k->f), 1);
}

static void test_a_team_with_keys_stays(void **state)
{
    struct kit *k = *state;

    assert_int_equal(kit_put(k, KIND_TEAM, "t", "{}"), 0);
    assert_int_equal(kit_put(k, KIND_KEY, "k1", "{\"team\":\"t\"," KIT_MAC "}"), 0);
    assert_int_equal(kit_delete(k, KIND_TEAM, "t"), Q_EINVAL);
    assert_string_equal(k->res.err.text, "team t: key k1 still refers to it");
    assert_int_equal(kit_put(k, KIND_KEY, "k1", "{" KIT_MAC "}"), 0);
    assert_int_equal(kit_delete(k, KIND_TEAM, "t"), 0);
    assert_int_equal(kit_delete(k, KIND_TEAM, "t"), Q_ENOTFOUND);
}

static void test_apply_is_atomic_and_in_any_order(void **state)
{
    struct kit *k = *state;
    struct cmd_resource_op ops[] = {
        {.kind = KIND_KEY,
         .name = SLICE("k1"),
         .spec = SLICE("{\"team\":\"t\"," KIT_MAC "}"),
         .expect_revision = -1},
        {.kind = KIND_TEAM,
         .name = SLICE("t"),
         .spec = SLICE("{\"org\":\"o\"}"),
         .expect_revision = 0},
        {.kind = KIND_ORG, .name = SLICE("o"), .spec = SLICE("{\"bad\":1}"), .expect_revision = -1},
    };
    struct cmd c = {.type = CMD_RESOURCES, .resources = {ops, 3}};

    assert_int_equal(kit_apply(k, &c), Q_EINVAL);
    assert_true(fsm_next(k->f, KIND_KEY, NULL) == NULL);
    ops[2].spec = SLICE("{}");
    assert_int_equal(kit_apply(k, &c), 0);
    assert_int_equal(k->res.revision, 1);
    assert_int_equal(fsm_get(k->f, KIND_TEAM, SLICE("t"))->revision, 1);
    assert_int_equal(kit_apply(k, &c), Q_ECONFLICT); /* The team exists by now. */
    ops[1].expect_revision = 1;
    assert_int_equal(kit_apply(k, &c), 0);
    assert_int_equal(k->res.revision, 1); /* Nothing has changed. */
    assert_int_equal(fsm_kind_revision(k->f, KIND_ROUTE), 0);
}

static void test_resources_are_iterated_by_name(void **state)
{
    struct kit *k = *state;
    const char *const names[] = {"c", "a", "b"};
    char seen[8] = "";

    for (int i = 0; i < 3; i++) {
        assert_int_equal(kit_put(k, KIND_TEAM, names[i], "{}"), 0);
    }
    assert_int_equal(kit_put(k, KIND_ORG, "z", "{}"), 0);
    for (const struct resource *r = fsm_next(k->f, KIND_TEAM, NULL); r != NULL;
         r = fsm_next(k->f, KIND_TEAM, r)) {
        strncat(seen, r->name.p, r->name.n);
    }
    assert_string_equal(seen, "abc");
}

/* --- results, time, members --- */

static void test_a_retried_command_answers_as_the_first_time(void **state)
{
    struct kit *k = *state;
    struct cmd_resource_op op = {
        .kind = KIND_TEAM, .name = SLICE("t"), .spec = SLICE("{}"), .expect_revision = 0};
    struct cmd c = {.type = CMD_RESOURCES,
                    .origin = SLICE("n1"),
                    .origin_inc = 4,
                    .reqno = 9,
                    .resources = {&op, 1}};

    assert_int_equal(kit_apply(k, &c), 0);
    assert_int_equal(kit_apply(k, &c), 0);
    assert_int_equal(k->res.revision, 1);
    for (c.reqno = 10; c.reqno < 3000; c.reqno++) {
        assert_int_equal(kit_apply(k, &c), Q_ECONFLICT);
    }
    assert_int_equal(k->f->tables[FSM_T_RESULT].n, 1024);
    c.reqno = 2500;
    assert_int_equal(kit_apply(k, &c), Q_ECONFLICT);
    assert_string_equal(k->res.err.text, "team t: its revision is 1, not 0");
}

static void test_time_never_goes_back_nor_jumps(void **state)
{
    struct kit *k = *state;

    begin(k, TEAM_BUDGET("100", "hour"));
    k->t_ms -= 5000;
    assert_int_equal(kit_put(k, KIND_TEAM, "u", "{}"), 0);
    assert_int_equal(fsm_now_ms(k->f), KIT_T0);
    k->t_ms = KIT_T0 + 11 * 60 * 1000;
    assert_int_equal(kit_put(k, KIND_TEAM, "v", "{}"), Q_EINVAL);
    assert_int_equal(fsm_now_ms(k->f), KIT_T0);
    assert_true(fsm_get(k->f, KIND_TEAM, SLICE("v")) == NULL);
    struct cmd c = {.type = CMD_NOOP, .jump_ok = true};
    assert_int_equal(kit_apply(k, &c), 0);
    assert_int_equal(fsm_now_ms(k->f), k->t_ms);
}

static void test_damaged_and_newer_entries_change_nothing(void **state)
{
    struct kit *k = *state;
    struct fsm_result res;
    char newer[] = "\x98\x02\x01\xd3\0\0\0\0\0\0\0\0\xc2\xa0\0\0\x90";

    fsm_apply(k->f, 1, SLICE("rubbish"), &res);
    assert_int_equal(res.status, Q_EPROTO);
    fsm_apply(k->f, 2, slice_of(newer, sizeof newer - 1), &res);
    assert_int_equal(res.status, Q_EVERSION);
    assert_int_equal(fsm_applied(k->f), 2);
    fsm_free(k->f);
    k->f = fsm_new();
}

static void test_members(void **state)
{
    struct kit *k = *state;
    const struct member *m;

    assert_int_equal(fsm_raft_id_next(k->f), 1);
    assert_int_equal(kit_member(k, "n1", 1), 0);
    assert_int_equal(kit_member(k, "n2", 1), Q_EEXIST);
    assert_int_equal(kit_member(k, "n2", 7), 0);
    assert_int_equal(fsm_raft_id_next(k->f), 8);
    assert_int_equal(kit_register(k, "n1", 1), 0);
    struct cmd c = {.type = CMD_MEMBER};
    c.member.remove = true;
    c.member.name = SLICE("n1");
    assert_int_equal(kit_apply(k, &c), 0);
    assert_true(fsm_member(k->f, SLICE("n1")) == NULL);
    assert_int_equal(kit_register(k, "n1", 2), Q_EPERM);
    m = fsm_member_next(k->f, NULL);
    assert_true(slice_eq(m->name, SLICE("n2")));
    assert_true(fsm_member_next(k->f, m) == NULL);
    assert_int_equal(kit_member(k, "n1", 8), 0); /* A new disk: incarnations go on. */
    assert_int_equal(fsm_member(k->f, SLICE("n1"))->inc, 1);
}

static void test_a_replica_that_differs_is_told(void **state)
{
    struct kit *k = *state;
    struct cmd c = {.type = CMD_TICK};

    assert_int_equal(kit_apply(k, &c), 0);
    fsm_tick_hash(k->f, &c.tick.hash_index, &c.tick.hash);
    assert_int_equal(c.tick.hash_index, 1);
    assert_int_equal(kit_apply(k, &c), 0);
    fsm_tick_hash(k->f, &c.tick.hash_index, &c.tick.hash);
    c.tick.hash ^= 1;
    assert_int_equal(kit_apply(k, &c), Q_ECORRUPT);
}

/* --- the ledger --- */

static void test_grants_are_clipped_and_reports_are_cumulative(void **state)
{
    struct kit *k = *state;
    struct account_view v;

    begin(k, TEAM_BUDGET("100", "day"));
    v = kit_view(k, "b");
    kit_sync(k, "n1", 1, 1, v.acct, v.wid, 0, 0, 70);
    kit_sync(k, "n2", 1, 1, v.acct, v.wid, 0, 0, 70);
    v = kit_view(k, "b");
    assert_true(v.held == 100);
    kit_sync(k, "n1", 1, 1, v.acct, v.wid, 0, 0, 70); /* The same number: no second grant. */
    kit_sync(k, "n1", 1, 2, v.acct, v.wid, 30, 20, 0);
    kit_sync(k, "n1", 1, 1, v.acct, v.wid, 10, 0, 0); /* Late. */
    v = kit_view(k, "b");
    assert_true(v.posted == 30 && v.held == 50);
    kit_sync(k, "n1", 1, 3, v.acct, v.wid, 60, 20, 50); /* Claims more than it has. */
    kit_sync(k, "n1", 2, 4, v.acct, v.wid, 50, 20, 50); /* Not its incarnation. */
    v = kit_view(k, "b");
    assert_true(v.posted == 30 && v.held == 50 && v.presumed == 0);
}

static void test_overrun_is_posted_beyond_the_limit(void **state)
{
    struct kit *k = *state;
    struct account_view v;
    struct cmd_sync_item item;
    struct cmd_sync s = {.node = SLICE("n1"), .inc = 1, .seq = 2, .items = &item, .n_items = 1};
    struct cmd c = {.type = CMD_BATCH};

    begin(k, TEAM_BUDGET("100", "day"));
    v = kit_view(k, "b");
    kit_sync(k, "n1", 1, 1, v.acct, v.wid, 0, 0, 100);
    item = (struct cmd_sync_item){.acct = v.acct, .wid = v.wid, .S = 100, .O = 7};
    c.batch.syncs = &s;
    c.batch.n_syncs = 1;
    kit_apply(k, &c);
    v = kit_view(k, "b");
    assert_true(v.posted == 107 && v.overrun == 7 && v.held == 0);
}

static void test_a_journal_says_how_much_was_spent(void **state)
{
    struct kit *k = *state;
    struct cmd c = {.type = CMD_REGISTER};
    struct account_view v;
    struct cmd_final final;

    begin(k, TEAM_BUDGET("100", "day"));
    v = kit_view(k, "b");
    kit_sync(k, "n1", 1, 4, v.acct, v.wid, 0, 0, 60);
    kit_sync(k, "n1", 1, 5, v.acct, v.wid, 10, 0, 0);
    c.reg.node = SLICE("n1");
    c.reg.inc = 2;
    c.reg.journal_ok = true;
    c.reg.last_seq = 5;
    final = (struct cmd_final){v.acct, v.wid, 25};
    c.reg.finals = &final;
    c.reg.n_finals = 1;
    assert_int_equal(kit_apply(k, &c), 0);
    assert_int_equal(kit_apply(k, &c), 0); /* A retry. */
    v = kit_view(k, "b");
    assert_true(v.posted == 25 && v.held == 0 && v.presumed == 0);
    assert_int_equal(kit_register(k, "n1", 9), Q_EPERM);
    assert_int_equal(k->res.revision, 2);
}

static void test_an_old_copy_of_the_disk_is_not_believed(void **state)
{
    struct kit *k = *state;
    struct cmd c = {.type = CMD_REGISTER};
    struct account_view v;
    struct account_node node;

    begin(k, TEAM_BUDGET("100", "day"));
    v = kit_view(k, "b");
    kit_sync(k, "n1", 1, 4, v.acct, v.wid, 0, 0, 60);
    kit_sync(k, "n1", 1, 5, v.acct, v.wid, 10, 0, 0);
    c.reg.node = SLICE("n1");
    c.reg.inc = 2;
    c.reg.journal_ok = true;
    c.reg.last_seq = 4;
    assert_int_equal(kit_apply(k, &c), 0);
    v = kit_view(k, "b");
    assert_true(v.posted == 10 && v.presumed == 50);
    kit_sync(k, "n1", 2, 5, v.acct, v.wid, 0, 0, 60); /* Its numbers go on from 4. */
    v = kit_view(k, "b");
    assert_true(v.held == 40);
    assert_int_equal(fsm_account_nodes(k->f, v.acct, &node, 1), 1);
    assert_true(node.inc == 1 && node.presumed == 50);
    c = (struct cmd){.type = CMD_RECONCILE};
    c.reconcile.node = SLICE("n1");
    c.reconcile.inc_old = 1;
    c.reconcile.proof = CMD_PROOF_OPERATOR;
    c.reconcile.all = true;
    assert_int_equal(kit_apply(k, &c), 0);
    v = kit_view(k, "b");
    assert_true(v.posted == 60 && v.presumed == 0);
}

static void test_a_fenced_node_reconciles(void **state)
{
    struct kit *k = *state;
    struct cmd_fence fence = {SLICE("n1"), 1};
    struct cmd c = {.type = CMD_BATCH};
    struct cmd_final final;
    struct account_view v;

    begin(k, TEAM_BUDGET("100", "day"));
    v = kit_view(k, "b");
    kit_sync(k, "n1", 1, 1, v.acct, v.wid, 0, 0, 60);
    c.batch.fence = &fence;
    c.batch.n_fence = 1;
    kit_apply(k, &c);
    kit_sync(k, "n1", 1, 2, v.acct, v.wid, 30, 0, 60);
    v = kit_view(k, "b");
    assert_true(v.posted == 0 && v.presumed == 60 && v.held == 0);
    c = (struct cmd){.type = CMD_RECONCILE};
    final = (struct cmd_final){v.acct, v.wid, 30};
    c.reconcile.node = SLICE("n1");
    c.reconcile.inc_old = 1;
    c.reconcile.proof = CMD_PROOF_DRAINED;
    c.reconcile.finals = &final;
    c.reconcile.n_finals = 1;
    kit_apply(k, &c);
    kit_apply(k, &c);
    v = kit_view(k, "b");
    assert_true(v.posted == 30 && v.presumed == 0);
    assert_int_equal(kit_register(k, "n1", 1), Q_EPERM);
    assert_int_equal(kit_register(k, "n1", 2), 0);
}

static void test_release_gives_everything_back(void **state)
{
    struct kit *k = *state;
    struct cmd c = {.type = CMD_RELEASE};
    struct cmd_final final;
    struct account_view v;

    begin(k, TEAM_BUDGET("100", "day"));
    v = kit_view(k, "b");
    kit_sync(k, "n1", 1, 1, v.acct, v.wid, 0, 0, 60);
    kit_sync(k, "n1", 1, 2, v.acct, v.wid, 5, 0, 0);
    final = (struct cmd_final){v.acct, v.wid, 12};
    c.reg.node = SLICE("n1");
    c.reg.inc = 1;
    c.reg.finals = &final;
    c.reg.n_finals = 1;
    assert_int_equal(kit_apply(k, &c), 0);
    assert_int_equal(kit_apply(k, &c), 0);
    v = kit_view(k, "b");
    assert_true(v.posted == 12 && v.held == 0 && v.presumed == 0);
    kit_sync(k, "n1", 1, 9, v.acct, v.wid, 0, 0, 60);
    assert_true(kit_view(k, "b").held == 0);
    assert_int_equal(kit_register(k, "n1", 2), 0);
}

static void test_windows_roll_and_close(void **state)
{
    struct kit *k = *state;
    struct account_view v, w;

    begin(k, TEAM_BUDGET("100", "hour"));
    v = kit_view(k, "b");
    kit_sync(k, "n1", 1, 1, v.acct, v.wid, 0, 0, 60);
    for (int i = 0; i < 7; i++) {
        k->t_ms += 9 * 60000;
        struct cmd noop = {.type = CMD_NOOP};
        kit_apply(k, &noop);
    }
    w = kit_view(k, "b");
    assert_true(w.wid == v.wid + 1 && w.held == 0);
    kit_sync(k, "n1", 1, 2, v.acct, v.wid, 40, 0,
             30); /* Late, to its own window; no grant there. */
    kit_sync(k, "n1", 1, 3, v.acct, w.wid, 0, 0, 30);
    w = kit_view(k, "b");
    assert_true(w.posted == 0 && w.held == 30);
    assert_true(ledger_old_next(k->f, v.acct, 0, true)->posted == 40);
    kit_sync(k, "n1", 1, 4, v.acct, v.wid, 40, 20, 0); /* Empty: it closes. */
    assert_true(ledger_old_next(k->f, v.acct, 0, true) == NULL);
    kit_sync(k, "n1", 1, 5, v.acct, v.wid, 60, 0, 0);
    assert_int_equal(k->f->tables[FSM_T_HISTORY].n, 1);
    /* Presumed credit of a window that ended two days ago is posted for good. */
    struct cmd_fence fence = {SLICE("n1"), 1};
    struct cmd c = {.type = CMD_BATCH};
    c.batch.fence = &fence;
    c.batch.n_fence = 1;
    kit_apply(k, &c);
    k->t_ms += 50 * HOUR_MS;
    struct cmd tick = {.type = CMD_TICK, .jump_ok = true};
    kit_apply(k, &tick); /* Nothing has touched the account: its window is still the current one. */
    assert_int_equal(kit_register(k, "n1", 2), 0);
    v = kit_view(k, "b");
    kit_sync(k, "n1", 2, 1, v.acct, v.wid, 0, 0, 10);
    kit_apply(k, &tick);
    assert_true(ledger_old_next(k->f, v.acct, 0, true) == NULL);
    assert_int_equal(k->f->tables[FSM_T_HISTORY].n, 2);
}

static void test_a_budget_made_again_keeps_its_account(void **state)
{
    struct kit *k = *state;
    struct account_view v, w;

    begin(k, TEAM_BUDGET("100", "day"));
    v = kit_view(k, "b");
    kit_sync(k, "n1", 1, 1, v.acct, v.wid, 0, 0, 60);
    kit_sync(k, "n1", 1, 2, v.acct, v.wid, 50, 0, 0);
    assert_int_equal(kit_delete(k, KIND_BUDGET, "b"), 0);
    kit_sync(k, "n1", 1, 3, v.acct, v.wid, 55, 0, 10); /* Frozen: reports count, grants do not. */
    w = kit_view(k, "b");
    assert_true(!w.live && w.posted == 55 && w.held == 5);
    assert_int_equal(kit_put(k, KIND_BUDGET, "b",
                             "{\"match\":{\"team\":\"t\"},\"unit\":\"usd\",\"limit\":1,"
                             "\"window\":{\"every\":\"day\"}}"),
                     Q_EINVAL);
    assert_int_equal(kit_put(k, KIND_BUDGET, "b", TEAM_BUDGET("200", "day")), 0);
    w = kit_view(k, "b");
    assert_true(w.live && w.acct == v.acct && w.posted == 55 && w.limit == 200);
    /* Another period: new windows, above all earlier numbers. */
    assert_int_equal(kit_put(k, KIND_BUDGET, "b", TEAM_BUDGET("200", "once")), 0);
    w = kit_view(k, "b");
    assert_true(w.wid == v.wid + 1 && w.posted == 0 && w.resets_at_ms == 0);
    assert_int_equal(kit_put(k, KIND_BUDGET, "b", TEAM_BUDGET("200", "hour")), 0);
    assert_true(kit_view(k, "b").wid == v.wid + 2);
    kit_sync(k, "n1", 1, 4, v.acct, v.wid, 60, 0, 0);
    assert_true(ledger_old_next(k->f, v.acct, 0, true) == NULL);
}

static void test_a_lowered_limit_falls_with_what_comes_back(void **state)
{
    struct kit *k = *state;
    struct account_view v;

    begin(k, TEAM_BUDGET("100", "day"));
    v = kit_view(k, "b");
    kit_sync(k, "n1", 1, 1, v.acct, v.wid, 0, 0, 90);
    assert_int_equal(kit_put(k, KIND_BUDGET, "b", TEAM_BUDGET("20", "day")), 0);
    assert_true(ledger_account(k->f, v.acct)->cur.ceil == 90);
    kit_sync(k, "n1", 1, 2, v.acct, v.wid, 10, 50, 40);
    assert_true(ledger_account(k->f, v.acct)->cur.ceil == 40);
    kit_sync(k, "n1", 1, 3, v.acct, v.wid, 10, 80, 40);
    assert_true(ledger_account(k->f, v.acct)->cur.ceil == 20);
    assert_true(kit_view(k, "b").held == 10); /* 10 of the 40 that were asked for. */
}

/* --- usage --- */

static bool count_row(void *arg, const struct usage_row *row)
{
    i128 *sum = arg;

    sum[slice_eq(row->node, SLICE("recovered"))] += row->sums.cost_pusd;
    sum[2]++;
    return true;
}

static void test_usage_is_merged_by_max(void **state)
{
    struct kit *k = *state;
    uint32_t hour = (uint32_t)(KIT_T0 / HOUR_MS);
    struct sync_cell cells[2] = {{.worker = 0,
                                  .hour = hour,
                                  .dims = {.team = SLICE("t"), .model = SLICE("m")},
                                  .sums = {.requests = 3, .cost_pusd = 30}},
                                 {.worker = 1,
                                  .hour = hour,
                                  .dims = {.team = SLICE("t"), .model = SLICE("m")},
                                  .sums = {.requests = 1, .cost_pusd = 10}}};
    struct cmd_sync s = {.node = SLICE("n1"), .inc = 1, .seq = 1, .cells = cells, .n_cells = 2};
    struct cmd c = {.type = CMD_BATCH};
    i128 sum[3] = {0};

    begin(k, TEAM_BUDGET("100", "day"));
    c.batch.syncs = &s;
    c.batch.n_syncs = 1;
    kit_apply(k, &c);
    cells[0].sums.cost_pusd = 20;
    kit_apply(k, &c);
    cells[1].hour += 100; /* Not an hour anybody can have seen. */
    kit_apply(k, &c);
    fsm_usage_each(k->f, 0, UINT32_MAX, count_row, sum);
    assert_true(sum[0] == 40 && sum[1] == 0 && sum[2] == 1);
}

static void test_a_damaged_snapshot_is_refused(void **state)
{
    struct kit *k = *state;
    struct fsm_snapshot *s;
    struct buf chunk;
    size_t refused = 0;

    begin(k, TEAM_BUDGET("100", "day"));
    kit_sync(k, "n1", 1, 1, 1, kit_view(k, "b").wid, 0, 0, 60);
    s = fsm_snapshot_new(k->f);
    buf_init(&chunk, SNAPSHOT_CHUNK_BYTES);
    assert_true(fsm_snapshot_next(s, &chunk));
    for (size_t i = 0; i < chunk.n; i++) {
        struct fsm *copy = fsm_new();
        struct errmsg err = {{0}};
        chunk.p[i] ^= 1;
        int rv = fsm_restore_chunk(copy, buf_slice(&chunk), &err);
        rv = rv != 0 ? rv : fsm_restore_chunk(copy, SLICE(""), &err);
        refused += rv != 0;
        chunk.p[i] ^= 1;
        fsm_free(copy);
    }
    /* The remembered hash of the last TICK is not part of the hash: 16 bytes. */
    assert_int_equal(refused, chunk.n - 16);
    buf_deinit(&chunk);
    fsm_snapshot_free(s);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_references_must_exist),
        T(test_a_team_with_keys_stays),
        T(test_apply_is_atomic_and_in_any_order),
        T(test_resources_are_iterated_by_name),
        T(test_a_retried_command_answers_as_the_first_time),
        T(test_time_never_goes_back_nor_jumps),
        T(test_damaged_and_newer_entries_change_nothing),
        T(test_members),
        T(test_a_replica_that_differs_is_told),
        T(test_grants_are_clipped_and_reports_are_cumulative),
        T(test_overrun_is_posted_beyond_the_limit),
        T(test_a_journal_says_how_much_was_spent),
        T(test_an_old_copy_of_the_disk_is_not_believed),
        T(test_a_fenced_node_reconciles),
        T(test_release_gives_everything_back),
        T(test_windows_roll_and_close),
        T(test_a_budget_made_again_keeps_its_account),
        T(test_a_lowered_limit_falls_with_what_comes_back),
        T(test_usage_is_merged_by_max),
        T(test_a_damaged_snapshot_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
