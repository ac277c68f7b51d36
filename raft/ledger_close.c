/* Incarnations end: REGISTER, RELEASE, FENCE, RECONCILE (LEDGER.md 2.4, 4.3-4.5).
 *
 *   open -- REGISTER with journal, RELEASE ----> posted at its final
 *   open -- FENCE, REGISTER without journal ---> presumed
 *   presumed -- REGISTER with journal, RECONCILE ----> posted at its final
 *   presumed -- window's end + LEDGER_CLOSE_MS ------> posted whole
 *
 * A REGISTER without a trusted journal presumes instead of posting at once (LEDGER.md 2.4 posts):
 * it is the same to the limit, and an operator who has the provider's records can still resolve it.
 */
#include <stdlib.h>

#include "base/check.h"
#include "raft/ledger.h"
#include "raft/usage.h"

/* --- finals, sorted so that each lease finds its own --- */

struct ledger_finals {
    const struct cmd_final *of;
    size_t n;
};

static int ledger_final_order(const void *pa, const void *pb)
{
    const struct cmd_final *a = pa, *b = pb;

    if (a->acct != b->acct) {
        return a->acct < b->acct ? -1 : 1;
    }
    if (a->wid != b->wid) {
        return a->wid < b->wid ? -1 : 1;
    }
    return a->spent < b->spent ? 1 : a->spent > b->spent ? -1 : 0; /* The largest first. */
}

static struct ledger_finals ledger_finals_sort(struct fsm *f, const struct cmd_final *finals,
                                               size_t n)
{
    struct cmd_final *copy = arena_dup(&f->arena, finals, n * sizeof *finals);

    if (n > 1) {
        qsort(copy, n, sizeof *copy, ledger_final_order);
    }
    return (struct ledger_finals){copy, n};
}

static const struct cmd_final *ledger_finals_find(const struct ledger_finals *fs, uint64_t acct,
                                                  uint32_t wid)
{
    size_t low = 0, high = fs->n;

    while (low < high) {
        size_t mid = (low + high) / 2;
        const struct cmd_final *c = &fs->of[mid];
        if (c->acct < acct || (c->acct == acct && c->wid < wid)) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < fs->n && fs->of[low].acct == acct && fs->of[low].wid == wid ? &fs->of[low] : NULL;
}

/* --- closing leases --- */

/* Posts a lease at @spent, which is clamped between what was settled and what was granted; gives
 * how much that was beyond what was settled. */
static i128 ledger_close_lease(struct fsm *f, struct ledger_at *at, const struct ledger_lease *l,
                               i128 spent)
{
    i128 final = i128_max(l->S, i128_min(spent, l->G - l->R));

    if (l->presumed) {
        at->w.presumed -= ledger_out(l);
    } else {
        at->w.held -= ledger_out(l);
    }
    at->w.posted += final - l->S;
    ledger_lease_remove(f, l);
    return final - l->S;
}

static void ledger_presume(struct fsm *f, struct ledger_at *at, const struct ledger_lease *l)
{
    struct ledger_lease p = *l;

    if (ledger_out(l) == 0) {
        ledger_lease_remove(f, l);
        return;
    }
    at->w.held -= ledger_out(l);
    at->w.presumed += ledger_out(l);
    p.presumed = true;
    ledger_lease_put(f, &p);
}

static void ledger_presume_all(struct fsm *f, uint32_t node, uint32_t inc)
{
    struct ledger_lease l;
    struct ledger_at at;
    uint64_t acct = 0;
    uint32_t wid = 0;

    for (bool first = true; ledger_lease_of(f, node, inc, &acct, &wid, first, &l); first = false) {
        /* Opening may roll the account and close this window: then the lease had nothing out. */
        if (!l.presumed && ledger_open(f, acct, wid, &at)) {
            ledger_presume(f, &at, &l);
            ledger_save(f, &at);
        }
    }
}

/* What the closing of one incarnation charged in dollars: the largest of its accounts, since one
 * request is in several. */
struct ledger_charge {
    uint64_t acct;
    i128 of_acct, largest;
    size_t n; /* Leases closed. */
};

static void ledger_charge_add(struct ledger_charge *c, const struct ledger_account *a, i128 more)
{
    if (c->acct != a->id) {
        c->acct = a->id;
        c->of_acct = 0;
    }
    c->of_acct += a->unit == UNIT_USD ? more : 0;
    c->largest = i128_max(c->largest, c->of_acct);
    c->n++;
}

enum ledger_unnamed {
    LEDGER_UNNAMED_UNUSED, /* A lease that the finals do not name was never used. */
    LEDGER_UNNAMED_WHOLE,  /* ... is charged whole. */
    LEDGER_UNNAMED_KEPT    /* ... stays as it is. */
};

static void ledger_close_all(struct fsm *f, uint32_t node, uint32_t inc,
                             const struct ledger_finals *fs, bool only_presumed,
                             enum ledger_unnamed unnamed, struct ledger_charge *charge)
{
    const struct cmd_final *final;
    struct ledger_lease l;
    struct ledger_at at;
    uint64_t acct = 0;
    uint32_t wid = 0;
    i128 spent;

    for (bool first = true; ledger_lease_of(f, node, inc, &acct, &wid, first, &l); first = false) {
        final = ledger_finals_find(fs, acct, wid);
        if ((only_presumed && !l.presumed) || (final == NULL && unnamed == LEDGER_UNNAMED_KEPT)) {
            continue;
        }
        spent = final != NULL ? final->spent : unnamed == LEDGER_UNNAMED_WHOLE ? l.G : l.S;
        if (ledger_open(f, acct, wid, &at)) {
            ledger_charge_add(charge, &at.a, ledger_close_lease(f, &at, &l, spent));
            ledger_save(f, &at);
        }
    }
}

/* --- REGISTER --- */

static bool ledger_holds(struct fsm *f, uint32_t node, uint32_t inc)
{
    struct ledger_lease l;
    uint64_t acct = 0;
    uint32_t wid = 0;

    return ledger_lease_of(f, node, inc, &acct, &wid, true, &l);
}

/* The same incarnation again. When it was fenced before its first SYNC it may go on: nothing was
 * ever granted in its name. */
static void ledger_register_again(struct fsm *f, const struct fsm_member *found,
                                  struct fsm_result *ret)
{
    struct fsm_member m = *found;

    ret->revision = m.pub.inc;
    if (!m.pub.fenced) {
        return;
    }
    if (m.pub.seq != m.seq0 || ledger_holds(f, m.node, m.pub.inc)) {
        fsm_result_fail(ret, Q_EPERM, "incarnation %u of %.*s is closed", m.pub.inc,
                        SLICE_FMT(m.pub.name));
        return;
    }
    m.pub.fenced = false;
    fsm_member_put(f, &m);
}

void ledger_register(struct fsm *f, const struct cmd *c, struct fsm_result *ret)
{
    const struct fsm_member *found = fsm_member_find(f, c->reg.node);
    struct ledger_charge charge = {0};
    struct ledger_finals finals;
    struct fsm_member m;
    i128 explained = 0;

    if (found == NULL || found->removed) {
        fsm_result_fail(ret, Q_EPERM, "%.*s is not a member", SLICE_FMT(c->reg.node));
        return;
    }
    m = *found;
    ret->revision = m.pub.inc;
    if (c->reg.inc == m.pub.inc && m.pub.inc > 0) {
        ledger_register_again(f, found, ret);
        return;
    }
    if (c->reg.inc == 0 || c->reg.inc != m.pub.inc + 1) {
        fsm_result_fail(ret, Q_EPERM, "incarnation %u of %.*s cannot follow %u", c->reg.inc,
                        SLICE_FMT(m.pub.name), m.pub.inc);
        return;
    }
    /* SEQ(k) is durable before SYNC k leaves: a smaller number proves an old copy of the disk. */
    if (c->reg.journal_ok && c->reg.last_seq >= m.pub.seq) {
        finals = ledger_finals_sort(f, c->reg.finals, c->reg.n_finals);
        ledger_close_all(f, m.node, m.pub.inc, &finals, false, LEDGER_UNNAMED_UNUSED, &charge);
        explained = usage_merge(f, m.node, m.pub.inc, c->reg.cells, c->reg.n_cells);
        usage_recovered(f, m.node, m.pub.inc, charge.largest - explained);
    } else {
        ledger_presume_all(f, m.node, m.pub.inc);
    }
    m = *fsm_member_find(f, c->reg.node);
    m.pub.inc = c->reg.inc;
    m.pub.fenced = false;
    m.seq0 = c->reg.last_seq;
    m.pub.seq =
        c->reg.last_seq; /* Also when it is smaller: the numbers of this life go on from it. */
    fsm_member_put(f, &m);
    ret->revision = m.pub.inc;
}

/* --- RELEASE, FENCE, RECONCILE --- */

void ledger_release(struct fsm *f, const struct cmd *c, struct fsm_result *ret)
{
    const struct fsm_member *found = fsm_member_find(f, c->reg.node);
    struct ledger_charge charge = {0};
    struct ledger_finals finals;
    struct fsm_member m;

    if (found == NULL || c->reg.inc == 0 || c->reg.inc != found->pub.inc) {
        fsm_result_fail(ret, Q_EPERM, "incarnation %u of %.*s is not the present one", c->reg.inc,
                        SLICE_FMT(c->reg.node));
        ret->revision = found != NULL ? found->pub.inc : 0;
        return;
    }
    m = *found;
    finals = ledger_finals_sort(f, c->reg.finals, c->reg.n_finals);
    ledger_close_all(f, m.node, m.pub.inc, &finals, false, LEDGER_UNNAMED_UNUSED, &charge);
    usage_recovered(f, m.node, m.pub.inc,
                    charge.largest -
                        usage_merge(f, m.node, m.pub.inc, c->reg.cells, c->reg.n_cells));
    m = *fsm_member_find(f, c->reg.node);
    m.pub.fenced = true; /* Closed: a successor must register. */
    fsm_member_put(f, &m);
    ret->revision = m.pub.inc;
}

void ledger_fence(struct fsm *f, struct slice node, uint32_t inc)
{
    const struct fsm_member *found = fsm_member_find(f, node);
    struct fsm_member m;

    if (found == NULL || found->pub.fenced || found->pub.inc != inc || inc == 0) {
        return;
    }
    m = *found;
    ledger_presume_all(f, m.node, inc);
    m.pub.fenced = true;
    fsm_member_put(f, &m);
}

void ledger_reconcile(struct fsm *f, const struct cmd *c, struct fsm_result *ret)
{
    const struct fsm_member *found = fsm_member_find(f, c->reconcile.node);
    bool by_operator = c->reconcile.proof == CMD_PROOF_OPERATOR;
    struct ledger_charge charge = {0};
    struct ledger_finals finals;
    uint32_t node;

    if (found == NULL) {
        fsm_result_fail(ret, Q_ENOTFOUND, "no member was ever called %.*s",
                        SLICE_FMT(c->reconcile.node));
        return;
    }
    node = found->node;
    finals = ledger_finals_sort(f, c->reconcile.finals, c->reconcile.n_finals);
    ledger_close_all(f, node, c->reconcile.inc_old, &finals, true,
                     by_operator && c->reconcile.all ? LEDGER_UNNAMED_WHOLE : LEDGER_UNNAMED_KEPT,
                     &charge);
    usage_recovered(f, node, c->reconcile.inc_old, charge.largest);
    ret->revision = charge.n;
}
