/* What only the leader does, and SYNC traffic of every node.
 *
 * Duties, looked at ten times a second: the cluster's first command, our own member entry,
 * promotion of standbys while there are fewer than three voters, a TICK a second (it moves ledger
 * time and carries the state hash every
 * ten seconds), the lease policy. All of it is soft: a new leader finds what is missing. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"
#include "raft/consensus_i.h"

#define LEADER_TICK_MS   1000
#define LEADER_HASH_MS   10000
#define LEADER_CAUGHT_UP 1000 /* Entries that a standby may lag when it is promoted. */

/* Traffic between our own policy and our own lease manager: never from inside a call. */
struct mail {
    struct list link;
    enum { MAIL_SYNC, MAIL_REPLY, MAIL_RECALL } kind;
    struct arena arena;
    struct sync_req sync;
    struct sync_reply reply;
    struct sync_recall recall;
};

/* --- stamps --- */

/* Do the clocks of a majority agree with ours to within the jump limit? */
static bool leader_clock_confirmed(struct consensus *c)
{
    const struct raft_configuration *conf = engine_conf(c->engine);
    unsigned voters = 0, agree = 0;

    for (unsigned i = 0; i < conf->n; i++) {
        const struct peer *p;
        if (conf->servers[i].role != RAFT_VOTER) {
            continue;
        }
        voters++;
        p = peers_find(&c->peers, conf->servers[i].id);
        agree += conf->servers[i].id == c->id ||
                 (p != NULL && p->wall_known && p->wall_offset_ms < CMD_JUMP_MS_MAX &&
                  p->wall_offset_ms > -CMD_JUMP_MS_MAX);
    }
    return agree * 2 > voters;
}

void leader_stamp(struct consensus *c, char *cmd, size_t n)
{
    int64_t now = loop_wall_ms(c->loop);
    bool jump = false;

    if (now > c->last_stamp_ms) {
        c->last_stamp_ms = now;
    }
    if (!c->term_stamped) {
        jump = leader_clock_confirmed(c);
        c->term_stamped = true;
    }
    cmd_stamp(cmd, n, c->last_stamp_ms, jump);
}

/* --- members --- */

static void leader_member(struct consensus *c)
{
    const struct member *m = fsm_member(c->fsm, slice_str(c->cfg.name));
    struct cmd cmd = {.type = CMD_MEMBER};

    if (m != NULL && m->raft_id == c->id &&
        slice_eq(m->peer_addr, slice_str(c->cfg.peer_advertise)) &&
        slice_eq(m->gateway_addr, slice_str(c->cfg.gateway_advertise)) &&
        slice_eq(m->region, slice_str(c->cfg.region)) &&
        slice_eq(m->version, slice_str(c->cfg.version))) {
        return;
    }
    cmd.member.name = slice_str(c->cfg.name);
    cmd.member.raft_id = c->id;
    cmd.member.peer_addr = slice_str(c->cfg.peer_advertise);
    cmd.member.gateway_addr = slice_str(c->cfg.gateway_advertise);
    cmd.member.region = slice_str(c->cfg.region);
    cmd.member.version = slice_str(c->cfg.version);
    submit_own(c, &cmd);
}

static void leader_cluster(struct consensus *c)
{
    struct cmd cmd = {.type = CMD_CLUSTER};
    uint8_t uuid[16], check[32];

    if (fsm_cluster(c->fsm, uuid, check)) {
        return;
    }
    crypto_random(cmd.cluster.uuid, sizeof cmd.cluster.uuid);
    memcpy(cmd.cluster.key_check, c->cfg.key_check, sizeof cmd.cluster.key_check);
    submit_own(c, &cmd);
}

/* A standby that has caught up becomes a voter while there are fewer than three. Members that are
 * not in the configuration are added as standbys. */
static void leader_promote(struct consensus *c)
{
    const struct raft_configuration *conf = engine_conf(c->engine);
    struct raft_configuration next;
    unsigned voters = 0;
    bool change = false;

    if (c->change_busy || conf->n == 0 || raft_conf_copy(conf, &next) != 0) {
        return;
    }
    for (unsigned i = 0; i < conf->n; i++) {
        voters += conf->servers[i].role == RAFT_VOTER;
    }
    for (const struct member *m = fsm_member_next(c->fsm, NULL); m != NULL && !change;
         m = fsm_member_next(c->fsm, m)) {
        bool known = false;
        char addr[NAME_BYTES_MAX + 260];
        for (unsigned i = 0; i < conf->n; i++) {
            known = known || conf->servers[i].id == m->raft_id;
        }
        (void)snprintf(addr, sizeof addr, "%.*s@%.*s", SLICE_FMT(m->name), SLICE_FMT(m->peer_addr));
        if (!known && m->raft_id != 0) {
            change = raft_configuration_add(&next, m->raft_id, addr, RAFT_STANDBY) == 0;
        }
    }
    for (unsigned i = 0; i < conf->n && !change && voters < CONSENSUS_VOTERS_MIN; i++) {
        raft_index match;
        if (conf->servers[i].role == RAFT_STANDBY &&
            raft_match_index(engine_raft(c->engine), conf->servers[i].id, &match) == 0 &&
            match > 0 && match + LEADER_CAUGHT_UP >= engine_last(c->engine)) {
            next.servers[i].role = RAFT_VOTER;
            change = true;
        }
    }
    if (change) {
        c->change_busy = engine_change(c->engine, &next) == 0;
        consensus_rearm(c);
    }
    raft_configuration_close(&next);
}

/* --- ticks --- */

static void leader_tick(struct consensus *c, uint64_t now)
{
    struct cmd cmd = {.type = CMD_TICK};
    static const uint64_t every = LEADER_HASH_MS / LEADER_TICK_MS;

    c->next_tick_ms = now + LEADER_TICK_MS;
    if (now / LEADER_TICK_MS % every == 0) {
        fsm_tick_hash(c->fsm, &cmd.tick.hash_index, &cmd.tick.hash);
    }
    submit_own(c, &cmd);
    policy_tick(c->policy, now);
}

void leader_sweep(struct consensus *c)
{
    uint64_t now = loop_now_ms(c->loop);

    leader_tell(c);
    if (!engine_is_leader(c->engine) || c->policy == NULL) {
        return;
    }
    if (now >= c->next_duty_ms) {
        c->next_duty_ms = now + 500;
        leader_cluster(c);
        leader_member(c);
    }
    leader_promote(c);
    if (now >= c->next_tick_ms) {
        leader_tick(c, now);
    }
}

/* --- who leads --- */

void leader_tell(struct consensus *c)
{
    raft_id id = consensus_leader_id(c);
    const struct member *m = id != 0 ? fsm_member_by_raft_id(c->fsm, id) : NULL;

    if (m == NULL) {
        id = 0;
    }
    if (id == c->told_leader) {
        return;
    }
    c->told_leader = id;
    if (m != NULL) {
        LOG_INFO("leader", LOG_SLICE("name", m->name),
                 LOG_U64("term", raft_current_term(engine_raft(c->engine))));
    }
    submit_leader_changed(c);
    c->cfg.hooks->leader(c->cfg.hooks_arg, m, m != NULL && id == c->id);
}

/* --- the policy --- */

static struct mail *leader_mail(struct consensus *c)
{
    struct mail *m = mem_zalloc(sizeof *m);

    arena_init(&m->arena, loop_arena_pool(c->loop));
    list_push_back(&c->mail, &m->link);
    loop_at_turn_end(c->loop, &c->mail_task);
    return m;
}

static void leader_op_reply(void *arg, struct slice node, const struct sync_reply *r)
{
    struct consensus *c = arg;
    const struct member *m = fsm_member(c->fsm, node);
    struct buf b;

    if (slice_eq(node, slice_str(c->cfg.name))) {
        struct mail *mail = leader_mail(c);
        mail->kind = MAIL_REPLY;
        mail->reply = *r;
        mail->reply.grants = arena_dup(&mail->arena, r->grants, r->n_grants * sizeof *r->grants);
        return;
    }
    if (m == NULL) {
        return;
    }
    buf_init(&b, WIRE_FRAME_BYTES_MAX + 4096);
    wire_sync_reply(&b, r);
    (void)consensus_send_frame(c, m->raft_id, buf_slice(&b));
    buf_deinit(&b);
}

static void leader_op_recall(void *arg, struct slice node, const struct sync_recall *r)
{
    struct consensus *c = arg;
    const struct member *m = fsm_member(c->fsm, node);
    struct buf b;

    if (slice_eq(node, slice_str(c->cfg.name))) {
        struct mail *mail = leader_mail(c);
        mail->kind = MAIL_RECALL;
        mail->recall = *r;
        return;
    }
    if (m == NULL) {
        return;
    }
    buf_init(&b, 4096);
    wire_recall(&b, r);
    (void)consensus_send_frame(c, m->raft_id, buf_slice(&b));
    buf_deinit(&b);
}

static int leader_op_submit(void *arg, struct slice cmd)
{
    submit_own_encoded(arg, cmd);
    return 0;
}

static void leader_op_arm(void *arg, uint64_t ms)
{
    struct consensus *c = arg;

    timer_start(&c->policy_timer, ms); /* The newest wish counts. */
}

static const struct policy_ops leader_policy_ops = {.reply = leader_op_reply,
                                                    .recall = leader_op_recall,
                                                    .submit = leader_op_submit,
                                                    .arm = leader_op_arm};

static void leader_on_policy_timer(struct timer *t)
{
    struct consensus *c = CONTAINER_OF(t, struct consensus, policy_timer);

    if (c->policy != NULL) {
        policy_flush(c->policy, loop_now_ms(c->loop));
    }
}

void leader_applied(struct consensus *c, raft_index index, const struct cmd *cmd)
{
    policy_applied(c->policy, index, cmd, loop_now_ms(c->loop));
}

void leader_on_sync(struct consensus *c, const struct sync_req *r)
{
    if (c->policy != NULL) {
        policy_sync(c->policy, r, loop_now_ms(c->loop));
    }
}

int consensus_sync(struct consensus *c, const struct sync_req *r)
{
    raft_id leader = consensus_leader_id(c);
    struct buf b;
    bool sent;

    if (c->engine == NULL || leader == 0) {
        return Q_ENOTLEADER;
    }
    if (leader == c->id) {
        struct mail *m = leader_mail(c);
        m->kind = MAIL_SYNC;
        m->sync = *r;
        m->sync.node = arena_slice(&m->arena, r->node);
        m->sync.items = arena_dup(&m->arena, r->items, r->n_items * sizeof *r->items);
        m->sync.cells = arena_dup(&m->arena, r->cells, r->n_cells * sizeof *r->cells);
        for (size_t i = 0; i < r->n_cells; i++) {
            struct usage_dims *d = &m->sync.cells[i].dims;
            d->team = arena_slice(&m->arena, d->team);
            d->key = arena_slice(&m->arena, d->key);
            d->user = arena_slice(&m->arena, d->user);
            d->model = arena_slice(&m->arena, d->model);
            d->provider = arena_slice(&m->arena, d->provider);
        }
        return 0;
    }
    buf_init(&b, WIRE_FRAME_BYTES_MAX + 4096);
    wire_sync(&b, r);
    sent = consensus_send_frame(c, leader, buf_slice(&b));
    buf_deinit(&b);
    return sent ? 0 : Q_ENOTLEADER;
}

static void leader_on_mail(struct loop_task *t)
{
    struct consensus *c = CONTAINER_OF(t, struct consensus, mail_task);
    struct list all;

    list_init(&all);
    list_splice_back(&all, &c->mail);
    while (!list_empty(&all)) {
        struct mail *m = LIST_FIRST(&all, struct mail, link);
        list_remove(&m->link);
        if (!c->stopping) {
            switch (m->kind) {
            case MAIL_SYNC:
                leader_on_sync(c, &m->sync);
                break;
            case MAIL_REPLY:
                c->cfg.hooks->sync_reply(c->cfg.hooks_arg, &m->reply);
                break;
            case MAIL_RECALL:
                c->cfg.hooks->recall(c->cfg.hooks_arg, &m->recall);
                break;
            }
        }
        arena_deinit(&m->arena);
        mem_free(m);
    }
}

void leader_changed(struct consensus *c)
{
    bool leads = engine_is_leader(c->engine);

    if (leads == c->was_leader) {
        leader_tell(c);
        return;
    }
    c->was_leader = leads;
    c->change_busy = false;
    if (leads) {
        c->term_stamped = false;
        c->next_tick_ms = 0;
        c->next_duty_ms = 0;
        c->policy = policy_new(c->fsm, &leader_policy_ops, c);
        policy_tick(c->policy, loop_now_ms(c->loop));
        submit_pump_soon(c);
    } else {
        timer_stop(&c->policy_timer);
        policy_free(c->policy);
        c->policy = NULL;
        submit_lost_leadership(c);
    }
    leader_tell(c);
}

void leader_init(struct consensus *c)
{
    list_init(&c->mail);
    loop_task_init(&c->mail_task, leader_on_mail);
    timer_init(&c->policy_timer, c->loop, leader_on_policy_timer);
}

void leader_deinit(struct consensus *c)
{
    timer_stop(&c->policy_timer);
    policy_free(c->policy);
    c->policy = NULL;
}
