#include "node/route/route.h"

#include "base/check.h"

static bool route_speaks(const struct view_provider *p, enum dialect d)
{
    switch (p->spec.dialect) {
    case SPEC_DIALECT_OPENAI:
        return d == DIALECT_OPENAI;
    case SPEC_DIALECT_ANTHROPIC:
        return d == DIALECT_ANTHROPIC;
    case SPEC_DIALECT_SIM:
        return true;
    }
    UNREACHABLE();
}

/* Draws one index by weight among those not taken yet; weights may be 0: such targets come last. */
static size_t route_draw(const struct spec_route *r, const bool *taken, struct rng *rng)
{
    uint64_t total = 0, at;
    size_t first = r->n_targets;

    for (size_t i = 0; i < r->n_targets; i++) {
        if (!taken[i]) {
            total += (uint64_t)r->targets[i].weight;
            first = first == r->n_targets ? i : first;
        }
    }
    if (total == 0) {
        return first;
    }
    at = rng_below(rng, total);
    for (size_t i = 0; i < r->n_targets; i++) {
        if (taken[i]) {
            continue;
        }
        if (at < (uint64_t)r->targets[i].weight) {
            return i;
        }
        at -= (uint64_t)r->targets[i].weight;
    }
    UNREACHABLE();
}

static void route_add(struct route_plan *p, const struct view_provider *provider,
                      struct slice model, enum dialect d)
{
    if (route_speaks(provider, d)) {
        p->candidates[p->n++] = (struct candidate){provider, model};
    } else {
        p->n_other_dialect++;
    }
}

static void route_expand(const struct view_route *r, enum dialect d, struct rng *rng,
                         struct route_plan *p)
{
    bool taken[ROUTE_TARGETS_MAX] = {false};

    ASSERT(r->spec.n_targets <= ROUTE_TARGETS_MAX);
    for (size_t k = 0; k < r->spec.n_targets; k++) {
        size_t i = k;
        switch (r->spec.strategy) {
        case SPEC_ROUTE_PRIORITY:
            break;
        case SPEC_ROUTE_WEIGHTED:
            i = route_draw(&r->spec, taken, rng);
            break;
        }
        taken[i] = true;
        route_add(p, r->providers[i], r->spec.targets[i].model, d);
    }
    p->retries_max = (unsigned)r->spec.retries_max;
    p->timeouts = (struct fetch_timeouts){r->spec.connect_ms, r->spec.first_byte_ms,
                                          r->spec.idle_ms, r->spec.total_ms};
}

int route_plan(const struct view *v, struct slice model, enum dialect d, struct rng *rng,
               struct arena *a, struct route_plan *ret)
{
    const struct view_route *route = view_route_find(v, model);
    size_t slash = slice_find(model, '/');
    const struct view_provider *provider;

    *ret = (struct route_plan){.retries_max = ROUTE_RETRIES_DEFAULT};
    ret->candidates = arena_alloc(a, ROUTE_TARGETS_MAX * sizeof *ret->candidates);
    if (route != NULL) {
        route_expand(route, d, rng, ret);
        return ret->n > 0 ? 0 : Q_EINVAL;
    }
    if (slash == model.n || slash + 1 == model.n) {
        return Q_ENOTFOUND;
    }
    provider = view_provider_find(v, slice_of(model.p, slash));
    if (provider == NULL) {
        return Q_ENOTFOUND;
    }
    route_add(ret, provider, slice_of(model.p + slash + 1, model.n - slash - 1), d);
    return ret->n > 0 ? 0 : Q_EINVAL;
}
