/* SYNC and its answers as frames. */
#include <string.h>

#include "base/check.h"
#include "raft/wire.h"
#include "raft/wire_i.h"

#define ITEM_FIELDS  20
#define CELL_FIELDS  14
#define GRANT_FIELDS 13
#define TEXT_MAX     512

static void wire_item(struct packer *k, const struct sync_item *i)
{
    pack_u64(k, i->acct);
    pack_u64(k, i->wid);
    pack_i128(k, i->S);
    pack_i128(k, i->R);
    pack_i128(k, i->O);
    pack_i128(k, i->free);
    pack_i128(k, i->gross);
    pack_i128(k, i->refund);
    pack_i128(k, i->wmax);
    pack_i128(k, i->ask);
    pack_i128(k, i->need);
}

static void wire_cell(struct packer *k, const struct sync_cell *c)
{
    pack_u64(k, c->worker);
    pack_u64(k, c->hour);
    pack_bin(k, c->dims.team);
    pack_bin(k, c->dims.key);
    pack_bin(k, c->dims.user);
    pack_bin(k, c->dims.model);
    pack_bin(k, c->dims.provider);
    pack_u64(k, c->sums.requests);
    pack_u64(k, c->sums.errors);
    pack_u64(k, c->sums.input_tokens);
    pack_u64(k, c->sums.cached_tokens);
    pack_u64(k, c->sums.output_tokens);
    pack_i128(k, c->sums.cost_pusd);
}

void wire_sync(struct buf *out, const struct sync_req *m)
{
    struct packer k;

    pack_begin(&k, out, WIRE_SYNC, 5);
    pack_bin(&k, m->node);
    pack_u64(&k, m->inc);
    pack_u64(&k, m->seq);
    pack_array(&k, (uint32_t)m->n_items * ITEM_FIELDS);
    for (size_t i = 0; i < m->n_items; i++) {
        wire_item(&k, &m->items[i]);
    }
    pack_array(&k, (uint32_t)m->n_cells * CELL_FIELDS);
    for (size_t i = 0; i < m->n_cells; i++) {
        wire_cell(&k, &m->cells[i]);
    }
    pack_end(&k);
}

static void wire_read_item(struct reader *r, struct sync_item *i)
{
    i->acct = read_u64(r, UINT64_MAX);
    i->wid = (uint32_t)read_u64(r, UINT32_MAX);
    i->S = read_i128(r);
    i->R = read_i128(r);
    i->O = read_i128(r);
    i->free = read_i128(r);
    i->gross = read_i128(r);
    i->refund = read_i128(r);
    i->wmax = read_i128(r);
    i->ask = read_i128(r);
    i->need = read_i128(r);
}

static void wire_read_cell(struct reader *r, struct arena *a, struct sync_cell *c)
{
    c->worker = (uint32_t)read_u64(r, UINT16_MAX);
    c->hour = (uint32_t)read_u64(r, UINT32_MAX);
    c->dims.team = arena_slice(a, read_bin(r, TEXT_MAX));
    c->dims.key = arena_slice(a, read_bin(r, TEXT_MAX));
    c->dims.user = arena_slice(a, read_bin(r, TEXT_MAX));
    c->dims.model = arena_slice(a, read_bin(r, TEXT_MAX));
    c->dims.provider = arena_slice(a, read_bin(r, TEXT_MAX));
    c->sums.requests = read_u64(r, UINT64_MAX);
    c->sums.errors = read_u64(r, UINT64_MAX);
    c->sums.input_tokens = read_u64(r, UINT64_MAX);
    c->sums.cached_tokens = read_u64(r, UINT64_MAX);
    c->sums.output_tokens = read_u64(r, UINT64_MAX);
    c->sums.cost_pusd = read_i128(r);
}

int wire_read_sync(struct slice body, struct arena *a, struct sync_req *ret)
{
    msgpack_zone zone;
    struct reader r, list;
    bool bad = true;

    ASSERT(msgpack_zone_init(&zone, 4096));
    if (read_begin(&r, body, &zone)) {
        ret->node = arena_slice(a, read_bin(&r, NAME_BYTES_MAX));
        ret->inc = (uint32_t)read_u64(&r, UINT32_MAX);
        ret->seq = read_u64(&r, UINT64_MAX);
        list = read_array(&r, SYNC_ITEMS_MAX * ITEM_FIELDS);
        ret->n_items = list.n / ITEM_FIELDS;
        ret->items = arena_alloc(a, (ret->n_items + 1) * sizeof *ret->items);
        for (size_t i = 0; i < ret->n_items; i++) {
            wire_read_item(&list, &ret->items[i]);
        }
        bad = list.bad;
        list = read_array(&r, SYNC_CELLS_MAX * CELL_FIELDS);
        ret->n_cells = list.n / CELL_FIELDS;
        ret->cells = arena_alloc(a, (ret->n_cells + 1) * sizeof *ret->cells);
        for (size_t i = 0; i < ret->n_cells; i++) {
            wire_read_cell(&list, a, &ret->cells[i]);
        }
        bad = bad || list.bad || r.bad;
    }
    msgpack_zone_destroy(&zone);
    return bad ? Q_EPROTO : 0;
}

static void wire_grant(struct packer *k, const struct sync_grant *g)
{
    pack_u64(k, g->acct);
    pack_u64(k, g->wid);
    pack_i128(k, g->G);
    pack_u64(k, g->flags);
    pack_i128(k, g->keep);
    pack_i128(k, g->left);
    pack_i128(k, g->limit);
    pack_i64(k, g->win_left_ms);
    pack_i64(k, g->resets_at_ms);
}

void wire_sync_reply(struct buf *out, const struct sync_reply *m)
{
    struct packer k;

    pack_begin(&k, out, WIRE_SYNC_REPLY, 5);
    pack_i64(&k, m->status);
    pack_u64(&k, m->inc);
    pack_u64(&k, m->seq);
    pack_i64(&k, m->now_ms);
    pack_array(&k, (uint32_t)m->n_grants * GRANT_FIELDS);
    for (size_t i = 0; i < m->n_grants; i++) {
        wire_grant(&k, &m->grants[i]);
    }
    pack_end(&k);
}

static void wire_read_grant(struct reader *r, struct sync_grant *g)
{
    g->acct = read_u64(r, UINT64_MAX);
    g->wid = (uint32_t)read_u64(r, UINT32_MAX);
    g->G = read_i128(r);
    g->flags = (uint32_t)read_u64(r, UINT32_MAX);
    g->keep = read_i128(r);
    g->left = read_i128(r);
    g->limit = read_i128(r);
    g->win_left_ms = read_i64(r);
    g->resets_at_ms = read_i64(r);
}

int wire_read_sync_reply(struct slice body, struct arena *a, struct sync_reply *ret)
{
    msgpack_zone zone;
    struct reader r, list;
    bool bad = true;

    ASSERT(msgpack_zone_init(&zone, 4096));
    if (read_begin(&r, body, &zone)) {
        ret->status = (int)read_i64(&r);
        ret->inc = (uint32_t)read_u64(&r, UINT32_MAX);
        ret->seq = read_u64(&r, UINT64_MAX);
        ret->now_ms = read_i64(&r);
        list = read_array(&r, SYNC_ITEMS_MAX * GRANT_FIELDS);
        ret->n_grants = list.n / GRANT_FIELDS;
        ret->grants = arena_alloc(a, (ret->n_grants + 1) * sizeof *ret->grants);
        for (size_t i = 0; i < ret->n_grants; i++) {
            wire_read_grant(&list, &ret->grants[i]);
        }
        bad = list.bad || r.bad;
    }
    msgpack_zone_destroy(&zone);
    return bad ? Q_EPROTO : 0;
}

void wire_recall(struct buf *out, const struct sync_recall *m)
{
    struct packer k;

    pack_begin(&k, out, WIRE_RECALL, 2);
    pack_u64(&k, m->acct);
    pack_u64(&k, m->wid);
    pack_end(&k);
}

int wire_read_recall(struct slice body, struct arena *a, struct sync_recall *ret)
{
    msgpack_zone zone;
    struct reader r;

    (void)a;
    ASSERT(msgpack_zone_init(&zone, 1024));
    if (read_begin(&r, body, &zone)) {
        ret->acct = read_u64(&r, UINT64_MAX);
        ret->wid = (uint32_t)read_u64(&r, UINT32_MAX);
    }
    msgpack_zone_destroy(&zone);
    return r.bad ? Q_EPROTO : 0;
}
