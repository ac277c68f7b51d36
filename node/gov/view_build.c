/* Building views on the raft loop: a table is built again only when a resource that it was made of
 * has changed. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/gov/view_i.h"

#define SECRET_FILE_BYTES_MAX 8192
#define DEFAULT_ENV_PREFIX    "QUORATE_SECRET_"

struct view_builder {
    const struct gov_cfg *cfg;
    const uint8_t *seal_key, *pepper;
    struct view *last;
    uint64_t epoch;
    struct strmap accts; /* 8 bytes of account id -> gacct */
};

struct view_builder *view_builder_new(const struct gov_cfg *cfg, const uint8_t seal_key[32],
                                      const uint8_t pepper[32])
{
    struct view_builder *b = mem_zalloc(sizeof *b);

    b->cfg = cfg;
    b->seal_key = seal_key;
    b->pepper = pepper;
    strmap_init(&b->accts);
    return b;
}

void view_builder_free(struct view_builder *b)
{
    struct strmap_entry *e;

    view_unref(b->last);
    for (size_t i = 0; (e = strmap_next(&b->accts, &i)) != NULL;) {
        gacct_unref(e->value);
    }
    strmap_deinit(&b->accts);
    mem_free(b);
}

struct gacct *view_builder_acct(struct view_builder *b, uint64_t id)
{
    return strmap_get(&b->accts, slice_of((const char *)&id, sizeof id));
}

/* --- secrets --- */

static void view_secret_env(struct view_builder *b, struct slice name, struct buf *out)
{
    struct slice prefix = slice_str(b->cfg->env_prefix != NULL ? b->cfg->env_prefix : "");
    char text[256];
    const char *value;

    if (b->cfg->env_prefix == NULL && !slice_ends(name, SLICE("_API_KEY")) &&
        !slice_starts(name, SLICE(DEFAULT_ENV_PREFIX))) {
        LOG_WARN("a provider's api_key.env is outside what this node allows",
                 LOG_SLICE("variable", name));
        return;
    }
    if (!slice_starts(name, prefix) || !slice_copy_str(name, text, sizeof text)) {
        LOG_WARN("a provider's api_key.env is outside what this node allows",
                 LOG_SLICE("variable", name));
        return;
    }
    value = getenv(text);
    if (value != NULL) {
        buf_add_slice(out, slice_trim(slice_str(value)));
    }
}

static void view_secret_file(struct view_builder *b, struct slice name, struct buf *out)
{
    char path[1024];
    char text[SECRET_FILE_BYTES_MAX];
    FILE *f;
    size_t n;

    if (b->cfg->secrets_dir == NULL || slice_find(name, '/') < name.n ||
        slice_starts(name, SLICE("."))) {
        LOG_WARN("a provider's api_key.file is outside what this node allows",
                 LOG_SLICE("file", name));
        return;
    }
    (void)snprintf(path, sizeof path, "%s/%.*s", b->cfg->secrets_dir, SLICE_FMT(name));
    f = fopen(path, "re");
    if (f == NULL) {
        LOG_WARN("a provider's api_key.file cannot be read", LOG_SLICE("file", name));
        return;
    }
    n = fread(text, 1, sizeof text, f);
    (void)fclose(f);
    buf_add_slice(out, slice_trim(slice_of(text, n)));
    mem_wipe(text, sizeof text);
}

static void view_secret(struct view_builder *b, struct view_provider *p)
{
    struct buf secret;
    char *copy;

    buf_init(&secret, SECRET_FILE_BYTES_MAX);
    switch (p->spec.api_key.from) {
    case SPEC_SECRET_NONE:
        break;
    case SPEC_SECRET_ENV:
        view_secret_env(b, p->spec.api_key.text, &secret);
        break;
    case SPEC_SECRET_FILE:
        view_secret_file(b, p->spec.api_key.text, &secret);
        break;
    case SPEC_SECRET_SEALED:
        if (spec_unseal(p->name, &p->spec.api_key, b->seal_key, &secret) != 0) {
            LOG_ERROR("a provider's credential does not open with this node's master key",
                      LOG_SLICE("provider", p->name));
        }
        break;
    }
    copy = mem_strndup(secret.p != NULL ? secret.p : "", secret.n);
    p->credential = slice_of(copy, secret.n);
    if (secret.p != NULL) {
        mem_wipe(secret.p, secret.n);
    }
    buf_deinit(&secret);
}

/* --- tables --- */

static void view_provider_entry_free(void *entry)
{
    struct view_provider *p = entry;

    mem_free_secret((void *)p->credential.p, p->credential.n);
    tls_ctx_unref(p->tls);
}

static void *view_entry(struct view_table *t, const struct resource *r, size_t size,
                        struct slice *ret_name)
{
    void *entry = arena_zalloc(&t->arena, size);

    *ret_name = arena_slice(&t->arena, r->name);
    strmap_put(&t->map, *ret_name, entry);
    return entry;
}

/* What the state machine holds has been validated; a failure means a version gap and the entry is
 * left out. */
static bool view_parse(struct view_table *t, const struct resource *r, struct spec *ret)
{
    struct errmsg err = {{0}};

    if (spec_parse(r->kind, r->name, r->spec, &t->arena, ret, &err) != 0) {
        LOG_ERROR("a resource is not understood by this version and is not used here",
                  LOG_STR("kind", kind_name(r->kind)), LOG_SLICE("name", r->name),
                  LOG_STR("why", err.text));
        return false;
    }
    return true;
}

static void view_add_provider(struct view_builder *b, struct view_table *t, struct slice name,
                              const struct spec_provider *spec)
{
    struct view_provider *p = arena_zalloc(&t->arena, sizeof *p);
    struct errmsg err = {{0}};

    p->name = name;
    p->spec = *spec;
    if (spec->base_url.n > 0 && url_parse(spec->base_url, &p->url, &err) != 0) {
        LOG_ERROR("a provider's base_url is not usable", LOG_SLICE("provider", name),
                  LOG_STR("why", err.text));
    }
    if (spec->ca.n > 0) {
        char *ca = arena_strdup(&t->arena, spec->ca);
        const struct tls_ctx_cfg cfg = {.ca_file = ca, .alpn = "h2,http/1.1"};
        if (tls_ctx_new(&cfg, &p->tls, &err) != 0) {
            LOG_ERROR("a provider's ca is not usable", LOG_SLICE("provider", name),
                      LOG_STR("why", err.text));
        }
    }
    view_secret(b, p);
    strmap_put(&t->map, name, p);
}

static struct view_table *view_build_providers(struct view_builder *b, const struct fsm *f,
                                               uint64_t stamp)
{
    const struct spec_provider sim = {.dialect = SPEC_DIALECT_SIM,
                                      .cancel = SPEC_CANCEL_NONE,
                                      .stream_usage = true,
                                      .reasoning_bounded = true};
    struct view_table *t = view_table_new(stamp);
    struct spec s;

    t->entry_free = view_provider_entry_free;
    for (const struct resource *r = fsm_next(f, KIND_PROVIDER, NULL); r != NULL;
         r = fsm_next(f, KIND_PROVIDER, r)) {
        if (view_parse(t, r, &s)) {
            view_add_provider(b, t, arena_slice(&t->arena, r->name), &s.provider);
        }
    }
    if (strmap_get(&t->map, SLICE("sim")) == NULL) { /* Built in. */
        view_add_provider(b, t, SLICE("sim"), &sim);
    }
    return t;
}

struct view_catalogue {
    struct view_table *table;
    const struct view_provider *provider;
};

static bool view_add_catalogue(void *arg, const struct spec_model *m)
{
    struct view_catalogue *c = arg;
    const struct view_provider *p = c->provider;
    char *name =
        arena_printf(&c->table->arena, "%.*s/%.*s", SLICE_FMT(p->name), SLICE_FMT(m->model));

    if (strmap_get(&c->table->map, slice_str(name)) == NULL) {
        struct view_model *entry = arena_zalloc(&c->table->arena, sizeof *entry);
        entry->spec = *m;
        entry->spec.provider = arena_slice(&c->table->arena, p->name);
        entry->from_catalogue = true;
        strmap_put(&c->table->map, slice_str(name), entry);
    }
    return true;
}

/* Resources first; then the catalogue of each configured provider that is the vendor itself (by its
 * dialect and host). */
static struct view_table *view_build_models(const struct fsm *f, const struct view_table *providers,
                                            uint64_t stamp)
{
    struct view_table *t = view_table_new(stamp);
    struct strmap_entry *e;
    struct slice name;
    struct spec s;

    for (const struct resource *r = fsm_next(f, KIND_MODEL, NULL); r != NULL;
         r = fsm_next(f, KIND_MODEL, r)) {
        if (view_parse(t, r, &s)) {
            struct view_model *m = view_entry(t, r, sizeof *m, &name);
            m->spec = s.model;
        }
    }
    for (size_t i = 0; (e = strmap_next(&providers->map, &i)) != NULL;) {
        struct view_catalogue c = {t, e->value};
        const struct view_provider *p = e->value;
        bool vendor = p->spec.dialect == SPEC_DIALECT_SIM ||
                      strcmp(p->url.host, "api.openai.com") == 0 ||
                      strcmp(p->url.host, "api.anthropic.com") == 0;
        if (vendor) {
            catalogue_each(slice_str(view_provider_dialect_name(p)), view_add_catalogue, &c);
        }
    }
    return t;
}

static struct view_table *view_build_routes(const struct fsm *f, const struct view_table *providers,
                                            uint64_t stamp)
{
    struct view_table *t = view_table_new(stamp);
    struct slice name;
    struct spec s;

    for (const struct resource *r = fsm_next(f, KIND_ROUTE, NULL); r != NULL;
         r = fsm_next(f, KIND_ROUTE, r)) {
        struct view_route *route;
        bool whole = view_parse(t, r, &s);
        const struct view_provider **found;
        if (!whole) {
            continue;
        }
        found = arena_alloc(&t->arena, (s.route.n_targets + 1) * sizeof *found);
        for (size_t i = 0; i < s.route.n_targets; i++) {
            found[i] = strmap_get(&providers->map, s.route.targets[i].provider);
            whole = whole && found[i] != NULL;
        }
        if (!whole) {
            continue; /* The state machine refuses such routes. */
        }
        route = view_entry(t, r, sizeof *route, &name);
        route->name = name;
        route->spec = s.route;
        route->providers = found;
        for (size_t i = 0; i < s.route.n_targets; i++) {
            route->weight_total += s.route.targets[i].weight;
        }
    }
    return t;
}

static struct view_table *view_build_teams(const struct fsm *f, uint64_t stamp)
{
    struct view_table *t = view_table_new(stamp);
    struct slice name;
    struct spec s;

    for (const struct resource *r = fsm_next(f, KIND_TEAM, NULL); r != NULL;
         r = fsm_next(f, KIND_TEAM, r)) {
        if (view_parse(t, r, &s)) {
            struct view_team *team = view_entry(t, r, sizeof *team, &name);
            *team = (struct view_team){.name = name, .org = s.team.org, .blocked = s.team.blocked};
        }
    }
    return t;
}

static void view_budget_entry_free(void *entry)
{
    gacct_unref(((struct view_budget_entry *)entry)->acct);
}

static struct gacct *view_acct(struct view_builder *b, const struct account_view *a)
{
    struct gacct *acct = view_builder_acct(b, a->acct);

    if (acct == NULL) {
        acct = gacct_new(a->acct, a->unit, a->every);
        strmap_put(&b->accts, slice_of((const char *)&a->acct, sizeof a->acct), acct);
    }
    return gacct_ref(acct);
}

static struct view_table *view_build_budgets(struct view_builder *b, const struct fsm *f,
                                             uint64_t stamp)
{
    struct view_table *t = view_table_new(stamp);
    struct account_view a;
    struct slice name;
    struct spec s;

    t->entry_free = view_budget_entry_free;
    for (const struct resource *r = fsm_next(f, KIND_BUDGET, NULL); r != NULL;
         r = fsm_next(f, KIND_BUDGET, r)) {
        if (fsm_account_by_budget(f, r->name, &a) == 0 && view_parse(t, r, &s)) {
            struct view_budget_entry *e = view_entry(t, r, sizeof *e, &name);
            e->pub = (struct view_budget){.name = name, .acct = a.acct, .spec = s.budget};
            e->acct = view_acct(b, &a);
        }
    }
    return t;
}

static bool view_budget_matches(const struct spec_budget *b, const struct view_key *k)
{
    return (b->key.n == 0 || slice_eq(b->key, k->id)) &&
           (b->team.n == 0 || (k->team != NULL && slice_eq(b->team, k->team->name))) &&
           (b->org.n == 0 || (k->team != NULL && slice_eq(b->org, k->team->org)));
}

/* The path of a key: org, team, key budgets, then by account; the same order on every node. */
static int view_budget_order(const void *pa, const void *pb)
{
    const struct view_budget *a = *(const struct view_budget *const *)pa;
    const struct view_budget *b = *(const struct view_budget *const *)pb;
    int level_a = a->spec.key.n > 0 ? 2 : a->spec.team.n > 0 ? 1 : 0;
    int level_b = b->spec.key.n > 0 ? 2 : b->spec.team.n > 0 ? 1 : 0;

    if (level_a != level_b) {
        return level_a - level_b;
    }
    return a->acct < b->acct ? -1 : a->acct > b->acct;
}

/* Budgets by what they match, so that a key looks at its own only. */
struct view_budget_index {
    struct strmap by_match; /* "k:<id>" "t:<team>" "o:<org>" -> struct view_budget_list */
    struct arena arena;
};
struct view_budget_list {
    const struct view_budget *budget;
    struct view_budget_list *next;
};

static struct slice view_match_name(struct arena *a, const struct spec_budget *b)
{
    if (b->key.n > 0) {
        return slice_str(arena_printf(a, "k:%.*s", SLICE_FMT(b->key)));
    }
    if (b->team.n > 0) {
        return slice_str(arena_printf(a, "t:%.*s", SLICE_FMT(b->team)));
    }
    return slice_str(arena_printf(a, "o:%.*s", SLICE_FMT(b->org)));
}

static void view_index_build(struct view_budget_index *x, const struct view_table *budgets)
{
    struct strmap_entry *e;

    strmap_init(&x->by_match);
    arena_init(&x->arena, NULL);
    for (size_t i = 0; (e = strmap_next(&budgets->map, &i)) != NULL;) {
        const struct view_budget *b = e->value;
        struct view_budget_list *l = arena_alloc(&x->arena, sizeof *l);
        struct slice name = view_match_name(&x->arena, &b->spec);
        l->budget = b;
        l->next = strmap_get(&x->by_match, name);
        strmap_put(&x->by_match, name, l);
    }
}

static void view_key_budgets(struct view_table *t, struct view_budget_index *x, struct view_key *k)
{
    const struct view_budget *found[PATH_BUDGETS_MAX];
    const struct view_budget **copy;
    char name[3][NAME_BYTES_MAX + 8];
    size_t n = 0;

    (void)snprintf(name[0], sizeof name[0], "k:%.*s", SLICE_FMT(k->id));
    (void)snprintf(name[1], sizeof name[1], "t:%.*s",
                   SLICE_FMT(k->team != NULL ? k->team->name : SLICE("")));
    (void)snprintf(name[2], sizeof name[2], "o:%.*s",
                   SLICE_FMT(k->team != NULL ? k->team->org : SLICE("")));
    for (size_t i = 0; i < 3; i++) {
        struct view_budget_list *l = strmap_get(&x->by_match, slice_str(name[i]));
        for (; l != NULL; l = l->next) {
            if (view_budget_matches(&l->budget->spec, k) && n < PATH_BUDGETS_MAX) {
                found[n++] = l->budget;
            }
        }
    }
    qsort(found, n, sizeof found[0], view_budget_order);
    copy = arena_alloc(&t->arena, (n + 1) * sizeof(struct view_budget *));
    memcpy(copy, found, n * sizeof found[0]);
    k->budgets = copy;
    k->n_budgets = n;
}

static struct view_table *view_build_keys(const struct fsm *f, const struct view_table *teams,
                                          const struct view_table *budgets, uint64_t stamp)
{
    struct view_table *t = view_table_new(stamp);
    struct view_budget_index index;
    struct spec s;

    view_index_build(&index, budgets);
    for (const struct resource *r = fsm_next(f, KIND_KEY, NULL); r != NULL;
         r = fsm_next(f, KIND_KEY, r)) {
        struct view_key *k;
        struct slice name;
        if (!view_parse(t, r, &s)) {
            continue;
        }
        k = view_entry(t, r, sizeof *k, &name);
        k->id = name;
        k->user = s.key.user;
        k->spec = s.key;
        k->team = strmap_get(&teams->map, s.key.team);
        view_key_budgets(t, &index, k);
    }
    strmap_deinit(&index.by_match);
    arena_deinit(&index.arena);
    return t;
}

/* --- views --- */

struct view *view_build(struct view_builder *b, const struct fsm *f)
{
    const struct view *old = b->last;
    uint64_t providers = fsm_kind_revision(f, KIND_PROVIDER);
    uint64_t teams = fsm_kind_revision(f, KIND_TEAM);
    uint64_t budgets = fsm_kind_revision(f, KIND_BUDGET);
    /* Revisions only grow, so a sum changes whenever one of them does. */
    uint64_t models = fsm_kind_revision(f, KIND_MODEL) + providers;
    uint64_t routes = fsm_kind_revision(f, KIND_ROUTE) + providers;
    uint64_t keys = fsm_kind_revision(f, KIND_KEY) + teams + budgets;
    struct view *v;

    if (old != NULL && old->providers->stamp == providers && old->teams->stamp == teams &&
        old->budgets->stamp == budgets && old->models->stamp == models &&
        old->routes->stamp == routes && old->keys->stamp == keys) {
        return NULL;
    }
    v = mem_zalloc(sizeof *v);
    atomic_store(&v->refs, 2); /* The caller's and ours. */
    v->epoch = ++b->epoch;
    memcpy(v->pepper, b->pepper, sizeof v->pepper);
#define SHARED(table, now) (old != NULL && old->table->stamp == (now))
    v->providers = SHARED(providers, providers) ? view_table_ref(old->providers)
                                                : view_build_providers(b, f, providers);
    v->teams = SHARED(teams, teams) ? view_table_ref(old->teams) : view_build_teams(f, teams);
    v->budgets =
        SHARED(budgets, budgets) ? view_table_ref(old->budgets) : view_build_budgets(b, f, budgets);
    v->models = SHARED(models, models) ? view_table_ref(old->models)
                                       : view_build_models(f, v->providers, models);
    v->routes = SHARED(routes, routes) ? view_table_ref(old->routes)
                                       : view_build_routes(f, v->providers, routes);
    v->keys = SHARED(keys, keys) ? view_table_ref(old->keys)
                                 : view_build_keys(f, v->teams, v->budgets, keys);
#undef SHARED
    view_unref(b->last);
    b->last = v;
    return v;
}
