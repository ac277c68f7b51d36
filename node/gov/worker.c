/* The worker's side of governance.
 *
 * A reservation, when it goes well:
 *
 *   gov_reserve -> worker_try: credit taken on every slot of the path -> WRITING: RES in the
 *   journal write of this turn -> durable -> cb -> OPEN -> gov_settle
 *
 * When a slot is short: what was taken is put back, the reservation is PARKED, the manager is told,
 * and every grant retries the parked ones in order. The park timer ends it with a refusal. */
#include "base/check.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "node/gov/gov_i.h"
#include "node/gov/mail.h"

/* An answer of the leader is good for a refusal for so long. */
#define WORKER_ANSWER_FRESH_US 1000000
#define WORKER_FREE_MAX        1024

/* --- reservations as objects --- */

static void worker_park_expired(struct timer *t);

static struct reservation *worker_new_reservation(struct gov_worker *w, const struct gov_reserve *q)
{
    struct reservation *r;

    if (list_empty(&w->free)) {
        r = mem_zalloc(sizeof *r);
        timer_init(&r->park, w->loop, worker_park_expired);
    } else {
        r = LIST_FIRST(&w->free, struct reservation, link);
        list_remove(&r->link);
    }
    list_init(&r->link);
    r->worker = w;
    r->canceled = false;
    r->view = view_ref(q->view);
    r->key = q->key;
    (void)slice_copy_str(q->provider, r->provider, sizeof r->provider);
    (void)slice_copy_str(q->model, r->model, sizeof r->model);
    (void)slice_copy_str(q->user, r->user, sizeof r->user);
    r->hour = (uint32_t)(loop_wall_ms(w->loop) / 3600000);
    r->bound = q->bound;
    r->cb = q->cb;
    r->owner = q->owner;
    r->n_slots = 0;
    r->short_of = NULL;
    r->rid = ++w->rid_next;
    return r;
}

static void worker_free_reservation(struct reservation *r)
{
    struct gov_worker *w = r->worker;

    timer_stop(&r->park);
    view_unref(r->view);
    r->view = NULL;
    list_push_front(&w->free, &r->link);
}

/* --- the journal write of a turn --- */

static void worker_written(struct db_write *write)
{
    struct gov_write *gw = CONTAINER_OF(write, struct gov_write, write);
    struct gov_worker *w = gw->worker;

    while (!list_empty(&gw->waiting)) {
        struct reservation *r = LIST_FIRST(&gw->waiting, struct reservation, link);
        list_remove(&r->link);
        r->step = RESERVATION_OPEN;
        if (r->canceled) {
            const struct gov_actual nothing = {0};
            gov_settle(w, r, &nothing);
        } else {
            r->cb(r->owner, r, NULL);
        }
    }
    mem_free(gw);
    w->n_writes--;
    worker_maybe_closed(w);
}

struct gov_write *worker_write(struct gov_worker *w)
{
    if (w->open_write == NULL) {
        struct gov_write *gw = mem_zalloc(sizeof *gw);
        gw->worker = w;
        gw->write.batch = batch_new();
        gw->write.reply = w->mailbox;
        gw->write.cb = worker_written;
        list_init(&gw->waiting);
        w->open_write = gw;
        w->n_writes++;
        loop_at_turn_end(w->loop, &w->flush);
    }
    return w->open_write;
}

static void worker_flush(struct loop_task *t)
{
    struct gov_worker *w = CONTAINER_OF(t, struct gov_worker, flush);
    struct gov_write *gw = w->open_write;

    if (gw != NULL) {
        w->open_write = NULL;
        db_write(w->shared->db, &gw->write);
    }
}

void worker_write_init(struct gov_worker *w)
{
    loop_task_init(&w->flush, worker_flush);
}

static void worker_journal_res(struct gov_worker *w, struct reservation *r)
{
    struct gov_write *gw = worker_write(w);
    struct journal_item items[PATH_BUDGETS_MAX];

    for (size_t i = 0; i < r->n_slots; i++) {
        items[i] = (struct journal_item){r->slots[i]->acct, r->slots[i]->wid, r->amounts[i]};
    }
    journal_put_res(gw->write.batch, r->inc, w->no, r->rid, items, r->n_slots);
    list_push_back(&gw->waiting, &r->link);
    r->step = RESERVATION_WRITING;
    metric_inc(METRIC_reserve_total);
    metric_add(METRIC_journal_open, 1);
}

/* --- telling the manager --- */

static void worker_wake_manager(struct gov_worker *w, struct gacct *a)
{
    struct gov_need *n;

    if (atomic_exchange_explicit(&a->woken, true, memory_order_acq_rel)) {
        return; /* A letter is under way: the manager will see what we have stored. */
    }
    n = mem_alloc(sizeof *n);
    n->gov = w->gov;
    n->acct = gacct_ref(a);
    n->letter.deliver = gov_deliver_need;
    mailbox_send(w->shared->mailbox, &n->letter);
}

/* --- taking credit --- */

static bool worker_slot_usable(struct gov_worker *w, const struct slot *s)
{
    uint64_t deadline_us = atomic_load_explicit(&s->deadline_us, memory_order_relaxed);

    return deadline_us == 0 || clock_mono_us(w->shared->clock) < deadline_us;
}

static void worker_undo(struct reservation *r)
{
    while (r->n_slots > 0) {
        r->n_slots--;
        slot_untake(r->slots[r->n_slots], r->amounts[r->n_slots]);
    }
}

/* Takes credit on the whole path or nothing; on false r->short_of says where it failed. */
static bool worker_try(struct gov_worker *w, struct reservation *r)
{
    uint64_t now_us = clock_mono_us(w->shared->clock);
    bool may = atomic_load(&w->shared->inc) != GOV_NO_INC &&
               now_us < atomic_load_explicit(&w->shared->fresh_until_us, memory_order_relaxed);

    ASSERT(r->n_slots == 0);
    for (size_t i = 0; i < r->key->n_budgets; i++) {
        struct gacct *a = view_budget_acct(r->key->budgets[i]);
        int64_t amount = i128_to_i64_sat(r->bound.amount[a->unit]);
        struct slot *s = atomic_load_explicit(&a->cur, memory_order_acquire);
        if (!may || s == NULL || !worker_slot_usable(w, s) || !slot_take(s, amount)) {
            r->short_of = a;
            r->short_by = amount;
            worker_undo(r);
            return false;
        }
        r->slots[r->n_slots] = s;
        r->amounts[r->n_slots++] = amount;
        if (atomic_load_explicit(&s->avail, memory_order_relaxed) <
            atomic_load_explicit(&s->low, memory_order_relaxed)) {
            worker_wake_manager(w, a);
        }
    }
    r->inc = atomic_load(&w->shared->inc);
    return true;
}

/* --- refusing --- */

static void worker_scope(const struct view_budget *b, char *out, size_t cap)
{
    struct buf text;

    buf_init(&text, cap - 1);
    if (b->spec.key.n > 0) {
        buf_printf(&text, "key %.*s", SLICE_FMT(b->spec.key));
    } else if (b->spec.team.n > 0) {
        buf_printf(&text, "team %.*s", SLICE_FMT(b->spec.team));
    } else {
        buf_printf(&text, "org %.*s", SLICE_FMT(b->spec.org));
    }
    (void)slice_copy_str(buf_slice(&text), out, cap);
    buf_deinit(&text);
}

static void worker_refusal(const struct reservation *r, enum gov_refusal_code code,
                           struct gov_refusal *ret)
{
    const struct view_budget *b = r->key->budgets[0];
    struct slot *s = atomic_load_explicit(&r->short_of->cur, memory_order_acquire);

    for (size_t i = 0; i < r->key->n_budgets; i++) {
        if (view_budget_acct(r->key->budgets[i]) == r->short_of) {
            b = r->key->budgets[i];
        }
    }
    *ret = (struct gov_refusal){.code = code, .every = b->spec.every, .unit = b->spec.unit};
    (void)slice_copy_str(b->name, ret->budget, sizeof ret->budget);
    worker_scope(b, ret->scope, sizeof ret->scope);
    ret->limit = b->spec.limit;
    if (s != NULL) {
        ret->left = atomic_load_explicit(&s->left, memory_order_relaxed);
        ret->resets_at_ms = atomic_load_explicit(&s->resets_at_ms, memory_order_relaxed);
    }
}

/* The leader has said, not long ago, that the account cannot hold this bound in this window. */
static bool worker_is_spent(struct gov_worker *w, const struct reservation *r)
{
    struct slot *s = atomic_load_explicit(&r->short_of->cur, memory_order_acquire);
    uint64_t at_us, now_us = clock_mono_us(w->shared->clock);

    if (s == NULL || !worker_slot_usable(w, s)) {
        return false;
    }
    at_us = atomic_load_explicit(&s->left_at_us, memory_order_acquire);
    return at_us != 0 && now_us - at_us < WORKER_ANSWER_FRESH_US &&
           atomic_load_explicit(&s->left, memory_order_relaxed) < r->short_by;
}

static void worker_count_refusal(enum gov_refusal_code code)
{
    switch (code) {
    case GOV_EXCEEDED:
        metric_inc(METRIC_budget_refused_total);
        break;
    case GOV_RESERVED:
        metric_inc(METRIC_budget_reserved_total);
        break;
    case GOV_UNAVAILABLE:
        metric_inc(METRIC_budget_unavailable_total);
        break;
    }
}

/* --- parking --- */

static void worker_unpark(struct reservation *r)
{
    struct gov_worker *w = r->worker;

    list_remove(&r->link);
    timer_stop(&r->park);
    w->n_parked--;
    atomic_fetch_sub_explicit(&r->short_of->waiters, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&r->short_of->need, r->short_by, memory_order_relaxed);
}

static void worker_count_parked(struct reservation *r)
{
    atomic_fetch_add_explicit(&r->short_of->need, r->short_by, memory_order_relaxed);
    atomic_fetch_add_explicit(&r->short_of->waiters, 1, memory_order_acq_rel);
    worker_wake_manager(r->worker, r->short_of);
}

static void worker_refuse(struct reservation *r, enum gov_refusal_code code)
{
    struct gov_refusal why;
    void (*cb)(void *, struct reservation *, const struct gov_refusal *) = r->cb;
    void *owner = r->owner;

    worker_refusal(r, code, &why);
    worker_count_refusal(code);
    worker_free_reservation(r);
    cb(owner, NULL, &why);
}

static void worker_park_expired(struct timer *t)
{
    struct reservation *r = CONTAINER_OF(t, struct reservation, park);
    uint64_t answered_us = atomic_load(&r->short_of->answered_us);
    bool registered = atomic_load(&r->worker->shared->inc) != GOV_NO_INC;
    /* The leader has spoken since, or not long before a refusal that needed no waiting. */
    bool answered = registered && answered_us + WORKER_ANSWER_FRESH_US >= r->parked_us;

    worker_unpark(r);
    if (registered && worker_is_spent(r->worker, r)) {
        worker_refuse(r, GOV_EXCEEDED);
    } else {
        worker_refuse(r, answered ? GOV_RESERVED : GOV_UNAVAILABLE);
    }
}

/* Parked reservations of the same account come first: credit that arrives is theirs. */
static bool worker_must_queue(struct gov_worker *w, const struct reservation *r)
{
    LIST_EACH (it, &w->parked) {
        const struct reservation *p = LIST_ENTRY(it, struct reservation, link);
        for (size_t i = 0; i < r->key->n_budgets; i++) {
            if (view_budget_acct(r->key->budgets[i]) == p->short_of) {
                return true;
            }
        }
    }
    return false;
}

static void worker_park(struct reservation *r, uint64_t ms)
{
    struct gov_worker *w = r->worker;

    r->step = RESERVATION_PARKED;
    r->parked_us = clock_mono_us(w->shared->clock);
    list_push_back(&w->parked, &r->link);
    w->n_parked++;
    worker_count_parked(r);
    timer_start(&r->park, ms < 1 ? 1 : ms);
    metric_inc(METRIC_budget_parked_total);
}

void worker_retry_parked(struct gov_worker *w)
{
    struct list ready;
    struct list all;

    list_init(&ready);
    list_init(&all);
    list_splice_back(&all, &w->parked);
    while (!list_empty(&all)) {
        struct reservation *r = LIST_FIRST(&all, struct reservation, link);
        uint64_t wait_was = r->park.at_ms;
        worker_unpark(r);
        if (worker_must_queue(w, r) || !worker_try(w, r)) {
            if (worker_is_spent(w, r)) {
                list_push_back(&ready, &r->link);
                r->n_slots = 0;
                continue;
            }
            list_push_back(&w->parked, &r->link);
            w->n_parked++;
            worker_count_parked(r);
            timer_start(&r->park,
                        wait_was > loop_now_ms(w->loop) ? wait_was - loop_now_ms(w->loop) : 1);
            continue;
        }
        worker_journal_res(w, r);
    }
    while (!list_empty(&ready)) { /* Callbacks last: they may reserve again. */
        struct reservation *r = LIST_FIRST(&ready, struct reservation, link);
        list_remove(&r->link);
        worker_refuse(r, GOV_EXCEEDED);
    }
}

/* --- the three calls --- */

struct reservation *gov_reserve(struct gov_worker *w, const struct gov_reserve *q,
                                struct reservation **ret_pending)
{
    struct reservation *r = worker_new_reservation(w, q);

    ASSERT(!w->closing);
    if (r->key->n_budgets == 0) {
        r->step = RESERVATION_OPEN;
        r->inc = atomic_load(&w->shared->inc);
        return r;
    }
    if (!worker_must_queue(w, r) && worker_try(w, r)) {
        worker_journal_res(w, r);
    } else {
        if (r->short_of == NULL) { /* Queued behind others: the first budget names the place. */
            r->short_of = view_budget_acct(r->key->budgets[0]);
            r->short_by = i128_to_i64_sat(r->bound.amount[r->short_of->unit]);
        }
        /* A certain refusal still goes through the timer: never from inside this call. */
        worker_park(r, worker_is_spent(w, r) || w->n_parked >= PARKED_MAX ? 0 : q->park_ms);
    }
    *ret_pending = r;
    return NULL;
}

void gov_cancel(struct gov_worker *w, struct reservation *r)
{
    ASSERT(r->worker == w);
    ASSERT(r->step != RESERVATION_OPEN);
    if (r->step == RESERVATION_WRITING) {
        r->canceled = true; /* Settled with nothing once it is durable. */
        return;
    }
    worker_unpark(r);
    worker_free_reservation(r);
}

void gov_settle(struct gov_worker *w, struct reservation *r, const struct gov_actual *a)
{
    struct gov_write *gw;
    int64_t over_total = 0;

    ASSERT(r->step == RESERVATION_OPEN);
    ASSERT(r->worker == w);
    gw = worker_write(w);
    for (size_t i = 0; i < r->n_slots; i++) {
        struct slot *s = r->slots[i];
        int64_t cost = i128_to_i64_sat(a->cost.amount[s->unit]);
        int64_t over = slot_settle(s, r->amounts[i], cost);
        over_total += over > 0 || cost > r->amounts[i];
        s->sums[w->no] += cost - over;
        journal_put_sum(gw->write.batch, r->inc, w->no, s->acct, s->wid, s->sums[w->no]);
    }
    if (r->n_slots > 0) {
        journal_del_res(gw->write.batch, r->inc, w->no, r->rid);
        metric_inc(METRIC_settle_total);
        metric_add(METRIC_journal_open, -1);
    }
    if (over_total > 0) {
        metric_inc(METRIC_quota_overrun_total);
    }
    if (!r->canceled) {
        worker_cells_count(w, r, a);
    }
    for (size_t i = 0; i < r->key->n_budgets && r->n_slots > 0; i++) {
        struct gacct *acct = view_budget_acct(r->key->budgets[i]);
        if (atomic_load_explicit(&acct->waiters, memory_order_acquire) > 0) {
            worker_wake_manager(w, acct); /* It mails every worker that has waiters, us too. */
        }
    }
    worker_free_reservation(r);
}
