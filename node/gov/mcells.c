/* Usage cells of all workers on their way to the leader: the newest cumulative value of each, until
 * a SYNC that carried it is answered. */
#include "base/check.h"
#include "base/mem.h"
#include "node/gov/manager.h"

struct mcell {
    struct sync_cell cell;
    char *texts;
    uint64_t sent_seq; /* The newest SYNC that carried this value; 0: none. */
};

void mcells_init(struct gov *g)
{
    strmap_init(&g->cells);
}

static void mcell_free(struct mcell *m)
{
    mem_free(m->texts);
    mem_free(m);
}

void mcells_forget(struct gov *g)
{
    struct strmap_entry *e;

    for (size_t i = 0; (e = strmap_next(&g->cells, &i)) != NULL;) {
        mcell_free(e->value);
    }
    strmap_deinit(&g->cells);
    strmap_init(&g->cells);
}

void mcells_deinit(struct gov *g)
{
    mcells_forget(g);
    strmap_deinit(&g->cells);
}

static struct slice mcell_text(char **at, struct slice s)
{
    struct slice copy = {*at, s.n};

    memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

static void mcells_put(struct gov *g, const struct sync_cell *c)
{
    const struct usage_dims *d = &c->dims;
    const struct slice parts[] = {d->team, d->key, d->user, d->model, d->provider};
    struct buf key;
    struct mcell *m;
    char *at;

    buf_init(&key, 4096);
    buf_add_u32le(&key, c->worker);
    buf_add_u32le(&key, c->hour);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        buf_add_u16le(&key, (uint16_t)parts[i].n);
        buf_add_slice(&key, parts[i]);
    }
    m = strmap_get(&g->cells, buf_slice(&key));
    if (m == NULL) {
        m = mem_zalloc(sizeof *m);
        m->texts = mem_alloc(key.n);
        at = m->texts;
        m->cell.dims = (struct usage_dims){.team = mcell_text(&at, d->team),
                                           .key = mcell_text(&at, d->key),
                                           .user = mcell_text(&at, d->user),
                                           .model = mcell_text(&at, d->model),
                                           .provider = mcell_text(&at, d->provider)};
        m->cell.worker = c->worker;
        m->cell.hour = c->hour;
        strmap_put(&g->cells, buf_slice(&key), m);
    }
    m->cell.sums = c->sums;
    m->sent_seq = 0;
    buf_deinit(&key);
}

void gov_deliver_cells(struct letter *l)
{
    struct gov_cells *c = CONTAINER_OF(l, struct gov_cells, letter);
    struct gov *g = c->gov;

    /* Cells of an incarnation that is closed stay in the journal only; REGISTER carried what was
     * known. */
    if (c->inc == g->meta.registered || c->inc == 0) {
        for (size_t i = 0; i < c->n; i++) {
            mcells_put(g, &c->cells[i]);
        }
    }
    arena_deinit(&c->arena);
    mem_free(c);
}

size_t mcells_take(struct gov *g, uint64_t seq, struct sync_cell *out, size_t max)
{
    struct strmap_entry *e;
    size_t n = 0;

    for (size_t i = 0; n < max && (e = strmap_next(&g->cells, &i)) != NULL;) {
        struct mcell *m = e->value;
        /* Sent but not answered yet: again only when the answer is overdue. */
        if (m->sent_seq == 0 || m->sent_seq + 8 < seq) {
            out[n++] = m->cell;
            m->sent_seq = seq;
        }
    }
    return n;
}

void mcells_acked(struct gov *g, uint64_t seq)
{
    struct strmap_entry *e;

    for (size_t i = 0; (e = strmap_next(&g->cells, &i)) != NULL;) {
        struct mcell *m = e->value;
        if (m->sent_seq == seq) {
            strmap_remove(&g->cells, slice_of(e->key, e->key_n));
            mcell_free(m);
        }
    }
}
