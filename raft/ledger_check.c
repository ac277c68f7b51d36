/* The shadow auditor: INV-L recomputed from the leases. Tests call it after every command; a
 * restored snapshot is believed only when it holds. */
#include "base/err.h"
#include "raft/ledger.h"

static int ledger_check_window(const struct fsm *f, const struct ledger_account *a,
                               const struct ledger_window *w, struct errmsg *err)
{
    const struct ledger_lease *l = NULL;
    i128 held = 0, presumed = 0;
    const char *what = NULL;

    while ((l = ledger_lease_next(f, a->id, w->wid, l)) != NULL) {
        const struct fsm_member *m = fsm_member_by_node(f, l->node);
        bool open = m != NULL && !m->pub.fenced && m->pub.inc == l->inc;
        held += l->presumed ? 0 : ledger_out(l);
        presumed += l->presumed ? ledger_out(l) : 0;
        if (ledger_out(l) < 0 || l->G < 0 || l->S < 0 || l->R < 0 || l->O < 0) {
            what = "a lease has a negative term";
        } else if (open == l->presumed) {
            what = "a lease is open beyond its incarnation, or presumed within it";
        }
    }
    if (held != w->held) {
        what = "held is not the sum of the open leases";
    } else if (presumed != w->presumed) {
        what = "presumed is not the sum of the presumed leases";
    } else if (w->posted < w->overrun || w->overrun < 0 || w->limit < 0 || w->ceil < w->limit) {
        what = "a term is out of its range";
    } else if (w->posted - w->overrun + w->held + w->presumed > w->ceil) {
        what = "posted + held + presumed is above the limit";
    }
    if (what != NULL) {
        errmsg_set(err, "account %llu (%.*s) window %u: %s", (unsigned long long)a->id,
                   SLICE_FMT(a->budget), w->wid, what);
        return Q_ECORRUPT;
    }
    return 0;
}

int ledger_check_account(const struct fsm *f, uint64_t acct, struct errmsg *err)
{
    const struct ledger_account *a = ledger_account(f, acct);
    const struct ledger_window *w;
    uint32_t n_old = 0;
    int rv;

    if (a == NULL) {
        return 0;
    }
    rv = ledger_check_window(f, a, &a->cur, err);
    for (w = ledger_old_next(f, acct, 0, true); w != NULL && rv == 0;
         w = ledger_old_next(f, acct, w->wid, false)) {
        n_old++;
        rv = ledger_check_window(f, a, w, err);
        if (rv == 0 && (w->held + w->presumed == 0 || w->wid >= a->cur.wid)) {
            errmsg_set(err, "account %llu: an earlier window is empty or not earlier",
                       (unsigned long long)acct);
            rv = Q_ECORRUPT;
        }
    }
    if (rv == 0 && n_old != a->n_old) {
        errmsg_set(err, "account %llu: %u earlier windows, %u counted", (unsigned long long)acct,
                   n_old, a->n_old);
        rv = Q_ECORRUPT;
    }
    return rv;
}

int ledger_check(const struct fsm *f, struct errmsg *err)
{
    const struct table_rec *rec = table_next(&f->tables[FSM_T_ACCOUNT], SLICE(""), true);
    int rv = 0;

    while (rec != NULL && rv == 0) {
        rv = ledger_check_account(f, ((const struct ledger_account *)table_head(rec))->id, err);
        rec = table_next(&f->tables[FSM_T_ACCOUNT], table_key(rec), false);
    }
    return rv;
}
