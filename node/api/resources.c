/* Resources: read, put, delete, apply. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "node/api/api_i.h"

static void resource_json(struct jsonw *w, const struct resource *r)
{
    struct buf spec;

    buf_init(&spec, SPEC_BYTES_MAX * 2);
    spec_show(r->kind, r->spec, &spec);
    jsonw_obj(w);
    jsonw_kstr(w, "kind", kind_name(r->kind));
    jsonw_kslice(w, "name", r->name);
    jsonw_key(w, "spec");
    jsonw_raw(w, buf_slice(&spec));
    jsonw_ku64(w, "revision", r->revision);
    jsonw_obj_end(w);
    buf_deinit(&spec);
}

struct wanted {
    enum kind kind;
    struct slice name;
};
static struct wanted *resource_wanted(struct call *c)
{
    return (struct wanted *)(void *)c->ops;
}

static void resource_want(struct call *c, enum kind k, struct slice name)
{
    struct wanted *w = arena_zalloc(&c->arena, sizeof *w);

    *w = (struct wanted){k, name};
    c->ops = (struct cmd_resource_op *)(void *)w;
}

static bool resource_is_stale(struct call *c)
{
    return slice_eq(call_param(c, "stale"), SLICE("true"));
}

static void resource_run_get(struct call *c)
{
    struct wanted *want = resource_wanted(c);
    const struct resource *r =
        fsm_get(consensus_fsm(c->api->cfg.consensus), want->kind, want->name);
    struct jsonw w;

    if (r == NULL) {
        call_error(c, 404, "not_found", "There is no %s %.*s.", kind_name(want->kind),
                   SLICE_FMT(want->name));
        return;
    }
    jsonw_init(&w, &c->out);
    resource_json(&w, r);
    c->revision = r->revision;
    call_answer(c, 200);
}

void resources_get(struct call *c, enum kind k, struct slice name)
{
    resource_want(c, k, name);
    call_to_raft(c, resource_run_get, !resource_is_stale(c));
}

static void resource_run_list(struct call *c)
{
    const struct fsm *f = consensus_fsm(c->api->cfg.consensus);
    enum kind k = resource_wanted(c)->kind;
    struct jsonw w;

    jsonw_init(&w, &c->out);
    jsonw_obj(&w);
    jsonw_key(&w, "items");
    jsonw_arr(&w);
    for (const struct resource *r = fsm_next(f, k, NULL); r != NULL; r = fsm_next(f, k, r)) {
        resource_json(&w, r);
    }
    jsonw_arr_end(&w);
    jsonw_obj_end(&w);
    call_answer(c, 200);
}

void resources_list(struct call *c, enum kind k)
{
    resource_want(c, k, SLICE(""));
    call_to_raft(c, resource_run_list, !resource_is_stale(c));
}

/* --- writes --- */

/* Seals secrets, keeps what "sealed:..." stands for, and checks the form. On the raft loop, where
 * the stored spec is. */
static bool resource_prepare(struct call *c, struct cmd_resource_op *op)
{
    const struct resource *old = fsm_get(consensus_fsm(c->api->cfg.consensus), op->kind, op->name);
    struct errmsg err = {{0}};
    struct spec spec;
    struct buf sealed;
    int rv;

    buf_init(&sealed, SPEC_BYTES_MAX);
    rv = spec_seal(op->kind, op->name, op->spec, old != NULL ? old->spec : SLICE(""),
                   gov_seal_key(c->api->cfg.gov), &sealed, &err);
    if (rv == 0) {
        op->spec = arena_slice(&c->arena, buf_slice(&sealed));
        rv = spec_parse(op->kind, op->name, op->spec, &c->arena, &spec, &err);
    }
    buf_deinit(&sealed);
    if (rv != 0) {
        call_error(c, 400, "invalid_request", "%s %.*s: %s", kind_name(op->kind),
                   SLICE_FMT(op->name), err.text);
        return false;
    }
    return true;
}

static void resource_written(struct call *c)
{
    struct jsonw w;

    jsonw_init(&w, &c->out);
    jsonw_obj(&w);
    jsonw_ku64(&w, "revision", c->revision);
    jsonw_ku64(&w, "applied", c->n_ops);
    jsonw_obj_end(&w);
    call_answer(c, 200);
}

static void resource_run_write(struct call *c)
{
    for (size_t i = 0; i < c->n_ops; i++) {
        if (!c->ops[i].is_delete && !resource_prepare(c, &c->ops[i])) {
            return;
        }
    }
    if (c->dry_run) {
        resource_written(c);
        return;
    }
    call_change(c, resource_written);
}

/* If-Match: "17" or 17; "*" is any that exists (not supported: named). */
static bool resource_expect(struct call *c, int64_t *ret)
{
    struct slice s = slice_trim(c->if_match);

    *ret = -1;
    if (s.n == 0) {
        return true;
    }
    if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"') {
        s = slice_of(s.p + 1, s.n - 2);
    }
    return scan_i64(s, 0, INT64_MAX, ret) == 0;
}

static bool resource_one(struct call *c, enum kind k, struct slice name)
{
    c->ops = arena_zalloc(&c->arena, sizeof *c->ops);
    c->n_ops = 1;
    c->ops[0].kind = k;
    c->ops[0].name = name;
    if (!resource_expect(c, &c->ops[0].expect_revision)) {
        call_refuse(c, 400, "invalid_request", "If-Match: expected a revision.");
        return false;
    }
    return true;
}

void resources_put(struct call *c, enum kind k, struct slice name)
{
    struct errmsg err = {{0}};
    yyjson_doc *doc;

    if (k == KIND_KEY) {
        call_refuse(c, 400, "invalid_request",
                    "Keys are made by POST /admin/v1/keys, so that their secret is told once.");
        return;
    }
    if (json_parse_raw_numbers(buf_slice(&c->body), &doc, &err) != 0) {
        call_refuse(c, 400, "invalid_request", "%s", err.text);
        return;
    }
    yyjson_doc_free(doc);
    if (resource_one(c, k, name)) {
        c->ops[0].spec = buf_slice(&c->body);
        call_to_raft(c, resource_run_write, false);
    }
}

void resources_delete(struct call *c, enum kind k, struct slice name)
{
    if (resource_one(c, k, name)) {
        c->ops[0].is_delete = true;
        call_to_raft(c, resource_run_write, false);
    }
}

/* {"resources":[{"kind":...,"name":...,"spec":{...}}, ...]}: numbers stay text. */
static bool resource_read_one(struct call *c, yyjson_val *v, struct cmd_resource_op *op)
{
    yyjson_val *spec = yyjson_obj_get(v, "spec");
    struct slice kind = json_slice(yyjson_obj_get(v, "kind"));
    struct slice name = json_slice(yyjson_obj_get(v, "name"));
    size_t n = 2;
    char *text = NULL;

    if (kind_parse(kind, &op->kind) != 0) {
        call_refuse(c, 400, "invalid_request", "\"%.*s\" is not a kind of resource.",
                    SLICE_FMT(kind));
        return false;
    }
    if (name.n == 0 || (spec != NULL && !yyjson_is_obj(spec))) {
        call_refuse(c, 400, "invalid_request", "A %.*s needs a name and a spec.", SLICE_FMT(kind));
        return false;
    }
    if (op->kind == KIND_KEY) {
        call_refuse(c, 400, "invalid_request", "Keys are made by `quoratectl key create`.");
        return false;
    }
    if (spec != NULL) {
        text = yyjson_val_write(spec, 0, &n);
    }
    op->name = arena_slice(&c->arena, name);
    op->spec = arena_slice(&c->arena, text != NULL ? slice_of(text, n) : SLICE("{}"));
    op->expect_revision = -1;
    free(text);
    return true;
}

void resources_apply(struct call *c)
{
    struct errmsg err = {{0}};
    yyjson_doc *doc;
    yyjson_val *list, *v;
    bool good = true;
    size_t i, n;

    if (json_parse_raw_numbers(buf_slice(&c->body), &doc, &err) != 0) {
        call_refuse(c, 400, "invalid_request", "%s", err.text);
        return;
    }
    list = yyjson_obj_get(yyjson_doc_get_root(doc), "resources");
    if (!yyjson_is_arr(list) || yyjson_arr_size(list) == 0) {
        yyjson_doc_free(doc);
        call_refuse(c, 400, "invalid_request", "Expected {\"resources\": [...]}.");
        return;
    }
    c->ops = arena_zalloc(&c->arena, yyjson_arr_size(list) * sizeof *c->ops);
    yyjson_arr_foreach(list, i, n, v)
    {
        good = good && resource_read_one(c, v, &c->ops[c->n_ops++]);
    }
    yyjson_doc_free(doc);
    if (good) {
        c->dry_run = slice_eq(call_param(c, "dry_run"), SLICE("true"));
        call_to_raft(c, resource_run_write, false);
    }
}
