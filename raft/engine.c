/* Driving raft_step().
 *
 * When it goes well: an event goes in; the update says, in this order: term or vote to persist,
 * entries to persist, a snapshot to install, messages to send, entries that are committed. What was
 * asked to be persisted comes back by
 * engine_durable() and is told to the library as far as it is still part of the log. When it does
 * not: errors other than the ordinary ones (not leader, busy) mean that the library's state cannot
 * be trusted: the process ends. */
#include "raft/engine.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "raft/engine_log.h"

#define INFLIGHT_ENTRIES 8192

enum pending_kind { PENDING_APPEND, PENDING_TAKE, PENDING_INSTALL };

struct pending { /* On its way to the disk, in order. */
    struct pending *next;
    uint64_t seq;
    enum pending_kind kind;
    raft_index first, last; /* Of an append. */
    raft_term last_term;
    struct snapshot_meta meta;
};

struct engine {
    struct raft raft;
    const struct engine_ops *ops;
    void *ctx;
    struct engine_log log;
    struct snapshot_meta snapshot;  /* The latest that is durable. */
    struct raft_configuration conf; /* The last applied. */
    raft_index conf_index, applied;
    uint64_t seq;
    struct pending *first, **last;
    bool taking, installing, applying;
    unsigned snapshot_entries, trailing;
    char address[256];
};

static int engine_step(struct engine *e, struct raft_event *ev);

/* --- small things --- */

int raft_conf_copy(const struct raft_configuration *from, struct raft_configuration *to)
{
    raft_configuration_init(to);
    for (unsigned i = 0; i < from->n; i++) {
        int rv = raft_configuration_add(to, from->servers[i].id, from->servers[i].address,
                                        from->servers[i].role);
        if (rv != 0) {
            raft_configuration_close(to);
            return rv;
        }
    }
    return 0;
}

static void snapshot_meta_close(struct snapshot_meta *m)
{
    raft_configuration_close(&m->conf);
    memset(m, 0, sizeof *m);
    raft_configuration_init(&m->conf);
}

static void snapshot_meta_copy(const struct snapshot_meta *from, struct snapshot_meta *to)
{
    *to = *from;
    ASSERT(raft_conf_copy(&from->conf, &to->conf) == 0);
}

static struct pending *engine_push(struct engine *e, enum pending_kind kind)
{
    struct pending *p = mem_zalloc(sizeof *p);

    p->seq = ++e->seq;
    p->kind = kind;
    raft_configuration_init(&p->meta.conf);
    *e->last = p;
    e->last = &p->next;
    return p;
}

raft_index engine_last(const struct engine *e)
{
    if (e->log.n > 0) {
        return e->log.start + e->log.n - 1;
    }
    return e->snapshot.index > e->log.start - 1 ? e->snapshot.index : e->log.start - 1;
}

/* --- applying --- */

static void engine_maybe_snapshot(struct engine *e)
{
    const struct entry *at = engine_log_get(&e->log, e->applied);
    raft_index keep = e->log.start;
    struct pending *p;

    if (e->snapshot_entries == 0 || e->taking || e->installing || at == NULL ||
        e->conf_index == 0 || e->applied < e->snapshot.index + e->snapshot_entries) {
        return;
    }
    p = engine_push(e, PENDING_TAKE);
    p->meta.index = e->applied;
    p->meta.term = at->term;
    p->meta.conf_index = e->conf_index;
    ASSERT(raft_conf_copy(&e->conf, &p->meta.conf) == 0);
    e->taking = true;
    if (e->applied > e->trailing && e->applied - e->trailing >= e->log.start) {
        keep = e->applied - e->trailing + 1;
    }
    e->ops->snapshot_take(e->ctx);
    e->ops->snapshot_put(e->ctx, p->seq, &p->meta, false, keep);
}

/* A committed membership goes back into the library. */
static void engine_apply_change(struct engine *e, const struct entry *entry)
{
    struct raft_buffer b = {(void *)(uintptr_t)entry->data, entry->n};
    struct raft_event ev = {.type = RAFT_CONFIGURATION};

    ev.configuration.index = e->applied;
    ASSERT(raft_configuration_decode(&b, &ev.configuration.conf) == 0);
    raft_configuration_close(&e->conf);
    ASSERT(raft_conf_copy(&ev.configuration.conf, &e->conf) == 0);
    e->conf_index = e->applied;
    ASSERT(engine_step(e, &ev) == 0);
}

static void engine_apply(struct engine *e)
{
    if (e->installing || e->applying) {
        return; /* A step inside a step: the outer loop goes on. */
    }
    e->applying = true;
    for (;;) {
        raft_index limit = raft_commit_index(&e->raft);
        const struct entry *entry;
        if (e->raft.last_stored < limit) {
            limit = e->raft.last_stored; /* Only what is durable here. */
        }
        entry = e->applied < limit ? engine_log_get(&e->log, e->applied + 1) : NULL;
        if (entry == NULL) {
            break;
        }
        e->applied++;
        e->ops->apply(e->ctx, e->applied, entry->term, entry->type,
                      slice_of(entry->data, entry->n));
        if (entry->type == RAFT_CHANGE) {
            engine_apply_change(e, entry);
        }
    }
    e->applying = false;
    engine_maybe_snapshot(e);
}

/* --- one step --- */

static void engine_take_entries(struct engine *e, const struct raft_update *u)
{
    raft_index first = u->entries.index;
    struct pending *p;

    engine_log_truncate(&e->log, first);
    ASSERT(engine_last(e) + 1 == first);
    for (unsigned i = 0; i < u->entries.n; i++) {
        const struct raft_entry *in = &u->entries.batch[i];
        engine_log_push(&e->log,
                        entry_new(in->term, (uint16_t)in->type, in->buf.base, in->buf.len));
    }
    raft_free(u->entries.batch[0].batch);
    p = engine_push(e, PENDING_APPEND);
    p->first = first;
    p->last = first + u->entries.n - 1;
    p->last_term = engine_log_get(&e->log, p->last)->term;
    e->ops->append(e->ctx, p->seq, first, engine_log_at(&e->log, first), u->entries.n);
}

static void engine_take_snapshot(struct engine *e, struct raft_update *u)
{
    struct pending *p = engine_push(e, PENDING_INSTALL);

    ASSERT(!e->installing);
    e->installing = true;
    p->meta.index = u->snapshot.metadata.index;
    p->meta.term = u->snapshot.metadata.term;
    p->meta.conf = u->snapshot.metadata.configuration; /* Ours now. */
    p->meta.conf_index = u->snapshot.metadata.configuration_index;
    raft_free(u->snapshot.chunk.base);
    engine_log_reset(&e->log, p->meta.index + 1);
    e->ops->snapshot_put(e->ctx, p->seq, &p->meta, true, 0);
}

static void engine_send(struct engine *e, const struct raft_update *u)
{
    for (unsigned i = 0; i < u->messages.n; i++) {
        const struct raft_message *m = &u->messages.batch[i];
        struct entry *const *entries = NULL;
        if (m->type == RAFT_APPEND_ENTRIES && m->append_entries.n_entries > 0) {
            entries = engine_log_at(&e->log, m->append_entries.prev_log_index + 1);
        }
        e->ops->send(e->ctx, m, entries);
    }
}

static int engine_step(struct engine *e, struct raft_event *ev)
{
    int from = (int)raft_state(&e->raft);
    struct raft_update u;
    int rv;

    memset(&u, 0, sizeof u);
    ev->time = e->ops->now_ms(e->ctx);
    ev->capacity = 0xffff;
    rv = raft_step(&e->raft, ev, &u);
    if (rv != 0) {
        return rv;
    }
    if ((u.flags & (RAFT_UPDATE_CURRENT_TERM)) != 0 || (u.flags & (RAFT_UPDATE_VOTED_FOR)) != 0) {
        e->ops->set_meta(e->ctx, raft_current_term(&e->raft), raft_voted_for(&e->raft));
    }
    if ((u.flags & (RAFT_UPDATE_ENTRIES)) != 0) {
        engine_take_entries(e, &u);
    }
    if ((u.flags & (RAFT_UPDATE_SNAPSHOT)) != 0) {
        engine_take_snapshot(e, &u);
    }
    if ((u.flags & (RAFT_UPDATE_MESSAGES)) != 0) {
        engine_send(e, &u);
    }
    if ((u.flags & (RAFT_UPDATE_STATE)) != 0) {
        e->ops->state_changed(e->ctx, from, (int)raft_state(&e->raft));
    }
    if ((u.flags & (RAFT_UPDATE_COMMIT_INDEX)) != 0 || ev->type == RAFT_PERSISTED_ENTRIES) {
        engine_apply(e);
    }
    return 0;
}

/* --- what has become durable --- */

static void engine_persisted(struct engine *e, raft_index index)
{
    struct raft_event ev = {.type = RAFT_PERSISTED_ENTRIES};

    if (index > e->raft.last_stored && !e->installing) {
        ev.persisted_entries.index = index;
        ASSERT(engine_step(e, &ev) == 0);
    }
}

/* The last index of a durable append that is still part of the log; 0 when none is. */
static raft_index engine_append_durable(const struct engine *e, const struct pending *p)
{
    const struct entry *last = engine_log_get(&e->log, p->last);
    raft_index limit = p->last;

    if (e->installing) {
        return 0;
    }
    if (last != NULL && last->term == p->last_term) {
        return p->last;
    }
    /* Overwritten meanwhile: only what lies before every overwrite that is not durable yet. */
    for (const struct pending *q = p->next; q != NULL; q = q->next) {
        if (q->kind == PENDING_APPEND && q->first <= limit) {
            limit = q->first - 1;
        }
    }
    return limit >= p->first && engine_log_get(&e->log, limit) != NULL ? limit : 0;
}

static void engine_taken(struct engine *e, struct pending *p)
{
    struct raft_event ev = {.type = RAFT_SNAPSHOT};

    e->taking = false;
    if (e->installing || p->meta.index <= e->snapshot.index ||
        engine_log_get(&e->log, p->meta.index) == NULL) {
        snapshot_meta_close(&p->meta);
        return;
    }
    snapshot_meta_close(&e->snapshot);
    e->snapshot = p->meta;
    ev.snapshot.metadata.index = p->meta.index;
    ev.snapshot.metadata.term = p->meta.term;
    ev.snapshot.metadata.configuration_index = p->meta.conf_index;
    ASSERT(raft_conf_copy(&p->meta.conf, &ev.snapshot.metadata.configuration) == 0);
    ev.snapshot.trailing = e->trailing;
    ASSERT(engine_step(e, &ev) == 0);
    if (p->meta.index > e->trailing && p->meta.index - e->trailing >= e->log.start) {
        engine_log_trim(&e->log, p->meta.index - e->trailing + 1);
    }
}

static void engine_installed(struct engine *e, struct pending *p)
{
    struct raft_event ev = {.type = RAFT_PERSISTED_SNAPSHOT};

    e->installing = false;
    snapshot_meta_close(&e->snapshot);
    e->snapshot = p->meta;
    e->applied = p->meta.index;
    raft_configuration_close(&e->conf);
    ASSERT(raft_conf_copy(&p->meta.conf, &e->conf) == 0);
    e->conf_index = p->meta.conf_index;
    e->ops->snapshot_restored(e->ctx, &e->snapshot);
    ev.persisted_snapshot.metadata.index = p->meta.index;
    ev.persisted_snapshot.metadata.term = p->meta.term;
    ev.persisted_snapshot.metadata.configuration_index = p->meta.conf_index;
    ASSERT(raft_conf_copy(&p->meta.conf, &ev.persisted_snapshot.metadata.configuration) == 0);
    ev.persisted_snapshot.last = true;
    ASSERT(engine_step(e, &ev) == 0);
}

void engine_durable(struct engine *e, uint64_t seq)
{
    raft_index best = 0;

    while (e->first != NULL && e->first->seq <= seq) {
        struct pending *p = e->first;
        raft_index index;
        e->first = p->next;
        if (e->first == NULL) {
            e->last = &e->first;
        }
        switch (p->kind) {
        case PENDING_APPEND:
            index = engine_append_durable(e, p);
            best = index > best ? index : best;
            break;
        case PENDING_TAKE:
            engine_persisted(e, best);
            engine_taken(e, p);
            break;
        case PENDING_INSTALL:
            best = 0;
            engine_installed(e, p);
            break;
        }
        mem_free(p);
    }
    engine_persisted(e, best);
}

/* --- life --- */

struct engine *engine_new(raft_id id, const char *address, const struct engine_ops *ops, void *ctx)
{
    struct engine *e = mem_zalloc(sizeof *e);

    ASSERT(id != 0);
    e->ops = ops;
    e->ctx = ctx;
    e->last = &e->first;
    engine_log_init(&e->log);
    raft_configuration_init(&e->conf);
    raft_configuration_init(&e->snapshot.conf);
    (void)slice_copy_str(slice_str(address), e->address, sizeof e->address);
    ASSERT(raft_init(&e->raft, NULL, NULL, id, e->address) == 0);
    e->raft.tracer = NULL; /* Else each message is formatted into a static buffer. */
    raft_set_pre_vote(&e->raft, true);
    raft_set_max_inflight_entries(&e->raft, INFLIGHT_ENTRIES);
    return e;
}

void engine_tune(struct engine *e, unsigned election_ms, unsigned heartbeat_ms,
                 unsigned snapshot_entries, unsigned trailing, unsigned seed)
{
    raft_set_election_timeout(&e->raft, election_ms);
    raft_set_heartbeat_timeout(&e->raft, heartbeat_ms);
    raft_set_install_snapshot_timeout(&e->raft, 120000);
    raft_seed(&e->raft, seed);
    e->snapshot_entries = snapshot_entries;
    e->trailing = trailing;
}

void engine_free(struct engine *e)
{
    while (e->first != NULL) {
        struct pending *p = e->first;
        e->first = p->next;
        raft_configuration_close(&p->meta.conf);
        mem_free(p);
    }
    engine_log_deinit(&e->log);
    raft_configuration_close(&e->conf);
    raft_configuration_close(&e->snapshot.conf);
    raft_close(&e->raft, NULL);
    mem_free(e);
}

int engine_start(struct engine *e, const struct engine_start *s)
{
    struct raft_event ev = {.type = RAFT_START};
    struct raft_snapshot_metadata metadata;
    struct raft_entry *entries = mem_zalloc((s->n + 1) * sizeof *entries);
    void *batch = raft_malloc(1);
    int rv;

    engine_log_reset(&e->log, s->first);
    for (size_t i = 0; i < s->n; i++) {
        engine_log_push(&e->log, s->entries[i]);
        entries[i].term = s->entries[i]->term;
        entries[i].type = (enum raft_entry_type)s->entries[i]->type;
        entries[i].buf.base = s->entries[i]->data;
        entries[i].buf.len = s->entries[i]->n;
        entries[i].batch = batch;
    }
    ev.start.term = s->term;
    ev.start.voted_for = s->vote;
    ev.start.start_index = s->first;
    ev.start.entries = entries;
    ev.start.n_entries = (unsigned)s->n;
    if (s->snapshot != NULL) {
        snapshot_meta_copy(s->snapshot, &e->snapshot);
        metadata.index = s->snapshot->index;
        metadata.term = s->snapshot->term;
        metadata.configuration_index = s->snapshot->conf_index;
        ASSERT(raft_conf_copy(&s->snapshot->conf, &metadata.configuration) == 0);
        ev.start.metadata = &metadata;
        e->applied = s->snapshot->index;
        ASSERT(raft_conf_copy(&s->snapshot->conf, &e->conf) == 0);
        e->conf_index = s->snapshot->conf_index;
    }
    rv = engine_step(e, &ev);
    mem_free(entries);
    raft_free(batch);
    return rv;
}

/* --- what others ask --- */

int engine_tick(struct engine *e)
{
    struct raft_event ev = {.type = RAFT_TIMEOUT};

    return engine_step(e, &ev);
}

uint64_t engine_timeout_ms(const struct engine *e)
{
    return raft_timeout(&e->raft);
}

int engine_leader_lost(struct engine *e)
{
    if (raft_state(&e->raft) != RAFT_FOLLOWER) {
        return 0;
    }
    e->raft.election_timer_start =
        0; /* As if the whole timeout had passed; pre-vote protects the others. */
    return engine_tick(e);
}

static int engine_submit_typed(struct engine *e, const struct slice *cmds, unsigned n,
                               uint16_t type, raft_index *ret_first)
{
    struct raft_event ev = {.type = RAFT_SUBMIT};
    struct raft_entry *entries;
    size_t total = 0;
    char *batch, *at;
    int rv;

    if (raft_state(&e->raft) != RAFT_LEADER || raft_transferee(&e->raft) != 0) {
        return Q_ENOTLEADER;
    }
    for (unsigned i = 0; i < n; i++) {
        total += cmds[i].n;
    }
    entries = mem_zalloc(n * sizeof *entries);
    batch = raft_malloc(total > 0 ? total : 1);
    ASSERT(batch != NULL);
    at = batch;
    for (unsigned i = 0; i < n; i++) {
        memcpy(at, cmds[i].p, cmds[i].n);
        entries[i].term = raft_current_term(&e->raft);
        entries[i].type = (enum raft_entry_type)type;
        entries[i].buf.base = at;
        entries[i].buf.len = cmds[i].n;
        entries[i].batch = batch;
        at += cmds[i].n;
    }
    if (ret_first != NULL) {
        *ret_first = engine_last(e) + 1;
    }
    ev.submit.entries = entries;
    ev.submit.n = n;
    rv = engine_step(e, &ev);
    if (rv != 0) {
        raft_free(batch);
    }
    mem_free(entries);
    return rv == 0 ? 0 : rv == RAFT_CANTCHANGE ? Q_EBUSY : Q_ENOTLEADER;
}

int engine_submit(struct engine *e, const struct slice *cmds, unsigned n, raft_index *ret_first)
{
    return engine_submit_typed(e, cmds, n, RAFT_COMMAND, ret_first);
}

int engine_change(struct engine *e, const struct raft_configuration *conf)
{
    struct raft_buffer b;
    struct slice cmd;
    int rv;

    if (raft_configuration_encode(conf, &b) != 0) {
        return Q_EINVAL;
    }
    cmd = slice_of(b.base, b.len);
    rv = engine_submit_typed(e, &cmd, 1, RAFT_CHANGE, NULL);
    raft_free(b.base);
    return rv;
}

int engine_transfer(struct engine *e, raft_id to)
{
    struct raft_event ev = {.type = RAFT_TRANSFER};

    ev.transfer.server_id = to;
    return engine_step(e, &ev) == 0 ? 0 : Q_ENOTLEADER;
}

/* --- messages, behind the guards --- */

static int engine_receive_one(struct engine *e, struct raft_message *m)
{
    struct raft_event ev = {.type = RAFT_RECEIVE};

    ev.receive.message = m;
    return engine_step(e, &ev);
}

/* Guard 2: a rejection that is older than what we know would wedge the follower. True: drop it. */
static bool engine_rejection_is_stale(struct engine *e, struct raft_message *m)
{
    struct raft_append_entries_result *r = &m->append_entries_result;
    raft_index match;

    if (r->rejected == 0 || raft_state(&e->raft) != RAFT_LEADER ||
        r->term != raft_current_term(&e->raft) ||
        raft_match_index(&e->raft, m->server_id, &match) != 0) {
        return false;
    }
    if (r->rejected <= match) {
        return true;
    }
    if (r->last_log_index < match) {
        r->last_log_index = match;
    }
    return false;
}

/* Guard 1: one message per run that begins with a membership entry. */
static int engine_receive_split(struct engine *e, struct raft_message *m)
{
    struct raft_append_entries *all = &m->append_entries;
    void *batch = all->entries[0].batch;
    int rv = 0;

    for (unsigned i = 0; i < all->n_entries && rv == 0;) {
        struct raft_message part = *m;
        struct raft_append_entries *a = &part.append_entries;
        unsigned end = i + 1;
        size_t total = 0;
        char *at;
        while (end < all->n_entries && all->entries[end].type != RAFT_CHANGE) {
            end++;
        }
        for (unsigned k = i; k < end; k++) {
            total += all->entries[k].buf.len;
        }
        a->prev_log_index = all->prev_log_index + i;
        a->prev_log_term = i > 0 ? all->entries[i - 1].term : all->prev_log_term;
        a->n_entries = end - i;
        a->entries = mem_dup(&all->entries[i], (end - i) * sizeof *a->entries);
        at = raft_malloc(total > 0 ? total : 1);
        for (unsigned k = 0; k < a->n_entries; k++) {
            a->entries[k].batch = k == 0 ? at : a->entries[0].batch;
            memcpy(at, a->entries[k].buf.base, a->entries[k].buf.len);
            a->entries[k].buf.base = at;
            at += a->entries[k].buf.len;
        }
        rv = engine_receive_one(e, &part);
        mem_free(a->entries);
        i = end;
    }
    raft_free(batch);
    return rv;
}

static int engine_receive_append(struct engine *e, struct raft_message *m)
{
    struct raft_append_entries *a = &m->append_entries;
    bool split = false;
    int rv;

    if (a->n_entries == 0) {
        return engine_receive_one(e, m);
    }
    for (unsigned i = 1; i < a->n_entries; i++) {
        split = split || a->entries[i].type == RAFT_CHANGE;
    }
    rv = split ? engine_receive_split(e, m) : engine_receive_one(e, m);
    mem_free(a->entries);
    a->entries = NULL;
    return rv;
}

int engine_receive(struct engine *e, struct raft_message *m)
{
    switch (m->type) {
    case RAFT_APPEND_ENTRIES:
        return engine_receive_append(e, m);
    case RAFT_APPEND_ENTRIES_RESULT:
        return engine_rejection_is_stale(e, m) ? 0 : engine_receive_one(e, m);
    case RAFT_REQUEST_VOTE_RESULT: /* Guard 3: in other states the library misreads a union. */
        return raft_state(&e->raft) == RAFT_CANDIDATE ? engine_receive_one(e, m) : 0;
    case RAFT_INSTALL_SNAPSHOT:
        if (e->installing) { /* Guard 4. */
            raft_configuration_close(&m->install_snapshot.conf);
            raft_free(m->install_snapshot.data.base);
            return 0;
        }
        return engine_receive_one(e, m);
    case RAFT_REQUEST_VOTE:
    case RAFT_TIMEOUT_NOW:
        return engine_receive_one(e, m);
    }
    return 0;
}

/* --- questions --- */

const struct entry *engine_entry(const struct engine *e, raft_index i)
{
    return engine_log_get(&e->log, i);
}

struct raft *engine_raft(struct engine *e)
{
    return &e->raft;
}

raft_index engine_applied(const struct engine *e)
{
    return e->applied;
}

const struct snapshot_meta *engine_snapshot(const struct engine *e)
{
    return &e->snapshot;
}

const struct raft_configuration *engine_conf(const struct engine *e)
{
    return &e->conf;
}

bool engine_is_leader(const struct engine *e)
{
    return raft_state((struct raft *)(uintptr_t)&e->raft) == RAFT_LEADER;
}
