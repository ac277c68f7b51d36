/* Inside node/gov: what the raft-loop side and the worker side share. */
#ifndef NODE_GOV_GOV_I_H_
#define NODE_GOV_GOV_I_H_

#include <stdatomic.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/strmap.h"
#include "node/gov/gov.h"
#include "node/gov/journal.h"
#include "node/gov/slot.h"

/* What both sides read without mail. */
struct gov_shared {
    struct clock *clock;
    struct db *db;
    struct mailbox *mailbox; /* Of the raft loop. */
    _Atomic uint32_t
        inc; /* The registered incarnation; 0: not registered, no admission under budgets. */
    _Atomic uint64_t
        fresh_until_us; /* Escrow may be spent until then (last SYNC answer + stale). */
    uint8_t pepper[32], seal_key[32];
};

enum gov_unregistered { GOV_NO_INC = 0 };

/* --- letters to the manager --- */
struct gov_need { /* An account is short: look at it now. */
    struct letter letter;
    struct gov *gov;
    struct gacct *acct; /* A reference. */
};
struct gov_cells { /* Usage cells of one worker that have changed. */
    struct letter letter;
    struct gov *gov;
    uint32_t inc;
    unsigned worker;
    struct arena arena;
    struct sync_cell *cells;
    size_t n;
};

/* --- the worker --- */
enum reservation_step { RESERVATION_PARKED, RESERVATION_WRITING, RESERVATION_OPEN };

struct reservation {
    struct list link; /* Parked list, or the writing list of a journal write. */
    struct gov_worker *worker;
    enum reservation_step step;
    bool canceled;
    uint64_t rid;
    uint32_t inc;
    struct view *view;
    const struct view_key *key;
    char provider[NAME_BYTES_MAX + 1], model[NAME_BYTES_MAX * 2 + 1], user[NAME_BYTES_MAX + 1];
    uint32_t hour;
    struct bound bound;
    void (*cb)(void *owner, struct reservation *r, const struct gov_refusal *why);
    void *owner;
    struct slot *slots[PATH_BUDGETS_MAX];
    int64_t amounts[PATH_BUDGETS_MAX];
    size_t n_slots;
    struct gacct *short_of;     /* Parked: the first account that had too little. */
    int64_t short_by;           /* Its bound there. */
    struct gov_refusal refusal; /* Prepared while parked. */
    struct timer park;
    uint64_t parked_us;
};

struct gov_write { /* One journal write of a turn. */
    struct db_write write;
    struct gov_worker *worker;
    struct list waiting; /* Reservations whose RES is in it. */
    size_t n_ops;
};

struct gov_worker {
    struct gov_shared *shared;
    struct gov *gov;
    struct loop *loop;
    struct mailbox *mailbox;
    unsigned no;
    struct view *view;
    bool is_registered; /* As of the last letter. */
    void (*on_ready)(struct gov_worker *w, void *arg);
    void *on_ready_arg;
    struct list parked;
    size_t n_parked;
    struct list free;             /* Reservations for reuse. */
    struct gov_write *open_write; /* Filled in this turn. */
    struct loop_task flush;
    size_t n_writes; /* Under way. */
    uint64_t rid_next;
    struct strmap cells; /* inc|hour|dims -> struct worker_cell */
    struct list dirty_cells;
    struct timer cells_timer;
    bool closing, close_sent;
    void (*close_cb)(void *arg);
    void *close_arg;
    struct list link; /* In gov's list; raft loop only. */
};

struct gov_write *worker_write(struct gov_worker *w);
void worker_retry_parked(struct gov_worker *w);
void worker_maybe_closed(struct gov_worker *w);
/* Usage of one settled attempt: counts it, journals it, marks it for the manager. */
void worker_cells_init(struct gov_worker *w);
void worker_cells_deinit(struct gov_worker *w);
void worker_cells_count(struct gov_worker *w, const struct reservation *r,
                        const struct gov_actual *a);

/* --- views --- */
struct view_tables;
struct view_builder;
/* Builds the view of the state machine's present, sharing what did not change since @old (may be
 * NULL). @accts: id -> gacct, extended for new budgets. */
struct view_builder *view_builder_new(const struct gov_cfg *cfg, const uint8_t seal_key[32],
                                      const uint8_t pepper[32]);
void view_builder_free(struct view_builder *b);
/* NULL when nothing has changed. */
struct view *view_build(struct view_builder *b, const struct fsm *f);
/* The account objects of live budgets, for the manager. */
struct gacct *view_builder_acct(struct view_builder *b, uint64_t id);
/* The account of a budget in a view. */
struct gacct *view_budget_acct(const struct view_budget *b);

/* The built-in price of a current model; NULL when unknown. */
const struct spec_model *catalogue_find(struct slice dialect_name, struct slice model);
void catalogue_each(struct slice dialect_name, bool (*each)(void *arg, const struct spec_model *m),
                    void *arg);

#endif /* NODE_GOV_GOV_I_H_ */
