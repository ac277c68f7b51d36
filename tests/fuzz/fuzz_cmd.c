/* Log entries from anywhere: decoded, encoded again, and applied to a state machine that has
 * budgets, members and leases. Input: entries, each with its length before it (u16, little endian).
 * Whatever comes, INV-L holds, and a copy by snapshot is equal. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "raft/ledger.h"

#define FUZZ_T0 1790000000000ll

static uint64_t fuzz_index;

static void fuzz_apply(struct fsm *f, struct cmd *c)
{
    struct fsm_result res;
    struct buf b;
    int rv;

    buf_init(&b, CMD_BYTES_MAX);
    rv = cmd_encode(c, &b);
    ASSERT(rv == 0);
    cmd_stamp(b.p, b.n, FUZZ_T0, false);
    fsm_apply(f, ++fuzz_index, buf_slice(&b), &res);
    ASSERT(res.status == 0);
    buf_deinit(&b);
}

/* Team t, budget b of 1000 requests an hour, members n1 and n2, of which n1 holds 100. */
static struct fsm *fuzz_state(void)
{
    struct cmd_resource_op ops[] = {
        {.kind = KIND_TEAM, .name = SLICE("t"), .spec = SLICE("{}"), .expect_revision = -1},
        {.kind = KIND_BUDGET,
         .name = SLICE("b"),
         .spec = SLICE("{\"match\":{\"team\":\"t\"},\"unit\":\"requests\",\"limit\":1000,"
                       "\"window\":{\"every\":\"hour\"}}"),
         .expect_revision = -1}};
    struct cmd_sync_item item = {.acct = 1, .wid = window_id(WINDOW_HOUR, FUZZ_T0), .g = 100};
    struct cmd_sync sync = {.node = SLICE("n1"), .inc = 1, .seq = 1, .items = &item, .n_items = 1};
    struct cmd resources = {.type = CMD_RESOURCES, .resources = {ops, 2}};
    struct cmd batch = {.type = CMD_BATCH};
    struct fsm *f = fsm_new();

    fuzz_index = 0;
    fuzz_apply(f, &resources);
    for (uint64_t i = 1; i <= 2; i++) {
        struct cmd member = {.type = CMD_MEMBER}, reg = {.type = CMD_REGISTER};
        member.member.name = i == 1 ? SLICE("n1") : SLICE("n2");
        member.member.raft_id = i;
        reg.reg.node = member.member.name;
        reg.reg.inc = 1;
        fuzz_apply(f, &member);
        fuzz_apply(f, &reg);
    }
    batch.batch.syncs = &sync;
    batch.batch.n_syncs = 1;
    fuzz_apply(f, &batch);
    return f;
}

static void fuzz_entry(struct fsm *f, struct slice entry)
{
    struct errmsg err = {{0}};
    struct fsm_result res;
    struct arena arena;
    struct cmd c, again;
    struct buf b;
    int rv;

    arena_init(&arena, NULL);
    if (cmd_decode(entry, &arena, &c, &err) == 0) {
        buf_init(&b, CMD_BYTES_MAX);
        if (cmd_encode(&c, &b) == 0) {
            rv = cmd_decode(buf_slice(&b), &arena, &again, &err);
            ASSERT(rv == 0);
            ASSERT(again.type == c.type && again.t_ms == c.t_ms && again.reqno == c.reqno);
        }
        buf_deinit(&b);
    }
    arena_deinit(&arena);
    fsm_apply(f, ++fuzz_index, entry, &res);
    rv = ledger_check(f, &err);
    ASSERT(rv == 0);
}

static void fuzz_copy(const struct fsm *f)
{
    struct fsm_snapshot *s = fsm_snapshot_new(f);
    struct fsm *copy = fsm_new();
    struct errmsg err = {{0}};
    struct buf chunk;
    int rv = 0;

    buf_init(&chunk, SNAPSHOT_CHUNK_BYTES);
    while (rv == 0 && fsm_snapshot_next(s, &chunk)) {
        rv = fsm_restore_chunk(copy, buf_slice(&chunk), &err);
        buf_clear(&chunk);
    }
    rv = rv != 0 ? rv : fsm_restore_chunk(copy, SLICE(""), &err);
    ASSERT(rv == 0);
    ASSERT(fsm_hash(copy) == fsm_hash(f));
    buf_deinit(&chunk);
    fsm_snapshot_free(s);
    fsm_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record_reader r = {slice_of((const char *)data, size), false};
    struct fsm *f = fuzz_state();

    while (r.rest.n > 2) {
        size_t n = record_u16(&r);
        fuzz_entry(f, record_bytes(&r, n < r.rest.n ? n : r.rest.n));
    }
    fuzz_copy(f);
    fsm_free(f);
    return 0;
}
