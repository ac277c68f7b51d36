#include "base/metrics.h"

#include "base/mem.h"

/* Cells of all threads: a list that only grows, so that reading needs no lock. */
struct metrics_node {
    struct metrics_cells cells;
    struct metrics_node *next;
};
static _Atomic(struct metrics_node *) metrics_all;
static _Thread_local struct metrics_cells *metrics_mine;

struct metrics_cells *metrics_cells(void)
{
    struct metrics_node *n;

    if (metrics_mine != NULL) {
        return metrics_mine;
    }
    n = mem_zalloc(sizeof *n);
    n->next = atomic_load_explicit(&metrics_all, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&metrics_all, &n->next, n, memory_order_release,
                                                  memory_order_relaxed)) {
    }
    metrics_mine = &n->cells;
    return metrics_mine;
}

int64_t metric_read(enum metric m)
{
    int64_t sum = 0;

    for (struct metrics_node *n = atomic_load_explicit(&metrics_all, memory_order_acquire);
         n != NULL; n = n->next) {
        sum += atomic_load_explicit(&n->cells.v[m], memory_order_relaxed);
    }
    return sum;
}

void metrics_print(struct buf *out)
{
#define COUNTER "counter"
#define GAUGE   "gauge"
#define X(name, kind, help)                                                                       \
    buf_printf(out, "# HELP quorate_%s %s\n# TYPE quorate_%s %s\nquorate_%s %lld\n", #name, help, \
               #name, kind, #name, (long long)metric_read(METRIC_##name));
#include "base/metrics.def"
#undef X
#undef COUNTER
#undef GAUGE
}
