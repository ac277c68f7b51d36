#include "raft/rlog.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/crypto.h"
#include "base/limits.h"
#include "base/mem.h"

#define RLOG_HEAD_BYTES 13 /* chain, term, type */
#define RLOG_VALUE_MAX  (WIRE_FRAME_BYTES_MAX)

/* --- bytes --- */

static void rlog_be64(uint8_t out[8], uint64_t v)
{
    for (unsigned i = 0; i < 8; i++) {
        out[i] = (uint8_t)(v >> (8 * (7 - i)));
    }
}

static uint64_t rlog_get_be(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < n; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

static uint64_t rlog_get_le(const char *p, unsigned n)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < n; i++) {
        v |= (uint64_t)(uint8_t)p[i] << (8 * i);
    }
    return v;
}

static uint32_t rlog_chain(uint32_t before, raft_term term, uint16_t type, const void *data,
                           size_t n)
{
    uint8_t head[13];

    for (unsigned i = 0; i < 4; i++) {
        head[i] = (uint8_t)(before >> (8 * i));
    }
    for (unsigned i = 0; i < 8; i++) {
        head[4 + i] = (uint8_t)(term >> (8 * i));
    }
    head[12] = (uint8_t)type;
    return crypto_crc32c(crypto_crc32c(0, head, sizeof head), data, n);
}

static struct slice rlog_bytes(const void *p, size_t n)
{
    return slice_of(p, n);
}

void rlog_chunks_add(struct rlog_chunks *c, struct slice bytes)
{
    if (c->n == c->alloc) {
        c->alloc = c->alloc > 0 ? c->alloc * 2 : 16;
        c->v = mem_realloc(c->v, c->alloc * sizeof *c->v);
    }
    c->v[c->n++] = slice_of(mem_dup(bytes.p, bytes.n), bytes.n);
}

void rlog_chunks_free(struct rlog_chunks *c)
{
    for (size_t i = 0; i < c->n; i++) {
        mem_free((void *)(uintptr_t)c->v[i].p);
    }
    mem_free(c->v);
    *c = (struct rlog_chunks){0};
}

/* --- chains in memory --- */

static void rlog_chain_push(struct rlog *l, uint32_t chain)
{
    if (l->n == l->alloc) {
        l->alloc = l->alloc > 0 ? l->alloc * 2 : 1024;
        l->chains = mem_realloc(l->chains, l->alloc * sizeof *l->chains);
    }
    l->chains[l->n++] = chain;
}

static uint32_t rlog_chain_of(const struct rlog *l, raft_index i)
{
    return i < l->start ? l->before : l->chains[i - l->start];
}

void rlog_deinit(struct rlog *l)
{
    mem_free(l->chains);
    *l = (struct rlog){0};
}

/* --- writing --- */

void rlog_put_node(struct batch *b, raft_id id, const uint8_t uuid[16])
{
    struct buf v;

    buf_init(&v, 64);
    buf_add_u64le(&v, id);
    buf_add(&v, uuid, 16);
    batch_put(b, DB_CF_META, SLICE("node"), buf_slice(&v));
    buf_deinit(&v);
}

void rlog_put_meta(struct batch *b, raft_term term, raft_id vote)
{
    struct buf v;

    buf_init(&v, 64);
    buf_add_u64le(&v, term);
    buf_add_u64le(&v, vote);
    batch_put(b, DB_CF_META, SLICE("meta"), buf_slice(&v));
    buf_deinit(&v);
}

static void rlog_put_mark(struct rlog *l, struct batch *b)
{
    struct buf v;

    buf_init(&v, 64);
    buf_add_u64le(&v, l->start);
    buf_add_u64le(&v, l->start + l->n - 1);
    buf_add_u32le(&v, l->before);
    batch_put(b, DB_CF_META, SLICE("log"), buf_slice(&v));
    buf_deinit(&v);
}

void rlog_put_entries(struct rlog *l, struct batch *b, raft_index first,
                      struct entry *const *entries, unsigned n)
{
    uint32_t chain = rlog_chain_of(l, first - 1);
    struct buf v;
    uint8_t key[8];

    ASSERT(first >= l->start && first <= l->start + l->n);
    for (raft_index i = first + n; i < l->start + l->n; i++) { /* Beyond what is written over. */
        rlog_be64(key, i);
        batch_delete(b, DB_CF_LOG, rlog_bytes(key, sizeof key));
    }
    l->n = first - l->start;
    buf_init(&v, RLOG_VALUE_MAX);
    for (unsigned i = 0; i < n; i++) {
        const struct entry *e = entries[i];
        chain = rlog_chain(chain, e->term, e->type, e->data, e->n);
        rlog_chain_push(l, chain);
        buf_clear(&v);
        buf_add_u32le(&v, chain);
        buf_add_u64le(&v, e->term);
        buf_add_u8(&v, (uint8_t)e->type);
        buf_add(&v, e->data, e->n);
        ASSERT(!v.full);
        rlog_be64(key, first + i);
        batch_put(b, DB_CF_LOG, rlog_bytes(key, sizeof key), buf_slice(&v));
    }
    buf_deinit(&v);
    rlog_put_mark(l, b);
}

static void rlog_drop_prefix(struct rlog *l, struct batch *b, raft_index keep_from)
{
    uint8_t from[8], to[8];
    size_t drop;

    if (keep_from <= l->start) {
        return;
    }
    drop = keep_from - l->start;
    ASSERT(drop <= l->n);
    l->before = rlog_chain_of(l, keep_from - 1);
    memmove(l->chains, l->chains + drop, (l->n - drop) * sizeof *l->chains);
    l->n -= drop;
    l->start = keep_from;
    rlog_be64(from, 0);
    rlog_be64(to, keep_from);
    batch_delete_range(b, DB_CF_LOG, rlog_bytes(from, 8), rlog_bytes(to, 8));
}

static void rlog_put_chunks(struct batch *b, raft_index index, const struct rlog_chunks *chunks)
{
    uint8_t from[8] = {0}, key[12];

    rlog_be64(key, index);
    batch_delete_range(b, DB_CF_SNAPSHOT, rlog_bytes(from, 8),
                       rlog_bytes(key, 8)); /* Older ones. */
    for (size_t i = 0; i < chunks->n; i++) {
        for (unsigned k = 0; k < 4; k++) {
            key[8 + k] = (uint8_t)(i >> (8 * (3 - k)));
        }
        batch_put(b, DB_CF_SNAPSHOT, rlog_bytes(key, sizeof key), chunks->v[i]);
    }
}

void rlog_put_snapshot(struct rlog *l, struct batch *b, const struct snapshot_meta *meta,
                       const struct rlog_chunks *chunks, bool installed, raft_index keep_from)
{
    struct raft_buffer conf;
    struct buf v;

    rlog_put_chunks(b, meta->index, chunks);
    ASSERT(raft_configuration_encode(&meta->conf, &conf) == 0);
    buf_init(&v, 1 << 20);
    buf_add_u64le(&v, meta->index);
    buf_add_u64le(&v, meta->term);
    buf_add_u64le(&v, meta->conf_index);
    buf_add_u32le(&v, (uint32_t)chunks->n);
    buf_add(&v, conf.base, conf.len);
    raft_free(conf.base);
    batch_put(b, DB_CF_META, SLICE("snap"), buf_slice(&v));
    buf_deinit(&v);
    if (installed) {
        uint8_t from[8] = {0}, to[8];
        memset(to, 0xff, sizeof to);
        batch_delete_range(b, DB_CF_LOG, rlog_bytes(from, 8), rlog_bytes(to, 8));
        l->n = 0;
        l->start = meta->index + 1;
        l->before = 0;
    } else {
        rlog_drop_prefix(l, b, keep_from);
    }
    rlog_put_mark(l, b);
}

/* --- loading --- */

struct rlog_loading {
    struct rlog *log;
    struct rlog_state *state;
    size_t alloc;
    uint32_t chain;
    raft_index expect;
    char why[160];
};

static bool rlog_load_entry(void *arg, struct slice key, struct slice value)
{
    struct rlog_loading *l = arg;
    raft_index index = key.n == 8 ? rlog_get_be((const uint8_t *)key.p, 8) : 0;
    raft_term term;
    uint16_t type;

    if (index != l->expect || value.n < RLOG_HEAD_BYTES) {
        (void)snprintf(l->why, sizeof l->why, "entry %llu is missing",
                       (unsigned long long)l->expect);
        return false;
    }
    term = rlog_get_le(value.p + 4, 8);
    type = (uint8_t)value.p[12];
    l->chain =
        rlog_chain(l->chain, term, type, value.p + RLOG_HEAD_BYTES, value.n - RLOG_HEAD_BYTES);
    if (l->chain != (uint32_t)rlog_get_le(value.p, 4)) {
        (void)snprintf(l->why, sizeof l->why, "entry %llu does not match its checksum",
                       (unsigned long long)index);
        return false;
    }
    if (l->state->n == l->alloc) {
        l->alloc = l->alloc > 0 ? l->alloc * 2 : 1024;
        l->state->entries = mem_realloc(l->state->entries, l->alloc * sizeof(struct entry *));
    }
    l->state->entries[l->state->n++] =
        entry_new(term, type, value.p + RLOG_HEAD_BYTES, value.n - RLOG_HEAD_BYTES);
    rlog_chain_push(l->log, l->chain);
    l->expect++;
    return true;
}

static int rlog_load_log(struct rlog *l, struct db *db, struct rlog_state *s, struct errmsg *err)
{
    struct rlog_loading loading = {.log = l, .state = s};
    raft_index last;
    uint8_t key[8];
    struct buf v;
    int rv;

    buf_init(&v, 64);
    rv = db_get(db, DB_CF_META, SLICE("log"), &v, err);
    if (rv != 0) {
        buf_deinit(&v);
        l->start = s->has_snapshot ? s->snapshot.index + 1 : 1;
        s->first = l->start;
        return rv == Q_ENOTFOUND ? 0 : rv;
    }
    if (v.n != 20) {
        buf_deinit(&v);
        errmsg_set(err, "the record of the log's range is damaged");
        return Q_ECORRUPT;
    }
    l->start = rlog_get_le(v.p, 8);
    last = rlog_get_le(v.p + 8, 8);
    l->before = (uint32_t)rlog_get_le(v.p + 16, 4);
    buf_deinit(&v);
    s->first = l->start;
    loading.expect = l->start;
    loading.chain = l->before;
    rlog_be64(key, l->start);
    rv = db_scan(db, DB_CF_LOG, rlog_bytes(key, 8), rlog_load_entry, &loading, err);
    if (rv != 0) {
        return rv;
    }
    if (loading.why[0] == 0 && loading.expect != last + 1) {
        (void)snprintf(loading.why, sizeof loading.why,
                       "the log ends at %llu, but %llu was acknowledged",
                       (unsigned long long)loading.expect - 1, (unsigned long long)last);
    }
    if (loading.why[0] != 0) {
        errmsg_set(err,
                   "raft log: %s. This node would lose acknowledged writes and does not start; "
                   "remove it from the cluster and let it join again with an empty data folder",
                   loading.why);
        return Q_ECORRUPT;
    }
    return 0;
}

static bool rlog_load_chunk(void *arg, struct slice key, struct slice value)
{
    struct rlog_state *s = arg;

    if (key.n == 12 && rlog_get_be((const uint8_t *)key.p, 8) == s->snapshot.index) {
        rlog_chunks_add(&s->chunks, value);
        return true;
    }
    return false;
}

static int rlog_load_snapshot(struct db *db, struct rlog_state *s, struct errmsg *err)
{
    struct raft_buffer conf;
    uint32_t n_chunks;
    uint8_t key[8];
    struct buf v;
    int rv;

    buf_init(&v, 1 << 20);
    rv = db_get(db, DB_CF_META, SLICE("snap"), &v, err);
    if (rv != 0) {
        buf_deinit(&v);
        return rv == Q_ENOTFOUND ? 0 : rv;
    }
    s->snapshot.index = rlog_get_le(v.p, 8);
    s->snapshot.term = rlog_get_le(v.p + 8, 8);
    s->snapshot.conf_index = rlog_get_le(v.p + 16, 8);
    n_chunks = (uint32_t)rlog_get_le(v.p + 24, 4);
    conf.base = v.p + 28;
    conf.len = v.n - 28;
    rv = raft_configuration_decode(&conf, &s->snapshot.conf);
    buf_deinit(&v);
    rlog_be64(key, s->snapshot.index);
    if (rv == 0) {
        rv = db_scan(db, DB_CF_SNAPSHOT, rlog_bytes(key, 8), rlog_load_chunk, s, err);
    }
    if (rv != 0 || s->chunks.n != n_chunks) {
        errmsg_set(err, "snapshot %llu is not complete", (unsigned long long)s->snapshot.index);
        return Q_ECORRUPT;
    }
    s->has_snapshot = true;
    return 0;
}

int rlog_load(struct rlog *l, struct db *db, struct rlog_state *s, struct errmsg *err)
{
    struct buf v;
    int rv;

    *l = (struct rlog){.start = 1};
    memset(s, 0, sizeof *s);
    raft_configuration_init(&s->snapshot.conf);
    buf_init(&v, 64);
    rv = db_get(db, DB_CF_META, SLICE("node"), &v, err);
    if (rv == 0 && v.n == 24) {
        s->found = true;
        s->id = rlog_get_le(v.p, 8);
        memcpy(s->uuid, v.p + 8, 16);
    }
    buf_clear(&v);
    if (rv == 0 || rv == Q_ENOTFOUND) {
        rv = db_get(db, DB_CF_META, SLICE("meta"), &v, err);
    }
    if (rv == 0 && v.n == 16) {
        s->term = rlog_get_le(v.p, 8);
        s->vote = rlog_get_le(v.p + 8, 8);
    }
    buf_deinit(&v);
    if (rv != 0 && rv != Q_ENOTFOUND) {
        return rv;
    }
    rv = rlog_load_snapshot(db, s, err);
    return rv != 0 ? rv : rlog_load_log(l, db, s, err);
}
