/* Budgets as they stand, presumed credit resolved, and who spent what. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "node/api/api_i.h"

/* --- status --- */

static void budget_amount(struct jsonw *w, const char *key, i128 v, enum unit u)
{
    char text[AMOUNT_TEXT_BYTES];

    jsonw_kstr(w, key, amount_text(v, unit_decimals(u), text));
}

static void budget_nodes(struct call *c, struct jsonw *w, const struct account_view *a)
{
    struct account_node nodes[MEMBERS_MAX * 4];
    size_t n =
        fsm_account_nodes(consensus_fsm(c->api->cfg.consensus), a->acct, nodes, MEMBERS_MAX * 4);

    jsonw_key(w, "nodes");
    jsonw_arr(w);
    for (size_t i = 0; i < n; i++) {
        jsonw_obj(w);
        jsonw_kslice(w, "node", nodes[i].node);
        jsonw_ku64(w, "incarnation", nodes[i].inc);
        budget_amount(w, "granted", nodes[i].G, a->unit);
        budget_amount(w, "settled", nodes[i].S, a->unit);
        budget_amount(w, "returned", nodes[i].R, a->unit);
        budget_amount(w, "held", nodes[i].G - nodes[i].S - nodes[i].R, a->unit);
        budget_amount(w, "presumed", nodes[i].presumed, a->unit);
        jsonw_obj_end(w);
    }
    jsonw_arr_end(w);
}

static void budget_run_status(struct call *c)
{
    struct slice name = c->if_match; /* The budget's name is kept here. */
    struct account_view a;
    char at[CIVIL_TEXT_BYTES];
    struct jsonw w;

    if (fsm_account_by_budget(consensus_fsm(c->api->cfg.consensus), name, &a) != 0) {
        call_error(c, 404, "not_found", "There is no budget %.*s.", SLICE_FMT(name));
        return;
    }
    jsonw_init(&w, &c->out);
    jsonw_obj(&w);
    jsonw_kslice(&w, "name", name);
    jsonw_kstr(&w, "unit", unit_name(a.unit));
    jsonw_kstr(&w, "window", window_every_name(a.every));
    budget_amount(&w, "limit", a.limit, a.unit);
    budget_amount(&w, "spent", a.posted, a.unit);
    budget_amount(&w, "held", a.held, a.unit);
    budget_amount(&w, "presumed", a.presumed, a.unit);
    budget_amount(&w, "left", i128_max(0, a.limit - a.posted - a.presumed), a.unit);
    budget_amount(&w, "overrun", a.overrun, a.unit);
    jsonw_key(&w, "resets_at");
    if (a.resets_at_ms > 0) {
        civil_text(a.resets_at_ms, at);
        jsonw_str(&w, at);
    } else {
        jsonw_null(&w);
    }
    budget_nodes(c, &w, &a);
    jsonw_obj_end(&w);
    call_answer(c, 200);
}

void budgets_status(struct call *c, struct slice name)
{
    c->if_match = name;
    call_to_raft(c, budget_run_status, !slice_eq(call_param(c, "stale"), SLICE("true")));
}

/* --- resolve --- */

static void budget_resolved(struct submit *s)
{
    struct call *c = CONTAINER_OF(s, struct call, submit);

    if (s->result.status != 0) {
        call_result(c, &s->result);
        return;
    }
    buf_add_str(&c->out, "{\"resolved\":true}");
    call_answer(c, 200);
}

/* Everything that is presumed of a node's fenced incarnation is posted as spent: the operator has
 * stopped that node for good. */
static void budget_run_resolve(struct call *c)
{
    struct consensus *k = c->api->cfg.consensus;
    const struct member *m = fsm_member(consensus_fsm(k), c->if_match);
    struct cmd cmd = {.type = CMD_RECONCILE};

    if (m == NULL) {
        call_error(c, 404, "not_found", "There is no node %.*s.", SLICE_FMT(c->if_match));
        return;
    }
    if (!m->fenced) {
        call_error(c, 409, "conflict",
                   "The node %.*s is connected; only credit of a node that is gone is presumed.",
                   SLICE_FMT(c->if_match));
        return;
    }
    cmd.reconcile.node = m->name;
    cmd.reconcile.inc_old = m->inc;
    cmd.reconcile.proof = CMD_PROOF_OPERATOR;
    cmd.reconcile.all = true;
    consensus_origin(k, &cmd.origin, &cmd.origin_inc);
    cmd.reqno = consensus_reqno(k);
    if (cmd_encode(&cmd, &c->cmd) != 0) {
        call_error(c, 400, "invalid_request", "The name is too long.");
        return;
    }
    c->submit = (struct submit){.cmd = buf_slice(&c->cmd), .cb = budget_resolved};
    consensus_submit(k, &c->submit);
}

void budgets_resolve(struct call *c, struct slice name)
{
    yyjson_doc *doc;
    struct slice node;

    (void)name;
    if (json_parse(buf_slice(&c->body), &doc, NULL) != 0) {
        call_refuse(c, 400, "invalid_request", "Expected {\"node\": NAME}.");
        return;
    }
    node = arena_slice(&c->arena, json_slice(yyjson_obj_get(yyjson_doc_get_root(doc), "node")));
    yyjson_doc_free(doc);
    if (node.n == 0) {
        call_refuse(c, 400, "invalid_request", "Expected {\"node\": NAME}.");
        return;
    }
    c->if_match = node;
    call_to_raft(c, budget_run_resolve, true);
}

/* --- usage --- */

enum usage_dim { BY_TEAM, BY_KEY, BY_USER, BY_MODEL, BY_PROVIDER, BY_NODE, BY_HOUR, BY_N_ };
static const char *const usage_dim_names[BY_N_] = {"team",     "key",  "user", "model",
                                                   "provider", "node", "hour"};

struct usage_group {
    struct slice values[BY_N_];
    struct usage_sums sums;
};
struct usage_query {
    struct call *call;
    bool by[BY_N_];
    uint32_t from, to;
    struct strmap groups;
};

static struct slice usage_value(struct arena *a, const struct usage_row *r, enum usage_dim d)
{
    char at[CIVIL_TEXT_BYTES];

    switch (d) {
    case BY_TEAM:
        return r->dims.team;
    case BY_KEY:
        return r->dims.key;
    case BY_USER:
        return r->dims.user;
    case BY_MODEL:
        return r->dims.model;
    case BY_PROVIDER:
        return r->dims.provider;
    case BY_NODE:
        return r->node;
    case BY_HOUR:
        civil_text((int64_t)r->hour * 3600000, at);
        return arena_slice(a, slice_str(at));
    case BY_N_:
        break;
    }
    return SLICE("");
}

static bool usage_each(void *arg, const struct usage_row *r)
{
    struct usage_query *q = arg;
    struct arena *a = &q->call->arena;
    struct slice values[BY_N_];
    struct usage_group *g;
    struct buf key;

    buf_init(&key, 8192);
    for (int d = 0; d < BY_N_; d++) {
        values[d] = q->by[d] ? usage_value(a, r, (enum usage_dim)d) : SLICE("");
        buf_add_slice(&key, values[d]);
        buf_add_u8(&key, 0);
    }
    g = strmap_get(&q->groups, buf_slice(&key));
    if (g == NULL) {
        g = arena_zalloc(a, sizeof *g);
        for (int d = 0; d < BY_N_; d++) {
            g->values[d] = arena_slice(a, values[d]);
        }
        strmap_put(&q->groups, buf_slice(&key), g);
    }
    g->sums.requests += r->sums.requests;
    g->sums.errors += r->sums.errors;
    g->sums.input_tokens += r->sums.input_tokens;
    g->sums.cached_tokens += r->sums.cached_tokens;
    g->sums.output_tokens += r->sums.output_tokens;
    g->sums.cost_pusd += r->sums.cost_pusd;
    buf_deinit(&key);
    return true;
}

static void usage_write(struct usage_query *q, struct buf *out)
{
    struct strmap_entry *e;
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_obj(&w);
    jsonw_key(&w, "rows");
    jsonw_arr(&w);
    for (size_t i = 0; (e = strmap_next(&q->groups, &i)) != NULL;) {
        const struct usage_group *g = e->value;
        jsonw_obj(&w);
        for (int d = 0; d < BY_N_; d++) {
            if (q->by[d]) {
                jsonw_kslice(&w, usage_dim_names[d], g->values[d]);
            }
        }
        jsonw_ku64(&w, "requests", g->sums.requests);
        jsonw_ku64(&w, "errors", g->sums.errors);
        jsonw_ku64(&w, "input_tokens", g->sums.input_tokens);
        jsonw_ku64(&w, "cached_tokens", g->sums.cached_tokens);
        jsonw_ku64(&w, "output_tokens", g->sums.output_tokens);
        budget_amount(&w, "cost_usd", g->sums.cost_pusd, UNIT_USD);
        jsonw_obj_end(&w);
    }
    jsonw_arr_end(&w);
    jsonw_obj_end(&w);
}

static void usage_run(struct call *c)
{
    struct usage_query *q = (struct usage_query *)(void *)c->ops;

    strmap_init(&q->groups);
    fsm_usage_each(consensus_fsm(c->api->cfg.consensus), q->from, q->to, usage_each, q);
    usage_write(q, &c->out);
    strmap_deinit(&q->groups);
    call_answer(c, 200);
}

/* "7d" ago, a date, or Unix milliseconds -> hour. */
static bool usage_hour(struct call *c, struct slice text, uint32_t otherwise, uint32_t *ret)
{
    int64_t now = loop_wall_ms(c->api->cfg.loop), at;
    uint64_t ms;

    *ret = otherwise;
    if (text.n == 0) {
        return true;
    }
    if (scan_duration_ms(text, &ms) == 0) {
        at = now - (int64_t)ms;
    } else if (scan_u64(text, INT64_MAX, &ms) == 0) {
        at = (int64_t)ms;
    } else if (civil_parse(arena_strdup(&c->arena, text), &at) != 0) {
        return false;
    }
    *ret = at > 0 ? (uint32_t)(at / 3600000) : 0;
    return true;
}

void usage_get(struct call *c)
{
    struct usage_query *q = arena_zalloc(&c->arena, sizeof *q);
    struct slice by = call_param(c, "by");

    q->call = c;
    by = by.n > 0 ? by : SLICE("team,model");
    while (by.n > 0) {
        size_t end = slice_find(by, ',');
        bool known = false;
        for (int d = 0; d < BY_N_; d++) {
            if (slice_eq(slice_of(by.p, end), slice_str(usage_dim_names[d]))) {
                q->by[d] = known = true;
            }
        }
        if (!known) {
            call_refuse(c, 400, "invalid_request",
                        "by: expected some of team,key,user,model,provider,node,hour.");
            return;
        }
        by = end < by.n ? slice_of(by.p + end + 1, by.n - end - 1) : SLICE("");
    }
    if (!usage_hour(c, call_param(c, "since"), 0, &q->from) ||
        !usage_hour(c, call_param(c, "until"), UINT32_MAX, &q->to)) {
        call_refuse(c, 400, "invalid_request",
                    "since, until: expected 7d, 2026-11-24 or Unix milliseconds.");
        return;
    }
    c->ops = (struct cmd_resource_op *)(void *)q;
    call_to_raft(c, usage_run, !slice_eq(call_param(c, "stale"), SLICE("true")));
}
