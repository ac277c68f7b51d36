#include "raft/engine_log.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

struct entry *entry_new(raft_term term, uint16_t type, const void *data, size_t n)
{
    struct entry *e = mem_alloc(sizeof *e + n);

    e->term = term;
    e->type = type;
    e->n = (uint32_t)n;
    if (n > 0) {
        memcpy(e->data, data, n);
    }
    return e;
}

void engine_log_init(struct engine_log *l)
{
    *l = (struct engine_log){.start = 1};
}

void engine_log_deinit(struct engine_log *l)
{
    engine_log_reset(l, 1);
    mem_free(l->v);
    engine_log_init(l);
}

void engine_log_push(struct engine_log *l, struct entry *e)
{
    if (l->off + l->n == l->cap) {
        if (l->off > l->cap / 2) { /* Half of it was trimmed: move down. */
            memmove(l->v, l->v + l->off, l->n * sizeof(struct entry *));
            l->off = 0;
        } else {
            l->cap = l->cap > 0 ? l->cap * 2 : 1024;
            l->v = mem_realloc(l->v, l->cap * sizeof(struct entry *));
        }
    }
    l->v[l->off + l->n++] = e;
}

void engine_log_truncate(struct engine_log *l, raft_index from)
{
    while (l->n > 0 && l->start + l->n - 1 >= from) {
        l->n--;
        mem_free(l->v[l->off + l->n]);
    }
}

void engine_log_trim(struct engine_log *l, raft_index keep_from)
{
    while (l->n > 0 && l->start < keep_from) {
        mem_free(l->v[l->off]);
        l->off++;
        l->n--;
        l->start++;
    }
    if (l->n == 0) {
        l->off = 0;
        l->start = l->start < keep_from ? keep_from : l->start;
    }
}

void engine_log_reset(struct engine_log *l, raft_index start)
{
    engine_log_truncate(l, l->start);
    l->off = 0;
    l->start = start;
}

struct entry *engine_log_get(const struct engine_log *l, raft_index i)
{
    return i >= l->start && i < l->start + l->n ? l->v[l->off + (i - l->start)] : NULL;
}

struct entry **engine_log_at(const struct engine_log *l, raft_index first)
{
    ASSERT(first >= l->start && first <= l->start + l->n);
    return &l->v[l->off + (first - l->start)];
}
