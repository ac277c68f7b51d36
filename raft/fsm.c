/* The state machine: apply, and what readers ask of accounts. Applying never fails: a command that
 * is refused has a result that says so, and leaves the state as it was but for time and index. */
#include "raft/fsm.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "raft/fsm_i.h"
#include "raft/ledger.h"
#include "raft/usage.h"

#define FSM_RECORD_BYTES_MAX (SPEC_BYTES_MAX + 4096)

const struct table_type fsm_table_types[FSM_ALL_N_] = {
    [FSM_T_RESOURCE] = {"resource", 1, sizeof(struct resource), fsm_resource_bind},
    [FSM_T_MEMBER] = {"member", 2, sizeof(struct fsm_member), fsm_member_bind},
    [FSM_T_ACCOUNT] = {"account", 3, sizeof(struct ledger_account), ledger_account_bind},
    [FSM_T_WINDOW] = {"window", 4, sizeof(struct ledger_window), ledger_window_bind},
    [FSM_T_HISTORY] = {"history", 5, sizeof(struct ledger_window), ledger_history_bind},
    [FSM_T_LEASE] = {"lease", 6, sizeof(struct ledger_lease), ledger_lease_bind},
    [FSM_T_USAGE] = {"usage", 7, sizeof(struct usage_cell), usage_cell_bind},
    [FSM_T_RESULT] = {"result", 8, 0, NULL},
    [FSM_T_ORIGIN] = {"origin", 9, 0, NULL},
    [FSM_X_REF] = {"ref", 10, 0, NULL},
    [FSM_X_BUDGET] = {"budget", 11, 0, NULL},
    [FSM_X_LEASE] = {"leases of nodes", 12, 0, NULL},
};

struct fsm *fsm_new(void)
{
    struct fsm *f = mem_zalloc(sizeof *f);

    for (int t = 0; t < FSM_ALL_N_; t++) {
        table_init(&f->tables[t], &fsm_table_types[t]);
    }
    f->s.node_next = USAGE_NODE_RECOVERED + 1;
    f->s.raft_id_next = 1;
    arena_pool_init(&f->pool);
    arena_init(&f->arena, &f->pool);
    buf_init(&f->key, FSM_RECORD_BYTES_MAX);
    buf_init(&f->value, FSM_RECORD_BYTES_MAX);
    return f;
}

void fsm_free(struct fsm *f)
{
    if (f == NULL) {
        return;
    }
    for (int t = 0; t < FSM_ALL_N_; t++) {
        table_deinit(&f->tables[t]);
    }
    fsm_restore_free(f);
    arena_deinit(&f->arena);
    arena_pool_deinit(&f->pool);
    buf_deinit(&f->key);
    buf_deinit(&f->value);
    mem_free(f);
}

/* --- writing records --- */

struct buf *fsm_key(struct fsm *f)
{
    buf_clear(&f->key);
    return &f->key;
}

struct buf *fsm_value(struct fsm *f)
{
    buf_clear(&f->value);
    return &f->value;
}

void fsm_put(struct fsm *f, enum fsm_table t)
{
    ASSERT(!f->key.full);
    ASSERT(!f->value.full);
    table_put(&f->tables[t], buf_slice(&f->key), buf_slice(&f->value));
}

void fsm_result_fail(struct fsm_result *ret, int status, const char *fmt, ...)
{
    va_list ap;

    ASSERT(status < 0);
    ret->status = status;
    va_start(ap, fmt);
    (void)vsnprintf(ret->err.text, sizeof ret->err.text, fmt, ap);
    va_end(ap);
}

/* --- applying --- */

static void fsm_apply_batch(struct fsm *f, const struct cmd *c)
{
    for (size_t i = 0; i < c->batch.n_syncs; i++) {
        ledger_sync(f, &c->batch.syncs[i]);
    }
    for (size_t i = 0; i < c->batch.n_fence; i++) {
        ledger_fence(f, c->batch.fence[i].node, c->batch.fence[i].inc);
    }
    ledger_sweep(f);
    usage_sweep(f);
}

/* Two replicas that disagree must not both go on (I7): the one that differs from the leader stops.
 */
static void fsm_apply_tick(struct fsm *f, const struct cmd *c, struct fsm_result *ret)
{
    if (c->tick.hash_index != 0 && c->tick.hash_index == f->s.tick_index &&
        c->tick.hash != f->s.tick_hash) {
        fsm_result_fail(ret, Q_ECORRUPT, "the state after entry %llu is not the leader's",
                        (unsigned long long)c->tick.hash_index);
    }
    ledger_sweep(f);
    usage_sweep(f);
    f->s.tick_index = f->s.applied;
    f->s.tick_hash = fsm_hash(f);
}

static void fsm_apply_cluster(struct fsm *f, const struct cmd *c, struct fsm_result *ret)
{
    if (f->s.has_cluster) {
        fsm_result_fail(ret, Q_EEXIST, "the cluster has its identity already");
        return;
    }
    f->s.has_cluster = true;
    memcpy(f->s.uuid, c->cluster.uuid, sizeof f->s.uuid);
    memcpy(f->s.key_check, c->cluster.key_check, sizeof f->s.key_check);
}

static void fsm_apply_cmd(struct fsm *f, const struct cmd *c, struct fsm_result *ret)
{
    switch (c->type) {
    case CMD_NOOP:
        break;
    case CMD_RESOURCES:
        fsm_resource_apply(f, c, ret);
        break;
    case CMD_BATCH:
        fsm_apply_batch(f, c);
        break;
    case CMD_REGISTER:
        ledger_register(f, c, ret);
        break;
    case CMD_RELEASE:
        ledger_release(f, c, ret);
        break;
    case CMD_RECONCILE:
        ledger_reconcile(f, c, ret);
        break;
    case CMD_MEMBER:
        fsm_member_apply(f, c, ret);
        break;
    case CMD_TICK:
        fsm_apply_tick(f, c, ret);
        break;
    case CMD_CLUSTER:
        fsm_apply_cluster(f, c, ret);
        break;
    }
}

/* now = max(now, t_ms). A leader with a wild clock cannot roll every window: its command is
 * refused. */
static bool fsm_advance(struct fsm *f, const struct cmd *c, struct fsm_result *ret)
{
    if (c->t_ms > FSM_TIME_MS_MAX ||
        (f->s.now_ms != 0 && c->t_ms > f->s.now_ms + CMD_JUMP_MS_MAX && !c->jump_ok)) {
        fsm_result_fail(ret, Q_EINVAL, "stamped %lld ms ahead of the ledger's time",
                        (long long)(c->t_ms - f->s.now_ms));
        return false;
    }
    f->s.now_ms = c->t_ms > f->s.now_ms ? c->t_ms : f->s.now_ms;
    return true;
}

void fsm_apply(struct fsm *f, uint64_t index, struct slice entry, struct fsm_result *ret)
{
    struct cmd c;

    *ret = (struct fsm_result){.status = 0};
    f->s.applied = index;
    ret->status = cmd_decode(entry, &f->arena, &c, &ret->err);
    if (ret->status == 0 && fsm_advance(f, &c, ret) && !fsm_result_recall(f, &c, ret)) {
        fsm_apply_cmd(f, &c, ret);
        fsm_result_remember(f, &c, ret);
    }
    arena_deinit(&f->arena);
    arena_init(&f->arena, &f->pool);
}

/* --- reading --- */

uint64_t fsm_applied(const struct fsm *f)
{
    return f->s.applied;
}

int64_t fsm_now_ms(const struct fsm *f)
{
    return f->s.now_ms;
}

uint64_t fsm_revision(const struct fsm *f)
{
    return f->s.revision;
}

uint64_t fsm_kind_revision(const struct fsm *f, enum kind k)
{
    ASSERT(k < KIND_N_);
    return f->s.kind_revision[k];
}

uint64_t fsm_hash(const struct fsm *f)
{
    uint64_t hash;
    struct buf b;

    buf_init(&b, 4096);
    fsm_encode_scalars(&f->s, true, &b);
    hash = slice_hash(buf_slice(&b), 0);
    buf_deinit(&b);
    for (int t = 0; t < FSM_T_N_; t++) {
        hash += f->tables[t].hash;
    }
    return hash;
}

void fsm_tick_hash(const struct fsm *f, uint64_t *ret_index, uint64_t *ret_hash)
{
    *ret_index = f->s.tick_index;
    *ret_hash = f->s.tick_hash;
}

bool fsm_cluster(const struct fsm *f, uint8_t uuid[16], uint8_t key_check[32])
{
    if (f->s.has_cluster) {
        memcpy(uuid, f->s.uuid, sizeof f->s.uuid);
        memcpy(key_check, f->s.key_check, sizeof f->s.key_check);
    }
    return f->s.has_cluster;
}

/* The window of now is the stored one, or an empty one when nothing has touched the account since
 * that one ended. */
int fsm_account_by_id(const struct fsm *f, uint64_t acct, struct account_view *ret)
{
    const struct ledger_account *a = ledger_account(f, acct);
    int64_t start_ms, end_ms;

    if (a == NULL) {
        return Q_ENOTFOUND;
    }
    *ret = (struct account_view){.acct = a->id,
                                 .budget = a->budget,
                                 .unit = a->unit,
                                 .every = a->every,
                                 .live = a->live,
                                 .wid = a->cur.wid,
                                 .limit = a->cur.limit};
    end_ms = a->cur.end_ms;
    if (f->s.now_ms < a->cur.end_ms) {
        ret->posted = a->cur.posted;
        ret->held = a->cur.held;
        ret->presumed = a->cur.presumed;
        ret->overrun = a->cur.overrun;
    } else {
        window_bounds(a->every, f->s.now_ms, &start_ms, &end_ms);
        ret->wid = (uint32_t)(a->wid_base + window_id(a->every, f->s.now_ms));
    }
    ret->resets_at_ms = end_ms == INT64_MAX ? 0 : end_ms;
    return 0;
}

int fsm_account_by_budget(const struct fsm *f, struct slice budget, struct account_view *ret)
{
    return fsm_account_by_id(f, ledger_budget_account(f, budget), ret);
}

size_t fsm_account_nodes(const struct fsm *f, uint64_t acct, struct account_node *out, size_t max)
{
    const struct ledger_lease *l = NULL;
    struct account_view v;
    size_t n = 0;

    if (fsm_account_by_id(f, acct, &v) != 0) {
        return 0;
    }
    while (n < max && (l = ledger_lease_next(f, acct, v.wid, l)) != NULL) {
        const struct fsm_member *m = fsm_member_by_node(f, l->node);
        out[n++] = (struct account_node){
            .node = m != NULL ? m->pub.name : SLICE(""),
            .inc = l->inc,
            .G = l->G,
            .S = l->S,
            .R = l->R,
            .presumed = l->presumed ? ledger_out(l) : 0,
        };
    }
    return n;
}

bool fsm_lease(const struct fsm *f, uint64_t acct, uint32_t wid, struct slice node, uint32_t inc,
               struct account_node *ret)
{
    const struct fsm_member *m = fsm_member_find(f, node);
    const struct ledger_lease *l = m == NULL ? NULL : ledger_lease(f, acct, wid, m->node, inc);

    if (l == NULL) {
        return false;
    }
    *ret = (struct account_node){.node = m->pub.name,
                                 .inc = inc,
                                 .G = l->G,
                                 .S = l->S,
                                 .R = l->R,
                                 .presumed = l->presumed ? ledger_out(l) : 0};
    return true;
}
