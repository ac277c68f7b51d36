#include "node/gov/journal.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "node/gov/slot.h"

#define JOURNAL_KEY_BYTES_MAX   (16 + 5 * 256)
#define JOURNAL_VALUE_BYTES_MAX (64 + PATH_BUDGETS_MAX * 28)

/* --- writing --- */

struct record {
    char key[JOURNAL_KEY_BYTES_MAX];
    size_t key_n;
    char value[JOURNAL_VALUE_BYTES_MAX];
    size_t value_n;
};

static void journal_be(struct record *r, uint64_t v, unsigned bytes)
{
    for (unsigned i = bytes; i > 0; i--) {
        r->key[r->key_n++] = (char)(v >> (8 * (i - 1)));
    }
}

static void journal_le(struct record *r, uint64_t v, unsigned bytes)
{
    ASSERT(r->value_n + bytes <= sizeof r->value);
    for (unsigned i = 0; i < bytes; i++) {
        r->value[r->value_n++] = (char)(v >> (8 * i));
    }
}

static void journal_le128(struct record *r, i128 v)
{
    journal_le(r, (uint64_t)v, 8);
    journal_le(r, (uint64_t)(v >> 64), 8);
}

static void journal_begin(struct record *r, char type, uint32_t inc, unsigned worker)
{
    r->key_n = 0;
    r->value_n = 0;
    r->key[r->key_n++] = type;
    journal_be(r, inc, 4);
    journal_be(r, worker, 2);
}

static void journal_put(struct batch *b, const struct record *r)
{
    batch_put(b, DB_CF_JOURNAL, slice_of(r->key, r->key_n), slice_of(r->value, r->value_n));
}

void journal_put_meta(struct batch *b, const struct journal_meta *m)
{
    struct record r = {.key = {'I'}, .key_n = 1};

    journal_le(&r, m->inc, 4);
    journal_le(&r, m->registered, 4);
    journal_le(&r, m->seq, 8);
    journal_put(b, &r);
}

void journal_put_res(struct batch *b, uint32_t inc, unsigned worker, uint64_t rid,
                     const struct journal_item *items, size_t n)
{
    struct record r;

    ASSERT(n <= PATH_BUDGETS_MAX);
    journal_begin(&r, 'R', inc, worker);
    journal_be(&r, rid, 8);
    journal_le(&r, n, 1);
    for (size_t i = 0; i < n; i++) {
        journal_le(&r, items[i].acct, 8);
        journal_le(&r, items[i].wid, 4);
        journal_le128(&r, items[i].bound);
    }
    journal_put(b, &r);
}

void journal_del_res(struct batch *b, uint32_t inc, unsigned worker, uint64_t rid)
{
    struct record r;

    journal_begin(&r, 'R', inc, worker);
    journal_be(&r, rid, 8);
    batch_delete(b, DB_CF_JOURNAL, slice_of(r.key, r.key_n));
}

void journal_put_sum(struct batch *b, uint32_t inc, unsigned worker, uint64_t acct, uint32_t wid,
                     i128 spent)
{
    struct record r;

    journal_begin(&r, 'S', inc, worker);
    journal_be(&r, acct, 8);
    journal_be(&r, wid, 4);
    journal_le128(&r, spent);
    journal_put(b, &r);
}

static void journal_text(struct record *r, struct slice s)
{
    size_t n = s.n < 255 ? s.n : 255;

    r->key[r->key_n++] = (char)n;
    memcpy(r->key + r->key_n, s.p, n);
    r->key_n += n;
}

void journal_put_cell(struct batch *b, uint32_t inc, const struct sync_cell *c)
{
    struct record r;

    journal_begin(&r, 'U', inc, c->worker);
    journal_be(&r, c->hour, 4);
    journal_text(&r, c->dims.team);
    journal_text(&r, c->dims.key);
    journal_text(&r, c->dims.user);
    journal_text(&r, c->dims.model);
    journal_text(&r, c->dims.provider);
    journal_le(&r, c->sums.requests, 8);
    journal_le(&r, c->sums.errors, 8);
    journal_le(&r, c->sums.input_tokens, 8);
    journal_le(&r, c->sums.cached_tokens, 8);
    journal_le(&r, c->sums.output_tokens, 8);
    journal_le128(&r, c->sums.cost_pusd);
    journal_put(b, &r);
}

void journal_drop_before(struct batch *b, uint32_t inc)
{
    static const char types[] = {'R', 'S', 'U'};

    for (size_t i = 0; i < sizeof types; i++) {
        struct record to;
        char from = types[i];
        journal_begin(&to, types[i], inc, 0);
        batch_delete_range(b, DB_CF_JOURNAL, slice_of(&from, 1), slice_of(to.key, 5));
    }
}

/* --- reading --- */

struct cursor {
    const uint8_t *p, *end;
    bool bad;
};

static uint64_t journal_get(struct cursor *c, unsigned bytes, bool big_endian)
{
    uint64_t v = 0;

    if ((size_t)(c->end - c->p) < bytes) {
        c->bad = true;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++) {
        v |= (uint64_t)c->p[i] << (8 * (big_endian ? bytes - 1 - i : i));
    }
    c->p += bytes;
    return v;
}

static i128 journal_get128(struct cursor *c)
{
    uint64_t lo = journal_get(c, 8, false);
    uint64_t hi = journal_get(c, 8, false);

    return (i128)((unsigned __int128)hi << 64 | lo);
}

static struct slice journal_get_text(struct cursor *c)
{
    size_t n = journal_get(c, 1, true);
    struct slice s = {(const char *)c->p, n};

    if ((size_t)(c->end - c->p) < n) {
        c->bad = true;
        return (struct slice){"", 0};
    }
    c->p += n;
    return s;
}

struct loading {
    struct arena *arena;
    struct journal_past *past;
    size_t finals_alloc, cells_alloc;
    bool bad;
    char bad_type;
};

static void *journal_grow(struct arena *a, void *old, size_t n, size_t *alloc, size_t size)
{
    void *fresh;

    if (n < *alloc) {
        return old;
    }
    *alloc = *alloc == 0 ? 64 : *alloc * 2;
    fresh = arena_alloc(a, *alloc * size);
    if (n > 0) {
        memcpy(fresh, old, n * size);
    }
    return fresh;
}

static void journal_final_add(struct loading *l, uint64_t acct, uint32_t wid, i128 amount)
{
    struct journal_past *p = l->past;

    for (size_t i = p->n_finals; i > 0; i--) {
        if (p->finals[i - 1].acct == acct && p->finals[i - 1].wid == wid) {
            p->finals[i - 1].spent += amount;
            return;
        }
    }
    p->finals = journal_grow(l->arena, p->finals, p->n_finals, &l->finals_alloc, sizeof *p->finals);
    p->finals[p->n_finals++] = (struct cmd_final){acct, wid, amount};
}

static void journal_load_res(struct loading *l, struct cursor *v)
{
    size_t n = journal_get(v, 1, false);

    for (size_t i = 0; i < n && !v->bad; i++) {
        uint64_t acct = journal_get(v, 8, false);
        uint32_t wid = (uint32_t)journal_get(v, 4, false);
        i128 bound = journal_get128(v);
        if (!v->bad) {
            journal_final_add(l, acct, wid, bound);
        }
    }
    l->past->n_open++;
}

static void journal_load_cell(struct loading *l, unsigned worker, struct cursor *k,
                              struct cursor *v)
{
    struct journal_past *p = l->past;
    struct sync_cell c = {.worker = worker, .hour = (uint32_t)journal_get(k, 4, true)};

    c.dims.team = arena_slice(l->arena, journal_get_text(k));
    c.dims.key = arena_slice(l->arena, journal_get_text(k));
    c.dims.user = arena_slice(l->arena, journal_get_text(k));
    c.dims.model = arena_slice(l->arena, journal_get_text(k));
    c.dims.provider = arena_slice(l->arena, journal_get_text(k));
    c.sums.requests = journal_get(v, 8, false);
    c.sums.errors = journal_get(v, 8, false);
    c.sums.input_tokens = journal_get(v, 8, false);
    c.sums.cached_tokens = journal_get(v, 8, false);
    c.sums.output_tokens = journal_get(v, 8, false);
    c.sums.cost_pusd = journal_get128(v);
    p->cells = journal_grow(l->arena, p->cells, p->n_cells, &l->cells_alloc, sizeof *p->cells);
    p->cells[p->n_cells++] = c;
}

static bool journal_each(void *arg, struct slice key, struct slice value)
{
    struct loading *l = arg;
    struct cursor k = {(const uint8_t *)key.p, (const uint8_t *)key.p + key.n, false};
    struct cursor v = {(const uint8_t *)value.p, (const uint8_t *)value.p + value.n, false};
    char type = (char)journal_get(&k, 1, true);
    uint32_t inc;
    unsigned worker;

    if (type == 'I') {
        return true; /* Read before. */
    }
    inc = (uint32_t)journal_get(&k, 4, true);
    worker = (unsigned)journal_get(&k, 2, true);
    if (inc != l->past->meta.registered) {
        return true; /* Of a life that is accounted for already. */
    }
    if (type == 'R') {
        journal_load_res(l, &v);
    } else if (type == 'S') {
        uint64_t acct = journal_get(&k, 8, true);
        uint32_t wid = (uint32_t)journal_get(&k, 4, true);
        i128 spent = journal_get128(&v);
        if (!k.bad && !v.bad) {
            journal_final_add(l, acct, wid, spent);
        }
    } else if (type == 'U') {
        journal_load_cell(l, worker, &k, &v);
    } else {
        k.bad = true;
    }
    l->bad = l->bad || k.bad || v.bad;
    l->bad_type = type;
    return !l->bad;
}

int journal_load(struct db *db, struct arena *arena, struct journal_past *ret, struct errmsg *err)
{
    struct journal_past past = {0};
    struct loading l = {.arena = arena, .past = &past};
    struct cursor c;
    struct buf value;
    int rv;

    buf_init(&value, 64);
    rv = db_get(db, DB_CF_JOURNAL, SLICE("I"), &value, err);
    if (rv == Q_ENOTFOUND) {
        *ret = past;
        rv = 0;
        goto out;
    }
    if (rv != 0) {
        goto out;
    }
    c = (struct cursor){(const uint8_t *)value.p, (const uint8_t *)value.p + value.n, false};
    past.found = true;
    past.meta.inc = (uint32_t)journal_get(&c, 4, false);
    past.meta.registered = (uint32_t)journal_get(&c, 4, false);
    past.meta.seq = journal_get(&c, 8, false);
    l.bad = c.bad;
    if (!l.bad) {
        rv = db_scan(db, DB_CF_JOURNAL, SLICE(""), journal_each, &l, err);
    }
    if (rv == 0 && l.bad) {
        errmsg_set(err, "ledger journal: a record of type '%c' is damaged", l.bad_type);
        rv = Q_ECORRUPT;
    }
    if (rv == 0) {
        *ret = past;
    }
out:
    buf_deinit(&value);
    return rv;
}
