#include "tests/unit/raft_fsm/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "raft/ledger.h"
#include "tests/unit/raft_fsm/kit.h"

#define NODES    3
#define ACCTS    2
#define SLOTS    64
#define OPEN_MAX 16
#define NET_MAX  64

struct slot {
    uint64_t acct;
    uint32_t wid;
    i128 G, S, R, reserved;
    i128 journal; /* Spent bound as of what is durable. */
};
struct open_request {
    size_t slot;
    i128 bound;
};
struct node {
    char name[4];
    bool is_up, knows_fenced;
    uint32_t inc;
    uint64_t seq;
    struct slot slots[SLOTS];
    size_t n_slots;
    struct open_request open[OPEN_MAX];
    size_t n_open;
    uint64_t old_seq; /* Of the copy that somebody made of the disk. */
    struct slot old_slots[SLOTS];
    size_t n_old;
};
struct message {
    bool is_reply;
    size_t node;
    uint32_t inc;
    uint64_t seq;
    struct cmd_sync_item items[SLOTS];
    size_t n;
};
struct world {
    struct kit k;
    struct rng rng;
    enum mutant mutant;
    struct node nodes[NODES];
    struct message net[NET_MAX];
    size_t n_net;
    struct {
        uint64_t acct;
        uint32_t wid;
        i128 billed, limit_max;
    } truth[4096];
    size_t n_truth;
    const char *broken;
};

static uint64_t below(struct world *w, uint64_t n)
{
    return rng_below(&w->rng, n);
}

/* --- the oracle --- */

static size_t truth_of(struct world *w, uint64_t acct, uint32_t wid)
{
    for (size_t i = 0; i < w->n_truth; i++) {
        if (w->truth[i].acct == acct && w->truth[i].wid == wid) {
            return i;
        }
    }
    assert_true(w->n_truth < 4096);
    w->truth[w->n_truth].acct = acct;
    w->truth[w->n_truth].wid = wid;
    w->truth[w->n_truth].billed = w->truth[w->n_truth].limit_max = 0;
    return w->n_truth++;
}

static void bill(struct world *w, const struct slot *s, i128 cost)
{
    w->truth[truth_of(w, s->acct, s->wid)].billed += cost;
}

static bool window_of(struct world *w, uint64_t acct, uint32_t wid, struct ledger_window *ret)
{
    const struct ledger_account *a = ledger_account(w->k.f, acct);
    const struct ledger_window *old = ledger_old_next(w->k.f, acct, wid, true);
    char key[12];

    for (size_t i = 0; i < sizeof key; i++) {
        key[i] = (char)(i < 8 ? acct >> (56 - 8 * i) : (uint64_t)wid >> (24 - 8 * (i - 8)));
    }
    if (a->cur.wid == wid) {
        *ret = a->cur;
        return true;
    }
    if (old != NULL && old->wid == wid) {
        *ret = *old;
        return true;
    }
    old = table_head(table_get(&w->k.f->tables[FSM_T_HISTORY], slice_of(key, sizeof key)));
    if (old != NULL) {
        *ret = *old;
    }
    return old != NULL;
}

static void check(struct world *w)
{
    struct ledger_window win;

    for (uint64_t acct = 1; acct <= ACCTS; acct++) {
        const struct ledger_account *a = ledger_account(w->k.f, acct);
        size_t t = truth_of(w, acct, a->cur.wid);
        w->truth[t].limit_max = i128_max(w->truth[t].limit_max, a->cur.limit);
    }
    for (size_t i = 0; i < w->n_truth; i++) {
        i128 sum;
        if (!window_of(w, w->truth[i].acct, w->truth[i].wid, &win)) {
            continue; /* Long gone. */
        }
        sum = win.posted + win.held + win.presumed;
        if (w->truth[i].billed > sum) {
            w->broken = "billed > posted + held + presumed";
        } else if (sum > w->truth[i].limit_max) {
            w->broken = "posted + held + presumed > limit";
        } else if (w->truth[i].billed > w->truth[i].limit_max) {
            w->broken = "billed > limit";
        }
    }
}

static void apply(struct world *w, struct cmd *c)
{
    w->k.t_ms += (int64_t)below(w, 30000);
    (void)kit_apply(&w->k, c);
    check(w);
}

/* --- nodes --- */

static i128 free_of(const struct slot *s)
{
    return s->G - s->R - s->S - s->reserved;
}

static void journal(struct world *w, struct node *n, struct slot *s)
{
    (void)n;
    if (w->mutant != MUTANT_LAZY_DISK || below(w, 4) == 0) {
        s->journal = s->S + s->reserved;
    }
}

static void start_request(struct world *w, struct node *n)
{
    size_t at;
    i128 bound;

    if (!n->is_up || n->n_slots == 0 || n->n_open == OPEN_MAX) {
        return;
    }
    at = below(w, n->n_slots);
    bound = 1 + (i128)below(w, 12);
    if (free_of(&n->slots[at]) >= bound) {
        n->slots[at].reserved += bound;
        journal(w, n, &n->slots[at]);
        n->open[n->n_open++] = (struct open_request){at, bound};
    }
}

static void end_request(struct world *w, struct node *n)
{
    struct open_request r;
    struct slot *s;
    size_t at;
    i128 cost;

    if (n->n_open == 0) {
        return;
    }
    at = below(w, n->n_open);
    r = n->open[at];
    n->open[at] = n->open[--n->n_open];
    s = &n->slots[r.slot];
    cost = (i128)below(w, (uint64_t)r.bound + 1);
    cost = w->mutant == MUTANT_NO_INC ? r.bound : cost; /* Little slack, so that it is seen. */
    bill(w, s, cost);
    s->reserved -= r.bound;
    s->S += cost;
    journal(w, n, s);
}

static void give_back(struct world *w, struct node *n)
{
    struct slot *s;
    i128 idle;

    if (n->n_slots == 0) {
        return;
    }
    s = &n->slots[below(w, n->n_slots)];
    idle = free_of(s);
    if (idle > 0) {
        i128 most = 1 + (i128)below(w, (uint64_t)idle);
        s->R += most;
        if (w->mutant == MUTANT_KEEP) {
            s->G += most; /* It forgets to lower what it may use. */
        }
    }
}

static struct message *post(struct world *w)
{
    if (w->n_net == NET_MAX) { /* The oldest is lost. */
        memmove(w->net, w->net + 1, (NET_MAX - 1) * sizeof w->net[0]);
        w->n_net--;
    }
    w->net[w->n_net] = (struct message){.n = 0};
    return &w->net[w->n_net++];
}

static void send_sync(struct world *w, size_t i)
{
    struct node *n = &w->nodes[i];
    struct message *m;

    if (!n->is_up || n->knows_fenced) {
        return;
    }
    m = post(w);
    m->node = i;
    m->inc = n->inc;
    m->seq = ++n->seq;
    for (size_t s = 0; s < n->n_slots; s++) {
        m->items[m->n++] = (struct cmd_sync_item){.acct = n->slots[s].acct,
                                                  .wid = n->slots[s].wid,
                                                  .S = n->slots[s].S,
                                                  .R = n->slots[s].R};
    }
    for (uint64_t a = 1; a <= ACCTS && m->n + ACCTS < SLOTS; a++) { /* Wishes for the present. */
        struct account_view v;
        assert_int_equal(fsm_account_by_id(w->k.f, a, &v), 0);
        m->items[m->n++] = (struct cmd_sync_item){.acct = a, .wid = v.wid};
    }
}

static struct slot *slot_of(struct node *n, uint64_t acct, uint32_t wid)
{
    for (size_t i = 0; i < n->n_slots; i++) {
        if (n->slots[i].acct == acct && n->slots[i].wid == wid) {
            return &n->slots[i];
        }
    }
    if (n->n_slots == SLOTS - ACCTS) {
        return NULL;
    }
    n->slots[n->n_slots] = (struct slot){.acct = acct, .wid = wid};
    return &n->slots[n->n_slots++];
}

static void receive_reply(struct world *w, const struct message *m)
{
    struct node *n = &w->nodes[m->node];

    if (!n->is_up || m->inc != n->inc) {
        return;
    }
    for (size_t i = 0; i < m->n; i++) {
        struct slot *s = slot_of(n, m->items[i].acct, m->items[i].wid);
        i128 G = m->items[i].g;
        if (s != NULL && w->mutant == MUTANT_KEEP) {
            s->G = i128_max(s->G, G + s->R); /* See give_back(). */
        } else if (s != NULL) {
            s->G = i128_max(s->G, G);
        }
    }
}

/* --- the leader --- */

static void mutate(struct world *w, struct message *m, const struct fsm_member *member)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct ledger_lease *l =
            ledger_lease(w->k.f, m->items[i].acct, m->items[i].wid, member->node, m->inc);
        if (w->mutant == MUTANT_DELTA && l != NULL && m->items[i].R > 0) {
            m->items[i].R = i128_min(l->R + m->items[i].R, l->G - i128_max(l->S, m->items[i].S));
        }
    }
}

static void receive_sync(struct world *w, const struct message *sent)
{
    struct message m = *sent, *reply;
    struct node *n = &w->nodes[m.node];
    const struct fsm_member *member = fsm_member_find(w->k.f, slice_str(n->name));
    struct cmd_sync s = {.node = slice_str(n->name)};
    struct cmd c = {.type = CMD_BATCH};

    if (w->mutant == MUTANT_NO_INC) {
        m.inc = member->pub.inc;
    }
    for (size_t i = 0; i < m.n; i++) {
        m.items[i].g = below(w, w->mutant == MUTANT_NO_INC ? 1 : 3) == 0 ? (i128)below(w, 60) : 0;
    }
    mutate(w, &m, member);
    s.inc = m.inc;
    s.seq = m.seq;
    s.items = m.items;
    s.n_items = m.n;
    c.batch.syncs = &s;
    c.batch.n_syncs = 1;
    apply(w, &c);
    member = fsm_member_find(w->k.f, slice_str(n->name));
    if (member->pub.fenced || member->pub.inc != m.inc) {
        n->knows_fenced = n->knows_fenced || (n->is_up && sent->inc == n->inc && below(w, 2));
        return;
    }
    if (w->mutant == MUTANT_NONE &&
        below(w, 4) == 0) { /* I8: the same entry again changes nothing. */
        uint64_t hash = fsm_hash(w->k.f);
        struct buf b;
        buf_init(&b, CMD_BYTES_MAX);
        assert_int_equal(cmd_encode(&c, &b), 0);
        cmd_stamp(b.p, b.n, w->k.t_ms, false);
        fsm_apply(w->k.f, w->k.index, buf_slice(&b), &w->k.res);
        assert_true(fsm_hash(w->k.f) == hash);
        buf_deinit(&b);
    }
    reply = post(w);
    *reply = m;
    reply->is_reply = true;
    for (size_t i = 0; i < m.n; i++) {
        const struct ledger_lease *l =
            ledger_lease(w->k.f, m.items[i].acct, m.items[i].wid, member->node, m.inc);
        reply->items[i].g = l != NULL ? l->G : 0;
    }
}

static void deliver(struct world *w)
{
    struct message m;
    size_t at;

    if (w->n_net == 0) {
        return;
    }
    at = below(w, w->n_net);
    m = w->net[at];
    if (below(w, 4) != 0) { /* Else it comes again later. */
        w->net[at] = w->net[--w->n_net];
    }
    if (below(w, 8) == 0) {
        return; /* Lost. */
    }
    if (m.is_reply) {
        receive_reply(w, &m);
    } else {
        receive_sync(w, &m);
    }
}

static void fence(struct world *w, size_t i)
{
    const struct fsm_member *m = fsm_member_find(w->k.f, slice_str(w->nodes[i].name));
    struct cmd_fence f = {slice_str(w->nodes[i].name), m->pub.inc};
    struct cmd c = {.type = CMD_BATCH};

    c.batch.fence = &f;
    c.batch.n_fence = 1;
    apply(w, &c);
    if (w->mutant == MUTANT_EXPIRE) {
        struct cmd_final finals[SLOTS];
        struct cmd r = {.type = CMD_RECONCILE};
        const struct table_rec *rec = NULL;
        size_t n = 0;
        for (rec = table_next(&w->k.f->tables[FSM_T_LEASE], SLICE(""), true);
             rec != NULL && n < SLOTS;
             rec = table_next(&w->k.f->tables[FSM_T_LEASE], table_key(rec), false)) {
            const struct ledger_lease *l = table_head(rec);
            if (l->presumed) {
                finals[n++] = (struct cmd_final){l->acct, l->wid, l->S};
            }
        }
        r.reconcile.node = f.node;
        r.reconcile.inc_old = f.inc;
        r.reconcile.proof = CMD_PROOF_OPERATOR;
        r.reconcile.finals = finals;
        r.reconcile.n_finals = n;
        apply(w, &r);
    }
}

/* --- lives of nodes --- */

/* Requests in flight are billed by the provider all the same, whatever they cost in the end. */
static void crash(struct world *w, size_t i)
{
    struct node *n = &w->nodes[i];

    for (size_t r = 0; r < n->n_open; r++) {
        bill(w, &n->slots[n->open[r].slot], (i128)below(w, (uint64_t)n->open[r].bound + 1));
    }
    n->n_open = 0;
    n->is_up = false;
}

static void register_node(struct world *w, size_t i)
{
    struct node *n = &w->nodes[i];
    const struct fsm_member *m = fsm_member_find(w->k.f, slice_str(n->name));
    struct cmd_final finals[SLOTS];
    struct cmd c = {.type = CMD_REGISTER};
    /* A copy from which nothing was heard since cannot be told from the disk (LEDGER.md 4.3). */
    bool old_copy = !n->is_up && below(w, 4) == 0 && n->old_seq < m->pub.seq;

    c.reg.node = slice_str(n->name);
    c.reg.inc = m->pub.inc + 1;
    /* Alive and fenced: memory is exact, and what is in flight is charged at its bound. */
    c.reg.journal_ok =
        n->inc == m->pub.inc && (n->is_up || below(w, 4) != 0 || w->mutant == MUTANT_NO_INC);
    c.reg.last_seq = old_copy ? n->old_seq : n->seq;
    for (size_t s = 0; s < (old_copy ? n->n_old : n->n_slots); s++) {
        const struct slot *slot = old_copy ? &n->old_slots[s] : &n->slots[s];
        finals[c.reg.n_finals++] = (struct cmd_final){
            slot->acct, slot->wid, n->is_up ? slot->S + slot->reserved : slot->journal};
    }
    c.reg.finals = finals;
    if (n->is_up) {
        crash(w, i); /* What is in flight was charged at its bound and is forgotten. */
    }
    apply(w, &c);
    if (w->k.res.status == 0 && below(w, 8) == 0) {
        apply(w, &c); /* A repeated message. */
    }
    assert_int_equal(w->k.res.status, 0);
    n->is_up = true;
    n->knows_fenced = false;
    n->inc = c.reg.inc;
    n->seq = c.reg.last_seq;
    n->old_seq = n->seq;
    n->n_old = 0;
    n->n_slots = 0;
}

static void copy_disk(struct world *w, size_t i)
{
    struct node *n = &w->nodes[i];

    (void)w;
    n->old_seq = n->seq;
    memcpy(n->old_slots, n->slots, sizeof n->slots);
    n->n_old = n->n_slots;
}

static void set_limit(struct world *w)
{
    static const char *const every[] = {"hour", "day", "once"};
    char name[4] = {'b', (char)('0' + below(w, ACCTS)), 0}, spec[256];

    (void)snprintf(spec, sizeof spec,
                   "{\"match\":{\"team\":\"t\"},\"unit\":\"tokens\",\"limit\":%u,"
                   "\"window\":{\"every\":\"%s\"}}",
                   (unsigned)(50 + below(w, 200)), every[below(w, 12) == 0 ? below(w, 3) : 0]);
    w->k.t_ms += (int64_t)below(w, 200000);
    if (below(w, 8) == 0) {
        (void)kit_delete(&w->k, KIND_BUDGET, name);
        check(w);
    }
    assert_int_equal(kit_put(&w->k, KIND_BUDGET, name, spec), 0);
    check(w);
}

static void pass_time(struct world *w)
{
    struct cmd c = {.type = CMD_TICK, .jump_ok = true};

    w->k.t_ms += (int64_t)below(w, below(w, 10) == 0 ? 200000000 : 2000000);
    fsm_tick_hash(w->k.f, &c.tick.hash_index, &c.tick.hash);
    apply(w, &c);
    assert_int_equal(w->k.res.status, 0);
}

static void swap(struct world *w)
{
    struct fsm *copy = kit_copy(w->k.f);

    fsm_free(w->k.f);
    w->k.f = copy;
}

static void step(struct world *w)
{
    size_t i = below(w, NODES);
    struct node *n = &w->nodes[i];
    uint64_t what = below(w, 1000);

    if (what < 250) {
        start_request(w, n);
    } else if (what < 450) {
        end_request(w, n);
    } else if (what < 520) {
        give_back(w, n);
    } else if (what < 680) {
        send_sync(w, i);
    } else if (what < 940) {
        deliver(w);
    } else if (what < 950 && n->is_up) {
        crash(w, i);
        if (w->mutant == MUTANT_NO_INC) { /* While messages of the life before are under way. */
            register_node(w, i);
        }
    } else if (what < 965 && (!n->is_up || n->knows_fenced)) {
        register_node(w, i);
    } else if (what < 972) {
        fence(w, i);
    } else if (what < 980) {
        copy_disk(w, i);
    } else if (what < 988) {
        set_limit(w);
    } else if (what < 996) {
        pass_time(w);
    } else if (what < 998) {
        swap(w);
    }
}

static void world_init(struct world *w, uint64_t seed, enum mutant mutant)
{
    memset(w, 0, sizeof *w);
    w->mutant = mutant;
    rng_init_seed(&w->rng, seed);
    kit_init(&w->k);
    assert_int_equal(kit_put(&w->k, KIND_TEAM, "t", "{}"), 0);
    for (char a = 0; a < ACCTS; a++) {
        char name[4] = {'b', (char)('0' + a), 0};
        assert_int_equal(kit_put(&w->k, KIND_BUDGET, name,
                                 "{\"match\":{\"team\":\"t\"},\"unit\":\"tokens\",\"limit\":100,"
                                 "\"window\":{\"every\":\"hour\"}}"),
                         0);
    }
    for (size_t i = 0; i < NODES; i++) {
        w->nodes[i].name[0] = (char)('a' + i);
        assert_int_equal(kit_member(&w->k, w->nodes[i].name, i + 1), 0);
        register_node(w, i);
    }
}

const char *world_run(uint64_t seed, enum mutant mutant, size_t steps, struct world_counts *counts)
{
    static struct world w;
    const char *broken;

    world_init(&w, seed, mutant);
    for (size_t i = 0; i < steps && w.broken == NULL; i++) {
        step(&w);
    }
    broken = w.broken;
    counts->entries += w.k.index;
    counts->windows += w.n_truth;
    for (size_t i = 0; i < w.n_truth; i++) {
        counts->billed += (uint64_t)w.truth[i].billed;
    }
    if (broken == NULL) {
        kit_replay(&w.k);
    }
    kit_deinit(&w.k);
    return broken;
}
