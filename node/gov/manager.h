/* The manager: the raft loop's side of governance. gov.c: lifecycle, views, workers; lease.c: slots
 * and SYNC; register.c: incarnations; mcells.c: usage on its way to the leader. */
#ifndef NODE_GOV_MANAGER_H_
#define NODE_GOV_MANAGER_H_

#include "base/sm.h"
#include "node/gov/gov_i.h"
#include "node/gov/mail.h"

#define GOV_SENT_RING 256 /* SYNCs whose sending time is remembered. */

enum gov_state {
    GOV_STATE_WAITING,     /* Not a member yet, or no leader. */
    GOV_STATE_REGISTERING, /* INC written or REGISTER under way. */
    GOV_STATE_ACTIVE,
    /* The ledger has closed our incarnation; open requests end, then a new one is registered. */
    GOV_STATE_FENCED,
    GOV_STATE_RELEASING,
    GOV_STATE_STOPPED
};

struct gov {
    struct gov_shared shared;
    struct gov_cfg cfg; /* Strings are copies. */
    struct loop *loop;
    struct mailbox *mailbox;
    struct consensus *consensus;
    struct view_builder *builder;
    struct view *view;
    bool caught_up; /* Our REGISTER has been applied here: the state is as new as this life. */
    struct list workers;
    size_t n_workers;
    struct sm sm;

    /* register.c */
    struct arena past_arena;
    struct journal_past past;
    struct journal_meta meta;
    bool past_used;      /* The past has been told to the ledger (or was this life's own). */
    uint32_t ledger_inc; /* As a refusal told; 0: look at the state machine. */
    struct submit submit;
    struct buf submit_cmd;
    struct db_write meta_write;
    bool submit_busy, meta_busy;
    struct timer register_timer;
    uint64_t fenced_ms;
    void (*release_cb)(void *arg);
    void *release_arg;
    struct timer release_timer;

    /* lease.c */
    struct list active; /* gaccts. */
    struct timer tick, soon;
    struct db_write seq_write;
    bool sync_busy, sync_again;
    uint64_t sent_us[GOV_SENT_RING];
    uint64_t sent_seq[GOV_SENT_RING];
    uint64_t acked_seq;
    struct list retired; /* struct retired_slot */
    uint64_t ping_round, pong_round;
    size_t pings_due;

    /* mcells.c */
    struct strmap cells;
};

/* lease.c */
void lease_init(struct gov *g);
void lease_deinit(struct gov *g);
void lease_start(struct gov *g); /* The incarnation is registered. */
void lease_stop(struct gov *g);  /* Admission ends; slots are retired. */
void lease_sync_soon(struct gov *g, uint64_t ms);
void lease_finals(struct gov *g, struct arena *a, struct cmd_final **ret, size_t *ret_n);
bool lease_idle(const struct gov *g); /* No reservation is open. */
void lease_pong(struct gov *g);
void lease_forget(struct gov *g); /* After a new incarnation: all slots of the old one go. */

/* register.c */
void register_init(struct gov *g);
void register_look(struct gov *g); /* Something has changed: register if it is time. */
void register_fenced(struct gov *g, uint32_t ledger_inc);

/* mcells.c */
void mcells_init(struct gov *g);
void mcells_deinit(struct gov *g);
/* Up to @max cells that the leader has not confirmed; borrowed until the next letter. */
size_t mcells_take(struct gov *g, uint64_t seq, struct sync_cell *out, size_t max);
void mcells_acked(struct gov *g, uint64_t seq);
void mcells_forget(struct gov *g);

/* gov.c */
void gov_ping_workers(struct gov *g, void (*deliver)(struct letter *l));

#endif /* NODE_GOV_MANAGER_H_ */
