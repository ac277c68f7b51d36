/* Governance on this node: views for the workers, lease slots, the journal, the lease manager.
 *
 *   raft loop:  struct gov         builds views from the state machine, owns G R S of each slot,
 *   talks SYNC with the leader's policy, registers the incarnation
 *   worker:     struct gov_worker  holds the current view, reserves and settles on the atomics of
 *   slots, parks its own requests, writes RES/SET to the journal
 *
 * A reservation, when it goes well: credit is taken from every budget on the path (try-only, all or
 * nothing), RES is durable in the journal (group commit), @cb(0). When it does not: the request
 * parks for at most PARK_MS while the manager asks the leader;
 * then @cb says why. gov_settle() gives back what was not used, posts what was, counts usage, and
 * writes SET. Every successful reservation is settled exactly once. */
#ifndef NODE_GOV_GOV_H_
#define NODE_GOV_GOV_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/money.h"
#include "base/net/loop.h"
#include "base/net/mailbox.h"
#include "node/gov/view.h"
#include "raft/consensus.h"

/* --- raft loop --- */
struct gov;
struct gov_cfg {
    struct loop *loop;
    struct db *db; /* Journal. */
    const char *name;
    const uint8_t *master_key; /* 32 bytes; borrowed for the call: derived keys are kept. */
    const char *env_prefix,
        /* Where secrets `env` and `file` may point; NULL: env any QUORATE_SECRET_*, no files. */
        *secrets_dir;
    uint64_t stale_ms; /* A cut-off node spends its escrow for so long since its last SYNC. */
    bool watermark;    /* Journal mode: watermark instead of strict (LEDGER.md 4.2). */
};
/* Reads the journal of earlier lives (before consensus_start); errors name what is damaged. */
int gov_new(const struct gov_cfg *cfg, struct gov **ret, struct errmsg *err);
/* After consensus_start(); wires itself to these hooks: the caller's consensus_hooks call them. */
void gov_attach(struct gov *g, struct consensus *c);
void gov_on_applied(struct gov *g);
void gov_on_leader(struct gov *g, bool known);
void gov_on_sync_reply(struct gov *g, const struct sync_reply *r);
void gov_on_recall(struct gov *g, const struct sync_recall *r);
/* Drain: all reservations are settled by now; sends RELEASE with exact numbers, waits for it at
 * most @max_ms, then @done. */
void gov_release(struct gov *g, uint64_t max_ms, void (*done)(void *arg), void *arg);
void gov_free(struct gov *g); /* Workers are gone. */
/* The pepper of key MACs and the sealing key, for the admin API. Thread: any (immutable). */
const uint8_t *gov_pepper(const struct gov *g);
const uint8_t *gov_seal_key(const struct gov *g);
/* key MAC = HMAC-SHA256(pepper, secret part). Makes a new key: text for the user and mac. @text
 * holds 96 bytes. */
void gov_key_make(const uint8_t pepper[32], const char *id, char *text, uint8_t mac[32]);
/* 10 random base62 characters. */
void gov_key_id_make(char id[16]);

/* --- worker --- */
struct gov_worker;
/* Registers with @g by mail; on_ready (may be NULL) when the first view has come. @no: 0, 1, ... */
struct gov_worker *gov_worker_new(struct gov *g, struct loop *l, unsigned no,
                                  void (*on_ready)(struct gov_worker *w, void *arg), void *arg);
/* No reservation is open. @done when the manager has let go. */
void gov_worker_close(struct gov_worker *w, void (*done)(void *arg), void *arg);
struct view *gov_view(
    struct gov_worker *w); /* Borrowed for this turn; view_ref() to keep. NULL before the first. */
/* The incarnation is registered with the ledger (hard budgets can be used) and a configuration has
 * been seen. */
bool gov_ready(const struct gov_worker *w);

struct
    /* The most that an attempt can cost, per unit; and in the same form what it did cost. */
    bound {
    i128 amount[UNIT_N_];
};
enum gov_refusal_code { GOV_EXCEEDED, GOV_RESERVED, GOV_UNAVAILABLE };
struct gov_refusal {
    enum gov_refusal_code code;
    char budget[NAME_BYTES_MAX + 1];
    char scope[NAME_BYTES_MAX + 16]; /* "team research" */
    enum window_every every;
    enum unit unit;
    int64_t resets_at_ms; /* 0: never */
    i128 left; /* What the budget has left after settled spend, as far as this node knows. */
    i128 limit;
};

struct reservation; /* Owned by gov from gov_reserve() until gov_settle()/gov_cancel(). */
struct gov_reserve {
    struct view *view;            /* The request's; a reference is taken. */
    const struct view_key *key;   /* Of that view. */
    struct slice provider, model; /* Copied. */
    struct slice user;            /* Copied; for usage. */
    struct bound bound;
    uint64_t park_ms; /* At most this long; 0: never park. */
    void (*cb)(void *owner, struct reservation *r,
               const struct gov_refusal *why); /* Exactly one of @r and @why is not NULL. */
    void *owner;
};
/* Returns a reservation that is ready (no budget on the path: nothing to wait for), or NULL with
 * *@ret_pending set: @cb follows exactly once, never before returning, unless gov_cancel(). */
struct reservation *gov_reserve(struct gov_worker *w, const struct gov_reserve *q,
                                struct reservation **ret_pending);
/* A pending one (the client left while parked): no @cb follows. */
void gov_cancel(struct gov_worker *w, struct reservation *pending);

struct gov_actual {
    struct bound
        /* What the attempt used, per unit. More than the bound: posted truthfully, alarmed as
         * overrun. */
        cost;
    uint64_t input_tokens, cached_tokens, output_tokens;
    bool error; /* Counts as an error in usage. */
};
/* Exactly once. @r is gone afterwards. */
void gov_settle(struct gov_worker *w, struct reservation *r, const struct gov_actual *a);
/* Are hard budgets in usd on this key's path? Then prices and bounds are required. */
bool gov_is_hard_usd(const struct view_key *k);
/* The least that is left over all usd budgets of the key, as far as this node knows; false when it
 * has none. */
bool gov_usd_left(struct gov_worker *w, const struct view_key *k, i128 *ret);

#endif /* NODE_GOV_GOV_H_ */
