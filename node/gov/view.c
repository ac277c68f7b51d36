/* Reading views. Building them is view_build.c; the key check is keyring.c. */
#include "node/gov/view.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "node/gov/view_i.h"

struct view_table *view_table_new(uint64_t stamp)
{
    struct view_table *t = mem_zalloc(sizeof *t);

    atomic_store(&t->refs, 1);
    t->stamp = stamp;
    arena_init(&t->arena, NULL);
    strmap_init(&t->map);
    return t;
}

struct view_table *view_table_ref(struct view_table *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void view_table_unref(struct view_table *t)
{
    struct strmap_entry *e;

    if (t == NULL || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; t->entry_free != NULL && (e = strmap_next(&t->map, &i)) != NULL;) {
        t->entry_free(e->value);
    }
    strmap_deinit(&t->map);
    arena_deinit(&t->arena);
    mem_free(t);
}

struct view *view_ref(struct view *v)
{
    atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    return v;
}

void view_unref(struct view *v)
{
    if (v == NULL || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    view_table_unref(v->routes); /* Points at providers. */
    view_table_unref(v->keys);   /* Points at teams and budgets. */
    view_table_unref(v->providers);
    view_table_unref(v->models);
    view_table_unref(v->teams);
    view_table_unref(v->budgets);
    mem_wipe(v->pepper, sizeof v->pepper);
    mem_free(v);
}

uint64_t view_epoch(const struct view *v)
{
    return v->epoch;
}

const struct view_key *view_key_find(const struct view *v, struct slice id)
{
    return strmap_get(&v->keys->map, id);
}

const struct view_provider *view_provider_find(const struct view *v, struct slice name)
{
    return strmap_get(&v->providers->map, name);
}

const struct view_route *view_route_find(const struct view *v, struct slice name)
{
    return strmap_get(&v->routes->map, name);
}

static const char *view_dialect_name(enum spec_dialect d)
{
    switch (d) {
    case SPEC_DIALECT_OPENAI:
        return "openai";
    case SPEC_DIALECT_ANTHROPIC:
        return "anthropic";
    case SPEC_DIALECT_SIM:
        return "sim";
    }
    UNREACHABLE();
}

/* "claude-haiku-4-5-20251001" -> "claude-haiku-4-5", "gpt-4o-mini-2024-07-18" -> "gpt-4o-mini". */
static struct slice view_undated(struct slice model)
{
    static const char *const forms[] = {"-dddd-dd-dd", "-dddddddd"};

    for (size_t f = 0; f < ARRAY_LEN(forms); f++) {
        size_t n = strlen(forms[f]);
        bool fits = model.n > n;
        for (size_t i = 0; fits && i < n; i++) {
            char c = model.p[model.n - n + i];
            fits = forms[f][i] == 'd' ? c >= '0' && c <= '9' : c == forms[f][i];
        }
        if (fits) {
            return slice_of(model.p, model.n - n);
        }
    }
    return model;
}

const struct view_model *view_model_find(const struct view *v, struct slice provider,
                                         struct slice model)
{
    char name[NAME_BYTES_MAX * 3];
    struct slice undated = view_undated(model);
    const struct view_model *m;
    int n;

    if (provider.n + model.n + 2 > sizeof name) {
        return NULL;
    }
    n = snprintf(name, sizeof name, "%.*s/%.*s", SLICE_FMT(provider), SLICE_FMT(model));
    m = strmap_get(&v->models->map, slice_of(name, (size_t)n));
    if (m == NULL && undated.n != model.n) {
        n = snprintf(name, sizeof name, "%.*s/%.*s", SLICE_FMT(provider), SLICE_FMT(undated));
        m = strmap_get(&v->models->map, slice_of(name, (size_t)n));
    }
    return m;
}

void view_models_each(const struct view *v,
                      bool (*each)(void *arg, struct slice id, struct slice owned_by), void *arg)
{
    struct strmap_entry *e;

    for (size_t i = 0; (e = strmap_next(&v->routes->map, &i)) != NULL;) {
        if (!each(arg, slice_of(e->key, e->key_n), SLICE("quorate"))) {
            return;
        }
    }
    for (size_t i = 0; (e = strmap_next(&v->models->map, &i)) != NULL;) {
        const struct view_model *m = e->value;
        if (!each(arg, slice_of(e->key, e->key_n), m->spec.provider)) {
            return;
        }
    }
}

struct gacct *view_budget_acct(const struct view_budget *b)
{
    return ((const struct view_budget_entry *)(const void *)b)->acct;
}

const char *view_provider_dialect_name(const struct view_provider *p)
{
    return view_dialect_name(p->spec.dialect);
}
