/* The pipeline: what happens to a request between an exchange and a provider.
 *
 *   auth -> admit -> route -> stream -> close          every failure goes to close too
 *
 * A step lives in the file of its name, names its successor and never calls it. An attempt
 * (attempt.h) outlives its request when the client leaves: it has an arena, a reservation and a
 * view of its own.
 * Thread: worker. */
#ifndef NODE_REQ_REQ_H_
#define NODE_REQ_REQ_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/chunkq.h"
#include "base/rng.h"
#include "node/dialect/dialect.h"
#include "node/gov/gov.h"
#include "node/obs/record.h"
#include "node/route/route.h"
#include "node/serve/exchange.h"
#include "node/upstream/fetch.h"

/* One per worker: what its requests share. */
struct req_worker {
    struct loop *loop;
    struct gov_worker *gov;
    struct upstream *upstream;
    struct rng rng;
    struct record_ring records;
    uint64_t body_bytes_max;
    bool draining;
    struct list open;   /* Requests. */
    struct list drains; /* Attempts whose client has left, oldest first. */
    size_t n_open, n_drains;
    struct chat_scan *scans[DIALECT_N_]; /* One kept for reuse. */
    struct chat_answer *answers[DIALECT_N_];
    void (*idle_cb)(void *arg); /* Set by req_worker_drain(). */
    void *idle_arg;
};
void req_worker_init(struct req_worker *w, struct loop *l, struct gov_worker *gov,
                     struct upstream *u, uint64_t body_bytes_max);
void req_worker_deinit(struct req_worker *w);
/* No new work; @idle once no request and no attempt is left. The caller bounds the time by
 * serve_drain(). */
void req_worker_drain(struct req_worker *w, void (*idle)(void *arg), void *arg);
/* What the gateway's listener calls: serve_cfg.on_request with @arg = the req_worker. */
void req_on_request(struct exchange *e, void *arg);

/* The life of a request, in order. Each step lives in the file of its name: req_auth.c, ... */
#define REQ_STEPS(X) \
    X(auth)          \
    X(admit)         \
    X(route)         \
    X(stream)        \
    X(close)

enum req_next {
    REQ_MORE, /* r->step has been set; run it now. */
    REQ_WAIT, /* A callback has been armed; it will call req_run(). */
    REQ_DONE  /* Nothing is pending; the request may be freed. */
};

struct req;
struct req_step {
    const char *name;
    enum req_next (*run)(struct req *r);
};
#define X(s) extern const struct req_step req_step_##s;
REQ_STEPS(X)
#undef X

/* A refusal in CONTRACT.md's vocabulary. */
struct req_error {
    int http; /* 0: none. */
    const char *code;
    const char *message; /* In the request's arena. */
    const char *param;
    const char *extra;     /* More members of the error object as JSON without braces; NULL none. */
    int64_t retry_after_s; /* -1: no header. */
    int should_retry;      /* x-should-retry: 1 true, 0 false, -1 no header. */
};

struct attempt;
struct req {
    const struct req_step *step;
    bool running;
    struct req_worker *worker;
    struct exchange *exchange; /* NULL once it has closed. */
    struct arena *arena;       /* The exchange's. */
    struct list link;
    enum dialect dialect;
    char id[RECORD_ID_BYTES];
    struct record *record;
    struct view *view;
    const struct view_key *key;
    struct slice user;

    struct chat_scan *scan;
    const struct chat_facts *facts; /* Set by admit. */
    struct chunkq body;
    bool body_done, body_bad, body_too_large;

    struct route_plan plan;
    unsigned attempts; /* Begun. */
    unsigned next_candidate;
    struct attempt *attempt;   /* Under way, or NULL. */
    bool answered;             /* The response has been begun. */
    struct req_error error;    /* Why it failed, for close. */
    struct req_error last;     /* The newest failed attempt's, kept while others are tried. */
    int64_t retry_after_min_s; /* Over all candidates that said 429; -1 none. */
    bool all_rate_limited;

    uint64_t upstream_us; /* Time spent waiting for providers, for x-quorate-overhead-us. */
    i128 cost_pusd;       /* Of all attempts. */
    uint64_t input_tokens, output_tokens;
};

void req_run(struct req *r);
/* Every failure goes through close, so that no reservation leaks and no request is unrecorded.
 * @message is copied. */
enum req_next req_fail(struct req *r, int http, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Fails from a callback: sets the error and runs close. */
/* Another candidate is left and another attempt is allowed. */
bool req_may_retry(const struct req *r);
void req_fail_now(struct req *r, const struct req_error *e);
/* The response headers that every answer carries. */
void req_common_headers(struct req *r, struct headers *h);
void req_cost_header(struct req *r, struct headers *h);
void req_finish(struct req *r); /* By req_run() only. */
void req_maybe_idle(struct req_worker *w);

/* Other endpoints: req_models.c, req_health.c. They answer at once. */
bool req_is_models(struct slice path);
void req_models(struct req *r);

#endif /* NODE_REQ_REQ_H_ */
