/* Snapshots. A stream of frames, cut into chunks of SNAPSHOT_CHUNK_BYTES wherever that falls:
 *
 *   frame: kind u8 | n u32 | n bytes        kind 0: scalars, first, with the format's version
 *                                           kind 1 + table: one record: key text, then the value
 *                                           kind 255: end: the hash of the state
 *
 * Taking one costs a reference to each table's root; the pages are written out later, by whoever
 * asks, on any thread, while the state machine goes on. A restored state is believed when its hash
 * is right, its indexes can be built and INV-L holds. */
#include "base/check.h"
#include "base/mem.h"
#include "raft/fsm_i.h"
#include "raft/ledger.h"

#define FSM_SNAPSHOT_VERSION 1
#define FSM_FRAME_SCALARS    0
#define FSM_FRAME_END        255
#define FSM_FRAME_HEAD       5
#define FSM_FRAME_BYTES_MAX  (SPEC_BYTES_MAX + 8192)

struct fsm_snapshot {
    struct fsm_scalars s;
    uint64_t hash;
    struct table tables[FSM_T_N_];
    int at;          /* Table that is being written; FSM_T_N_: the end. */
    struct buf last; /* Its last key. */
    bool begun, in_table, done;
    struct buf pending; /* Frames that no chunk has taken yet. */
};

struct fsm_restore {
    struct buf pending;

    bool begun, ended;
    uint64_t hash;
};

void fsm_encode_scalars(const struct fsm_scalars *s, bool for_hash, struct buf *out)
{
    buf_add_u16le(out, FSM_SNAPSHOT_VERSION);
    buf_add_u64le(out, s->applied);
    buf_add_u64le(out, (uint64_t)s->now_ms);
    buf_add_u64le(out, s->revision);
    for (int k = 0; k < KIND_N_; k++) {
        buf_add_u64le(out, s->kind_revision[k]);
    }
    buf_add_u64le(out, s->acct_next);
    buf_add_u32le(out, s->node_next);
    buf_add_u64le(out, s->raft_id_next);
    buf_add_u8(out, s->has_cluster);
    buf_add(out, s->uuid, sizeof s->uuid);
    buf_add(out, s->key_check, sizeof s->key_check);
    buf_add_u64le(out, s->sweep_acct);
    buf_add_u32le(out, s->usage_hour_kept);
    if (!for_hash) {
        buf_add_u64le(out, s->tick_index);
        buf_add_u64le(out, s->tick_hash);
    }
}

static int fsm_decode_scalars(struct slice bytes, struct fsm_scalars *s, struct errmsg *err)
{
    struct record_reader r = {bytes, false};
    uint16_t version = record_u16(&r);
    struct slice fixed;

    if (!r.bad && version != FSM_SNAPSHOT_VERSION) {
        errmsg_set(err, "a snapshot of format %u; this version reads %d", version,
                   FSM_SNAPSHOT_VERSION);
        return Q_EVERSION;
    }
    s->applied = record_u64(&r);
    s->now_ms = record_i64(&r);
    s->revision = record_u64(&r);
    for (int k = 0; k < KIND_N_; k++) {
        s->kind_revision[k] = record_u64(&r);
    }
    s->acct_next = record_u64(&r);
    s->node_next = record_u32(&r);
    s->raft_id_next = record_u64(&r);
    s->has_cluster = record_bool(&r);
    fixed = record_bytes(&r, sizeof s->uuid);
    memcpy(s->uuid, fixed.p, fixed.n);
    fixed = record_bytes(&r, sizeof s->key_check);
    memcpy(s->key_check, fixed.p, fixed.n);
    s->sweep_acct = record_u64(&r);
    s->usage_hour_kept = record_u32(&r);
    s->tick_index = record_u64(&r);
    s->tick_hash = record_u64(&r);
    r.bad = r.bad || s->now_ms < 0 || s->now_ms > FSM_TIME_MS_MAX;
    return record_end(&r);
}

/* --- writing --- */

struct fsm_snapshot *fsm_snapshot_new(const struct fsm *f)
{
    struct fsm_snapshot *s = mem_zalloc(sizeof *s);

    s->s = f->s;
    s->hash = fsm_hash(f);
    for (int t = 0; t < FSM_T_N_; t++) {
        s->tables[t] = table_clone(&f->tables[t]);
    }
    buf_init(&s->last, FSM_FRAME_BYTES_MAX);
    buf_init(&s->pending, SNAPSHOT_CHUNK_BYTES + 2 * FSM_FRAME_BYTES_MAX);
    return s;
}

void fsm_snapshot_free(struct fsm_snapshot *s)
{
    if (s == NULL) {
        return;
    }
    for (int t = 0; t < FSM_T_N_; t++) {
        table_deinit(&s->tables[t]);
    }
    buf_deinit(&s->last);
    buf_deinit(&s->pending);
    mem_free(s);
}

static void fsm_frame_head(struct buf *b, uint8_t kind, size_t n)
{
    ASSERT(n <= FSM_FRAME_BYTES_MAX);
    buf_add_u8(b, kind);
    buf_add_u32le(b, (uint32_t)n);
}

static void fsm_snapshot_record(struct fsm_snapshot *s, const struct table_rec *rec)
{
    struct slice key = table_key(rec), value = table_value(rec);

    fsm_frame_head(&s->pending, (uint8_t)(1 + s->at), 2 + key.n + value.n);
    record_add_text(&s->pending, key);
    buf_add_slice(&s->pending, value);
    buf_clear(&s->last);
    buf_add_slice(&s->last, key);
    s->in_table = true;
}

/* Adds one frame; false when all are there. */
static bool fsm_snapshot_step(struct fsm_snapshot *s)
{
    const struct table_rec *rec;

    if (!s->begun) {
        struct buf b;
        buf_init(&b, 4096);
        fsm_encode_scalars(&s->s, false, &b);
        fsm_frame_head(&s->pending, FSM_FRAME_SCALARS, b.n);
        buf_add_slice(&s->pending, buf_slice(&b));
        buf_deinit(&b);
        s->begun = true;
        return true;
    }
    for (; s->at < FSM_T_N_; s->at++, s->in_table = false) {
        rec = table_next(&s->tables[s->at], s->in_table ? buf_slice(&s->last) : SLICE(""),
                         !s->in_table);
        if (rec != NULL) {
            fsm_snapshot_record(s, rec);
            return true;
        }
    }
    if (!s->done) {
        fsm_frame_head(&s->pending, FSM_FRAME_END, 8);
        buf_add_u64le(&s->pending, s->hash);
        s->done = true;
        return true;
    }
    return false;
}

bool fsm_snapshot_next(struct fsm_snapshot *s, struct buf *out)
{
    size_t n;

    while (s->pending.n < SNAPSHOT_CHUNK_BYTES && fsm_snapshot_step(s)) {
    }
    ASSERT(!s->pending.full);
    if (s->pending.n == 0) {
        return false;
    }
    n = s->pending.n < SNAPSHOT_CHUNK_BYTES ? s->pending.n : SNAPSHOT_CHUNK_BYTES;
    buf_add(out, s->pending.p, n);
    buf_consume(&s->pending, n);
    return true;
}

/* --- reading --- */

void fsm_restore_free(struct fsm *f)
{
    if (f->restore != NULL) {
        buf_deinit(&f->restore->pending);

        mem_free(f->restore);
        f->restore = NULL;
    }
}

static int fsm_restore_frame(struct fsm *f, uint8_t kind, struct slice bytes, struct errmsg *err)
{
    struct fsm_restore *r = f->restore;
    struct record_reader v = {bytes, false};
    struct slice key;
    int rv;

    if (kind == FSM_FRAME_SCALARS && !r->begun) {
        r->begun = true;
        return fsm_decode_scalars(bytes, &f->s, err);
    }
    if (!r->begun || r->ended) {
        return Q_EPROTO;
    }
    if (kind == FSM_FRAME_END) {
        r->hash = record_u64(&v);
        r->ended = true;
        return record_end(&v);
    }
    if (kind == FSM_FRAME_SCALARS || kind > FSM_T_N_) {
        return Q_EPROTO;
    }
    key = record_text(&v);
    rv = v.bad ? Q_EPROTO : table_load(&f->tables[kind - 1], key, v.rest);
    if (rv != 0) {
        errmsg_set(err, "a damaged record in table %s", fsm_table_types[kind - 1].name);
    }
    return rv;
}

static int fsm_restore_end(struct fsm *f, struct errmsg *err)
{
    struct fsm_restore *r = f->restore;

    if (!r->ended || r->pending.n > 0) {
        errmsg_set(err, "the snapshot ends too early");
        return Q_EPROTO;
    }
    if (r->hash != fsm_hash(f)) {
        errmsg_set(err, "the snapshot's records do not add up to its hash");
        return Q_EPROTO;
    }
    if (fsm_rebuild(f, err) != 0) {
        return Q_EPROTO;
    }
    fsm_restore_free(f);
    return 0;
}

int fsm_restore_chunk(struct fsm *f, struct slice chunk, struct errmsg *err)
{
    struct fsm_restore *r = f->restore;
    size_t at = 0;
    int rv = 0;

    if (r == NULL) {
        r = f->restore = mem_zalloc(sizeof *r);
        buf_init(&r->pending, FSM_FRAME_BYTES_MAX + 2 * SNAPSHOT_CHUNK_BYTES);
    }
    if (chunk.n == 0) {
        return fsm_restore_end(f, err);
    }
    buf_add_slice(&r->pending, chunk);
    if (r->pending.full) {
        errmsg_set(err, "a chunk of %zu bytes", chunk.n);
        return Q_EPROTO;
    }
    while (rv == 0 && r->pending.n - at >= FSM_FRAME_HEAD) {
        struct record_reader head = {slice_of(r->pending.p + at, FSM_FRAME_HEAD), false};
        uint8_t kind = record_u8(&head);
        uint32_t n = record_u32(&head);
        if (n > FSM_FRAME_BYTES_MAX) {
            errmsg_set(err, "a record of %u bytes", n);
            return Q_EPROTO;
        }
        if (r->pending.n - at - FSM_FRAME_HEAD < n) {
            break;
        }
        rv = fsm_restore_frame(f, kind, slice_of(r->pending.p + at + FSM_FRAME_HEAD, n), err);
        at += FSM_FRAME_HEAD + n;
    }
    buf_consume(&r->pending, at);
    return rv;
}

/* --- indexes --- */

static int fsm_rebuild_accounts(struct fsm *f)
{
    const struct table_rec *rec = table_next(&f->tables[FSM_T_ACCOUNT], SLICE(""), true);

    for (; rec != NULL; rec = table_next(&f->tables[FSM_T_ACCOUNT], table_key(rec), false)) {
        const struct ledger_account *a = table_head(rec);
        struct slice value;
        if (a->id == 0 || a->id > f->s.acct_next || a->budget.n == 0) {
            return Q_EPROTO;
        }
        buf_add_u64le(fsm_value(f), a->id);
        value = buf_slice(&f->value);
        if (table_load(&f->tables[FSM_X_BUDGET], a->budget, value) != 0) {
            return Q_EPROTO;
        }
    }
    return 0;
}

static int fsm_rebuild_leases(struct fsm *f)
{
    const struct table_rec *rec = table_next(&f->tables[FSM_T_LEASE], SLICE(""), true);

    for (; rec != NULL; rec = table_next(&f->tables[FSM_T_LEASE], table_key(rec), false)) {
        const struct ledger_lease *l = table_head(rec);
        const struct ledger_account *a = ledger_account(f, l->acct);
        const struct ledger_window *w = ledger_old_next(f, l->acct, l->wid, true);
        if (a == NULL || fsm_member_by_node(f, l->node) == NULL ||
            (a->cur.wid != l->wid && (w == NULL || w->wid != l->wid))) {
            return Q_EPROTO;
        }
        ledger_lease_index(f, l);
    }
    return 0;
}

/* History is walked by its counts; results are decoded when they are asked for. */
static int fsm_rebuild_counts(struct fsm *f)
{
    const struct table_rec *rec = table_next(&f->tables[FSM_T_ACCOUNT], SLICE(""), true);
    size_t history = 0, old = 0;

    for (; rec != NULL; rec = table_next(&f->tables[FSM_T_ACCOUNT], table_key(rec), false)) {
        history += ((const struct ledger_account *)table_head(rec))->n_history;
        old += ((const struct ledger_account *)table_head(rec))->n_old;
    }
    return history == f->tables[FSM_T_HISTORY].n && old == f->tables[FSM_T_WINDOW].n ? 0 : Q_EPROTO;
}

int fsm_rebuild(struct fsm *f, struct errmsg *err)
{
    const struct table_rec *rec = table_next(&f->tables[FSM_T_RESOURCE], SLICE(""), true);

    for (; rec != NULL; rec = table_next(&f->tables[FSM_T_RESOURCE], table_key(rec), false)) {
        if (fsm_resource_index(f, table_head(rec), err) != 0) {
            return Q_EPROTO;
        }
    }
    if (fsm_rebuild_accounts(f) != 0 || fsm_rebuild_leases(f) != 0 || fsm_rebuild_counts(f) != 0) {
        errmsg_set(err, "the snapshot's tables contradict each other");
        return Q_EPROTO;
    }
    return ledger_check(f, err);
}
