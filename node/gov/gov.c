/* Governance's life on the raft loop: start, views to the workers, workers that come and go. */
#include "node/gov/gov.h"

#include "base/check.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/gov/manager.h"

/* waiting -> registering -> active -> fenced -> registering ...;  active -> releasing -> stopped */
#define TO(s) SM_BIT(GOV_STATE_##s)
static const struct sm_state gov_states[] = {
    [GOV_STATE_WAITING] = {"waiting", TO(REGISTERING) | TO(STOPPED)},
    [GOV_STATE_REGISTERING] = {"registering", TO(ACTIVE) | TO(WAITING) | TO(STOPPED)},
    [GOV_STATE_ACTIVE] = {"active", TO(FENCED) | TO(RELEASING) | TO(STOPPED)},
    [GOV_STATE_FENCED] = {"fenced", TO(REGISTERING) | TO(STOPPED)},
    [GOV_STATE_RELEASING] = {"releasing", TO(STOPPED)},
    [GOV_STATE_STOPPED] = {"stopped", 0},
};

struct gov_shared *gov_shared_of(struct gov *g)
{
    return &g->shared;
}

int gov_new(const struct gov_cfg *cfg, struct gov **ret, struct errmsg *err)
{
    struct gov *g = mem_zalloc(sizeof *g);
    int rv;

    g->cfg = *cfg;
    g->cfg.name = mem_strdup(cfg->name);
    g->cfg.env_prefix = cfg->env_prefix != NULL ? mem_strdup(cfg->env_prefix) : NULL;
    g->cfg.secrets_dir = cfg->secrets_dir != NULL ? mem_strdup(cfg->secrets_dir) : NULL;
    g->cfg.master_key = NULL;
    g->loop = cfg->loop;
    g->shared.clock = loop_clock(cfg->loop);
    g->shared.db = cfg->db;
    crypto_derive(cfg->master_key, "quorate key mac pepper v1", g->shared.pepper);
    crypto_derive(cfg->master_key, "quorate credential seal v1", g->shared.seal_key);
    arena_init(&g->past_arena, NULL);
    rv = journal_load(cfg->db, &g->past_arena, &g->past, err);
    if (rv != 0) {
        arena_deinit(&g->past_arena);
        mem_free((void *)g->cfg.name);
        mem_free((void *)g->cfg.env_prefix);
        mem_free((void *)g->cfg.secrets_dir);
        mem_free(g);
        return rv;
    }
    g->mailbox = mailbox_new(cfg->loop);
    g->shared.mailbox = g->mailbox;
    list_init(&g->workers);
    sm_init(&g->sm, "gov", gov_states, GOV_STATE_WAITING);
    g->builder = view_builder_new(&g->cfg, g->shared.seal_key, g->shared.pepper);
    lease_init(g);
    register_init(g);
    mcells_init(g);
    *ret = g;
    return 0;
}

void gov_attach(struct gov *g, struct consensus *c)
{
    g->consensus = c;
    gov_on_applied(g);
}

static void gov_send_view(struct gov *g, struct gov_worker *w)
{
    struct gov_view_letter *l;

    if (g->view == NULL) {
        return;
    }
    l = mem_zalloc(sizeof *l);
    l->letter.deliver = gov_deliver_view;
    l->worker = w;
    l->view = view_ref(g->view);
    mailbox_send(w->mailbox, &l->letter);
}

void gov_on_applied(struct gov *g)
{
    struct view *fresh;

    if (g->consensus == NULL) {
        return;
    }
    if (!g->caught_up) { /* What a restarted node has applied may be old: nothing is served. */
        register_look(g);
        return;
    }
    fresh = view_build(g->builder, consensus_fsm(g->consensus));
    if (fresh != NULL) {
        view_unref(g->view);
        g->view = fresh;
        LIST_EACH (it, &g->workers) {
            gov_send_view(g, LIST_ENTRY(it, struct gov_worker, link));
        }
    }
    register_look(g);
}

void gov_on_leader(struct gov *g, bool known)
{
    if (known && g->sm.state == GOV_STATE_ACTIVE) {
        lease_sync_soon(g, 1); /* A new leader knows nothing of our demand. */
    }
    register_look(g);
}

void gov_ping_workers(struct gov *g, void (*deliver)(struct letter *l))
{
    LIST_EACH (it, &g->workers) {
        struct gov_ping *p = mem_zalloc(sizeof *p);
        p->worker = LIST_ENTRY(it, struct gov_worker, link);
        p->letter.deliver = deliver;
        p->round = g->ping_round;
        mailbox_send(p->worker->mailbox, &p->letter);
    }
}

void gov_deliver_hello(struct letter *l)
{
    struct gov_ping *p = CONTAINER_OF(l, struct gov_ping, letter);
    struct gov *g = p->worker->gov;

    list_push_back(&g->workers, &p->worker->link);
    g->n_workers++;
    gov_send_view(g, p->worker);
    mem_free(p);
}

void gov_deliver_leave(struct letter *l)
{
    struct gov_ping *p = CONTAINER_OF(l, struct gov_ping, letter);
    struct gov *g = p->worker->gov;

    list_remove(&p->worker->link);
    g->n_workers--;
    if (g->pings_due >
        /* Its answer to a ping is in our mailbox before this letter, or never was asked for. */
        0) {
        g->pings_due = g->pings_due > g->n_workers ? g->n_workers : g->pings_due;
    }
    p->letter.deliver = gov_deliver_bye;
    mailbox_send(p->worker->mailbox, &p->letter);
}

void gov_deliver_pong(struct letter *l)
{
    struct gov_ping *p = CONTAINER_OF(l, struct gov_ping, letter);
    struct gov *g = p->worker->gov;

    mem_free(p);
    lease_pong(g);
}

void gov_free(struct gov *g)
{
    ASSERT(list_empty(&g->workers));
    timer_stop(&g->register_timer);
    lease_deinit(g);
    mcells_deinit(g);
    view_unref(g->view);
    view_builder_free(g->builder);
    buf_deinit(&g->submit_cmd);
    arena_deinit(&g->past_arena);
    mailbox_close(g->mailbox);
    mem_wipe(&g->shared, sizeof g->shared);
    mem_free((void *)g->cfg.name);
    mem_free((void *)g->cfg.env_prefix);
    mem_free((void *)g->cfg.secrets_dir);
    mem_free(g);
}

const uint8_t *gov_pepper(const struct gov *g)
{
    return g->shared.pepper;
}

const uint8_t *gov_seal_key(const struct gov *g)
{
    return g->shared.seal_key;
}
