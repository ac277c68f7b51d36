/* The inside of a view: tables that successive views share while they do not change. */
#ifndef NODE_GOV_VIEW_I_H_
#define NODE_GOV_VIEW_I_H_

#include <stdatomic.h>

#include "base/arena.h"
#include "base/strmap.h"
#include "node/gov/gov_i.h"

/* One kind's parsed resources; immutable once built. */
struct view_table {
    _Atomic uint32_t refs;
    uint64_t stamp; /* Of what it was built from. */
    struct arena arena;
    struct strmap map;               /* name -> struct view_key / _provider / ... */
    void (*entry_free)(void *entry); /* For what does not live in the arena; may be NULL. */
};

struct view {
    _Atomic uint32_t refs;
    uint64_t epoch;
    struct view_table *providers, *models, *routes, *teams, *keys, *budgets;
    uint8_t pepper[32];
};

struct view_budget_entry {
    struct view_budget pub; /* First: view_budget_acct() casts. */
    struct gacct *acct;     /* A reference. */
};

/* "openai", "anthropic", "sim": whose part of the catalogue is meant. */
const char *view_provider_dialect_name(const struct view_provider *p);
struct view_table *view_table_new(uint64_t stamp);
struct view_table *view_table_ref(struct view_table *t);
void view_table_unref(struct view_table *t);

#endif /* NODE_GOV_VIEW_I_H_ */
