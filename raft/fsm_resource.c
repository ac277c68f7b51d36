/* Resources: puts and deletes of one command happen all or not at all.
 *
 * The tables are changed as if everything were fine, then looked at as a whole: every name that a
 * changed resource refers to must exist, nothing that was deleted may still be referred to. When
 * something is wrong the clones taken before (which cost nothing) are put back. Budgets touch the
 * ledger only after that. */
#include "base/check.h"
#include "raft/fsm_i.h"
#include "raft/ledger.h"

int fsm_resource_bind(void *head, struct slice key, struct slice value)
{
    struct record_reader k = {key, false}, v = {value, false};
    struct resource *r = head;
    uint8_t kind = record_u8(&k);

    if (k.bad || kind >= KIND_N_ || k.rest.n == 0 || k.rest.n > NAME_BYTES_MAX) {
        return Q_EPROTO;
    }
    r->kind = (enum kind)kind;
    r->name = k.rest;
    r->revision = record_u64(&v);
    r->changed_ms = record_i64(&v);
    r->spec = v.rest;
    return v.bad ? Q_EPROTO : 0;
}

static struct slice fsm_resource_key(char out[NAME_BYTES_MAX + 1], enum kind k, struct slice name)
{
    ASSERT(name.n <= NAME_BYTES_MAX);
    out[0] = (char)k;
    if (name.n > 0) {
        memcpy(out + 1, name.p, name.n);
    }
    return slice_of(out, name.n + 1);
}

const struct resource *fsm_get(const struct fsm *f, enum kind k, struct slice name)
{
    char key[NAME_BYTES_MAX + 1];

    if (name.n == 0 || name.n > NAME_BYTES_MAX) {
        return NULL;
    }
    return table_head(table_get(&f->tables[FSM_T_RESOURCE], fsm_resource_key(key, k, name)));
}

const struct resource *fsm_next(const struct fsm *f, enum kind k, const struct resource *after)
{
    char key[NAME_BYTES_MAX + 1];
    const struct resource *r = table_head(
        table_next(&f->tables[FSM_T_RESOURCE],
                   fsm_resource_key(key, k, after == NULL ? SLICE("") : after->name), false));

    return r != NULL && r->kind == k ? r : NULL;
}

/* --- references --- */

struct fsm_refs {
    struct {
        enum kind kind;
        struct slice name;
    } of[ROUTE_TARGETS_MAX + 4];
    size_t n;
};

static void fsm_refs_add(struct fsm_refs *r, enum kind kind, struct slice name)
{
    bool built_in = kind == KIND_PROVIDER && slice_eq(name, SLICE("sim"));

    if (name.n == 0 || built_in) {
        return;
    }
    ASSERT(r->n < ARRAY_LEN(r->of));
    r->of[r->n].kind = kind;
    r->of[r->n++].name = name;
}

static void fsm_refs_of(const struct spec *s, struct fsm_refs *r)
{
    r->n = 0;
    switch (s->kind) {
    case KIND_MODEL:
        fsm_refs_add(r, KIND_PROVIDER, s->model.provider);
        break;
    case KIND_ROUTE:
        for (size_t i = 0; i < s->route.n_targets; i++) {
            fsm_refs_add(r, KIND_PROVIDER, s->route.targets[i].provider);
        }
        break;
    case KIND_TEAM:
        fsm_refs_add(r, KIND_ORG, s->team.org);
        break;
    case KIND_USER:
        fsm_refs_add(r, KIND_TEAM, s->user.team);
        break;
    case KIND_KEY:
        fsm_refs_add(r, KIND_TEAM, s->key.team);
        fsm_refs_add(r, KIND_USER, s->key.user);
        break;
    case KIND_BUDGET:
        fsm_refs_add(r, KIND_TEAM, s->budget.team);
        fsm_refs_add(r, KIND_KEY, s->budget.key);
        fsm_refs_add(r, KIND_ORG, s->budget.org);
        break;
    case KIND_PROVIDER:
    case KIND_ORG:
    case KIND_LIMIT:
    case KIND_N_:
        break;
    }
}

/* FSM_X_REF: kind, name, 0, by-kind, by-name. */
static struct buf *fsm_ref_key(struct fsm *f, enum kind kind, struct slice name)
{
    struct buf *k = fsm_key(f);

    buf_add_u8(k, (uint8_t)kind);
    buf_add_slice(k, name);
    buf_add_u8(k, 0);
    return k;
}

static void fsm_ref_write(struct fsm *f, const struct fsm_refs *refs, enum kind by,
                          struct slice by_name, bool add)
{
    for (size_t i = 0; i < refs->n; i++) {
        struct buf *k = fsm_ref_key(f, refs->of[i].kind, refs->of[i].name);
        buf_add_u8(k, (uint8_t)by);
        buf_add_slice(k, by_name);
        if (add) {
            (void)fsm_value(f);
            fsm_put(f, FSM_X_REF);
        } else {
            (void)table_remove(&f->tables[FSM_X_REF], buf_slice(k));
        }
    }
}

/* Somebody who refers to (kind, name): "key ci". False when nobody does. */
static bool fsm_ref_by(struct fsm *f, enum kind kind, struct slice name, enum kind *ret_by,
                       struct slice *ret_name)
{
    struct buf *k = fsm_ref_key(f, kind, name);
    const struct table_rec *rec = table_next(&f->tables[FSM_X_REF], buf_slice(k), true);
    struct slice key;

    if (rec == NULL || !slice_starts(table_key(rec), buf_slice(k))) {
        return false;
    }
    key = table_key(rec);
    *ret_by = (enum kind)key.p[k->n];
    *ret_name = slice_of(key.p + k->n + 1, key.n - k->n - 1);
    return true;
}

int fsm_resource_index(struct fsm *f, const struct resource *r, struct errmsg *err)
{
    struct fsm_refs refs;
    struct arena arena;
    struct spec s;
    int rv;

    arena_init(&arena, NULL);
    rv = spec_parse(r->kind, r->name, r->spec, &arena, &s, err);
    if (rv == 0) {
        fsm_refs_of(&s, &refs);
        fsm_ref_write(f, &refs, r->kind, r->name, true);
    }
    arena_deinit(&arena);
    return rv;
}

/* --- one operation --- */

static void fsm_resource_unindex(struct fsm *f, const struct resource *old)
{
    struct fsm_refs refs;
    struct errmsg err;
    struct spec s;
    int rv = spec_parse(old->kind, old->name, old->spec, &f->arena, &s, &err);

    ASSERT(rv == 0); /* It was parsed when it came in. */
    fsm_refs_of(&s, &refs);
    fsm_ref_write(f, &refs, old->kind, old->name, false);
}

static int fsm_resource_expect(const struct fsm *f, const struct cmd_resource_op *op,
                               const struct resource *old, struct fsm_result *ret)
{
    if (op->expect_revision >= 0 &&
        (uint64_t)op->expect_revision != (old != NULL ? old->revision : 0)) {
        fsm_result_fail(ret, Q_ECONFLICT, "%s %.*s: its revision is %llu, not %lld",
                        kind_name(op->kind), SLICE_FMT(op->name),
                        (unsigned long long)(old != NULL ? old->revision : 0),
                        (long long)op->expect_revision);
    } else if (old != NULL && old->revision == f->s.revision + 1) {
        fsm_result_fail(ret, Q_EINVAL, "%s %.*s is named twice", kind_name(op->kind),
                        SLICE_FMT(op->name));
    } else if (op->is_delete && old == NULL) {
        fsm_result_fail(ret, Q_ENOTFOUND, "%s %.*s does not exist", kind_name(op->kind),
                        SLICE_FMT(op->name));
    }
    return ret->status;
}

static void fsm_resource_put(struct fsm *f, const struct cmd_resource_op *op)
{
    struct buf *v = fsm_value(f);
    char key[NAME_BYTES_MAX + 1];

    buf_add_slice(fsm_key(f), fsm_resource_key(key, op->kind, op->name));
    buf_add_u64le(v, f->s.revision + 1);
    buf_add_u64le(v, (uint64_t)f->s.now_ms);
    buf_add_slice(v, op->spec);
    fsm_put(f, FSM_T_RESOURCE);
}

static void fsm_resource_delete(struct fsm *f, const struct cmd_resource_op *op)
{
    char key[NAME_BYTES_MAX + 1];

    (void)table_remove(&f->tables[FSM_T_RESOURCE], fsm_resource_key(key, op->kind, op->name));
}

/* @spec is filled for puts; *@ret_changed tells whether anything is different. */
static int fsm_resource_op(struct fsm *f, const struct cmd_resource_op *op, struct spec *spec,
                           bool *ret_changed, struct fsm_result *ret)
{
    const struct resource *old = fsm_get(f, op->kind, op->name);
    struct fsm_refs refs;
    struct errmsg err = {{0}};

    *ret_changed = false;
    if (!op->is_delete && spec_parse(op->kind, op->name, op->spec, &f->arena, spec, &err) != 0) {
        fsm_result_fail(ret, Q_EINVAL, "%s %.*s: %s", kind_name(op->kind), SLICE_FMT(op->name),
                        err.text);
        return Q_EINVAL;
    }
    if (fsm_resource_expect(f, op, old, ret) != 0) {
        return ret->status;
    }
    if (!op->is_delete && old != NULL && slice_eq(old->spec, op->spec)) {
        return 0;
    }
    if (!op->is_delete && op->kind == KIND_BUDGET &&
        ledger_budget_check(f, op->name, &spec->budget, &ret->err) != 0) {
        ret->status = Q_EINVAL;
        return Q_EINVAL;
    }
    *ret_changed = true;
    if (old != NULL) {
        fsm_resource_unindex(f, old);
    }
    if (op->is_delete) {
        fsm_resource_delete(f, op);
        return 0;
    }
    fsm_refs_of(spec, &refs);
    fsm_ref_write(f, &refs, op->kind, op->name, true);
    fsm_resource_put(f, op);
    return 0;
}

/* --- the command --- */

static int fsm_resource_check_refs(struct fsm *f, const struct cmd_resource_op *op,
                                   const struct spec *s, struct fsm_result *ret)
{
    struct fsm_refs refs;
    struct slice by_name;
    enum kind by;

    if (fsm_get(f, op->kind, op->name) == NULL) {
        bool built_in = op->kind == KIND_PROVIDER && slice_eq(op->name, SLICE("sim"));
        if (!built_in && fsm_ref_by(f, op->kind, op->name, &by, &by_name)) {
            fsm_result_fail(ret, Q_EINVAL, "%s %.*s: %s %.*s still refers to it",
                            kind_name(op->kind), SLICE_FMT(op->name), kind_name(by),
                            SLICE_FMT(by_name));
        }
        return ret->status;
    }
    if (op->is_delete) {
        return 0;
    }
    fsm_refs_of(s, &refs);
    for (size_t i = 0; i < refs.n; i++) {
        if (fsm_get(f, refs.of[i].kind, refs.of[i].name) == NULL) {
            fsm_result_fail(ret, Q_EINVAL, "%s %.*s: it refers to %s %.*s, which does not exist",
                            kind_name(op->kind), SLICE_FMT(op->name), kind_name(refs.of[i].kind),
                            SLICE_FMT(refs.of[i].name));
            return ret->status;
        }
    }
    return 0;
}

static void fsm_resource_commit(struct fsm *f, const struct cmd *c, const struct spec *specs,
                                const bool *changed)
{
    bool any = false;

    for (size_t i = 0; i < c->resources.n; i++) {
        const struct cmd_resource_op *op = &c->resources.ops[i];
        if (!changed[i]) {
            continue;
        }
        any = true;
        f->s.kind_revision[op->kind] = f->s.revision + 1;
        if (op->kind == KIND_BUDGET && op->is_delete) {
            ledger_budget_drop(f, op->name);
        } else if (op->kind == KIND_BUDGET) {
            ledger_budget_set(f, op->name, &specs[i].budget);
        }
    }
    f->s.revision += any;
}

void fsm_resource_apply(struct fsm *f, const struct cmd *c, struct fsm_result *ret)
{
    struct table resources = table_clone(&f->tables[FSM_T_RESOURCE]);
    struct table refs = table_clone(&f->tables[FSM_X_REF]);
    struct spec *specs = arena_zalloc(&f->arena, (c->resources.n + 1) * sizeof *specs);
    bool *changed = arena_zalloc(&f->arena, (c->resources.n + 1) * sizeof *changed);

    for (size_t i = 0; i < c->resources.n && ret->status == 0; i++) {
        (void)fsm_resource_op(f, &c->resources.ops[i], &specs[i], &changed[i], ret);
    }
    for (size_t i = 0; i < c->resources.n && ret->status == 0; i++) {
        (void)fsm_resource_check_refs(f, &c->resources.ops[i], &specs[i], ret);
    }
    if (ret->status == 0) {
        fsm_resource_commit(f, c, specs, changed);
        table_deinit(&resources);
        table_deinit(&refs);
    } else {
        table_deinit(&f->tables[FSM_T_RESOURCE]);
        table_deinit(&f->tables[FSM_X_REF]);
        f->tables[FSM_T_RESOURCE] = resources;
        f->tables[FSM_X_REF] = refs;
    }
    ret->revision = f->s.revision;
}
