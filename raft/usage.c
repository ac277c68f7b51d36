#include "raft/usage.h"

#include "base/check.h"
#include "base/err.h"

int usage_cell_bind(void *head, struct slice key, struct slice value)
{
    struct record_reader k = {key, false}, v = {value, false};
    struct usage_cell *c = head;

    c->hour = record_from_key_u32(&k);
    c->node = record_from_key_u32(&k);
    c->dims.team = record_text(&k);
    c->dims.key = record_text(&k);
    c->dims.user = record_text(&k);
    c->dims.model = record_text(&k);
    c->dims.provider = record_text(&k);
    c->inc = record_from_key_u32(&k);
    c->worker = record_from_key_u32(&k);
    c->sums.requests = record_u64(&v);
    c->sums.errors = record_u64(&v);
    c->sums.input_tokens = record_u64(&v);
    c->sums.cached_tokens = record_u64(&v);
    c->sums.output_tokens = record_u64(&v);
    c->sums.cost_pusd = record_amount(&v);
    return record_end(&k) != 0 ? Q_EPROTO : record_end(&v);
}

static void usage_key(struct buf *k, const struct usage_cell *c)
{
    record_key_u32(k, c->hour);
    record_key_u32(k, c->node);
    record_add_text(k, c->dims.team);
    record_add_text(k, c->dims.key);
    record_add_text(k, c->dims.user);
    record_add_text(k, c->dims.model);
    record_add_text(k, c->dims.provider);
    record_key_u32(k, c->inc);
    record_key_u32(k, c->worker);
}

static void usage_put(struct fsm *f, const struct usage_cell *c)
{
    struct buf *v = fsm_value(f);

    usage_key(fsm_key(f), c);
    buf_add_u64le(v, c->sums.requests);
    buf_add_u64le(v, c->sums.errors);
    buf_add_u64le(v, c->sums.input_tokens);
    buf_add_u64le(v, c->sums.cached_tokens);
    buf_add_u64le(v, c->sums.output_tokens);
    record_add_i128(v, c->sums.cost_pusd);
    fsm_put(f, FSM_T_USAGE);
}

static uint64_t usage_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static bool usage_hour_ok(const struct fsm *f, uint32_t hour)
{
    int64_t now = f->s.now_ms / 3600000;

    return (int64_t)hour >= now - USAGE_HOURS_LATE && (int64_t)hour <= now + USAGE_HOURS_EARLY;
}

static i128 usage_merge_cell(struct fsm *f, struct usage_cell *c)
{
    const struct usage_cell *old;
    struct usage_sums s = c->sums;
    i128 before = 0;

    usage_key(fsm_key(f), c);
    old = table_head(table_get(&f->tables[FSM_T_USAGE], buf_slice(&f->key)));
    if (old != NULL) {
        before = old->sums.cost_pusd;
        s.requests = usage_max(s.requests, old->sums.requests);
        s.errors = usage_max(s.errors, old->sums.errors);
        s.input_tokens = usage_max(s.input_tokens, old->sums.input_tokens);
        s.cached_tokens = usage_max(s.cached_tokens, old->sums.cached_tokens);
        s.output_tokens = usage_max(s.output_tokens, old->sums.output_tokens);
        s.cost_pusd = i128_max(s.cost_pusd, before);
    }
    c->sums = s;
    usage_put(f, c);
    return s.cost_pusd - before;
}

i128 usage_merge(struct fsm *f, uint32_t node, uint32_t inc, const struct sync_cell *cells,
                 size_t n)
{
    i128 grown = 0;

    for (size_t i = 0; i < n; i++) {
        struct usage_cell c = {.hour = cells[i].hour,
                               .node = node,
                               .inc = inc,
                               .worker = cells[i].worker,
                               .dims = cells[i].dims,
                               .sums = cells[i].sums};
        if (usage_hour_ok(f, c.hour)) {
            grown += usage_merge_cell(f, &c);
        }
    }
    return grown;
}

void usage_recovered(struct fsm *f, uint32_t node, uint32_t inc, i128 cost_pusd)
{
    struct usage_cell c = {.hour = (uint32_t)(f->s.now_ms / 3600000),
                           .node = USAGE_NODE_RECOVERED,
                           .inc = inc,
                           .worker = node,
                           .dims = {{"", 0}, {"", 0}, {"", 0}, {"", 0}, {"", 0}},
                           .sums = {.cost_pusd = cost_pusd}};
    const struct usage_cell *old;

    if (cost_pusd <= 0) {
        return;
    }
    usage_key(fsm_key(f), &c);
    old = table_head(table_get(&f->tables[FSM_T_USAGE], buf_slice(&f->key)));
    if (old != NULL) { /* Another proof of the same incarnation in the same hour. */
        c.sums.cost_pusd += old->sums.cost_pusd;
    }
    usage_put(f, &c);
}

void usage_sweep(struct fsm *f)
{
    int64_t hour = f->s.now_ms / 3600000 - USAGE_HOURS_KEPT;
    const struct table_rec *rec;
    struct buf *k;

    if (hour <= (int64_t)f->s.usage_hour_kept) {
        return;
    }
    for (int i = 0; i < USAGE_DROP_PER_COMMAND; i++) {
        k = fsm_key(f);
        rec = table_next(&f->tables[FSM_T_USAGE], buf_slice(k), true);
        if (rec == NULL || (int64_t)((const struct usage_cell *)table_head(rec))->hour >= hour) {
            f->s.usage_hour_kept = (uint32_t)hour;
            return;
        }
        buf_add_slice(k, table_key(rec));
        (void)table_remove(&f->tables[FSM_T_USAGE], buf_slice(k));
    }
}

/* --- reading --- */

static bool usage_same_row(const struct usage_cell *a, const struct usage_cell *b)
{
    return a->hour == b->hour && a->node == b->node && slice_eq(a->dims.team, b->dims.team) &&
           slice_eq(a->dims.key, b->dims.key) && slice_eq(a->dims.user, b->dims.user) &&
           slice_eq(a->dims.model, b->dims.model) && slice_eq(a->dims.provider, b->dims.provider);
}

static void usage_add(struct usage_sums *to, const struct usage_sums *s)
{
    to->requests += s->requests;
    to->errors += s->errors;
    to->input_tokens += s->input_tokens;
    to->cached_tokens += s->cached_tokens;
    to->output_tokens += s->output_tokens;
    to->cost_pusd += s->cost_pusd;
}

static bool usage_emit(const struct fsm *f, const struct usage_cell *c,
                       const struct usage_sums *sums,
                       bool (*each)(void *arg, const struct usage_row *row), void *arg)
{
    const struct fsm_member *m = fsm_member_by_node(f, c->node);
    struct usage_row row = {.hour = c->hour, .dims = c->dims, .sums = *sums};

    row.node = m != NULL ? m->pub.name : SLICE("recovered");
    return each(arg, &row);
}

void fsm_usage_each(const struct fsm *f, uint32_t hour_from, uint32_t hour_to,
                    bool (*each)(void *arg, const struct usage_row *row), void *arg)
{
    const struct usage_cell *c, *row = NULL;
    struct usage_sums sums = {0};
    const struct table_rec *rec;
    char from[4];

    for (size_t i = 0; i < sizeof from; i++) {
        from[i] = (char)(hour_from >> (24 - 8 * i));
    }
    rec = table_next(&f->tables[FSM_T_USAGE], slice_of(from, sizeof from), true);
    for (; rec != NULL; rec = table_next(&f->tables[FSM_T_USAGE], table_key(rec), false)) {
        c = table_head(rec);
        if (c->hour > hour_to) {
            break;
        }
        if (row != NULL && !usage_same_row(row, c)) {
            if (!usage_emit(f, row, &sums, each, arg)) {
                return;
            }
            sums = (struct usage_sums){0};
        }
        row = c;
        usage_add(&sums, &c->sums);
    }
    if (row != NULL) {
        (void)usage_emit(f, row, &sums, each, arg);
    }
}
