/* Counters and gauges: a cell per thread, summed when read. The list is metrics.def; names in
 * Prometheus are
 * quorate_<name>. An unregistered thread counts into a shared cell (relaxed atomics all the same).
 */
#ifndef BASE_METRICS_H_
#define BASE_METRICS_H_

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"

enum metric {
#define X(name, kind, help) METRIC_##name,
#include "base/metrics.def"
#undef X
    METRIC_N_
};

struct metrics_cells {
    _Atomic int64_t v[METRIC_N_];
};

/* The cells of the calling thread; created on first use, never freed before exit. */
struct metrics_cells *metrics_cells(void);

/* Only the owner thread writes its cells, so add is load + store, no locked instruction. */
static inline void metric_add(enum metric m, int64_t n)
{
    _Atomic int64_t *v = &metrics_cells()->v[m];
    atomic_store_explicit(v, atomic_load_explicit(v, memory_order_relaxed) + n,
                          memory_order_relaxed);
}
static inline void metric_inc(enum metric m)
{
    metric_add(m, 1);
}
/* Sum over threads. Thread: any. */
int64_t metric_read(enum metric m);
/* Appends the Prometheus text of all metrics. */
void metrics_print(struct buf *out);

#endif /* BASE_METRICS_H_ */
