/* The life of a node's part in the cluster, and what the engine wants done. */
#include "raft/consensus_i.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

#define STOP_MS 2000

int consensus_preset_parse(struct slice name, enum consensus_preset *ret)
{
    static const char *const names[] = {"lan", "wan", "test"};

    for (int i = 0; i < 3; i++) {
        if (slice_eq(name, slice_str(names[i]))) {
            *ret = (enum consensus_preset)i;
            return 0;
        }
    }
    return Q_EINVAL;
}

uint64_t consensus_now(struct consensus *c)
{
    return loop_now_us(c->loop) / 1000;
}

void consensus_fatal(struct consensus *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(c->fatal.text, sizeof c->fatal.text, fmt, ap);
    va_end(ap);
    c->cfg.hooks->fatal(c->cfg.hooks_arg, c->fatal.text);
}

void consensus_check(struct consensus *c, int rv)
{
    if (rv != 0 && rv != RAFT_NOTLEADER && rv != RAFT_CANTCHANGE && rv != RAFT_NOSPACE &&
        rv != RAFT_MALFORMED) {
        consensus_fatal(c, "consensus: %s", raft_strerror(rv));
    }
    consensus_rearm(c);
}

/* --- disk --- */

static void consensus_release_held(struct consensus *c)
{
    while (c->n_meta_writes == 0 && !list_empty(&c->held)) {
        struct held_frame *h = LIST_FIRST(&c->held, struct held_frame, link);
        struct peer *p = peers_find(&c->peers, h->to);
        list_remove(&h->link);
        if (p != NULL) {
            (void)peer_send(p, slice_of(h->bytes, h->n));
        }
        mem_free(h);
    }
}

static void consensus_written(struct db_write *w)
{
    struct disk_write *d = CONTAINER_OF(w, struct disk_write, write);
    struct consensus *c = d->c;
    uint64_t seq = d->seq;

    list_remove(&d->link);
    c->n_meta_writes -= d->has_meta;
    mem_free(d);
    consensus_release_held(c);
    if (c->engine != NULL && seq != 0 && !c->stopping) {
        engine_durable(c->engine, seq);
        consensus_rearm(c);
    }
}

static void consensus_on_flush(struct loop_task *t)
{
    struct consensus *c = CONTAINER_OF(t, struct consensus, flush);
    struct disk_write *d = c->open_write;

    if (d != NULL) {
        c->open_write = NULL;
        list_push_back(&c->writes, &d->link);
        db_write(c->db, &d->write);
    }
}

static struct disk_write *consensus_write(struct consensus *c)
{
    if (c->open_write == NULL) {
        struct disk_write *d = mem_zalloc(sizeof *d);
        d->c = c;
        d->write.batch = batch_new();
        d->write.reply = c->mailbox;
        d->write.cb = consensus_written;
        list_init(&d->link);
        c->open_write = d;
        loop_at_turn_end(c->loop, &c->flush);
    }
    return c->open_write;
}

struct batch *consensus_batch(struct consensus *c)
{
    return consensus_write(c)->write.batch;
}

/* --- what the engine wants --- */

static uint64_t consensus_op_now(void *ctx)
{
    return consensus_now(ctx);
}

static void consensus_op_meta(void *ctx, raft_term term, raft_id vote)
{
    struct consensus *c = ctx;
    struct disk_write *d = consensus_write(c);

    rlog_put_meta(d->write.batch, term, vote);
    if (!d->has_meta) {
        d->has_meta = true;
        c->n_meta_writes++;
    }
}

static void consensus_op_append(void *ctx, uint64_t seq, raft_index first,
                                struct entry *const *entries, unsigned n)
{
    struct consensus *c = ctx;
    struct disk_write *d = consensus_write(c);

    rlog_put_entries(&c->rlog, d->write.batch, first, entries, n);
    d->seq = seq;
}

static void consensus_op_snapshot(void *ctx, uint64_t seq, const struct snapshot_meta *meta,
                                  bool installed, raft_index keep_from)
{
    struct consensus *c = ctx;
    struct disk_write *d = consensus_write(c);

    rlog_put_snapshot(&c->rlog, d->write.batch, meta, installed ? &c->install_chunks : &c->fresh,
                      installed, keep_from);
    d->seq = seq;
    rlog_chunks_free(&c->chunks);
    c->chunks = installed ? c->install_chunks : c->fresh;
    if (installed) {
        c->install_chunks = (struct rlog_chunks){0};
    } else {
        c->fresh = (struct rlog_chunks){0};
    }
}

bool consensus_send_frame(struct consensus *c, raft_id to, struct slice frame)
{
    struct peer *p = peers_find(&c->peers, to);

    return p != NULL && peer_send(p, frame);
}

/* A server's address in the raft configuration is "name@host:port": a node that starts again must
 * find the others before it has applied anything. */
static void consensus_meet(struct consensus *c, raft_id id, const char *address)
{
    struct slice s = slice_str(address != NULL ? address : "");
    size_t at = slice_find(s, '@');

    if (at < s.n) {
        (void)peers_get(&c->peers, id, slice_of(s.p, at), slice_of(s.p + at + 1, s.n - at - 1));
    } else {
        (void)peers_get(&c->peers, id, SLICE(""), s);
    }
}

static void consensus_op_send(void *ctx, const struct raft_message *m, struct entry *const *entries)
{
    struct consensus *c = ctx;
    struct buf b;

    if (peers_find(&c->peers, m->server_id) == NULL) {
        consensus_meet(c, m->server_id, m->server_address);
    }
    buf_init(&b, WIRE_FRAME_BYTES_MAX + 4096);
    wire_raft(&b, m, entries);
    if (c->n_meta_writes > 0) {
        struct held_frame *h = mem_alloc(sizeof *h + b.n);
        h->to = m->server_id;
        h->n = b.n;
        memcpy(h->bytes, b.p, b.n);
        list_push_back(&c->held, &h->link);
    } else {
        (void)consensus_send_frame(c, m->server_id, buf_slice(&b));
    }
    buf_deinit(&b);
}

static void consensus_op_apply(void *ctx, raft_index index, raft_term term, uint16_t type,
                               struct slice data)
{
    struct consensus *c = ctx;
    struct fsm_result result = {0};
    struct cmd cmd;

    (void)term;
    if (type == RAFT_COMMAND) {
        fsm_apply(c->fsm, index, data, &result);
        if (result.status == Q_EVERSION || result.status == Q_ECORRUPT) {
            consensus_fatal(c, "log entry %llu: %s", (unsigned long long)index, result.err.text);
            return;
        }
        if (c->policy != NULL) {
            arena_deinit(&c->apply_arena);
            arena_init(&c->apply_arena, loop_arena_pool(c->loop));
            if (cmd_decode(data, &c->apply_arena, &cmd, NULL) == 0) {
                leader_applied(c, index, &cmd);
            }
        }
    }
    if (type == RAFT_CHANGE) {
        c->change_busy = false;
    }
    submit_applied(c, index, &result);
    c->applied_dirty = true;
    loop_at_turn_end(c->loop, &c->applied_task);
}

static void consensus_op_take(void *ctx)
{
    install_take(ctx);
}

static void consensus_op_restored(void *ctx, const struct snapshot_meta *meta)
{
    struct consensus *c = ctx;

    (void)meta;
    install_restored(c);
    c->applied_dirty = true;
    loop_at_turn_end(c->loop, &c->applied_task);
}

static void consensus_op_state(void *ctx, int from, int to)
{
    struct consensus *c = ctx;

    if (to == RAFT_CANDIDATE) {
        metric_inc(METRIC_raft_elections_total);
    }
    LOG_DEBUG("raft state", LOG_STR("from", raft_state_name(from)),
              LOG_STR("to", raft_state_name(to)));
    leader_changed(c);
}

static const struct engine_ops consensus_engine_ops = {
    .now_ms = consensus_op_now,
    .set_meta = consensus_op_meta,
    .append = consensus_op_append,
    .snapshot_put = consensus_op_snapshot,
    .send = consensus_op_send,
    .apply = consensus_op_apply,
    .snapshot_take = consensus_op_take,
    .snapshot_restored = consensus_op_restored,
    .state_changed = consensus_op_state,
};

/* --- timers --- */

void consensus_rearm(struct consensus *c)
{
    uint64_t now = consensus_now(c), at;

    if (c->engine == NULL || c->stopping) {
        return;
    }
    at = engine_timeout_ms(c->engine);
    timer_start(&c->raft_timer,
                at > now + 10 ? at - now : 10); /* Floored: else a demoted server spins. */
    leader_tell(c);
}

static void consensus_on_raft_timer(struct timer *t)
{
    struct consensus *c = CONTAINER_OF(t, struct consensus, raft_timer);

    if (engine_timeout_ms(c->engine) <= consensus_now(c)) {
        consensus_check(c, engine_tick(c->engine));
    } else {
        consensus_rearm(c);
    }
}

static void consensus_on_applied_task(struct loop_task *t)
{
    struct consensus *c = CONTAINER_OF(t, struct consensus, applied_task);

    if (c->applied_dirty && !c->stopping) {
        c->applied_dirty = false;
        for (const struct member *m = fsm_member_next(c->fsm, NULL); m != NULL;
             m = fsm_member_next(c->fsm, m)) {
            if (m->raft_id != c->id) {
                (void)peers_get(&c->peers, m->raft_id, m->name, m->peer_addr);
            }
        }
        leader_tell(c);
        c->cfg.hooks->applied(c->cfg.hooks_arg);
    }
}

static void consensus_metrics(struct consensus *c)
{
    static _Thread_local int64_t told[5];
    const enum metric names[] = {METRIC_raft_term, METRIC_raft_leader, METRIC_raft_last_index,
                                 METRIC_raft_commit_index, METRIC_raft_applied_index};
    struct raft *r = engine_raft(c->engine);
    const int64_t now[] = {(int64_t)raft_current_term(r), engine_is_leader(c->engine),
                           (int64_t)engine_last(c->engine), (int64_t)raft_commit_index(r),
                           (int64_t)engine_applied(c->engine)};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) { /* Cells only add. */
        metric_add(names[i], now[i] - told[i]);
        told[i] = now[i];
    }
}

static void consensus_on_sweep(struct timer *t)
{
    struct consensus *c = CONTAINER_OF(t, struct consensus, sweep);

    timer_start(&c->sweep, CONSENSUS_SWEEP_MS);
    submit_sweep(c);
    if (c->engine != NULL) {
        consensus_metrics(c);
        leader_sweep(c);
    }
}

/* --- peers --- */

static void consensus_peer_up(void *ctx, struct peer *p)
{
    struct consensus *c = ctx;

    if (p->id == consensus_leader_id(c)) {
        submit_pump_soon(c);
        if (c->told_leader == p->id) { /* What was lost is said again. */
            c->told_leader = 0;
            leader_tell(c);
        }
    }
}

static void consensus_peer_down(void *ctx, struct peer *p)
{
    struct consensus *c = ctx;

    if (p->id == consensus_leader_id(c)) {
        submit_leader_changed(c);
    }
}

/* A killed leader is noticed by its connection, not by a timeout. */
static void consensus_inbound_lost(void *ctx, raft_id id)
{
    struct consensus *c = ctx;

    join_inbound_lost(c);
    if (c->engine != NULL && id == consensus_leader_id(c) && !timer_is_running(&c->lost_timer)) {
        timer_start(&c->lost_timer, 1 + rng_below(&c->peers.rng, 60));
    }
}

static void consensus_on_lost_timer(struct timer *t)
{
    struct consensus *c = CONTAINER_OF(t, struct consensus, lost_timer);
    raft_id leader = consensus_leader_id(c);

    LIST_EACH (it, &c->peers.inbounds) {
        if (LIST_ENTRY(it, struct inbound, link)->id == leader) {
            return; /* It is back. */
        }
    }
    if (leader != 0 && c->engine != NULL) {
        consensus_check(c, engine_leader_lost(c->engine));
    }
}

static const struct peers_ops consensus_peers_ops = {
    .frame = consensus_on_frame,
    .up = consensus_peer_up,
    .down = consensus_peer_down,
    .inbound_lost = consensus_inbound_lost,
};

raft_id consensus_leader_id(struct consensus *c)
{
    const char *address;
    raft_id id = 0;

    if (c->engine != NULL) {
        raft_leader(engine_raft(c->engine), &id, &address);
    }
    return id;
}

/* --- start --- */

/* Everybody in the newest configuration that is on disk, committed or not. */
static void consensus_meet_all(struct consensus *c)
{
    const struct raft_configuration *conf = engine_conf(c->engine);
    struct raft_configuration found;

    for (raft_index i = engine_last(c->engine); i > 0; i--) {
        const struct entry *e = engine_entry(c->engine, i);
        struct raft_buffer text;
        if (e == NULL) {
            break;
        }
        text.base = (void *)(uintptr_t)e->data;
        text.len = e->n;
        if (e->type == RAFT_CHANGE && raft_configuration_decode(&text, &found) == 0) {
            for (unsigned k = 0; k < found.n; k++) {
                if (found.servers[k].id != c->id) {
                    consensus_meet(c, found.servers[k].id, found.servers[k].address);
                }
            }
            raft_configuration_close(&found);
            return;
        }
    }
    for (unsigned k = 0; k < conf->n; k++) {
        if (conf->servers[k].id != c->id) {
            consensus_meet(c, conf->servers[k].id, conf->servers[k].address);
        }
    }
}

int consensus_begin(struct consensus *c, struct rlog_state *s)
{
    unsigned seed;
    const struct engine_start start = {.term = s->term,
                                       .vote = s->vote,
                                       .snapshot = s->has_snapshot ? &s->snapshot : NULL,
                                       .first = s->first,
                                       .entries = s->entries,
                                       .n = s->n};

    crypto_random(&seed, sizeof seed);
    c->id = s->id;
    c->peers.id = s->id;
    if (c->has_uuid) {
        memcpy(c->peers.uuid, c->uuid, sizeof c->uuid);
        c->peers.has_uuid = true;
    }
    c->engine = engine_new(s->id, c->cfg.peer_advertise, &consensus_engine_ops, c);
    engine_tune(c->engine, c->election_ms, c->heartbeat_ms, CONSENSUS_SNAPSHOT_ENTRIES,
                CONSENSUS_TRAILING, seed);
    consensus_check(c, engine_start(c->engine, &start));
    consensus_meet_all(c);
    return 0;
}

static char *consensus_copy(struct consensus *c, const char *s)
{
    return arena_strdup(&c->arena, slice_str(s != NULL ? s : ""));
}

static void consensus_copy_cfg(struct consensus *c, const struct consensus_cfg *cfg)
{
    char **join = arena_alloc(&c->arena, (cfg->n_join + 1) * sizeof(char *));

    c->cfg = *cfg;
    c->cfg.name = consensus_copy(c, cfg->name);
    c->cfg.region = consensus_copy(c, cfg->region);
    c->cfg.version = consensus_copy(c, cfg->version);
    c->cfg.peer_listen = consensus_copy(c, cfg->peer_listen);
    c->cfg.peer_advertise = consensus_copy(c, cfg->peer_advertise);
    c->cfg.gateway_advertise = consensus_copy(c, cfg->gateway_advertise);
    c->cfg.ca_file = consensus_copy(c, cfg->ca_file);
    c->cfg.cert_file = consensus_copy(c, cfg->cert_file);
    c->cfg.key_file = consensus_copy(c, cfg->key_file);
    for (size_t i = 0; i < cfg->n_join; i++) {
        join[i] = consensus_copy(c, cfg->join[i]);
    }
    c->cfg.join = (const char *const *)join;
    switch (cfg->preset) {
    case CONSENSUS_LAN:
        c->election_ms = 300;
        c->heartbeat_ms = 30;
        break;
    case CONSENSUS_WAN:
        c->election_ms = 2500;
        c->heartbeat_ms = 300;
        break;
    case CONSENSUS_TEST:
        c->election_ms = 1000;
        c->heartbeat_ms = 100;
        break;
    }
}

static int consensus_load_tls(struct consensus *c, struct errmsg *err)
{
    struct tls_ctx_cfg cfg = {.server = true,
                              .cert_file = c->cfg.cert_file,
                              .key_file = c->cfg.key_file,
                              .ca_file = c->cfg.ca_file,
                              .require_peer_cert = true,
                              .tls13_only = true};
    struct tls_ctx *server, *client;
    int rv = tls_ctx_new(&cfg, &server, err);

    if (rv != 0) {
        return rv;
    }
    cfg.server = false;
    rv = tls_ctx_new(&cfg, &client, err);
    if (rv != 0) {
        tls_ctx_unref(server);
        return rv;
    }
    tls_ctx_unref(c->peers.server);
    tls_ctx_unref(c->peers.client);
    c->peers.server = server;
    c->peers.client = client;
    return 0;
}

int consensus_reload_tls(struct consensus *c, struct errmsg *err)
{
    return consensus_load_tls(c, err);
}

static void consensus_init(struct consensus *c)
{
    c->loop = c->cfg.loop;
    c->db = c->cfg.db;
    c->mailbox = mailbox_new(c->loop);
    c->fsm = fsm_new();
    c->peers.name = c->cfg.name;
    c->peers.addr = c->cfg.peer_advertise;
    list_init(&c->writes);
    list_init(&c->held);
    arena_init(&c->apply_arena, loop_arena_pool(c->loop));
    loop_task_init(&c->flush, consensus_on_flush);
    loop_task_init(&c->applied_task, consensus_on_applied_task);
    timer_init(&c->raft_timer, c->loop, consensus_on_raft_timer);
    timer_init(&c->sweep, c->loop, consensus_on_sweep);
    timer_init(&c->lost_timer, c->loop, consensus_on_lost_timer);
    submit_init(c);
    leader_init(c);
    install_init(c);
    list_init(&c->join_waiting);
    buf_init(&c->join_in, WIRE_FRAME_BYTES_MAX);
}

static int consensus_restore(struct consensus *c, struct rlog_state *s, struct errmsg *err)
{
    int rv = 0;

    for (size_t i = 0; i < s->chunks.n && rv == 0; i++) {
        rv = fsm_restore_chunk(c->fsm, s->chunks.v[i], err);
    }
    if (rv == 0 && s->has_snapshot) {
        rv = fsm_restore_chunk(c->fsm, SLICE(""), err);
    }
    if (rv != 0) {
        errmsg_wrap(err, "snapshot %llu", (unsigned long long)s->snapshot.index);
        return rv;
    }
    c->chunks = s->chunks;
    return 0;
}

int consensus_start(const struct consensus_cfg *cfg, struct consensus **ret, struct errmsg *err)
{
    struct consensus *c = mem_zalloc(sizeof *c);
    struct rlog_state state;
    int rv;

    arena_init(&c->arena, NULL);
    consensus_copy_cfg(c, cfg);
    rv = consensus_load_tls(c, err);
    if (rv == 0) {
        rv = rlog_load(&c->rlog, cfg->db, &state, err);
    }
    if (rv != 0) {
        return rv; /* The process ends; what was allocated goes with it. */
    }
    consensus_init(c);
    rv = consensus_restore(c, &state, err);
    if (rv == 0) {
        rv = peers_start(&c->peers, c->loop, c->cfg.peer_listen, &consensus_peers_ops, c, err);
    }
    if (rv != 0) {
        return rv;
    }
    timer_start(&c->sweep, CONSENSUS_SWEEP_MS);
    *ret = c;
    if (state.found) {
        memcpy(c->uuid, state.uuid, sizeof c->uuid);
        for (size_t i = 0; i < sizeof c->uuid; i++) {
            c->has_uuid = c->has_uuid || c->uuid[i] != 0;
        }
        (void)consensus_begin(c, &state);
    } else if (cfg->bootstrap) {
        (void)join_bootstrap(c);
    } else {
        join_begin(c);
    }
    mem_free(state.entries);
    raft_configuration_close(&state.snapshot.conf);
    c->applied_dirty = true;
    loop_at_turn_end(c->loop, &c->applied_task);
    return 0;
}

/* --- stop --- */

static void consensus_stopped(void *arg)
{
    struct consensus *c = arg;
    void (*cb)(void *) = c->stop_cb;
    void *cb_arg = c->stop_arg;

    if (!list_empty(&c->writes) || c->open_write != NULL) {
        /* The storage thread still holds our memory: it ends with the process. */
        cb(cb_arg);
        return;
    }
    cb(cb_arg);
}

static void consensus_stop_now(struct consensus *c)
{
    submit_fail_all(c, Q_ECANCELED);
    c->stopping = true;
    timer_stop(&c->raft_timer);
    timer_stop(&c->sweep);
    timer_stop(&c->lost_timer);
    leader_deinit(c);
    install_drop(c);
    join_close(c);
    peers_close(&c->peers, consensus_stopped, c);
}

static void consensus_on_stop_timer(struct timer *t)
{
    struct consensus *c = CONTAINER_OF(t, struct consensus, lost_timer);

    if (!engine_is_leader(c->engine) || consensus_now(c) >= c->stop_at_ms) {
        consensus_stop_now(c);
    } else {
        timer_start(t, 10);
    }
}

void consensus_stop(struct consensus *c, void (*done)(void *arg), void *arg)
{
    c->stop_cb = done;
    c->stop_arg = arg;
    if (c->engine == NULL || !engine_is_leader(c->engine)) {
        consensus_stop_now(c);
        return;
    }
    c->stop_at_ms = consensus_now(c) + STOP_MS;
    consensus_transfer(c, SLICE(""));
    timer_stop(&c->lost_timer);
    timer_init(&c->lost_timer, c->loop, consensus_on_stop_timer);
    timer_start(&c->lost_timer, 10);
}

/* --- questions --- */

struct fsm *consensus_fsm(struct consensus *c)
{
    return c->fsm;
}

static const char *consensus_role(struct consensus *c, raft_id id)
{
    const struct raft_configuration *conf = engine_conf(c->engine);

    for (unsigned i = 0; i < conf->n; i++) {
        if (conf->servers[i].id == id) {
            return conf->servers[i].role == RAFT_VOTER     ? "voter"
                   : conf->servers[i].role == RAFT_STANDBY ? "standby"
                                                           : "spare";
        }
    }
    return "none";
}

void consensus_status(struct consensus *c, struct consensus_status *ret)
{
    const struct member *leader = fsm_member_by_raft_id(c->fsm, consensus_leader_id(c));

    *ret = (struct consensus_status){.leader = "", .role = "none", .raft_id = c->id};
    if (c->engine == NULL) {
        return;
    }
    ret->joined = engine_applied(c->engine) > 0;
    ret->is_leader = engine_is_leader(c->engine);
    if (leader != NULL) {
        static _Thread_local char name[NAME_BYTES_MAX + 1];
        (void)slice_copy_str(leader->name, name, sizeof name);
        ret->leader = name;
    }
    ret->term = raft_current_term(engine_raft(c->engine));
    ret->last_index = engine_last(c->engine);
    ret->commit_index = raft_commit_index(engine_raft(c->engine));
    ret->applied_index = engine_applied(c->engine);
    ret->snapshot_index = engine_snapshot(c->engine)->index;
    ret->role = consensus_role(c, c->id);
}

size_t consensus_peers(struct consensus *c, struct consensus_peer *out, size_t max)
{
    uint64_t now = loop_now_ms(c->loop);
    size_t n = 0;

    for (const struct member *m = fsm_member_next(c->fsm, NULL); m != NULL && n < max;
         m = fsm_member_next(c->fsm, m)) {
        struct peer *p = peers_find(&c->peers, m->raft_id);
        struct consensus_peer *o = &out[n++];
        raft_index match = 0;
        *o = (struct consensus_peer){.name = m->name, .raft_id = m->raft_id, .heard_ms = -1};
        o->role = c->engine != NULL ? consensus_role(c, m->raft_id) : "none";
        if (m->raft_id == c->id) {
            o->match_index = c->engine != NULL ? engine_last(c->engine) : 0;
            o->heard_ms = 0;
            o->connected = true;
            continue;
        }
        if (c->engine != NULL && engine_is_leader(c->engine) &&
            raft_match_index(engine_raft(c->engine), m->raft_id, &match) == 0) {
            o->match_index = match;
        }
        if (p != NULL) {
            o->heard_ms = p->heard_ms != 0 ? (int64_t)(now - p->heard_ms) : -1;
            o->connected = p->open;
        }
    }
    return n;
}

void consensus_transfer(struct consensus *c, struct slice to_name)
{
    const struct member *m = to_name.n > 0 ? fsm_member(c->fsm, to_name) : NULL;

    if (c->engine != NULL && engine_is_leader(c->engine)) {
        (void)engine_transfer(c->engine, m != NULL ? m->raft_id : 0);
        consensus_rearm(c);
    }
}

uint64_t consensus_now_ledger_ms(struct consensus *c)
{
    int64_t ledger = fsm_now_ms(c->fsm), wall = loop_wall_ms(c->loop);

    return (uint64_t)(wall > ledger ? wall : ledger);
}
