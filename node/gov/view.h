/* What workers know of the replicated state: an immutable copy at an epoch, published by mail,
 * shared by reference, replaced piecewise (a table that did not change is shared with the view
 * before).
 * Thread: built on the raft loop; read on any worker that holds a reference. */
#ifndef NODE_GOV_VIEW_H_
#define NODE_GOV_VIEW_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/http/url.h"
#include "base/net/tls.h"
#include "base/slice.h"
#include "raft/spec.h"

struct view;
struct view *view_ref(struct view *v); /* Atomic. */
void view_unref(struct view *v);
uint64_t view_epoch(const struct view *v);

struct view_team {
    struct slice name, org;
    bool blocked;
};
struct view_key {
    struct slice id; /* Public id: may be logged. */
    struct slice user;
    const struct view_team *team;
    struct spec_key spec;
    /* Budgets that match this key whatever the model: slots are looked up by gov_reserve(). */
    const struct view_budget *const *budgets;
    size_t n_budgets;
};
struct view_budget {
    struct slice name;
    uint64_t acct;
    struct spec_budget spec;
};
struct view_provider {
    struct slice name;
    struct spec_provider spec;
    struct url url;
    struct slice credential; /* In clear, in memory that is wiped; "" none. Never logged. */
    struct tls_ctx *tls;     /* NULL: the default. */
};
struct view_model { /* Price and limits: from a resource, else the built-in catalogue. */
    struct spec_model spec;
    bool from_catalogue;
};
struct view_route {
    struct slice name;
    struct spec_route spec;
    const struct view_provider **providers; /* Per target; never NULL. */
    int64_t weight_total;
};

const struct view_key *view_key_find(const struct view *v, struct slice id);
const struct view_provider *view_provider_find(const struct view *v, struct slice name);
const struct view_route *view_route_find(const struct view *v, struct slice name);
/* NULL: not priced. Dated model names fall back to the catalogue's undated entry. */
const struct view_model *view_model_find(const struct view *v, struct slice provider,
                                         struct slice model);
/* For GET /v1/models: routes, then provider/model of resources and of the catalogue for configured
 * providers. @each false stops. */
void view_models_each(const struct view *v,
                      bool (*each)(void *arg, struct slice id, struct slice owned_by), void *arg);

/* The key check: "qk-<id>-<secret><crc32>" against the view. Equal cost for unknown, revoked and
 * wrong. */
enum key_verdict {
    KEY_OK,
    KEY_MALFORMED,
    KEY_UNKNOWN,
    KEY_EXPIRED,
    KEY_REVOKED,
    KEY_DISABLED,
    KEY_TEAM_BLOCKED
};
enum key_verdict view_key_check(const struct view *v, struct slice presented, int64_t now_ms,
                                const struct view_key **ret);
bool view_key_allows_model(const struct view_key *k, struct slice model);

#endif /* NODE_GOV_VIEW_H_ */
