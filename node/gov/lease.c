/* The lease manager: what this node holds of each account, and SYNC with the leader's policy.
 *
 * When it goes well: a worker is short -> gov_deliver_need -> SYNC in a few milliseconds (its
 * number durable first, LEDGER.md 4.2) -> the reply's cumulative G is added to avail -> parked
 * requests are
 * retried. Every second all accounts in use report S and R whether they need something or not. When
 * it does not: a reply that is lost is made up for by the next one; a reply that says "fenced" ends
 * the
 * incarnation (register.c). */
#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "node/gov/manager.h"

#define LEASE_TICK_MS      1000
#define LEASE_URGENT_MS    3     /* Gathers the needs of one burst. */
#define LEASE_LOW_MS       30    /* Running low, nobody waits yet. */
#define LEASE_ASK_AGAIN_MS 250   /* The same wish is not repeated sooner when nobody waits. */
#define LEASE_AHEAD_S      5     /* H: seconds of net burn to hold. */
#define LEASE_IDLE_MS      15000 /* Credit unused for so long goes back whole. */

struct retired_slot {
    struct list link;
    struct slot *slot;
    struct gacct *acct;
    uint64_t reported_seq; /* The SYNC that said its last; 0: not yet. */
    uint64_t round;        /* The ping round that every worker must have answered. */
};

static void lease_sync(struct gov *g);

/* --- accounts --- */

static void lease_activate(struct gov *g, struct gacct *a)
{
    if (!a->is_active) {
        a->is_active = true;
        list_push_back(&g->active, &gacct_ref(a)->active);
    }
    a->want_sync = true;
}

static struct slot *lease_cur(const struct gacct *a)
{
    return atomic_load_explicit(&a->cur, memory_order_relaxed);
}

static struct slot *lease_find(struct gacct *a, uint32_t wid)
{
    LIST_EACH (it, &a->slots) {
        struct slot *s = LIST_ENTRY(it, struct slot, link);
        if (s->wid == wid) {
            return s;
        }
    }
    return NULL;
}

static void lease_retire(struct gov *g, struct gacct *a, struct slot *s)
{
    struct retired_slot *r = mem_zalloc(sizeof *r);

    ASSERT(!s->retired);
    s->retired = true;
    r->slot = s;
    r->acct = gacct_ref(a);
    list_push_back(&g->retired, &r->link);
}

/* Makes the slot of a new window current; the one before it is retired. */
static struct slot *lease_open(struct gov *g, struct gacct *a, uint32_t wid)
{
    struct slot *old = lease_cur(a);
    struct slot *s = slot_new(a->id, wid, a->unit);

    s->harvested_ms = loop_now_ms(g->loop);
    s->used_ms = s->harvested_ms;
    if (old != NULL) { /* Demand goes on: the averages are carried over. */
        s->gross_ps = old->gross_ps;
        s->refund_ps = old->refund_ps;
        atomic_store(&s->wmax, atomic_load(&old->wmax));
        lease_retire(g, a, old);
    }
    list_push_front(&a->slots, &s->link);
    atomic_store_explicit(&a->cur, s, memory_order_release);
    return s;
}

/* --- what to ask and what to give back --- */

static i128 lease_target(const struct slot *s)
{
    i128 net = i128_max(0, s->gross_ps - s->refund_ps);
    i128 wmax = atomic_load_explicit(&s->wmax, memory_order_relaxed);

    return net * LEASE_AHEAD_S + s->gross_ps * 15 / 100 + 4 * wmax;
}

static void lease_return(struct slot *s, i128 most)
{
    s->R += slot_withdraw(s, i128_to_i64_sat(most));
}

/* Gives back what is far above need; everything when unused for long or retired. */
static void lease_trim(struct gov *g, struct gacct *a, struct slot *s)
{
    i128 avail = atomic_load_explicit(&s->avail, memory_order_relaxed);
    i128 need = atomic_load_explicit(&a->need, memory_order_relaxed);
    i128 top = i128_max(2 * s->target, s->keep * 3 / 2) + need;

    if (s->retired) {
        lease_return(s, avail);
    } else if (loop_now_ms(g->loop) - s->used_ms > LEASE_IDLE_MS && need == 0 &&
               atomic_load(&s->inflight) == 0) {
        lease_return(s, avail);
        atomic_store(&s->wmax, 0);
    } else if (avail > top) {
        lease_return(s, avail - i128_max(s->target, s->keep) - need);
    }
}

static void lease_item(struct gov *g, struct gacct *a, struct slot *s, struct sync_item *out)
{
    i128 avail, need = 0, ask = 0;

    slot_harvest(s, loop_now_ms(g->loop));
    s->target = lease_target(s);
    lease_trim(g, a, s);
    avail = atomic_load_explicit(&s->avail, memory_order_relaxed);
    if (!s->retired) {
        need = atomic_load_explicit(&a->need, memory_order_relaxed);
        ask = i128_max(0, s->target + need - avail);
        if (ask < s->target / 4 && need == 0) {
            ask = 0; /* Not worth an entry. */
        }
        need = i128_max(0, need - avail);
        /* Many slices of one bound each are worth nothing to a request that wants a whole one. */
        if (need == 0 && atomic_load(&a->waiters) > 0) {
            need = atomic_load_explicit(&a->need, memory_order_relaxed);
        }
        s->asked = ask;
        s->asked_ms = loop_now_ms(g->loop);
    }
    *out = (struct sync_item){.acct = s->acct,
                              .wid = s->wid,
                              .S = s->S,
                              .R = s->R,
                              .O = s->O,
                              .free = avail,
                              .gross = s->gross_ps,
                              .refund = s->refund_ps,
                              .wmax = atomic_load(&s->wmax),
                              .ask = i128_max(ask, need),
                              .need = need};
}

/* An account that has no slot of the present window: the leader tells when ours has rolled on. */
static void lease_item_cold(struct gov *g, struct gacct *a, struct sync_item *out)
{
    i128 need = atomic_load_explicit(&a->need, memory_order_relaxed);
    struct account_view v;
    uint32_t wid = 0;

    if (fsm_account_by_id(consensus_fsm(g->consensus), a->id, &v) == 0) {
        wid = v.wid;
    }
    *out =
        (struct sync_item){.acct = a->id, .wid = wid, .ask = 4 * need, .need = need, .wmax = need};
}

/* --- sending --- */

static bool lease_rolled(struct gov *g, const struct slot *s)
{
    uint64_t deadline_us = atomic_load_explicit(&s->deadline_us, memory_order_relaxed);

    return deadline_us != 0 && loop_now_us(g->loop) >= deadline_us;
}

static size_t lease_items(struct gov *g, struct sync_item *items, size_t max)
{
    size_t n = 0;

    LIST_EACH (it, &g->active) {
        struct gacct *a = LIST_ENTRY(it, struct gacct, active);
        if (lease_cur(a) == NULL || lease_rolled(g, lease_cur(a))) {
            if (n < max) {
                lease_item_cold(g, a, &items[n++]);
            }
        }
        LIST_EACH (s, &a->slots) {
            if (n < max) {
                lease_item(g, a, LIST_ENTRY(s, struct slot, link), &items[n++]);
            }
        }
        a->want_sync = false;
    }
    return n;
}

static void lease_mark_retired(struct gov *g, uint64_t seq)
{
    LIST_EACH (it, &g->retired) {
        struct retired_slot *r = LIST_ENTRY(it, struct retired_slot, link);
        struct slot *s = r->slot;
        if (r->reported_seq == 0 && atomic_load(&s->inflight) == 0 && s->G == s->S + s->R) {
            r->reported_seq = seq;
            r->round = g->ping_round + 1;
        }
    }
}

static void lease_seq_durable(struct db_write *w)
{
    struct gov *g = CONTAINER_OF(w, struct gov, seq_write);
    struct arena arena;
    struct sync_req r = {.node = slice_str(g->cfg.name), .inc = g->meta.registered};

    g->sync_busy = false;
    if (g->sm.state != GOV_STATE_ACTIVE) {
        return;
    }
    arena_init(&arena, loop_arena_pool(g->loop));
    r.seq = g->meta.seq;
    r.items = arena_alloc(&arena, SYNC_ITEMS_MAX * sizeof *r.items);
    r.n_items = lease_items(g, r.items, SYNC_ITEMS_MAX);
    r.cells = arena_alloc(&arena, SYNC_CELLS_MAX * sizeof *r.cells);
    r.n_cells = mcells_take(g, r.seq, r.cells, 512);
    g->sent_seq[r.seq % GOV_SENT_RING] = r.seq;
    g->sent_us[r.seq % GOV_SENT_RING] = loop_now_us(g->loop);
    lease_mark_retired(g, r.seq);
    if (consensus_sync(g->consensus, &r) == 0) {
        metric_inc(METRIC_sync_sent_total);
    }
    arena_deinit(&arena);
    if (g->sync_again) {
        g->sync_again = false;
        lease_sync_soon(g, LEASE_URGENT_MS);
    }
}

/* SEQ(k) is durable before SYNC k leaves: a smaller number at REGISTER proves an old copy of the
 * disk. */
static void lease_sync(struct gov *g)
{
    if (g->sm.state != GOV_STATE_ACTIVE) {
        return;
    }
    if (g->sync_busy) {
        g->sync_again = true;
        return;
    }
    g->sync_busy = true;
    g->meta.seq++;
    g->seq_write.batch = batch_new();
    journal_put_meta(g->seq_write.batch, &g->meta);
    g->seq_write.reply = g->mailbox;
    g->seq_write.cb = lease_seq_durable;
    db_write(g->shared.db, &g->seq_write);
}

void lease_sync_soon(struct gov *g, uint64_t ms)
{
    if (!timer_is_running(&g->soon) || g->soon.at_ms > loop_now_ms(g->loop) + ms) {
        timer_start(&g->soon, ms);
    }
}

static void lease_on_soon(struct timer *t)
{
    lease_sync(CONTAINER_OF(t, struct gov, soon));
}

static void lease_on_tick(struct timer *t)
{
    struct gov *g = CONTAINER_OF(t, struct gov, tick);

    LIST_EACH (it, &g->active) { /* The largest bound is forgotten by and by. */
        struct slot *s = lease_cur(LIST_ENTRY(it, struct gacct, active));
        if (s != NULL) {
            int64_t wmax = atomic_load(&s->wmax);
            atomic_store(&s->wmax, wmax - wmax / 16);
        }
    }
    lease_sync(g);
    timer_start(&g->tick, LEASE_TICK_MS);
}

/* --- letters from workers --- */

void gov_deliver_need(struct letter *l)
{
    struct gov_need *n = CONTAINER_OF(l, struct gov_need, letter);
    struct gov *g = n->gov;
    struct gacct *a = n->acct;
    struct slot *s = lease_cur(a);

    mem_free(n);
    atomic_store_explicit(&a->woken, false, memory_order_release);
    lease_activate(g, a);
    if (atomic_load_explicit(&a->waiters, memory_order_acquire) > 0) {
        /* A settlement elsewhere on this node may have freed enough; else the leader must help. */
        gov_ping_workers(g, gov_deliver_retry);
        lease_sync_soon(g, LEASE_URGENT_MS);
    } else if (s == NULL || loop_now_ms(g->loop) - s->asked_ms >= LEASE_ASK_AGAIN_MS) {
        lease_sync_soon(g, LEASE_LOW_MS);
    }
    gacct_unref(a);
}

/* --- replies --- */

static uint64_t lease_sent_us(const struct gov *g, uint64_t seq)
{
    return seq != 0 && g->sent_seq[seq % GOV_SENT_RING] == seq ? g->sent_us[seq % GOV_SENT_RING]
                                                               : 0;
}

/* Early, never late: counted from when the question left, or with a second's margin when unasked.
 */
static void lease_set_deadline(struct gov *g, struct slot *s, const struct sync_grant *r,
                               uint64_t sent_us)
{
    uint64_t from_us = sent_us != 0 ? sent_us : loop_now_us(g->loop) - 1000000;

    if (r->win_left_ms < 0) {
        atomic_store(&s->deadline_us, 0);
    } else if (sent_us != 0 || atomic_load(&s->deadline_us) == 0) {
        atomic_store(&s->deadline_us, from_us + (uint64_t)r->win_left_ms * 1000 + 1);
    }
}

static void lease_grant(struct gov *g, const struct sync_grant *r, uint64_t sent_us)
{
    struct gacct *a = view_builder_acct(g->builder, r->acct);
    struct slot *s;
    bool current = (r->flags & SYNC_ROLLED) == 0;

    if (a == NULL) {
        /* The budget is gone here already; its credit comes back when the ledger freezes it. */
        return;
    }
    s = lease_find(a, r->wid);
    if (s == NULL && current) {
        struct slot *cur = lease_cur(a);
        if (cur != NULL && cur->wid > r->wid) {
            return; /* An old reply, overtaken. */
        }
        lease_activate(g, a);
        s = lease_open(g, a, r->wid);
    }
    if (s == NULL) {
        return;
    }
    if (r->G > s->G) {
        int64_t more = i128_to_i64_sat(r->G - s->G);
        s->G += more;
        atomic_fetch_add_explicit(&s->avail, more, memory_order_acq_rel);
    }
    if (!current) {
        return;
    }
    s->keep = r->keep;
    lease_set_deadline(g, s, r, sent_us);
    atomic_store(&s->limit, i128_to_i64_sat(r->limit));
    atomic_store(&s->left, i128_to_i64_sat(r->left));
    atomic_store(&s->resets_at_ms, r->resets_at_ms);
    atomic_store(&s->flags, r->flags);
    atomic_store(&s->low,
                 (r->flags & SYNC_EXHAUSTED) != 0 ? 0 : i128_to_i64_sat(s->target * 3 / 4));
    atomic_store_explicit(&s->left_at_us, loop_now_us(g->loop), memory_order_release);
    atomic_store(&a->answered_us, loop_now_us(g->loop));
}

static void lease_free_retired(struct gov *g)
{
    LIST_EACH_SAFE (it, &g->retired) {
        struct retired_slot *r = LIST_ENTRY(it, struct retired_slot, link);
        if (r->reported_seq != 0 && r->reported_seq <= g->acked_seq && r->round <= g->pong_round &&
            atomic_load(&r->slot->inflight) == 0) {
            list_remove(&r->slot->link);
            slot_free(r->slot);
            gacct_unref(r->acct);
            list_remove(&r->link);
            mem_free(r);
        }
    }
}

static void lease_ping(struct gov *g)
{
    bool wanted = false;

    LIST_EACH (it, &g->retired) {
        wanted = wanted || LIST_ENTRY(it, struct retired_slot, link)->round > g->ping_round;
    }
    if (wanted && g->pings_due == 0) {
        g->ping_round++;
        g->pings_due = g->n_workers;
        gov_ping_workers(g, gov_deliver_ping);
    }
}

void lease_pong(struct gov *g)
{
    if (g->pings_due > 0 && --g->pings_due == 0) {
        g->pong_round = g->ping_round;
        lease_free_retired(g);
    }
}

void gov_on_sync_reply(struct gov *g, const struct sync_reply *r)
{
    uint64_t sent_us = lease_sent_us(g, r->seq);
    bool waiters = false;

    if (g->sm.state != GOV_STATE_ACTIVE) {
        return;
    }
    if (r->status == Q_EPERM) {
        if (r->inc != g->meta.registered || r->seq != 0) {
            register_fenced(g, r->inc);
        }
        return;
    }
    if (r->status != 0 || r->inc != g->meta.registered) {
        return;
    }
    for (size_t i = 0; i < r->n_grants; i++) {
        lease_grant(g, &r->grants[i], sent_us);
    }
    if (sent_us != 0) {
        atomic_store(&g->shared.fresh_until_us, sent_us + g->cfg.stale_ms * 1000);
        g->acked_seq = r->seq > g->acked_seq ? r->seq : g->acked_seq;
        mcells_acked(g, r->seq);
    }
    LIST_EACH (it, &g->active) {
        waiters = waiters || atomic_load(&LIST_ENTRY(it, struct gacct, active)->waiters) > 0;
    }
    if (waiters) {
        gov_ping_workers(g, gov_deliver_retry);
    }
    lease_ping(g);
    lease_free_retired(g);
}

void gov_on_recall(struct gov *g, const struct sync_recall *r)
{
    struct gacct *a = view_builder_acct(g->builder, r->acct);
    struct slot *s = a == NULL ? NULL : lease_find(a, r->wid);

    metric_inc(METRIC_sync_recalls_total);
    if (s == NULL || g->sm.state != GOV_STATE_ACTIVE) {
        return;
    }
    if (atomic_load(&a->waiters) == 0) {
        lease_return(s, atomic_load(&s->avail));
        atomic_store(&s->low, 0); /* Others need it more: no refill before somebody asks here. */
        lease_sync_soon(g, 1);
    }
}

/* --- incarnations --- */

void lease_init(struct gov *g)
{
    list_init(&g->active);
    list_init(&g->retired);
    timer_init(&g->tick, g->loop, lease_on_tick);
    timer_init(&g->soon, g->loop, lease_on_soon);
}

void lease_start(struct gov *g)
{
    timer_start(&g->tick, LEASE_TICK_MS);
    lease_sync_soon(g, 1);
    gov_ping_workers(g, gov_deliver_retry);
}

/* No admission from here on: without a current slot nothing can be taken. */
void lease_stop(struct gov *g)
{
    atomic_store(&g->shared.inc, GOV_NO_INC);
    timer_stop(&g->tick);
    timer_stop(&g->soon);
    LIST_EACH (it, &g->active) {
        struct gacct *a = LIST_ENTRY(it, struct gacct, active);
        struct slot *s = lease_cur(a);
        if (s != NULL) {
            atomic_store_explicit(&a->cur, NULL, memory_order_release);
            lease_retire(g, a, s);
            lease_return(s, atomic_load(&s->avail));
        }
    }
}

bool lease_idle(const struct gov *g)
{
    LIST_EACH (it, &g->active) {
        LIST_EACH (s, &LIST_ENTRY(it, struct gacct, active)->slots) {
            if (atomic_load(&LIST_ENTRY(s, struct slot, link)->inflight) > 0) {
                return false;
            }
        }
    }
    return true;
}

/* What the incarnation has used or may still use by requests in flight: G - R, after avail was
 * withdrawn. */
void lease_finals(struct gov *g, struct arena *a, struct cmd_final **ret, size_t *ret_n)
{
    size_t n = 0;

    LIST_EACH (it, &g->active) {
        LIST_EACH (s, &LIST_ENTRY(it, struct gacct, active)->slots) {
            n++;
        }
    }
    *ret = arena_alloc(a, (n + 1) * sizeof **ret);
    *ret_n = 0;
    LIST_EACH (it, &g->active) {
        LIST_EACH (l, &LIST_ENTRY(it, struct gacct, active)->slots) {
            struct slot *s = LIST_ENTRY(l, struct slot, link);
            slot_harvest(s, loop_now_ms(g->loop));
            lease_return(s, atomic_load(&s->avail));
            (*ret)[(*ret_n)++] = (struct cmd_final){s->acct, s->wid, s->G - s->R};
        }
    }
}

void lease_forget(struct gov *g)
{
    uint64_t all = g->ping_round + 1;

    LIST_EACH (it, &g->retired) { /* The ledger has closed them: only the workers must let go. */
        struct retired_slot *r = LIST_ENTRY(it, struct retired_slot, link);
        r->reported_seq = g->acked_seq == 0 ? 1 : g->acked_seq;
        r->round = all;
        list_remove(&r->slot->link); /* Not found any more by lease_find(). */
    }
    g->acked_seq = g->acked_seq == 0 ? 1 : g->acked_seq;
    lease_ping(g);
}

void lease_deinit(struct gov *g)
{
    timer_stop(&g->tick);
    timer_stop(&g->soon);
    LIST_EACH_SAFE (it, &g->retired) {
        struct retired_slot *r = LIST_ENTRY(it, struct retired_slot, link);
        list_remove(&r->slot->link);
        slot_free(r->slot);
        gacct_unref(r->acct);
        mem_free(r);
    }
    LIST_EACH_SAFE (it, &g->active) {
        struct gacct *a = LIST_ENTRY(it, struct gacct, active);
        LIST_EACH_SAFE (s, &a->slots) {
            list_remove(s);
            slot_free(LIST_ENTRY(s, struct slot, link));
        }
        atomic_store(&a->cur, NULL);
        list_remove(it);
        gacct_unref(a);
    }
}
