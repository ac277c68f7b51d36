/* Usage: cumulative cells of (hour, node, dimensions, incarnation, worker), merged by max() per
 * field, so that a report can be lost, repeated and reordered. Read as sums over incarnations and
 * workers. */
#ifndef RAFT_USAGE_H_
#define RAFT_USAGE_H_

#include "raft/fsm_i.h"

#define USAGE_HOURS_KEPT       (13 * 31 * 24)
#define USAGE_HOURS_LATE       72 /* A cell may be reported so long after its hour, */
#define USAGE_HOURS_EARLY      2  /* and so early: clocks differ. Others are dropped. */
#define USAGE_DROP_PER_COMMAND 64
#define USAGE_NODE_RECOVERED   0

struct usage_cell {
    uint32_t hour, node, inc, worker;
    struct usage_dims dims;
    struct usage_sums sums;
};

int usage_cell_bind(void *head, struct slice key, struct slice value);
/* Merges the cells of a node's incarnation; gives by how much their cost has grown. */
i128 usage_merge(struct fsm *f, uint32_t node, uint32_t inc, const struct sync_cell *cells,
                 size_t n);
/* What a recovery charged and no cell explains: a row without dimensions. */
void usage_recovered(struct fsm *f, uint32_t node, uint32_t inc, i128 cost_pusd);
/* Forgets hours that are too old; a few cells at a time. */
void usage_sweep(struct fsm *f);

#endif /* RAFT_USAGE_H_ */
