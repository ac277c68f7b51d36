/* SYNCs in, batches into the log, replies out.
 *
 *   policy_sync() -> pending -> policy_flush(): one BATCH -> the log -> policy_applied(): replies
 *
 * A batch is the reports of all pending SYNCs, in order, each with its grant; then, with number 0,
 * grants to waiters, which may use what the reports before them returned. Replies are made from the
 * state after apply, so they say what is, whoever proposed it. When a batch is lost with the
 * leadership, so is the policy; nodes repeat themselves to the next leader. */
#include "raft/policy.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "raft/policy_i.h"

#define POLICY_CMD_BYTES      (CMD_BYTES_MAX / 2) /* A command is closed when it may be larger. */
#define POLICY_ITEM_BYTES     96
#define POLICY_CELL_BYTES     96 /* And its texts. */
#define POLICY_CELLS_PER_SYNC 256
#define POLICY_RETRY_MS       50

struct policy *policy_new(const struct fsm *f, const struct policy_ops *ops, void *arg)
{
    struct policy *p = mem_zalloc(sizeof *p);

    p->f = f;
    p->ops = ops;
    p->arg = arg;
    list_init(&p->pending);
    list_init(&p->nodes);
    list_init(&p->waiting);
    list_init(&p->returns);
    strmap_init(&p->accts);
    return p;
}

static void policy_drop_pending(struct policy *p)
{
    LIST_EACH_SAFE (it, &p->pending) {
        struct policy_pending *s = LIST_ENTRY(it, struct policy_pending, link);
        list_remove(&s->link);
        arena_deinit(&s->arena);
        mem_free(s);
    }
    p->n_pending = 0;
}

void policy_free(struct policy *p)
{
    struct strmap_entry *e;

    if (p == NULL) {
        return;
    }
    policy_drop_pending(p);
    for (size_t i = 0; (e = strmap_next(&p->accts, &i)) != NULL;) {
        policy_acct_free(e->value);
    }
    strmap_deinit(&p->accts);
    LIST_EACH_SAFE (it, &p->nodes) {
        struct policy_node *n = LIST_ENTRY(it, struct policy_node, link);
        list_remove(&n->link);
        mem_free((char *)(uintptr_t)n->name.p);
        mem_free(n);
    }
    mem_free(p);
}

static void policy_arm(struct policy *p, uint64_t ms, uint64_t now_ms)
{
    if (!p->armed || p->armed_ms > now_ms + ms) {
        p->armed = true;
        p->armed_ms = now_ms + ms;
        p->ops->arm(p->arg, ms);
    }
}

/* Before our first own entry is applied we may not know all that earlier leaders granted: the
 * ledger would clip, but a fenced node could be answered as if it were not. */
static void policy_be_ready(struct policy *p, uint64_t now_ms)
{
    struct cmd c = {.type = CMD_NOOP};
    struct buf b;

    if (p->is_ready || (p->noop_sent && now_ms - p->noop_ms < POLICY_NOOP_MS)) {
        return;
    }
    (void)snprintf(p->token, sizeof p->token, "policy %" PRIx64 " %" PRIx64, fsm_applied(p->f),
                   now_ms);
    c.origin = slice_str(p->token);
    buf_init(&b, 256);
    if (cmd_encode(&c, &b) == 0) {
        p->noop_sent = p->ops->submit(p->arg, buf_slice(&b)) == 0;
        p->noop_ms = now_ms;
    }
    buf_deinit(&b);
}

static struct policy_node *policy_node(struct policy *p, struct slice name, uint64_t now_ms)
{
    struct policy_node *n;

    LIST_EACH (it, &p->nodes) {
        n = LIST_ENTRY(it, struct policy_node, link);
        if (slice_eq(n->name, name)) {
            return n;
        }
    }
    n = mem_zalloc(sizeof *n);
    n->name = slice_of(mem_strndup(name.p, name.n), name.n);
    n->heard_ms = now_ms;
    list_push_back(&p->nodes, &n->link);
    return n;
}

/* --- replies --- */

static void policy_refuse(struct policy *p, struct slice node, uint64_t seq)
{
    const struct member *m = fsm_member(p->f, node);
    struct sync_reply r = {
        .status = Q_EPERM, .inc = m != NULL ? m->inc : 0, .seq = seq, .now_ms = fsm_now_ms(p->f)};

    p->ops->reply(p->arg, node, &r);
}

/* The ledger has closed that incarnation, for certain. One that is newer than ours may have been
 * registered by an entry that this node applies a little later than the node itself: it goes into
 * the batch, which stands behind that entry in the log. */
static bool policy_closed(const struct policy *p, struct slice node, uint32_t inc)
{
    const struct member *m = fsm_member(p->f, node);

    return m != NULL && (inc < m->inc || (inc == m->inc && m->fenced));
}

static bool policy_current(const struct policy *p, struct slice node, uint32_t inc)
{
    const struct member *m = fsm_member(p->f, node);

    return m != NULL && m->inc == inc && inc > 0 && !m->fenced;
}

static void policy_grant_now(struct policy *p, const struct account_view *v, struct slice node,
                             uint32_t inc, struct sync_grant *g)
{
    const struct policy_acct *a = strmap_get(&p->accts, slice_of((const char *)&v->acct, 8));
    struct account_node lease = {.G = 0};
    i128 avail = v->limit - v->posted - v->held - v->presumed;
    bool waits = false;

    if (a != NULL) {
        LIST_EACH (it, &a->waiters) {
            waits = waits || slice_eq(LIST_ENTRY(it, struct policy_demand, wait)->node, node);
        }
    }
    (void)fsm_lease(p->f, v->acct, v->wid, node, inc, &lease);
    *g = (struct sync_grant){
        .acct = v->acct,
        .wid = v->wid,
        .G = lease.G,
        .flags = (avail <= 0 || waits ? SYNC_EXHAUSTED : 0u) | (v->live ? 0u : SYNC_FROZEN),
        .keep = policy_ample(p, v),
        .left = v->live ? i128_max(0, v->limit - v->posted - v->presumed) : 0,
        .limit = v->limit,
        .win_left_ms = v->resets_at_ms == 0 ? -1 : v->resets_at_ms - fsm_now_ms(p->f),
        .resets_at_ms = v->resets_at_ms,
    };
}

/* One or two grants for an item: of an earlier window its G and SYNC_ROLLED, and the present
 * window. */
static size_t policy_grants_of(struct policy *p, const struct cmd_sync *s,
                               const struct cmd_sync_item *it, struct sync_grant *out)
{
    struct account_node lease = {.G = 0};
    struct account_view v;
    size_t n = 0;

    if (fsm_account_by_id(p->f, it->acct, &v) != 0) {
        out[0] = (struct sync_grant){
            .acct = it->acct, .wid = it->wid, .flags = SYNC_FROZEN, .win_left_ms = -1};
        return 1;
    }
    if (it->wid != v.wid) {
        (void)fsm_lease(p->f, it->acct, it->wid, s->node, s->inc, &lease);
        out[n++] = (struct sync_grant){
            .acct = it->acct, .wid = it->wid, .G = lease.G, .flags = SYNC_ROLLED, .win_left_ms = 0};
    }
    policy_grant_now(p, &v, s->node, s->inc, &out[n++]);
    return n;
}

static void policy_answer(struct policy *p, const struct cmd_sync *s)
{
    struct sync_reply r = {.inc = s->inc, .seq = s->seq, .now_ms = fsm_now_ms(p->f)};

    if (!policy_current(p, s->node, s->inc)) {
        policy_refuse(p, s->node, s->seq);
        return;
    }
    if (s->seq == 0 && s->n_items == 0) {
        return; /* A part of a large SYNC. */
    }
    r.grants = mem_alloc((2 * s->n_items + 1) * sizeof *r.grants);
    for (size_t i = 0; i < s->n_items; i++) {
        r.n_grants += policy_grants_of(p, s, &s->items[i], &r.grants[r.n_grants]);
    }
    p->ops->reply(p->arg, s->node, &r);
    mem_free(r.grants);
}

/* --- SYNCs in --- */

static void policy_copy(struct policy_pending *s, const struct sync_req *r)
{
    s->r = *r;
    s->r.node = arena_slice(&s->arena, r->node);
    s->r.items = arena_dup(&s->arena, r->items, r->n_items * sizeof *r->items);
    s->r.cells = arena_dup(&s->arena, r->cells, r->n_cells * sizeof *r->cells);
    for (size_t i = 0; i < r->n_cells; i++) {
        struct usage_dims *d = &s->r.cells[i].dims;
        d->team = arena_slice(&s->arena, d->team);
        d->key = arena_slice(&s->arena, d->key);
        d->user = arena_slice(&s->arena, d->user);
        d->model = arena_slice(&s->arena, d->model);
        d->provider = arena_slice(&s->arena, d->provider);
    }
}

void policy_sync(struct policy *p, const struct sync_req *r, uint64_t now_ms)
{
    struct policy_pending *s;
    struct policy_node *n;

    if (r->n_items > SYNC_ITEMS_MAX || r->n_cells > SYNC_CELLS_MAX ||
        p->n_pending >= POLICY_PENDING_MAX) {
        return;
    }
    if (p->is_ready && policy_closed(p, r->node, r->inc)) {
        policy_refuse(p, r->node, r->seq);
        return;
    }
    n = policy_node(p, r->node, now_ms);
    s = mem_zalloc(sizeof *s);
    s->repeated = n->inc == r->inc && r->seq <= n->seq;
    n->seq = s->repeated ? n->seq : r->seq;
    n->inc = r->inc;
    n->heard_ms = now_ms;
    n->fence = false;
    arena_init(&s->arena, NULL);
    policy_copy(s, r);
    list_push_back(&p->pending, &s->link);
    p->n_pending++;
    policy_be_ready(p, now_ms);
    policy_arm(p, POLICY_BATCH_MS, now_ms);
}

/* --- batches out --- */

struct policy_batch {
    struct policy *p;
    struct cmd_sync *syncs;
    size_t n, alloc, bytes;
    struct cmd_fence *fence;
    size_t n_fence;
    bool hold; /* Only gathers. */
    int rv;    /* Of the first submit that failed. */
};

static void policy_batch_submit(struct policy_batch *b)
{
    struct cmd c = {.type = CMD_BATCH};
    struct buf out;

    if (b->rv == 0 && (b->n > 0 || b->n_fence > 0)) {
        c.batch.syncs = b->syncs;
        c.batch.n_syncs = b->n;
        c.batch.fence = b->fence;
        c.batch.n_fence = b->n_fence;
        buf_init(&out, CMD_BYTES_MAX);
        b->rv = cmd_encode(&c, &out);
        if (b->rv == 0) {
            b->rv = b->p->ops->submit(b->p->arg, buf_slice(&out));
        }
        buf_deinit(&out);
    }
    b->n = b->n_fence = b->bytes = 0;
}

static size_t policy_sync_bytes(const struct cmd_sync *s)
{
    size_t n = 64 + s->node.n + s->n_items * POLICY_ITEM_BYTES;

    for (size_t i = 0; i < s->n_cells; i++) {
        const struct usage_dims *d = &s->cells[i].dims;
        n += POLICY_CELL_BYTES + d->team.n + d->key.n + d->user.n + d->model.n + d->provider.n;
    }
    return n;
}

static void policy_batch_add(struct policy_batch *b, const struct cmd_sync *s)
{
    size_t bytes = policy_sync_bytes(s);

    if (!b->hold && b->n > 0 && b->bytes + bytes > POLICY_CMD_BYTES) {
        policy_batch_submit(b);
    }
    if (b->n == b->alloc) {
        b->alloc = b->alloc == 0 ? 16 : b->alloc * 2;
        b->syncs = mem_realloc(b->syncs, b->alloc * sizeof *b->syncs);
    }
    b->syncs[b->n++] = *s;
    b->bytes += bytes;
}

/* Returns of this batch can be granted again in it, by an entry after all reports. */
static void policy_count_returns(struct policy *p)
{
    struct account_node lease;
    struct account_view v;

    LIST_EACH (it, &p->pending) {
        const struct policy_pending *s = LIST_ENTRY(it, struct policy_pending, link);
        for (size_t i = 0; i < s->r.n_items && policy_current(p, s->r.node, s->r.inc); i++) {
            const struct sync_item *item = &s->r.items[i];
            if (fsm_account_by_id(p->f, item->acct, &v) == 0 && v.wid == item->wid &&
                fsm_lease(p->f, item->acct, v.wid, s->r.node, s->r.inc, &lease) &&
                item->R > lease.R) {
                policy_returned(p, policy_acct(p, item->acct), item->R - lease.R);
            }
        }
    }
}

/* A grant that is not in the node's own report: number 0. */
static void policy_extra(struct policy_batch *later, struct arena *arena, struct slice node,
                         uint32_t inc, uint64_t acct, uint32_t wid, i128 g)
{
    struct cmd_sync s = {.node = arena_slice(arena, node), .inc = inc, .n_items = 1};

    s.items = arena_zalloc(arena, sizeof *s.items);
    s.items[0] = (struct cmd_sync_item){.acct = acct, .wid = wid, .g = g};
    policy_batch_add(later, &s);
}

static void policy_batch_item(struct policy *p, const struct policy_pending *s, size_t i,
                              struct cmd_sync_item *out, struct policy_batch *later,
                              struct arena *arena, uint64_t now_ms)
{
    const struct sync_item *it = &s->r.items[i];
    struct account_view v;
    i128 g = 0;

    *out = (struct cmd_sync_item){it->acct, it->wid, it->S, it->R, it->O, 0};
    if (s->repeated || fsm_account_by_id(p->f, it->acct, &v) != 0) {
        return;
    }
    if (it->wid == v.wid || it->ask > 0) {
        g = policy_decide(p, &v, s->r.node, s->r.inc, it, now_ms);
    }
    if (g > 0 && (it->wid != v.wid || policy_acct(p, it->acct)->returned > 0)) {
        policy_extra(later, arena, s->r.node, s->r.inc, it->acct, v.wid, g);
    } else {
        out->g = g;
    }
}

/* One pending SYNC; more cells than fit go before it as parts that nobody answers. */
static void policy_batch_sync(struct policy *p, const struct policy_pending *s,
                              struct policy_batch *b, struct policy_batch *later,
                              struct arena *arena, uint64_t now_ms)
{
    struct cmd_sync out = {.node = s->r.node, .inc = s->r.inc};
    size_t done = 0;

    if (policy_closed(p, s->r.node, s->r.inc)) {
        policy_refuse(p, s->r.node, s->r.seq);
        return;
    }
    while (s->r.n_cells - done > POLICY_CELLS_PER_SYNC) {
        out.cells = s->r.cells + done;
        out.n_cells = POLICY_CELLS_PER_SYNC;
        policy_batch_add(b, &out);
        done += POLICY_CELLS_PER_SYNC;
    }
    out.cells = s->r.cells + done;
    out.n_cells = s->r.n_cells - done;
    out.seq = s->r.seq;
    out.n_items = s->r.n_items;
    out.items = arena_alloc(arena, (out.n_items + 1) * sizeof *out.items);
    for (size_t i = 0; i < s->r.n_items; i++) {
        policy_batch_item(p, s, i, &out.items[i], later, arena, now_ms);
    }
    policy_batch_add(b, &out);
}

static void policy_batch_waiters(struct policy *p, struct policy_batch *later, struct arena *arena,
                                 uint64_t now_ms)
{
    struct policy_demand *d;
    i128 g;

    LIST_EACH_SAFE (it, &p->waiting) {
        struct policy_acct *a = LIST_ENTRY(it, struct policy_acct, link);
        while ((d = policy_serve(p, a, now_ms, &g)) != NULL) {
            policy_extra(later, arena, d->node, d->inc, a->id, d->wid, g);
            policy_propose(a, d, g, now_ms);
            if (d->need_left > 0) {
                break; /* It got a part: the rest must come first. */
            }
        }
    }
}

static void policy_batch_fences(struct policy *p, struct policy_batch *b, struct arena *arena)
{
    b->fence = arena_alloc(arena, (MEMBERS_MAX + 1) * sizeof *b->fence);
    LIST_EACH (it, &p->nodes) {
        struct policy_node *n = LIST_ENTRY(it, struct policy_node, link);
        const struct member *m = fsm_member(p->f, n->name);
        if (n->fence && m != NULL && b->n_fence < MEMBERS_MAX) {
            b->fence[b->n_fence++] = (struct cmd_fence){m->name, m->inc};
        }
        n->fence = false;
    }
}

static void policy_returns_over(struct policy *p)
{
    LIST_EACH_SAFE (it, &p->returns) {
        struct policy_acct *a = LIST_ENTRY(it, struct policy_acct, got_back);
        a->returned = 0;
        list_remove(&a->got_back);
    }
}

static void policy_build(struct policy *p, uint64_t now_ms)
{
    struct policy_batch b = {.p = p}, later = {.p = p, .hold = true};
    struct arena arena;

    arena_init(&arena, NULL);
    policy_count_returns(p);
    policy_batch_fences(p, &b, &arena);
    LIST_EACH (it, &p->pending) {
        policy_batch_sync(p, LIST_ENTRY(it, struct policy_pending, link), &b, &later, &arena,
                          now_ms);
    }
    policy_batch_waiters(p, &later, &arena, now_ms);
    for (size_t i = 0; i < later.n; i++) {
        policy_batch_add(&b, &later.syncs[i]);
    }
    policy_batch_submit(&b);
    policy_returns_over(p);
    mem_free(b.syncs);
    mem_free(later.syncs);
    arena_deinit(&arena);
}

void policy_flush(struct policy *p, uint64_t now_ms)
{
    p->armed = false;
    policy_be_ready(p, now_ms);
    if (!p->is_ready) {
        policy_arm(p, POLICY_RETRY_MS, now_ms);
        return;
    }
    policy_expire_waiters(p, now_ms);
    policy_build(p, now_ms);
    policy_drop_pending(p);
    LIST_EACH (it, &p->waiting) {
        policy_recall(p, LIST_ENTRY(it, struct policy_acct, link), now_ms);
    }
    if (!list_empty(&p->waiting)) {
        policy_arm(p, POLICY_RECALL_MS, now_ms);
    }
}

/* --- applied --- */

static void policy_applied_batch(struct policy *p, const struct cmd *c, uint64_t now_ms)
{
    for (size_t i = 0; i < c->batch.n_syncs; i++) {
        const struct cmd_sync *s = &c->batch.syncs[i];
        for (size_t k = 0; k < s->n_items; k++) {
            if (s->items[k].g > 0) {
                policy_granted(p, s->items[k].acct, s->node, s->inc, s->items[k].wid, s->items[k].g,
                               now_ms);
            }
        }
    }
    for (size_t i = 0; i < c->batch.n_syncs; i++) {
        policy_answer(p, &c->batch.syncs[i]);
    }
}

void policy_applied(struct policy *p, uint64_t index, const struct cmd *c, uint64_t now_ms)
{
    (void)index;
    if (c->type == CMD_NOOP && p->noop_sent && slice_eq(c->origin, slice_str(p->token))) {
        p->is_ready = true;
        if (p->n_pending > 0) {
            policy_arm(p, 1, now_ms);
        }
    }
    if (c->type == CMD_BATCH && p->is_ready) {
        policy_applied_batch(p, c, now_ms);
    }
    LIST_EACH (it, &p->waiting) { /* Something may have come back, or a limit was raised. */
        i128 g;
        if (policy_serve(p, LIST_ENTRY(it, struct policy_acct, link), now_ms, &g) != NULL) {
            policy_arm(p, POLICY_BATCH_MS, now_ms);
        }
    }
}

void policy_tick(struct policy *p, uint64_t now_ms)
{
    const struct member *m = NULL;

    policy_be_ready(p, now_ms);
    if (!p->is_ready) {
        return;
    }
    while ((m = fsm_member_next(p->f, m)) != NULL) {
        struct policy_node *n = policy_node(p, m->name, now_ms);
        if (m->inc > 0 && !m->fenced && now_ms - n->heard_ms > POLICY_FENCE_MS) {
            n->fence = true;
            n->heard_ms += POLICY_FENCE_MS / 6; /* Proposed again later, if need be. */
            policy_arm(p, POLICY_BATCH_MS, now_ms);
        }
    }
    policy_forget_old(p, now_ms);
}
