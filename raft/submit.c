/* Commands on their way: waiting for a leader, sent to it, proposed in our own log, applied.
 *
 * When it goes well: consensus_submit -> the end of the turn: one RAFT_SUBMIT with all that wait
 * (leader), or one frame each to the leader -> applied there -> result -> applied here -> cb. When
 * it does not: whatever
 * was on its way to a leader that is none any more waits again and is sent anew; the state machine
 * answers a repeated (origin, incarnation, number) as the first time. The deadline ends it. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "raft/consensus_i.h"

enum { WHERE, SEQ, INDEX, COPY }; /* submit.internal[] */
#define PUMP_MAX 1024

static void submit_finish(struct submit *s)
{
    mem_free((void *)(uintptr_t)s->internal[COPY]);
    s->internal[COPY] = 0;
    list_remove(&s->link);
    s->cb(s);
}

static struct slice submit_cmd(const struct submit *s)
{
    return slice_of((const char *)(uintptr_t)s->internal[COPY], s->cmd.n);
}

void consensus_submit(struct consensus *c, struct submit *s)
{
    ASSERT(s->cmd.n > 0 && s->cmd.n <= CMD_BYTES_MAX);
    s->internal[WHERE] = SUBMIT_WAITING;
    s->internal[COPY] = (uint64_t)(uintptr_t)mem_dup(s->cmd.p, s->cmd.n);
    s->internal[INDEX] = 0;
    s->result = (struct fsm_result){0};
    s->index = 0;
    if (s->deadline_ms == 0) {
        s->deadline_ms = loop_now_ms(c->loop) + CONSENSUS_SUBMIT_MS;
    }
    list_push_back(&c->submits, &s->link);
    metric_inc(METRIC_raft_submits_total);
    submit_pump_soon(c);
}

uint64_t consensus_reqno(struct consensus *c)
{
    return ++c->reqno;
}

void consensus_origin(struct consensus *c, struct slice *ret_name, uint32_t *ret_inc)
{
    *ret_name = slice_str(c->cfg.name);
    *ret_inc = c->origin_inc;
}

/* --- to the log --- */

static void submit_propose(struct consensus *c)
{
    struct slice cmds[PUMP_MAX];
    struct proposal *made[PUMP_MAX];
    raft_index first = 0;
    unsigned n = 0;
    int rv;

    LIST_EACH (it, &c->submits) {
        struct submit *s = LIST_ENTRY(it, struct submit, link);
        if (s->internal[WHERE] != SUBMIT_WAITING || n == PUMP_MAX) {
            continue;
        }
        made[n] = mem_zalloc(sizeof *made[n]);
        made[n]->local = s;
        cmds[n++] = submit_cmd(s);
    }
    LIST_EACH (it, &c->remotes) {
        struct remote_submit *r = LIST_ENTRY(it, struct remote_submit, link);
        if (n == PUMP_MAX) {
            break;
        }
        made[n] = mem_zalloc(sizeof *made[n]);
        made[n]->remote = r->from;
        made[n]->remote_seq = r->seq;
        cmds[n++] = slice_of(r->cmd, r->n);
    }
    if (n == 0) {
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        leader_stamp(c, (char *)(uintptr_t)cmds[i].p, cmds[i].n);
    }
    first = engine_last(c->engine) + 1;
    for (unsigned i = 0; i < n; i++) { /* Listed before: a single voter applies inside the call. */
        made[i]->index = first + i;
        list_push_back(&c->proposals, &made[i]->link);
        if (made[i]->local != NULL) {
            made[i]->local->internal[WHERE] = SUBMIT_PROPOSED;
        }
    }
    rv = engine_submit(c->engine, cmds, n, &first);
    for (unsigned i = 0; i < n && rv != 0; i++) { /* Not taken: they wait on. */
        list_remove(&made[i]->link);
        if (made[i]->local != NULL) {
            made[i]->local->internal[WHERE] = SUBMIT_WAITING;
        }
        mem_free(made[i]);
    }
    if (rv == 0) {
        for (unsigned i = 0; i < n && !list_empty(&c->remotes); i++) {
            struct list *r = c->remotes.next;
            if (cmds[n - 1].p != NULL &&
                cmds[i].p == LIST_ENTRY(r, struct remote_submit, link)->cmd) {
                list_remove(r);
                mem_free(LIST_ENTRY(r, struct remote_submit, link));
            }
        }
        submit_pump_soon(c); /* More than one turn's worth may wait. */
    }
    consensus_rearm(c);
}

/* --- to the leader --- */

static void submit_forward(struct consensus *c, raft_id leader)
{
    struct buf b;

    buf_init(&b, CMD_BYTES_MAX + 4096);
    LIST_EACH (it, &c->submits) {
        struct submit *s = LIST_ENTRY(it, struct submit, link);
        if (s->internal[WHERE] != SUBMIT_WAITING) {
            continue;
        }
        s->internal[SEQ] = ++c->submit_seq;
        buf_clear(&b);
        wire_submit(&b, &(struct wire_submit){.seq = s->internal[SEQ], .cmd = submit_cmd(s)});
        if (!consensus_send_frame(c, leader, buf_slice(&b))) {
            break;
        }
        s->internal[WHERE] = SUBMIT_SENT;
    }
    buf_deinit(&b);
}

static void submit_on_pump(struct loop_task *t)
{
    struct consensus *c = CONTAINER_OF(t, struct consensus, pump);
    raft_id leader;

    if (c->engine == NULL || c->stopping) {
        return;
    }
    leader = consensus_leader_id(c);
    if (engine_is_leader(c->engine)) {
        submit_propose(c);
    } else if (leader != 0 && leader != c->id) {
        submit_forward(c, leader);
    }
}

void submit_pump_soon(struct consensus *c)
{
    bool work = !list_empty(&c->remotes);

    LIST_EACH (it, &c->submits) {
        work = work || LIST_ENTRY(it, struct submit, link)->internal[WHERE] == SUBMIT_WAITING;
    }
    if (work) {
        loop_at_turn_end(c->loop, &c->pump);
    }
}

static void submit_answer(struct consensus *c, raft_id to, const struct wire_result *r)
{
    struct buf b;

    buf_init(&b, 4096);
    wire_result(&b, r);
    (void)consensus_send_frame(c, to, buf_slice(&b));
    buf_deinit(&b);
}

void submit_on_remote(struct consensus *c, raft_id from, const struct wire_submit *m)
{
    struct remote_submit *r;

    if (c->engine == NULL || !engine_is_leader(c->engine) || m->cmd.n == 0) {
        submit_answer(c, from, &(struct wire_result){.seq = m->seq, .status = Q_ENOTLEADER});
        return;
    }
    r = mem_alloc(sizeof *r + m->cmd.n);
    list_init(&r->link);
    r->from = from;
    r->seq = m->seq;
    r->n = m->cmd.n;
    memcpy(r->cmd, m->cmd.p, m->cmd.n);
    list_push_back(&c->remotes, &r->link);
    loop_at_turn_end(c->loop, &c->pump);
}

/* --- back --- */

static void submit_maybe_applied(struct consensus *c, struct submit *s)
{
    if (engine_applied(c->engine) >= s->index) {
        submit_finish(s);
    } else {
        s->internal[WHERE] = SUBMIT_APPLYING;
    }
}

void submit_on_result(struct consensus *c, const struct wire_result *m)
{
    LIST_EACH (it, &c->submits) {
        struct submit *s = LIST_ENTRY(it, struct submit, link);
        if (s->internal[WHERE] != SUBMIT_SENT || s->internal[SEQ] != m->seq) {
            continue;
        }
        if (m->status == Q_ENOTLEADER || m->status == Q_EUNKNOWN) {
            s->internal[WHERE] =
                SUBMIT_WAITING; /* Sent anew by the next sweep, or to the next leader. */
            return;
        }
        s->result.status = (int)m->status;
        s->result.revision = m->revision;
        (void)slice_copy_str(m->err, s->result.err.text, sizeof s->result.err.text);
        s->index = m->index;
        submit_maybe_applied(c, s);
        return;
    }
}

static void submit_proposal_applied(struct consensus *c, struct proposal *p,
                                    const struct fsm_result *r)
{
    if (p->local != NULL) {
        p->local->result = *r;
        p->local->index = p->index;
        submit_finish(p->local);
        return;
    }
    submit_answer(c, p->remote,
                  &(struct wire_result){.seq = p->remote_seq,
                                        .status = r->status,
                                        .index = p->index,
                                        .revision = r->revision,
                                        .err = slice_str(r->err.text)});
}

void submit_applied(struct consensus *c, raft_index index, const struct fsm_result *r)
{
    while (!list_empty(&c->proposals)) {
        struct proposal *p = LIST_FIRST(&c->proposals, struct proposal, link);
        if (p->index > index) {
            break;
        }
        list_remove(&p->link);
        if (p->index == index) {
            submit_proposal_applied(c, p, r);
        }
        mem_free(p);
    }
    LIST_EACH_SAFE (it, &c->submits) {
        struct submit *s = LIST_ENTRY(it, struct submit, link);
        if (s->internal[WHERE] == SUBMIT_APPLYING && s->index <= index) {
            submit_finish(s);
            break; /* The callback may have changed the list; the rest at the next sweep. */
        }
    }
}

void submit_lost_leadership(struct consensus *c)
{
    while (!list_empty(&c->proposals)) {
        struct proposal *p = LIST_FIRST(&c->proposals, struct proposal, link);
        list_remove(&p->link);
        if (p->local != NULL) {
            p->local->internal[WHERE] = SUBMIT_WAITING;
        } else {
            submit_answer(c, p->remote,
                          &(struct wire_result){.seq = p->remote_seq, .status = Q_EUNKNOWN});
        }
        mem_free(p);
    }
    while (!list_empty(&c->remotes)) {
        struct remote_submit *r = LIST_FIRST(&c->remotes, struct remote_submit, link);
        list_remove(&r->link);
        submit_answer(c, r->from, &(struct wire_result){.seq = r->seq, .status = Q_ENOTLEADER});
        mem_free(r);
    }
}

void submit_leader_changed(struct consensus *c)
{
    LIST_EACH (it, &c->submits) {
        struct submit *s = LIST_ENTRY(it, struct submit, link);
        if (s->internal[WHERE] == SUBMIT_SENT) {
            s->internal[WHERE] = SUBMIT_WAITING;
        }
    }
    submit_pump_soon(c);
}

static struct submit *submit_late(struct consensus *c)
{
    LIST_EACH (it, &c->submits) {
        struct submit *s = LIST_ENTRY(it, struct submit, link);
        if (loop_now_ms(c->loop) >= s->deadline_ms && s->internal[WHERE] != SUBMIT_PROPOSED) {
            return s;
        }
        if (s->internal[WHERE] == SUBMIT_APPLYING && engine_applied(c->engine) >= s->index) {
            return s;
        }
    }
    return NULL;
}

void submit_sweep(struct consensus *c)
{
    struct submit *s;

    while ((s = submit_late(c)) != NULL) {
        if (s->internal[WHERE] != SUBMIT_APPLYING) {
            s->result.status = s->internal[WHERE] == SUBMIT_SENT ? Q_EUNKNOWN : Q_ENOQUORUM;
            errmsg_set(&s->result.err, "there is no leader with a quorum");
        }
        submit_finish(s);
    }
    LIST_EACH_SAFE (it, &c->barriers) {
        struct barrier *b = LIST_ENTRY(it, struct barrier, link);
        if (loop_now_ms(c->loop) >= b->deadline_ms) {
            list_remove(it);
            b->cb(b, Q_ENOQUORUM);
            break;
        }
    }
    submit_pump_soon(c);
}

void submit_fail_all(struct consensus *c, int status)
{
    submit_lost_leadership(c);
    while (!list_empty(&c->submits)) {
        struct submit *s = LIST_FIRST(&c->submits, struct submit, link);
        s->result.status = status;
        submit_finish(s);
    }
}

/* --- ours --- */

struct own_submit {
    struct submit submit;
};

static void submit_own_done(struct submit *s)
{
    mem_free(CONTAINER_OF(s, struct own_submit, submit));
}

void submit_own_encoded(struct consensus *c, struct slice cmd)
{
    struct own_submit *o = mem_zalloc(sizeof *o);

    o->submit.cmd = cmd;
    o->submit.cb = submit_own_done;
    consensus_submit(c, &o->submit);
}

void submit_own(struct consensus *c, const struct cmd *cmd)
{
    struct cmd whole = *cmd;
    struct buf b;

    consensus_origin(c, &whole.origin, &whole.origin_inc);
    buf_init(&b, CMD_BYTES_MAX);
    if (cmd_encode(&whole, &b) == 0) {
        submit_own_encoded(c, buf_slice(&b));
    }
    buf_deinit(&b);
}

/* --- barriers: one command for all that ask while the one before is under way --- */

static void barrier_next(struct consensus *c);

static void barrier_done(struct submit *s)
{
    struct consensus *c = CONTAINER_OF(s, struct consensus, barrier_submit);
    struct list done;
    int status = s->result.status;

    c->barrier_busy = false;
    list_init(&done);
    list_splice_back(&done, &c->barriers_running);
    while (!list_empty(&done)) {
        struct barrier *b = LIST_FIRST(&done, struct barrier, link);
        list_remove(&b->link);
        b->cb(b, status == 0 ? 0 : Q_ENOQUORUM);
    }
    barrier_next(c);
}

static void barrier_next(struct consensus *c)
{
    struct cmd cmd = {.type = CMD_NOOP};
    uint64_t deadline_ms = 0;

    if (c->barrier_busy || list_empty(&c->barriers) || c->stopping) {
        return;
    }
    LIST_EACH (it, &c->barriers) {
        struct barrier *b = LIST_ENTRY(it, struct barrier, link);
        deadline_ms = b->deadline_ms > deadline_ms ? b->deadline_ms : deadline_ms;
    }
    list_splice_back(&c->barriers_running, &c->barriers);
    consensus_origin(c, &cmd.origin, &cmd.origin_inc);
    buf_clear(&c->barrier_cmd);
    ASSERT(cmd_encode(&cmd, &c->barrier_cmd) == 0);
    c->barrier_submit = (struct submit){
        .cmd = buf_slice(&c->barrier_cmd), .deadline_ms = deadline_ms, .cb = barrier_done};
    c->barrier_busy = true;
    consensus_submit(c, &c->barrier_submit);
}

void consensus_barrier(struct consensus *c, struct barrier *b)
{
    if (b->deadline_ms == 0) {
        b->deadline_ms = loop_now_ms(c->loop) + CONSENSUS_BARRIER_MS;
    }
    list_push_back(&c->barriers, &b->link);
    barrier_next(c);
}

void submit_init(struct consensus *c)
{
    list_init(&c->submits);
    list_init(&c->proposals);
    list_init(&c->remotes);
    list_init(&c->barriers);
    list_init(&c->barriers_running);
    list_init(&c->own_submits);
    buf_init(&c->barrier_cmd, 4096);
    loop_task_init(&c->pump, submit_on_pump);
    crypto_random(&c->origin_inc, sizeof c->origin_inc);
    c->origin_inc |= 1;
}
