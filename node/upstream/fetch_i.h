/* Inside node/upstream. origin: who (scheme, host, port, trust) with its connections and waiters;
 * conn: one connection; fetch: one exchange on it.
 *
 *   fetch_start -> origin: an idle conn, else a new one, else wait -> conn_take -> request written
 *   -> head -> body -> end -> conn back to its origin */
#ifndef NODE_UPSTREAM_FETCH_I_H_
#define NODE_UPSTREAM_FETCH_I_H_

#include "base/arena.h"
#include "base/http/h1.h"
#include "base/limits.h"
#include "base/net/stream.h"
#include "node/upstream/fetch.h"

#define CONN_IDLE_MS     60000 /* Less than the 75 s after which servers commonly close. */
#define ORIGIN_UNUSED_MS 120000

struct upstream {
    struct loop *loop;
    struct list origins;
    struct tls_ctx *tls_default; /* Made on first use. */
    size_t n_conns;
    bool closing;
    void (*close_cb)(void *arg);
    void *close_arg;
};

struct pool { /* An origin's connections. */
    struct list link;
    struct upstream *upstream;
    char host[256];
    uint16_t port;
    bool https, allow_private, h2_prior;
    struct tls_ctx *tls;
    struct list idle; /* conns, the newest first. */
    struct list busy;
    struct list waiting; /* fetches. */
    size_t n_conns, n_waiting, n_connecting;
};

struct conn {
    struct list link;
    struct pool *pool;
    struct stream *stream;
    struct h1 *parser;
    struct fetch *fetch; /* Under way. */
    struct timer idle;
    bool open, closing, has_served, dirty;
    bool keep_alive;
    bool message_done; /* The response is complete. */
};

struct fetch {
    struct list link; /* In pool->waiting. */
    struct upstream *upstream;
    struct pool *pool;
    struct conn *conn; /* NULL while waiting. */
    const struct fetch_ops *ops;
    void *owner;
    struct arena arena;
    struct slice method, target;
    struct headers headers;
    struct chunkq body, resend; /* resend: the same bytes, for the one automatic resend. */
    uint64_t body_n;
    bool has_body;
    struct fetch_timeouts timeouts;
    struct timer stage_timer, total_timer;
    enum fetch_stage stage;
    bool reused, was_resent, paused, got_bytes, in_callback, canceled, done;
    uint64_t sent_us, first_us;
    struct loop_task fail_task;
    struct fetch_failure failure;
    char why[256];
    char addr[64];
};

/* pool.c */
struct pool *pool_get(struct upstream *u, const struct origin *o);
void pool_submit(struct pool *p, struct fetch *f);
void pool_forget(struct fetch *f); /* Leaves the waiting list. */
void pool_serve_waiters(struct pool *p);
struct tls_ctx *upstream_default_tls(struct upstream *u);
void upstream_conn_gone(struct upstream *u);
/* conn.c */
void conn_open(struct pool *p);
void conn_take(struct conn *c, struct fetch *f); /* An idle one begins a fetch. */
void conn_drop(struct conn *c);
void conn_released(struct conn *c); /* Its fetch is over. */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);
/* fetch.c */
void fetch_begin(struct fetch *f, struct conn *c);
void fetch_head(struct fetch *f, int status, const struct headers *h);
void fetch_body(struct fetch *f, struct block *block, const char *p, size_t n);
void fetch_complete(struct fetch *f);
void fetch_failed(struct fetch *f, int status, const char *why);

#endif /* NODE_UPSTREAM_FETCH_I_H_ */
