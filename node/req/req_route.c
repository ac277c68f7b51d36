/* Step route: from the model's name to a list of candidates. */
#include "node/req/req.h"

static enum req_next req_route(struct req *r)
{
    struct slice model = slice_str(r->facts->model);
    int rv = route_plan(r->view, model, r->dialect, &r->worker->rng, r->arena, &r->plan);

    if (rv == Q_EINVAL) {
        return req_fail(r, 400, "invalid_request",
                        "The model %.*s has no target that speaks the %s format.", SLICE_FMT(model),
                        dialect_name(r->dialect));
    }
    if (rv != 0) {
        return req_fail(r, 404, "model_not_found",
                        "There is no model %.*s; use a route's name or provider/model.",
                        SLICE_FMT(model));
    }
    r->all_rate_limited = true;
    r->step = &req_step_stream;
    return REQ_MORE;
}

const struct req_step req_step_route = {"route", req_route};
