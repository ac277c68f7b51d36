/* Usage of settled attempts: a worker's cumulative cells per (incarnation, hour, dimensions). The
 * cell is in the journal as soon as the settlement is; the manager gets what changed once a second.
 */
#include "base/check.h"
#include "base/mem.h"
#include "node/gov/gov_i.h"
#include "node/gov/mail.h"

#define CELLS_SEND_MS 500
/* A request may end long after the hour that admitted it; later ones would restart a cell from 0
 * and be ignored. */
#define CELLS_KEEP_HOURS 48

struct worker_cell {
    struct list dirty;
    uint32_t inc;
    struct sync_cell cell; /* Texts are owned. */
    char *texts;
};

static void worker_cells_timer(struct timer *t)
{
    struct gov_worker *w = CONTAINER_OF(t, struct gov_worker, cells_timer);

    worker_cells_send(w);
}

void worker_cells_init(struct gov_worker *w)
{
    strmap_init(&w->cells);
    list_init(&w->dirty_cells);
    timer_init(&w->cells_timer, w->loop, worker_cells_timer);
}

static void worker_cell_free(struct worker_cell *c)
{
    list_remove(&c->dirty);
    mem_free(c->texts);
    mem_free(c);
}

void worker_cells_deinit(struct gov_worker *w)
{
    struct strmap_entry *e;

    timer_stop(&w->cells_timer);
    for (size_t i = 0; (e = strmap_next(&w->cells, &i)) != NULL;) {
        worker_cell_free(e->value);
    }
    strmap_deinit(&w->cells);
}

static struct slice worker_cell_text(char **at, struct slice s)
{
    struct slice copy = {*at, s.n};

    memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

static struct worker_cell *worker_cell_new(struct gov_worker *w, const struct reservation *r,
                                           const struct usage_dims *d)
{
    struct worker_cell *c = mem_zalloc(sizeof *c);
    char *at;

    c->texts = mem_alloc(d->team.n + d->key.n + d->user.n + d->model.n + d->provider.n + 1);
    at = c->texts;
    c->inc = r->inc;
    c->cell.worker = w->no;
    c->cell.hour = r->hour;
    c->cell.dims.team = worker_cell_text(&at, d->team);
    c->cell.dims.key = worker_cell_text(&at, d->key);
    c->cell.dims.user = worker_cell_text(&at, d->user);
    c->cell.dims.model = worker_cell_text(&at, d->model);
    c->cell.dims.provider = worker_cell_text(&at, d->provider);
    list_init(&c->dirty);
    return c;
}

static void worker_cell_key(struct buf *out, const struct reservation *r,
                            const struct usage_dims *d)
{
    const struct slice parts[] = {d->team, d->key, d->user, d->model, d->provider};

    buf_add_u32le(out, r->inc);
    buf_add_u32le(out, r->hour);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        buf_add_u16le(out, (uint16_t)parts[i].n);
        buf_add_slice(out, parts[i]);
    }
}

/* Old hours are dropped when a new one begins, so the table holds two days of what this worker saw.
 */
static void worker_cells_expire(struct gov_worker *w, uint32_t hour)
{
    struct strmap_entry *e;

    for (size_t i = 0; (e = strmap_next(&w->cells, &i)) != NULL;) {
        struct worker_cell *c = e->value;
        if (c->cell.hour + CELLS_KEEP_HOURS < hour && list_empty(&c->dirty)) {
            strmap_remove(&w->cells, slice_of(e->key, e->key_n));
            worker_cell_free(c);
        }
    }
}

void worker_cells_count(struct gov_worker *w, const struct reservation *r,
                        const struct gov_actual *a)
{
    const struct usage_dims dims = {
        .team = r->key->team != NULL ? r->key->team->name : SLICE(""),
        .key = r->key->id,
        .user = slice_str(r->user),
        .model = slice_str(r->model),
        .provider = slice_str(r->provider),
    };
    struct buf key;
    struct worker_cell *c;

    buf_init(&key, 4096);
    worker_cell_key(&key, r, &dims);
    c = strmap_get(&w->cells, buf_slice(&key));
    if (c == NULL) {
        worker_cells_expire(w, r->hour);
        c = worker_cell_new(w, r, &dims);
        strmap_put(&w->cells, buf_slice(&key), c);
    }
    buf_deinit(&key);
    c->cell.sums.requests++;
    c->cell.sums.errors += a->error;
    c->cell.sums.input_tokens += a->input_tokens;
    c->cell.sums.cached_tokens += a->cached_tokens;
    c->cell.sums.output_tokens += a->output_tokens;
    c->cell.sums.cost_pusd += a->cost.amount[UNIT_USD];
    journal_put_cell(worker_write(w)->write.batch, r->inc, &c->cell);
    if (list_empty(&c->dirty)) {
        list_push_back(&w->dirty_cells, &c->dirty);
    }
    if (!timer_is_running(&w->cells_timer)) {
        timer_start(&w->cells_timer, CELLS_SEND_MS);
    }
}

/* Copies of everything that has changed, one letter per incarnation (normally one). */
void worker_cells_send(struct gov_worker *w)
{
    while (!list_empty(&w->dirty_cells)) {
        struct gov_cells *l = mem_zalloc(sizeof *l);
        size_t n = 0;
        LIST_EACH (it, &w->dirty_cells) {
            n++;
        }
        arena_init(&l->arena, NULL);
        l->gov = w->gov;
        l->worker = w->no;
        l->inc = LIST_FIRST(&w->dirty_cells, struct worker_cell, dirty)->inc;
        l->cells = arena_alloc(&l->arena, n * sizeof *l->cells);
        LIST_EACH_SAFE (it, &w->dirty_cells) {
            struct worker_cell *c = LIST_ENTRY(it, struct worker_cell, dirty);
            struct sync_cell *out = &l->cells[l->n];
            if (c->inc != l->inc) {
                continue;
            }
            list_remove(it);
            *out = c->cell;
            out->dims.team = arena_slice(&l->arena, c->cell.dims.team);
            out->dims.key = arena_slice(&l->arena, c->cell.dims.key);
            out->dims.user = arena_slice(&l->arena, c->cell.dims.user);
            out->dims.model = arena_slice(&l->arena, c->cell.dims.model);
            out->dims.provider = arena_slice(&l->arena, c->cell.dims.provider);
            l->n++;
        }
        l->letter.deliver = gov_deliver_cells;
        mailbox_send(w->shared->mailbox, &l->letter);
    }
}
