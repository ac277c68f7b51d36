/* Who gets how much (LEDGER.md 5.2).
 *
 *   ample:   what is asked, or 2 % of the rest spread over the nodes,
 *            up to half of the rest per active node
 *   scarce:  half of the rest per active node
 *   the end: exactly what parked requests need, whole, in order of arrival;
 *            nobody overtakes a waiter, idle credit of others is recalled
 *
 * One mechanism: the sizes follow from what is left. */
#include "base/check.h"
#include "base/mem.h"
#include "raft/policy_i.h"

/* --- accounts and demands --- */

static struct slice policy_acct_key(const uint64_t *id)
{
    return slice_of((const char *)id, sizeof *id);
}

struct policy_acct *policy_acct(struct policy *p, uint64_t id)
{
    struct policy_acct *a = strmap_get(&p->accts, policy_acct_key(&id));

    if (a == NULL) {
        a = mem_zalloc(sizeof *a);
        a->id = id;
        list_init(&a->demands);
        list_init(&a->waiters);
        list_init(&a->link);
        list_init(&a->got_back);
        (void)strmap_put(&p->accts, policy_acct_key(&id), a);
    }
    return a;
}

static void policy_demand_free(struct policy_demand *d)
{
    list_remove(&d->wait);
    list_remove(&d->link);
    mem_free((char *)(uintptr_t)d->node.p);
    mem_free(d);
}

void policy_acct_free(struct policy_acct *a)
{
    LIST_EACH_SAFE (it, &a->demands) {
        policy_demand_free(LIST_ENTRY(it, struct policy_demand, link));
    }
    list_remove(&a->link);
    list_remove(&a->got_back);
    mem_free(a);
}

static i128 policy_lease_G(const struct policy *p, const struct policy_acct *a,
                           const struct policy_demand *d)
{
    struct account_node n;

    return fsm_lease(p->f, a->id, d->wid, d->node, d->inc, &n) ? n.G : 0;
}

static void policy_unwait(struct policy_acct *a, struct policy_demand *d)
{
    d->need_left = 0;
    list_remove(&d->wait);
    if (list_empty(&a->waiters)) {
        list_remove(&a->link);
    }
}

static void policy_wait(struct policy *p, struct policy_acct *a, struct policy_demand *d,
                        uint64_t now_ms)
{
    d->wait_until_ms = now_ms + POLICY_WAIT_MS;
    if (list_empty(&d->wait)) {
        list_push_back(&a->waiters, &d->wait);
    }
    if (list_empty(&a->link)) {
        list_push_back(&p->waiting, &a->link);
    }
}

struct policy_demand *policy_demand(struct policy *p, struct policy_acct *a, struct slice node,
                                    uint32_t inc, uint64_t now_ms)
{
    struct policy_demand *d = NULL;
    struct account_view v;

    LIST_EACH (it, &a->demands) {
        d = LIST_ENTRY(it, struct policy_demand, link);
        if (slice_eq(d->node, node)) {
            break;
        }
        d = NULL;
    }
    if (d == NULL) {
        d = mem_zalloc(sizeof *d);
        d->node = slice_of(mem_strndup(node.p, node.n), node.n);
        d->heard_ms = now_ms;
        list_init(&d->wait);
        list_push_back(&a->demands, &d->link);
    }
    if (fsm_account_by_id(p->f, a->id, &v) == 0 && (d->inc != inc || d->wid != v.wid)) {
        d->inc = inc;
        d->wid = v.wid;
        d->G_seen = policy_lease_G(p, a, d);
    }
    return d;
}

void policy_forget_old(struct policy *p, uint64_t now_ms)
{
    struct strmap_entry *e;

    for (size_t i = 0; (e = strmap_next(&p->accts, &i)) != NULL;) {
        struct policy_acct *a = e->value;
        LIST_EACH_SAFE (it, &a->demands) {
            struct policy_demand *d = LIST_ENTRY(it, struct policy_demand, link);
            if (list_empty(&d->wait) && now_ms - d->heard_ms > POLICY_FORGET_MS) {
                policy_demand_free(d);
            }
        }
        if (list_empty(&a->demands)) {
            (void)strmap_remove(&p->accts, policy_acct_key(&a->id));
            policy_acct_free(a);
        }
    }
}

/* --- sizes --- */

void policy_returned(struct policy *p, struct policy_acct *a, i128 more)
{
    a->returned += more;
    if (list_empty(&a->got_back)) {
        list_push_back(&p->returns, &a->got_back);
    }
}

int64_t policy_members(struct policy *p)
{
    const struct member *m = NULL;
    int64_t n = 0;

    if (p->n_members > 0 && p->members_index == fsm_applied(p->f)) {
        return p->n_members;
    }
    while ((m = fsm_member_next(p->f, m)) != NULL) {
        n += m->inc > 0 && !m->fenced;
    }
    p->members_index = fsm_applied(p->f);
    p->n_members = n > 0 ? n : 1;
    return p->n_members;
}

static i128 policy_left(const struct account_view *v)
{
    return i128_max(0, v->limit - v->posted - v->held - v->presumed);
}

i128 policy_ample(struct policy *p, const struct account_view *v)
{
    return policy_left(v) * POLICY_AMPLE_PERCENT / 100 / policy_members(p);
}

static i128 policy_avail(struct policy_acct *a, const struct account_view *v, uint64_t now_ms)
{
    if (now_ms - a->proposed_ms > POLICY_PROPOSED_MS) {
        a->proposed = 0;
    }
    return i128_max(0, policy_left(v) + a->returned - a->proposed);
}

static int64_t policy_active(const struct policy_acct *a, uint64_t now_ms)
{
    int64_t n = 0;

    LIST_EACH (it, &a->demands) {
        const struct policy_demand *d = LIST_ENTRY(it, struct policy_demand, link);
        n += now_ms - d->heard_ms <= POLICY_ACTIVE_MS &&
             (d->ask > 0 || d->gross > 0 || d->need_left > 0);
    }
    return n > 0 ? n : 1;
}

/* Exactly what parked requests need. A part of it only when one of them can go with that. */
static i128 policy_exact(const struct policy_demand *d, i128 need, i128 avail)
{
    if (need <= avail) {
        return need;
    }
    return avail + d->free >= d->wmax && d->wmax > 0 ? avail : 0;
}

static i128 policy_size(struct policy *p, const struct policy_acct *a,
                        const struct policy_demand *d, i128 avail, uint64_t now_ms)
{
    i128 need = d->need_left, ask = i128_max(d->ask, need);
    i128 cap = avail / 2 / policy_active(a, now_ms);
    i128 want;

    if (ask == 0) {
        return 0;
    }
    if (cap < d->wmax) {
        return policy_exact(d, need, avail);
    }
    want = i128_max(ask, avail * POLICY_AMPLE_PERCENT / 100 / policy_members(p));
    if (want <= cap) {
        return want;
    }
    return i128_min(i128_max(cap, i128_min(need, avail)), ask);
}

void policy_propose(struct policy_acct *a, struct policy_demand *d, i128 g, uint64_t now_ms)
{
    d->proposed += g;
    d->need_sent += i128_min(g, d->need_left);
    d->need_left = i128_max(0, d->need_left - g);
    a->proposed += g;
    a->proposed_ms = now_ms;
    if (d->need_left == 0) {
        policy_unwait(a, d);
    }
}

i128 policy_decide(struct policy *p, const struct account_view *v, struct slice node, uint32_t inc,
                   const struct sync_item *it, uint64_t now_ms)
{
    struct policy_acct *a = policy_acct(p, it->acct);
    struct policy_demand *d = policy_demand(p, a, node, inc, now_ms);
    bool is_next;
    i128 g;

    d->heard_ms = now_ms;
    d->free = it->free;
    d->gross = it->gross;
    d->wmax = it->wmax;
    /* What is on its way to the node is not asked for again. */
    d->ask = i128_max(0, it->ask - d->proposed);
    d->need_left = i128_max(0, it->need - d->proposed);
    if (!v->live) {
        policy_unwait(a, d);
        return 0;
    }
    is_next = list_empty(&a->waiters) || a->waiters.next == &d->wait;
    g = is_next ? policy_size(p, a, d, policy_avail(a, v, now_ms), now_ms) : 0;
    policy_propose(a, d, g, now_ms);
    if (d->need_left > 0) {
        policy_wait(p, a, d, now_ms);
    }
    return g;
}

/* --- waiters --- */

struct policy_demand *policy_serve(struct policy *p, struct policy_acct *a, uint64_t now_ms,
                                   i128 *ret_g)
{
    struct policy_demand *d;
    struct account_view v;

    if (list_empty(&a->waiters) || fsm_account_by_id(p->f, a->id, &v) != 0 || !v.live) {
        return NULL;
    }
    d = LIST_FIRST(&a->waiters, struct policy_demand, wait);
    *ret_g = policy_exact(d, d->need_left, policy_avail(a, &v, now_ms));
    return *ret_g > 0 ? d : NULL;
}

void policy_granted(struct policy *p, uint64_t acct, struct slice node, uint32_t inc, uint32_t wid,
                    i128 g, uint64_t now_ms)
{
    struct policy_acct *a = policy_acct(p, acct);
    struct policy_demand *d = policy_demand(p, a, node, inc, now_ms);
    i128 G = policy_lease_G(p, a, d), granted = G - d->G_seen;
    i128 for_need = i128_min(g, d->need_sent);

    a->proposed -= i128_min(a->proposed, g);
    d->proposed -= i128_min(d->proposed, g);
    d->need_sent -= for_need;
    if (d->wid != wid) {
        return; /* The window has rolled meanwhile: the node will ask again. */
    }
    d->G_seen = G;
    if (granted < for_need) { /* Clipped by the ledger: somebody was faster. */
        d->need_left += for_need - i128_max(0, granted);
        policy_wait(p, a, d, now_ms);
    }
}

void policy_expire_waiters(struct policy *p, uint64_t now_ms)
{
    LIST_EACH_SAFE (it, &p->waiting) {
        struct policy_acct *a = LIST_ENTRY(it, struct policy_acct, link);
        LIST_EACH_SAFE (w, &a->waiters) {
            struct policy_demand *d = LIST_ENTRY(w, struct policy_demand, wait);
            if (now_ms >= d->wait_until_ms) {
                policy_unwait(a, d);
            }
        }
    }
}

/* Everybody who holds credit of the account and does not wait for more of it returns what is idle.
 */
void policy_recall(struct policy *p, struct policy_acct *a, uint64_t now_ms)
{
    struct account_node nodes[POLICY_NODES_MAX];
    struct account_view v;
    size_t n;

    if (list_empty(&a->waiters) || now_ms - a->recall_ms < POLICY_RECALL_MS ||
        fsm_account_by_id(p->f, a->id, &v) != 0) {
        return;
    }
    a->recall_ms = now_ms;
    n = fsm_account_nodes(p->f, a->id, nodes, POLICY_NODES_MAX);
    for (size_t i = 0; i < n; i++) {
        const struct sync_recall r = {a->id, v.wid};
        bool waits = false;
        LIST_EACH (it, &a->waiters) {
            waits =
                waits || slice_eq(LIST_ENTRY(it, struct policy_demand, wait)->node, nodes[i].node);
        }
        if (!waits && nodes[i].presumed == 0 && nodes[i].G - nodes[i].S - nodes[i].R > 0) {
            p->ops->recall(p->arg, nodes[i].node, &r);
        }
    }
}
