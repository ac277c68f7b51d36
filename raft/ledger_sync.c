/* SYNC at apply: reports and returns are merged by max(), grants are clipped (LEDGER.md 2.4). */
#include "base/check.h"
#include "raft/ledger.h"
#include "raft/usage.h"

/* Takes over what the node reports of one lease. False when it claims more than it was granted:
 * then nothing of the item counts. */
static bool ledger_sync_report(struct fsm *f, struct ledger_window *w, struct ledger_lease *l,
                               const struct cmd_sync_item *it)
{
    i128 settled = i128_max(l->S, it->S), returned = i128_max(l->R, it->R);
    i128 over = i128_max(l->O, it->O);

    if (settled + returned > l->G || (over > 0 && l->G == 0)) {
        f->n_faulty++;
        return false;
    }
    w->posted += (settled - l->S) + (over - l->O);
    w->overrun += over - l->O;
    w->held -= (settled - l->S) + (returned - l->R);
    l->S = settled;
    l->R = returned;
    l->O = over;
    return true;
}

static void ledger_sync_item(struct fsm *f, const struct fsm_member *m,
                             const struct cmd_sync_item *it, bool may_grant)
{
    struct ledger_lease l = {.acct = it->acct, .wid = it->wid, .node = m->node, .inc = m->pub.inc};
    const struct ledger_lease *found;
    struct ledger_at at;
    i128 g;

    if (!ledger_open(f, it->acct, it->wid, &at)) {
        return; /* No such account, or a window that is closed: too late. */
    }
    found = ledger_lease(f, it->acct, it->wid, m->node, m->pub.inc);
    if (found != NULL) {
        ASSERT(!found->presumed); /* A presumed one means fenced, and fenced was refused. */
        l = *found;
    }
    if (!ledger_sync_report(f, &at.w, &l, it)) {
        return;
    }
    if (may_grant && at.is_cur && at.a.live && it->g > 0) {
        g = i128_min(it->g, i128_min(ledger_avail(&at.w), LEDGER_G_MAX - l.G));
        l.G += i128_max(0, g);
        at.w.held += i128_max(0, g);
    }
    if (found == NULL ? l.G > 0
                      : l.G != found->G || l.S != found->S || l.R != found->R || l.O != found->O) {
        ledger_lease_put(f, &l);
        ledger_save(f, &at);
    }
}

/* D4: nothing of another incarnation counts. D3: reports and returns count whenever they come. A
 * grant counts once, by the number of the SYNC; number 0 is the leader serving a waiter. */
void ledger_sync(struct fsm *f, const struct cmd_sync *s)
{
    const struct fsm_member *found = fsm_member_find(f, s->node);
    struct fsm_member m;
    bool may_grant;

    if (found == NULL || found->removed || found->pub.fenced || found->pub.inc == 0 ||
        s->inc != found->pub.inc) {
        return;
    }
    may_grant = s->seq == 0 || s->seq > found->pub.seq;
    if (s->seq > found->pub.seq) {
        m = *found;
        m.pub.seq = s->seq;
        fsm_member_put(f, &m);
        found = fsm_member_find(f, s->node);
    }
    for (size_t i = 0; i < s->n_items; i++) {
        ledger_sync_item(f, found, &s->items[i], may_grant);
    }
    (void)usage_merge(f, found->node, s->inc, s->cells, s->n_cells);
}
