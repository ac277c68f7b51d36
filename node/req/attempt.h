/* One attempt at one candidate: bound -> reserve -> fetch (or sim) -> relay -> settle.
 *
 *   reserving -> sending -> peeking -> relaying -> done
 *                                   \-> draining -> done       the client has left, the provider
 *                                   bills on: read to the usage event
 *
 * It settles its own actual cost on every path, exactly once. Before the commit point (first
 * content event) a failure goes back to the request (attempt_ended), which may try the next
 * candidate;
 * after it the client gets an error event and an abnormal end. */
#ifndef NODE_REQ_ATTEMPT_H_
#define NODE_REQ_ATTEMPT_H_

#include "base/sm.h"
#include "node/provider/provider.h"
#include "node/provider/sim.h"
#include "node/req/req.h"

enum attempt_state {
    ATTEMPT_RESERVING,
    ATTEMPT_SENDING,
    ATTEMPT_PEEKING,
    ATTEMPT_RELAYING,
    ATTEMPT_DRAINING,
    ATTEMPT_DONE
};

struct attempt {
    struct sm sm;
    struct req_worker *worker;
    struct req *req;  /* NULL while draining. */
    struct list link; /* In worker->drains. */
    struct arena arena;
    struct view *view;
    struct candidate candidate;
    const struct provider *provider; /* NULL for sim. */
    const struct view_model *price;  /* NULL: not priced. */
    enum dialect dialect;
    bool stream, hide_usage, bound_sent, req_budgets;
    int64_t prompt_bound, output_bound; /* -1 unknown. */
    struct bound bound;
    struct reservation *reservation; /* Open. */
    struct reservation *pending;     /* Being made. */

    struct fetch *fetch;
    struct sim *sim;
    struct timer sim_timer;
    bool *sim_alive; /* Set while on_body runs from the sim: cleared when the attempt ends in it. */
    struct timer drain_timer;
    struct chat_answer *answer;
    int status; /* Of the upstream. */
    enum provider_verdict verdict;
    struct headers up_headers; /* Copied: they outlive the fetch's. */
    struct chunkq hold;        /* Answer bytes before the commit point, or an error body. */
    bool paused;
    uint64_t sent_us;
    bool timed_out;
};

/* Begins an attempt at @c: true, and req_attempt_ended() follows once (never from inside this call)
 * unless attempt_leave() comes first. False: refused at once, r->last says why. */
bool attempt_start(struct req *r, struct candidate c);
/* The client has left, or the request is over time: the attempt decides whether to cancel or drain,
 * and lets go of the request. */
void attempt_leave(struct attempt *a);
/* The exchange can take more. */
void attempt_writable(struct attempt *a);

/* How an attempt ended, told to the request (stream.c). After ATTEMPT_OK or ATTEMPT_CUT the
 * response is complete or was aborted. */
enum attempt_end {
    ATTEMPT_OK,
    ATTEMPT_CUT,    /* After the commit point: the client was told by an error event. */
    ATTEMPT_FAILED, /* Before it: r->last says how; another candidate may be tried. */
    ATTEMPT_REFUSED /* By governance or the bound: r->last is final. */
};
void req_attempt_ended(struct req *r, enum attempt_end end);

/* attempt_cost.c */
/* Fills prompt_bound, output_bound, bound; false: r->last says why a hard budget cannot take it. */
bool attempt_bound(struct attempt *a);
/* What is charged when the answer's usage is @u (may be unknown) and the attempt ended as it did.
 */
enum attempt_charge { CHARGE_NOTHING, CHARGE_PROMPT, CHARGE_USAGE, CHARGE_OBSERVED, CHARGE_BOUND };
void attempt_settle(struct attempt *a, enum attempt_charge charge, bool error);

/* attempt_send.c */
int attempt_send(struct attempt *a); /* Starts the fetch or the sim. */
extern const struct fetch_ops attempt_fetch_ops;
/* attempt_answer.c: what both sources call. */
void attempt_on_head(struct attempt *a, int status, const struct headers *h);
void attempt_on_body(struct attempt *a, struct block *block, const char *p, size_t n);
void attempt_on_end(struct attempt *a);
void attempt_on_fail(struct attempt *a, const struct fetch_failure *why);
/* attempt.c */
void attempt_finish(struct attempt *a,
                    enum attempt_end end); /* Frees @a, then tells the request. */
void attempt_error(struct attempt *a, int http, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif /* NODE_REQ_ATTEMPT_H_ */
