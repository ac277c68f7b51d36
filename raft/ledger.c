/* Accounts and windows: opening, saving, rolling, limits, and what time closes. */
#include "raft/ledger.h"

#include "base/check.h"

/* --- windows --- */

/* A window without held and presumed credit: remembered shortly, its settled leases dropped. */
static void ledger_close_window(struct fsm *f, struct ledger_account *a,
                                const struct ledger_window *w)
{
    const struct ledger_lease *l;
    const struct table_rec *oldest;
    struct buf *k;

    ASSERT(w->held == 0 && w->presumed == 0);
    while ((l = ledger_lease_next(f, a->id, w->wid, NULL)) != NULL) {
        ASSERT(ledger_out(l) == 0);
        ledger_lease_remove(f, l);
    }
    ledger_history_put(f, a->id, w);
    if (++a->n_history > LEDGER_HISTORY_MAX) {
        k = fsm_key(f);
        record_key_u64(k, a->id);
        oldest = table_next(&f->tables[FSM_T_HISTORY], buf_slice(k), true);
        ASSERT(oldest != NULL);
        buf_clear(k);
        buf_add_slice(k, table_key(oldest));
        (void)table_remove(&f->tables[FSM_T_HISTORY], buf_slice(k));
        a->n_history--;
    }
}

static void ledger_new_window(const struct fsm *f, struct ledger_account *a, i128 limit)
{
    int64_t start_ms, end_ms;

    window_bounds(a->every, f->s.now_ms, &start_ms, &end_ms);
    a->cur = (struct ledger_window){
        .wid = (uint32_t)(a->wid_base + window_id(a->every, f->s.now_ms)),
        .end_ms = end_ms,
        .limit = limit,
        .ceil = limit,
    };
}

/* Puts the present window away: among the old ones, or into history. */
static void ledger_retire_window(struct fsm *f, struct ledger_account *a)
{
    if (a->cur.held == 0 && a->cur.presumed == 0) {
        ledger_close_window(f, a, &a->cur);
    } else {
        ledger_window_put(f, a->id, &a->cur);
        a->n_old++;
    }
}

/* Lazily, whenever an account is touched: no storm at midnight, idle spans cost nothing. */
static bool ledger_roll(struct fsm *f, struct ledger_account *a)
{
    if (f->s.now_ms < a->cur.end_ms) {
        return false;
    }
    ledger_retire_window(f, a);
    ledger_new_window(f, a, a->cur.limit);
    return true;
}

bool ledger_open(struct fsm *f, uint64_t acct, uint32_t wid, struct ledger_at *ret)
{
    const struct ledger_account *found = ledger_account(f, acct);
    const struct ledger_window *old;
    struct ledger_account a;

    if (found == NULL) {
        return false;
    }
    a = *found;
    if (ledger_roll(f, &a)) {
        ledger_account_put(f, &a);
        a = *ledger_account(f, acct);
    }
    ret->a = a;
    ret->is_cur = wid == a.cur.wid;
    if (ret->is_cur) {
        ret->w = a.cur;
        return true;
    }
    old = ledger_old_next(f, acct, wid, true);
    if (old == NULL || old->wid != wid) {
        return false;
    }
    ret->w = *old;
    return true;
}

/* INV-L (LEDGER.md 2.3) and the falling ceiling of a lowered limit. */
static void ledger_settle_ceil(struct ledger_window *w)
{
    i128 sum = w->posted - w->overrun + w->held + w->presumed;

    ASSERT(w->held >= 0);
    ASSERT(w->presumed >= 0);
    ASSERT(w->overrun >= 0);
    ASSERT(w->posted >= w->overrun);
    ASSERT(sum <= i128_max(w->ceil, w->limit));
    w->ceil = i128_max(w->limit, sum);
}

void ledger_save(struct fsm *f, struct ledger_at *at)
{
    struct buf *k;

    ledger_settle_ceil(&at->w);
    if (at->is_cur) {
        at->a.cur = at->w;
        ledger_account_put(f, &at->a);
    } else if (at->w.held > 0 || at->w.presumed > 0) {
        ledger_window_put(f, at->a.id, &at->w);
    } else {
        k = fsm_key(f);
        record_key_u64(k, at->a.id);
        record_key_u32(k, at->w.wid);
        (void)table_remove(&f->tables[FSM_T_WINDOW], buf_slice(k));
        ledger_close_window(f, &at->a, &at->w);
        at->a.n_old--;
        ledger_account_put(f, &at->a);
    }
    at->a.budget = ledger_account(f, at->a.id)->budget; /* The record may be a new one. */
}

/* --- budgets --- */

uint64_t ledger_budget_account(const struct fsm *f, struct slice name)
{
    const struct table_rec *rec = table_get(&f->tables[FSM_X_BUDGET], name);
    struct record_reader r;

    if (rec == NULL) {
        return 0;
    }
    r = (struct record_reader){table_value(rec), false};
    return record_u64(&r);
}

int ledger_budget_check(const struct fsm *f, struct slice name, const struct spec_budget *b,
                        struct errmsg *err)
{
    const struct ledger_account *a = ledger_account(f, ledger_budget_account(f, name));

    if (a != NULL && a->unit != b->unit) {
        errmsg_set(err, "budget %.*s: spec.unit: its account counts %s; choose another name",
                   SLICE_FMT(name), unit_name(a->unit));
        return Q_EINVAL;
    }
    return 0;
}

static void ledger_account_new(struct fsm *f, struct slice name, const struct spec_budget *b)
{
    struct ledger_account a = {
        .id = ++f->s.acct_next, .budget = name, .unit = b->unit, .every = b->every, .live = true};
    struct buf *k;

    ledger_new_window(f, &a, b->limit);
    ledger_account_put(f, &a);
    k = fsm_key(f);
    buf_add_slice(k, name);
    buf_add_u64le(fsm_value(f), a.id);
    fsm_put(f, FSM_X_BUDGET);
}

/* A budget that was deleted and made again finds its account, and what was spent in the window.
 * Another `every` closes the window and starts new ones: their numbers begin above all that were
 * used, so that a late report can never be taken for one of the new kind. Raising a limit counts at
 * once; after lowering it below what is posted, held and presumed nothing is granted, and `ceil` is
 * what is still promised. */
void ledger_budget_set(struct fsm *f, struct slice name, const struct spec_budget *b)
{
    struct ledger_at at;
    uint64_t id = ledger_budget_account(f, name);
    bool found;

    if (id == 0) {
        ledger_account_new(f, name, b);
        return;
    }
    ASSERT(ledger_account(f, id) != NULL);
    found = ledger_open(f, id, 0, &at); /* Rolls; the window does not matter. */
    (void)found;
    at.a.live = true;
    if (at.a.every != b->every) {
        at.a.cur.end_ms = i128_to_i64_sat(i128_min(at.a.cur.end_ms, f->s.now_ms)); /* Cut short. */
        ledger_retire_window(f, &at.a);
        at.a.wid_base = (int64_t)at.a.cur.wid + 1 - window_id(b->every, f->s.now_ms);
        at.a.every = b->every;
        ledger_new_window(f, &at.a, b->limit);
    }
    at.is_cur = true;
    at.w = at.a.cur;
    at.w.limit = b->limit;
    ledger_save(f, &at);
}

void ledger_budget_drop(struct fsm *f, struct slice name)
{
    struct ledger_at at;
    uint64_t id = ledger_budget_account(f, name);
    bool found;

    if (id != 0) {
        found = ledger_open(f, id, 0, &at);
        (void)found;
        at.a.live = false;
        ledger_account_put(f, &at.a);
    }
}

/* --- what time closes --- */

static void ledger_post_presumed(struct fsm *f, uint64_t acct, uint32_t wid)
{
    const struct ledger_lease *l = NULL;
    struct ledger_lease closed;
    struct ledger_at at;

    if (!ledger_open(f, acct, wid, &at)) {
        return;
    }
    while ((l = ledger_lease_next(f, acct, wid, l)) != NULL) {
        if (l->presumed) {
            closed = *l;
            at.w.presumed -= ledger_out(&closed);
            at.w.posted += ledger_out(&closed);
            ledger_lease_remove(f, l);
            l = &closed; /* The place to go on from. */
        }
    }
    ledger_save(f, &at);
}

static void ledger_forget(struct fsm *f, const struct ledger_account *a)
{
    const struct table_rec *rec;
    uint64_t id = a->id;
    struct buf *k = fsm_key(f);

    buf_add_slice(k, a->budget);
    (void)table_remove(&f->tables[FSM_X_BUDGET], buf_slice(k));
    for (uint32_t n = a->n_history; n > 0; n--) {
        k = fsm_key(f);
        record_key_u64(k, id);
        rec = table_next(&f->tables[FSM_T_HISTORY], buf_slice(k), true);
        ASSERT(rec != NULL);
        buf_clear(k);
        buf_add_slice(k, table_key(rec));
        (void)table_remove(&f->tables[FSM_T_HISTORY], buf_slice(k));
    }
    for (const struct ledger_lease *l;
         (l = ledger_lease_next(f, id, ledger_account(f, id)->cur.wid, NULL)) != NULL;) {
        ledger_lease_remove(f, l);
    }
    k = fsm_key(f);
    record_key_u64(k, id);
    (void)table_remove(&f->tables[FSM_T_ACCOUNT], buf_slice(k));
}

static void ledger_sweep_account(struct fsm *f, uint64_t acct)
{
    const struct ledger_window *w = ledger_old_next(f, acct, 0, true);
    const struct ledger_account *a;

    while (w != NULL) {
        uint32_t wid = w->wid;
        if (w->presumed > 0 && w->end_ms <= f->s.now_ms - LEDGER_CLOSE_MS) {
            ledger_post_presumed(f, acct, wid);
        }
        w = ledger_old_next(f, acct, wid, false);
    }
    a = ledger_account(f, acct);
    if (!a->live && a->n_old == 0 && a->cur.end_ms <= f->s.now_ms && a->cur.held == 0 &&
        a->cur.presumed == 0) {
        ledger_forget(f, a);
    }
}

void ledger_sweep(struct fsm *f)
{
    const struct ledger_account *a;
    struct buf *k;

    for (int i = 0; i < LEDGER_SWEEP_ACCOUNTS; i++) {
        k = fsm_key(f);
        record_key_u64(k, f->s.sweep_acct);
        a = table_head(table_next(&f->tables[FSM_T_ACCOUNT], buf_slice(k), false));
        f->s.sweep_acct = a == NULL ? 0 : a->id;
        if (a == NULL) {
            return;
        }
        ledger_sweep_account(f, a->id);
    }
}
