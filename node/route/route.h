/* From a model name to candidates: `provider/model`, or a route (alias) with its strategy. The
 * order is decided once per request; the pipeline goes down the list.
 * Pure but for the dice it is given. Thread: worker. */
#ifndef NODE_ROUTE_ROUTE_H_
#define NODE_ROUTE_ROUTE_H_

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/rng.h"
#include "node/dialect/dialect.h"
#include "node/gov/view.h"
#include "node/upstream/fetch.h"

struct candidate {
    const struct view_provider *provider; /* Of the request's view. */
    struct slice model;                   /* At the provider. */
};

struct route_plan {
    struct candidate *candidates; /* In the order to try. */
    size_t n;
    size_t n_other_dialect; /* Targets left out because they speak another dialect. */
    unsigned retries_max;   /* Attempts after the first. */
    struct fetch_timeouts timeouts;
};

#define ROUTE_RETRIES_DEFAULT 2

/* Q_ENOTFOUND: no such route, provider or form. Q_EINVAL: it exists, but no target speaks dialect
 * @d. @ret is filled in both good and Q_EINVAL cases. */
int route_plan(const struct view *v, struct slice model, enum dialect d, struct rng *rng,
               struct arena *a, struct route_plan *ret);

#endif /* NODE_ROUTE_ROUTE_H_ */
