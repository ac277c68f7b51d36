/* Incarnations: each life of this node on the ledger begins with REGISTER(inc), which also closes
 * the life before it.
 *
 *   boot -> journal read -> INC durable -> REGISTER applied -> "registered" durable -> admission
 *
 * When it does not go well: a REGISTER that is refused is tried again with the incarnation that the
 * ledger names, without the journal's numbers (they are of another life: an old copy of the disk);
 * then everything
 * outstanding of that life is charged. A node that was fenced while alive lets its open requests
 * end for up to REGISTER_DRAIN_MS, then registers anew with what it knows exactly. */
#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/gov/manager.h"

#define REGISTER_RETRY_MS 200
#define REGISTER_DRAIN_MS 5000
#define REGISTER_LOOK_MS  100

static void register_submit(struct gov *g);

static uint32_t register_ledger_inc(const struct gov *g)
{
    const struct member *m = fsm_member(consensus_fsm(g->consensus), slice_str(g->cfg.name));
    uint32_t inc = m != NULL ? m->inc : 0;

    return g->ledger_inc > inc ? g->ledger_inc : inc;
}

/* Which incarnation to begin, and whether the journal's numbers are those of the one before. */
static uint32_t register_choose(struct gov *g, bool *ret_journal_ok)
{
    uint32_t ledger = register_ledger_inc(g);
    const struct journal_meta *m = &g->past.meta;
    uint32_t ours = m->inc > m->registered ? m->inc : m->inc + 1;

    if (!g->past.found) {
        *ret_journal_ok = false;
        return ledger + 1;
    }
    /* Equal: an earlier REGISTER was applied but its answer never reached this disk. */
    if (ours == ledger + 1 || (ours == ledger && m->inc == ours)) {
        *ret_journal_ok = true;
        return ours;
    }
    *ret_journal_ok = false;
    return ledger + 1;
}

static void register_meta_durable(struct db_write *w)
{
    struct gov *g = CONTAINER_OF(w, struct gov, meta_write);

    g->meta_busy = false;
    if (g->sm.state == GOV_STATE_STOPPED) {
        return;
    }
    if (g->meta.registered != g->meta.inc) {
        register_submit(g);
        return;
    }
    sm_move(&g->sm, GOV_STATE_ACTIVE);
    atomic_store(&g->shared.fresh_until_us, loop_now_us(g->loop) + g->cfg.stale_ms * 1000);
    atomic_store(&g->shared.inc, g->meta.registered);
    LOG_INFO("registered with the ledger", LOG_U64("incarnation", g->meta.registered));
    g->caught_up = true;
    gov_on_applied(g);
    lease_start(g);
}

static void register_write_meta(struct gov *g, bool drop)
{
    ASSERT(!g->meta_busy);
    g->meta_busy = true;
    g->meta_write.batch = batch_new();
    journal_put_meta(g->meta_write.batch, &g->meta);
    if (drop) {
        journal_drop_before(g->meta_write.batch, g->meta.registered);
    }
    g->meta_write.reply = g->mailbox;
    g->meta_write.cb = register_meta_durable;
    db_write(g->shared.db, &g->meta_write);
}

static void register_done(struct submit *s)
{
    struct gov *g = CONTAINER_OF(s, struct gov, submit);

    g->submit_busy = false;
    if (g->sm.state != GOV_STATE_REGISTERING) {
        return;
    }
    if (s->result.status == 0) {
        g->meta.registered = g->meta.inc;
        g->ledger_inc = g->meta.inc;
        g->past.found = true; /* From now on the journal is this life's. */
        g->past.n_finals = 0;
        g->past.n_cells = 0;
        g->past.meta = g->meta;
        mcells_forget(g);
        lease_forget(g);
        register_write_meta(g, true);
        return;
    }
    if (s->result.status != Q_ENOQUORUM && s->result.status != Q_EUNKNOWN &&
        s->result.status != Q_EBUSY) {
        LOG_WARN("the ledger refused our incarnation", LOG_U64("incarnation", g->meta.inc),
                 LOG_U64("ledger_incarnation", s->result.revision),
                 LOG_STR("why", s->result.err.text));
        if (s->result.revision > g->ledger_inc) {
            g->ledger_inc = (uint32_t)s->result.revision;
        }
    }
    sm_move(&g->sm, GOV_STATE_WAITING);
    timer_start(&g->register_timer, REGISTER_RETRY_MS);
}

/* Encodes REGISTER or RELEASE into g->submit_cmd. Cells that make it too large are left out: the
 * amounts are posted all the same, without their detail. */
static int register_encode(struct gov *g, struct cmd *c)
{
    int rv;

    consensus_origin(g->consensus, &c->origin, &c->origin_inc);
    c->reqno = consensus_reqno(g->consensus);
    for (;;) {
        buf_clear(&g->submit_cmd);
        rv = cmd_encode(c, &g->submit_cmd);
        if (rv != Q_ETOOBIG || c->reg.n_cells == 0) {
            return rv;
        }
        LOG_WARN("usage detail of the life before is too large and was cut",
                 LOG_U64("cells", c->reg.n_cells));
        c->reg.n_cells /= 2;
    }
}

static void register_submit(struct gov *g)
{
    struct cmd c = {.type = CMD_REGISTER};
    struct arena arena;
    bool journal_ok;
    int rv;

    arena_init(&arena, NULL);
    (void)register_choose(g, &journal_ok);
    c.reg.node = slice_str(g->cfg.name);
    c.reg.inc = g->meta.inc;
    c.reg.journal_ok = journal_ok;
    c.reg.last_seq = g->meta.seq;
    if (journal_ok && g->past_used) { /* Fenced while alive: memory knows better than the disk. */
        lease_finals(g, &arena, &c.reg.finals, &c.reg.n_finals);
        c.reg.cells = arena_alloc(&arena, SYNC_CELLS_MAX * sizeof *c.reg.cells);
        c.reg.n_cells = mcells_take(g, UINT64_MAX, c.reg.cells, SYNC_CELLS_MAX);
    } else if (journal_ok) {
        c.reg.finals = g->past.finals;
        c.reg.n_finals = g->past.n_finals;
        c.reg.cells = g->past.cells;
        c.reg.n_cells = g->past.n_cells;
    }
    rv = register_encode(g, &c);
    if (rv != 0) {
        LOG_ERROR("cannot register with the ledger", LOG_STR("why", err_str(rv)));
        sm_move(&g->sm, GOV_STATE_WAITING);
        timer_start(&g->register_timer, REGISTER_RETRY_MS * 10);
    } else {
        if (g->past.found && !g->past_used && g->past.n_open > 0) {
            LOG_WARN("requests that were in flight are charged at their bound",
                     LOG_U64("requests", g->past.n_open));
        }
        g->submit = (struct submit){.cmd = buf_slice(&g->submit_cmd), .cb = register_done};
        g->submit_busy = true;
        consensus_submit(g->consensus, &g->submit);
    }
    arena_deinit(&arena);
}

void register_look(struct gov *g)
{
    bool journal_ok;

    if (g->consensus == NULL || g->sm.state == GOV_STATE_ACTIVE ||
        g->sm.state == GOV_STATE_REGISTERING || g->meta_busy || g->submit_busy) {
        return;
    }
    if (g->sm.state == GOV_STATE_FENCED) {
        if (!lease_idle(g) && loop_now_ms(g->loop) - g->fenced_ms < REGISTER_DRAIN_MS) {
            timer_start(&g->register_timer, REGISTER_LOOK_MS);
            return;
        }
    } else if (g->sm.state != GOV_STATE_WAITING) {
        return; /* Releasing or stopped. */
    }
    if (fsm_member(consensus_fsm(g->consensus), slice_str(g->cfg.name)) == NULL) {
        return; /* Looked at again when more has been applied. */
    }
    sm_move(&g->sm, GOV_STATE_REGISTERING);
    g->meta.inc = register_choose(g, &journal_ok);
    if (!journal_ok && !g->past.found) {
        const struct member *m = fsm_member(consensus_fsm(g->consensus), slice_str(g->cfg.name));
        g->meta.seq = m->seq > g->meta.seq ? m->seq : g->meta.seq;
    }
    g->meta.registered = g->past.meta.registered;
    register_write_meta(g, false);
}

void register_fenced(struct gov *g, uint32_t ledger_inc)
{
    LOG_WARN("the ledger has closed our incarnation; a new one begins",
             LOG_U64("incarnation", g->meta.registered), LOG_U64("ledger_incarnation", ledger_inc));
    sm_move(&g->sm, GOV_STATE_FENCED);
    g->ledger_inc = ledger_inc;
    g->fenced_ms = loop_now_ms(g->loop);
    g->past_used = true;
    g->past.found = true;
    g->past.meta = g->meta;
    lease_stop(g);
    register_look(g);
}

static void register_on_timer(struct timer *t)
{
    register_look(CONTAINER_OF(t, struct gov, register_timer));
}

void register_init(struct gov *g)
{
    timer_init(&g->register_timer, g->loop, register_on_timer);
    buf_init(&g->submit_cmd, CMD_BYTES_MAX);
    g->meta = g->past.meta;
    g->past_used = false;
}

/* --- leaving --- */

static void register_released(struct gov *g)
{
    void (*cb)(void *arg) = g->release_cb;

    timer_stop(&g->release_timer);
    if (g->sm.state == GOV_STATE_RELEASING) {
        sm_move(&g->sm, GOV_STATE_STOPPED);
    }
    g->release_cb = NULL;
    if (cb != NULL) {
        cb(g->release_arg);
    }
}

static void register_release_done(struct submit *s)
{
    struct gov *g = CONTAINER_OF(s, struct gov, submit);

    g->submit_busy = false;
    if (s->result.status == 0) {
        LOG_INFO("all credit is given back to the ledger");
    }
    register_released(g);
}

static void register_release_late(struct timer *t)
{
    register_released(CONTAINER_OF(t, struct gov, release_timer));
}

void gov_release(struct gov *g, uint64_t max_ms, void (*done)(void *arg), void *arg)
{
    struct cmd c = {.type = CMD_RELEASE};
    struct arena arena;
    bool active = g->sm.state == GOV_STATE_ACTIVE;

    g->release_cb = done;
    g->release_arg = arg;
    timer_init(&g->release_timer, g->loop, register_release_late);
    timer_stop(&g->register_timer);
    sm_move(&g->sm, active ? GOV_STATE_RELEASING : GOV_STATE_STOPPED);
    if (!active || g->submit_busy) {
        timer_start(&g->release_timer, 1);
        return;
    }
    lease_stop(g);
    arena_init(&arena, NULL);
    c.reg.node = slice_str(g->cfg.name);
    c.reg.inc = g->meta.registered;
    c.reg.journal_ok = true;
    c.reg.last_seq = g->meta.seq;
    lease_finals(g, &arena, &c.reg.finals, &c.reg.n_finals);
    c.reg.cells = arena_alloc(&arena, SYNC_CELLS_MAX * sizeof *c.reg.cells);
    c.reg.n_cells = mcells_take(g, UINT64_MAX, c.reg.cells, SYNC_CELLS_MAX);
    timer_start(&g->release_timer, max_ms);
    if (register_encode(g, &c) == 0) {
        g->submit = (struct submit){.cmd = buf_slice(&g->submit_cmd),
                                    .deadline_ms = loop_now_ms(g->loop) + max_ms,
                                    .cb = register_release_done};
        g->submit_busy = true;
        consensus_submit(g->consensus, &g->submit);
    }
    arena_deinit(&arena);
}
