/* Connections opened by us: pools of warm HTTP/1.1 and HTTP/2 connections per origin, and the
 * fetch: one request and its response.
 *
 * When it goes well: fetch_start(), then on_head once, on_body per piece, on_end once. When it does
 * not: on_fail once instead of on_end, at any point, with what happened and whether any byte of the
 * request may have been processed. Exactly one of on_end and on_fail is called, never from inside a
 * fetch_... call, and the fetch is freed when it returns. fetch_cancel(): neither is called.
 *
 * A request that hits a reused connection closed by the other side before any response byte is sent
 * once more on a fresh connection by itself (keep-alive race), so is one refused by
 * GOAWAY/REFUSED_STREAM.
 * 1xx are swallowed (at most 8), 101 is Q_EPROTO. Redirects are not followed. Bytes on an idle
 * connection close it. A response with surplus bytes or a dirty end never returns its connection to
 * the pool.
 * Thread: worker. */
#ifndef NODE_UPSTREAM_FETCH_H_
#define NODE_UPSTREAM_FETCH_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/chunkq.h"
#include "base/err.h"
#include "base/http/headers.h"
#include "base/http/url.h"
#include "base/net/loop.h"
#include "base/net/tls.h"

struct upstream; /* The pools of one worker. */
struct upstream *upstream_new(struct loop *l);
/* Cancels nothing: requires that no fetch is running. Closes idle connections, then calls @done. */
void upstream_close(struct upstream *u, void (*done)(void *arg), void *arg);

/* Who we talk to. Two requests share connections iff all fields are equal. */
struct origin {
    bool https;
    const char *host; /* Borrowed until fetch_start returns (copied). */
    uint16_t port;
    struct tls_ctx
        *tls; /* With https. NULL: the worker's default (system trust store, ALPN h2,http/1.1). */
    bool
        /* See stream_dial.deny_private: a public name that resolves to a private address is
         * refused unless set. */
        allow_private;
    bool h2_prior; /* Plain HTTP/2 by prior knowledge (tests). */
};

struct fetch_timeouts {
    uint64_t
        /* Waiting for a connection, DNS and TLS included. 0 in any field: the default (3 s, 60
         * s, 120 s, 600 s). */
        connect_ms;
    uint64_t first_byte_ms; /* From the request sent to the response head. */
    uint64_t idle_ms;       /* Between two pieces of the body. */
    uint64_t total_ms;      /* The whole fetch. */
};

struct fetch_request {
    struct origin origin;
    struct slice method; /* Borrowed until fetch_start returns (copied), as all below. */
    struct slice target; /* Path and query. */
    const struct headers *
        /* End-to-end headers; host, framing and connection headers are added here and skipped in
         * these. */
        headers;
    struct chunkq *
        /* Moved; NULL for none. Kept (shared) until the response head, for the one automatic
         * resend. */
        body;
    struct fetch_timeouts timeouts;
};

struct fetch;

enum fetch_stage { FETCH_CONNECTING, FETCH_SENT, FETCH_STREAMING }; /* Where it failed. */
struct fetch_failure {
    /* Q_EREFUSED, Q_EDNS, Q_ETLS, Q_ETIMEDOUT, Q_ERESET (cut before the end), Q_EPROTO
     * (malformed), Q_ETOOBIG, Q_EPERM (address not allowed), Q_EBUSY (too many waiting) */
    int status;
    enum fetch_stage stage;
    bool maybe_processed; /* A byte of the request may have reached the other side. */
    const char *why;      /* A sentence; valid during the call. No credentials. */
};

struct fetch_ops {
    void (*on_head)(struct fetch *f, int status,
                    const struct headers *h); /* @h is valid until the fetch ends. */
    void (*on_body)(struct fetch *f, struct block *block, const char *p, size_t n);
    void (*on_end)(struct fetch *f);
    void (*on_fail)(struct fetch *f, const struct fetch_failure *why);
};

struct fetch *fetch_start(struct upstream *u, const struct fetch_request *r,
                          const struct fetch_ops *ops, void *owner);
void *fetch_owner(struct fetch *f);
void fetch_set_owner(struct fetch *f, const struct fetch_ops *ops, void *owner);
/* Backpressure: while paused no body is delivered (h1: the socket is not read; h2: the window stays
 * shut) and the idle timer rests. */
void fetch_pause(struct fetch *f);
void fetch_resume(struct fetch *f);
/* No callback follows; the connection is closed (h1) or the stream reset (h2). May be called inside
 * on_head/on_body, then it takes effect when that returns. */
void fetch_cancel(struct fetch *f);
bool fetch_was_reused(const struct fetch *f);   /* On a connection that had served before. */
uint64_t fetch_sent_us(const struct fetch *f);  /* When the request was written; 0 before. */
uint64_t fetch_first_us(const struct fetch *f); /* When the head came; 0 before. */
const char *fetch_addr(const struct fetch *f);  /* Address connected to; "" before. */

#endif /* NODE_UPSTREAM_FETCH_H_ */
