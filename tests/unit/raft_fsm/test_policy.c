/* The leader's policy: SYNCs in, one batch, replies; scarcity, waiters, recall, fencing. The log
 * here is a queue that the test applies when it wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "raft/ledger.h"
#include "raft/policy.h"
#include "tests/unit/raft_fsm/kit.h"

#define QUEUE_MAX 64

struct bench {
    struct kit k;
    struct policy *p;
    uint64_t now_ms;
    struct buf queue[QUEUE_MAX];
    size_t n_queued;
    bool armed;
    uint64_t armed_ms;
    struct sync_reply last; /* Its grants are copied below. */
    struct sync_grant grants[32];
    char last_node[8];
    size_t n_replies, n_recalls;
    char recalled[8];
    uint64_t acct;
};

static void on_reply(void *arg, struct slice node, const struct sync_reply *r)
{
    struct bench *b = arg;

    b->n_replies++;
    b->last = *r;
    assert_true(slice_copy_str(node, b->last_node, sizeof b->last_node));
    for (size_t i = 0; i < r->n_grants && i < 32; i++) {
        b->grants[i] = r->grants[i];
    }
}

static void on_recall(void *arg, struct slice node, const struct sync_recall *r)
{
    struct bench *b = arg;

    assert_int_equal(r->acct, b->acct);
    assert_true(slice_copy_str(node, b->recalled, sizeof b->recalled));
    b->n_recalls++;
}

static int on_submit(void *arg, struct slice cmd)
{
    struct bench *b = arg;

    assert_true(b->n_queued < QUEUE_MAX);
    buf_init(&b->queue[b->n_queued], CMD_BYTES_MAX);
    buf_add_slice(&b->queue[b->n_queued++], cmd);
    return 0;
}

static void on_arm(void *arg, uint64_t ms)
{
    struct bench *b = arg;

    b->armed = true;
    b->armed_ms = b->now_ms + ms;
}

static const struct policy_ops ops = {on_reply, on_recall, on_submit, on_arm};

/* Commits and applies what was submitted. */
static void commit(struct bench *b)
{
    struct errmsg err = {{0}};
    struct arena arena;

    for (size_t i = 0; i < b->n_queued; i++) {
        struct cmd c;
        arena_init(&arena, NULL);
        cmd_stamp(b->queue[i].p, b->queue[i].n, b->k.t_ms, false);
        assert_int_equal(cmd_decode(buf_slice(&b->queue[i]), &arena, &c, &err), 0);
        c.jump_ok = true;
        (void)kit_apply(&b->k, &c);
        policy_applied(b->p, b->k.index, &c, b->now_ms);
        arena_deinit(&arena);
        buf_deinit(&b->queue[i]);
    }
    b->n_queued = 0;
}

/* Runs the armed timer and commits. */
static void turn(struct bench *b)
{
    assert_true(b->armed);
    b->k.t_ms += (int64_t)(b->armed_ms - b->now_ms);
    b->now_ms = b->armed_ms;
    b->armed = false;
    policy_flush(b->p, b->now_ms);
    commit(b);
}

static void send(struct bench *b, const char *node, uint64_t seq, struct sync_item item)
{
    struct sync_req r = {
        .node = slice_str(node), .inc = 1, .seq = seq, .items = &item, .n_items = 1};

    policy_sync(b->p, &r, b->now_ms);
}

static struct sync_item item_of(struct bench *b, i128 S, i128 R, i128 ask, i128 need)
{
    return (struct sync_item){.acct = b->acct,
                              .wid = kit_view(&b->k, "b").wid,
                              .S = S,
                              .R = R,
                              .ask = ask,
                              .need = need,
                              .wmax = need};
}

static int setup(void **state)
{
    static const char *const names[] = {"n1", "n2", "n3"};
    static struct bench b;

    memset(&b, 0, sizeof b);
    kit_init(&b.k);
    assert_int_equal(kit_put(&b.k, KIND_TEAM, "t", "{}"), 0);
    assert_int_equal(kit_put(&b.k, KIND_BUDGET, "b",
                             "{\"match\":{\"team\":\"t\"},\"unit\":\"tokens\",\"limit\":1000,"
                             "\"window\":{\"every\":\"hour\"}}"),
                     0);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(kit_member(&b.k, names[i], i + 1), 0);
        assert_int_equal(kit_register(&b.k, names[i], 1), 0);
    }
    b.acct = kit_view(&b.k, "b").acct;
    b.now_ms = 1000000;
    b.p = policy_new(b.k.f, &ops, &b);
    policy_tick(b.p, b.now_ms);
    *state = &b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    policy_free(b->p);
    for (size_t i = 0; i < b->n_queued; i++) {
        buf_deinit(&b->queue[i]);
    }
    kit_deinit(&b->k);
    return 0;
}

static void test_nothing_is_granted_before_the_leader_is_ready(void **state)
{
    struct bench *b = *state;

    assert_int_equal(b->n_queued, 1); /* The NOOP. */
    send(b, "n1", 1, item_of(b, 0, 0, 10, 10));
    b->armed = false;
    policy_flush(b->p, b->now_ms += 10);
    assert_int_equal(b->n_queued, 1);
    assert_int_equal(b->n_replies, 0);
    commit(b);
    turn(b);
    assert_int_equal(b->n_replies, 1);
    assert_int_equal(b->last.seq, 1);
    assert_true(b->grants[0].G >= 10);
}

static void test_a_need_is_answered_by_the_next_batch(void **state)
{
    struct bench *b = *state;

    commit(b);
    send(b, "n2", 1, item_of(b, 0, 0, 10, 10));
    assert_true(b->armed && b->armed_ms == b->now_ms + POLICY_BATCH_MS);
    turn(b);
    assert_string_equal(b->last_node, "n2");
    assert_int_equal(b->last.status, 0);
    assert_int_equal(b->last.n_grants, 1);
    assert_true(b->grants[0].G >= 10 && b->grants[0].G <= 500);
    assert_true(b->grants[0].left == 1000 && b->grants[0].limit == 1000);
    assert_true(b->grants[0].flags == 0);
    assert_true(b->grants[0].win_left_ms > 0 && b->grants[0].win_left_ms <= 3600000);
}

static void test_a_repeated_sync_is_not_granted_twice(void **state)
{
    struct bench *b = *state;
    struct sync_item item = item_of(b, 0, 0, 10, 10);

    commit(b);
    send(b, "n1", 1, item);
    turn(b);
    send(b, "n1", 1, item);
    turn(b);
    assert_int_equal(b->n_replies, 2);
    assert_true(kit_view(&b->k, "b").held == b->grants[0].G);
    assert_true(b->grants[0].G <= 20);
}

/* Three nodes that ask for everything leave room for each other. */
static void test_nobody_takes_all(void **state)
{
    struct bench *b = *state;

    commit(b);
    send(b, "n1", 1, item_of(b, 0, 0, 1000, 1));
    send(b, "n2", 1, item_of(b, 0, 0, 1000, 1));
    send(b, "n3", 1, item_of(b, 0, 0, 1000, 1));
    turn(b);
    assert_true(kit_view(&b->k, "b").held < 900);
    assert_int_equal(b->n_replies, 3);
    assert_true(b->grants[0].G >= 1); /* The last of them has got something. */
}

static void give_everything_to(struct bench *b, const char *node)
{
    kit_sync(&b->k, node, 1, 1, b->acct, kit_view(&b->k, "b").wid, 0, 0, 1000);
    assert_true(kit_view(&b->k, "b").held == 1000);
}

static void test_idle_credit_is_recalled_for_a_waiter(void **state)
{
    struct bench *b = *state;

    commit(b);
    give_everything_to(b, "n1");
    send(b, "n2", 1, item_of(b, 0, 0, 40, 40));
    turn(b);
    assert_int_equal(b->n_replies, 1);
    assert_true(b->grants[0].G == 0);
    assert_int_equal(b->grants[0].flags, SYNC_EXHAUSTED);
    assert_true(b->grants[0].left == 1000); /* It is only held: not a final no. */
    assert_int_equal(b->n_recalls, 1);
    assert_string_equal(b->recalled, "n1");
    send(b, "n1", 2, item_of(b, 0, 700, 0, 0));
    turn(b);
    assert_int_equal(b->n_replies, 3); /* n1's own and the grant. */
    assert_string_equal(b->last_node, "n2");
    assert_int_equal(b->last.seq, 0);
    assert_true(b->grants[0].G == 40);
    assert_true(kit_view(&b->k, "b").held == 340);
}

static void test_recalls_are_few(void **state)
{
    struct bench *b = *state;
    uint64_t end;

    commit(b);
    give_everything_to(b, "n1");
    end = b->now_ms + 1000;
    for (uint64_t seq = 1; b->now_ms < end; seq++) {
        send(b, "n2", seq, item_of(b, 0, 0, 40, 40));
        turn(b);
    }
    assert_in_range(b->n_recalls, 3, 5);
}

static void test_nobody_overtakes_a_waiter(void **state)
{
    struct bench *b = *state;

    commit(b);
    give_everything_to(b, "n1");
    send(b, "n2", 1, item_of(b, 0, 0, 80, 80));
    turn(b);
    send(b, "n3", 1, item_of(b, 0, 0, 10, 10));
    turn(b);
    send(b, "n1", 2, item_of(b, 0, 50, 0, 0)); /* Enough for n3, not for n2. */
    turn(b);
    assert_true(kit_view(&b->k, "b").held == 950);
    send(b, "n1", 3, item_of(b, 0, 90, 0, 0));
    turn(b);
    assert_true(kit_view(&b->k, "b").held == 1000); /* 80 to n2, then 10 to n3. */
    assert_string_equal(b->last_node, "n3");
    assert_true(b->grants[0].G == 10);
}

static void test_a_raised_limit_serves_waiters(void **state)
{
    struct bench *b = *state;
    struct cmd c = {.type = CMD_RESOURCES};

    commit(b);
    give_everything_to(b, "n1");
    send(b, "n2", 1, item_of(b, 0, 0, 40, 40));
    turn(b);
    assert_int_equal(kit_put(&b->k, KIND_BUDGET, "b",
                             "{\"match\":{\"team\":\"t\"},\"unit\":\"tokens\",\"limit\":1040,"
                             "\"window\":{\"every\":\"hour\"}}"),
                     0);
    policy_applied(b->p, b->k.index, &c, b->now_ms);
    assert_true(b->armed_ms <= b->now_ms + POLICY_BATCH_MS);
    turn(b);
    assert_string_equal(b->last_node, "n2");
    assert_true(b->grants[0].G == 40);
}

static void test_a_waiter_is_forgotten_in_time(void **state)
{
    struct bench *b = *state;

    commit(b);
    give_everything_to(b, "n1");
    send(b, "n2", 1, item_of(b, 0, 0, 40, 40));
    for (int i = 0; i < 20 && b->armed; i++) {
        turn(b);
    }
    assert_false(b->armed);
    send(b, "n1", 2, item_of(b, 0, 700, 0, 0));
    turn(b);
    assert_true(kit_view(&b->k, "b").held == 300);
}

static void test_another_incarnation_is_refused_with_the_ledgers(void **state)
{
    struct bench *b = *state;

    commit(b);
    assert_int_equal(kit_register(&b->k, "n1", 2), 0);
    send(b, "n1", 1, item_of(b, 0, 0, 10, 10));
    assert_int_equal(b->n_replies, 1);
    assert_int_equal(b->last.status, Q_EPERM);
    assert_int_equal(b->last.inc, 2);
    send(b, "n9", 1, item_of(b, 0, 0, 10, 10)); /* Perhaps a member by an entry under way. */
    turn(b);
    assert_int_equal(b->last.status, Q_EPERM);
    assert_int_equal(b->last.inc, 0);
}

/* A follower may apply its REGISTER before the leader does. */
static void test_an_incarnation_that_is_under_way_is_not_refused(void **state)
{
    struct bench *b = *state;
    struct sync_item item = item_of(b, 0, 0, 10, 10);
    struct sync_req r = {.node = SLICE("n1"), .inc = 2, .seq = 1, .items = &item, .n_items = 1};

    commit(b);
    policy_sync(b->p, &r, b->now_ms);
    b->armed = false;
    policy_flush(b->p, b->now_ms += 10);
    assert_int_equal(b->n_replies, 0);
    assert_int_equal(kit_register(&b->k, "n1", 2), 0); /* It stands before the batch in the log. */
    commit(b);
    assert_int_equal(b->n_replies, 1);
    assert_int_equal(b->last.status, 0);
    assert_true(b->grants[0].G >= 10);
}

static void test_a_silent_node_is_fenced(void **state)
{
    struct bench *b = *state;
    uint64_t seq = 1;

    commit(b);
    send(b, "n3", 1, item_of(b, 0, 0, 10, 10));
    turn(b);
    for (int s = 0; s < 33; s++) {
        b->now_ms += 1000;
        policy_tick(b->p, b->now_ms);
        send(b, "n1", seq, item_of(b, 0, 0, 0, 0));
        send(b, "n2", seq++, item_of(b, 0, 0, 0, 0));
        turn(b);
    }
    assert_false(fsm_member(b->k.f, SLICE("n1"))->fenced);
    assert_true(fsm_member(b->k.f, SLICE("n3"))->fenced);
    assert_true(kit_view(&b->k, "b").presumed > 0);
    send(b, "n3", 2, item_of(b, 0, 0, 10, 10));
    assert_int_equal(b->last.status, Q_EPERM);
    assert_int_equal(b->last.inc, 1);
}

static void test_an_item_of_an_old_window_learns_of_the_new_one(void **state)
{
    struct bench *b = *state;
    struct sync_item old = item_of(b, 0, 0, 10, 10);

    commit(b);
    send(b, "n1", 1, old);
    turn(b);
    for (int i = 0; i < 6; i++) {
        struct cmd noop = {.type = CMD_NOOP};
        b->k.t_ms += 599000;
        kit_apply(&b->k, &noop);
    }
    send(b, "n1", 2, old);
    turn(b);
    /* The answer to the SYNC, then the grant in the new window. */
    assert_true(b->grants[0].wid == old.wid + 1 && b->grants[0].G >= 10);
    assert_true((b->grants[0].flags & SYNC_ROLLED) == 0);
    assert_true(kit_view(&b->k, "b").held == b->grants[0].G);
    send(b, "n1", 3, (struct sync_item){.acct = b->acct, .wid = old.wid});
    turn(b);
    assert_int_equal(b->last.n_grants, 2);
    assert_int_equal(b->grants[0].flags, SYNC_ROLLED);
    assert_true(b->grants[0].wid == old.wid && b->grants[1].wid == old.wid + 1);
}

static void test_a_large_sync_is_split(void **state)
{
    struct bench *b = *state;
    static struct sync_cell cells[SYNC_CELLS_MAX];
    struct sync_req r = {
        .node = SLICE("n1"), .inc = 1, .seq = 1, .cells = cells, .n_cells = SYNC_CELLS_MAX};
    char user[SYNC_CELLS_MAX][12];
    char model[200];

    commit(b);
    memset(model, 'm', sizeof model);
    for (size_t i = 0; i < SYNC_CELLS_MAX; i++) {
        (void)snprintf(user[i], sizeof user[i], "u%zu", i);
        cells[i] = (struct sync_cell){
            .hour = (uint32_t)(KIT_T0 / 3600000),
            .dims = {.user = slice_str(user[i]), .model = slice_of(model, sizeof model)},
            .sums = {.requests = 1}};
    }
    policy_sync(b->p, &r, b->now_ms);
    turn(b);
    assert_int_equal(b->k.f->tables[FSM_T_USAGE].n, SYNC_CELLS_MAX);
    assert_int_equal(b->n_replies, 1);
    assert_int_equal(b->last.seq, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_nothing_is_granted_before_the_leader_is_ready),
        T(test_a_need_is_answered_by_the_next_batch),
        T(test_a_repeated_sync_is_not_granted_twice),
        T(test_nobody_takes_all),
        T(test_idle_credit_is_recalled_for_a_waiter),
        T(test_recalls_are_few),
        T(test_nobody_overtakes_a_waiter),
        T(test_a_raised_limit_serves_waiters),
        T(test_a_waiter_is_forgotten_in_time),
        T(test_another_incarnation_is_refused_with_the_ledgers),
        T(test_an_incarnation_that_is_under_way_is_not_refused),
        T(test_a_silent_node_is_fenced),
        T(test_an_item_of_an_old_window_learns_of_the_new_one),
        T(test_a_large_sync_is_split),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
