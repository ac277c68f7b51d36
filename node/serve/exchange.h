/* Connections opened by others: HTTP/1.1 (keep-alive, pipelining-safe) and HTTP/2 (ALPN, h2c prior
 * knowledge), plain and TLS, behind one abstraction: the
 * exchange, one request and its response.
 *
 * When it goes well: the handler given to serve_start() is called with an exchange whose head is
 * parsed; it calls exchange_accept() with its callbacks;
 * on_body per piece and on_request_end once; the handler answers with exchange_respond(),
 * exchange_send()*, exchange_end(); on_close(0) when the last byte has been
 * handed to the kernel. When it does not: on_close(status) at any time after exchange_accept()
 * (Q_ERESET: the client left; Q_ETIMEDOUT: stalled; Q_EPROTO; Q_EDRAINING) and nothing after it.
 * The exchange and its arena live until on_close has returned. A handler whose work outlives the
 * exchange keeps an arena of its own.
 *
 * Malformed HTTP is answered 400 (431, 414, 413, 408 where they apply) with a JSON body by serve
 * itself and the connection is closed; no handler sees it.
 * The request body is not bounded here but counted: past body_bytes_max serve calls
 * on_body_too_large once (the handler answers 413) and discards the rest.
 * Thread: worker. Callbacks never run from inside an exchange_... call. */
#ifndef NODE_SERVE_EXCHANGE_H_
#define NODE_SERVE_EXCHANGE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/chunkq.h"
#include "base/http/headers.h"
#include "base/net/loop.h"
#include "base/net/tls.h"

struct exchange;

struct exchange_ops {
    void (*on_body)(struct exchange *e, struct block *block, const char *p, size_t n);
    void (*on_request_end)(struct exchange *e);
    void (*on_body_too_large)(struct exchange *e);
    /* Unsent response bytes fell under EXCHANGE_SEND_BYTES_MAX / 2 after exchange_send() had
     * returned false. */
    void (*on_writable)(struct exchange *e);
    void (*on_close)(struct exchange *e, int status);
};

/* What serve parsed; read-only for the handler, valid until on_close has returned. */
struct exchange_request {
    struct slice method;
    struct slice path;  /* Without query; still percent-encoded. */
    struct slice query; /* After '?', "" when none. */
    struct slice authority;
    struct headers headers; /* Without pseudo headers. */
    int64_t content_length; /* -1: unknown. */
    int http_major;         /* 1 or 2 */
    bool tls;
    const char *peer_addr;
};

const struct exchange_request *exchange_request(struct exchange *e);
struct arena *exchange_arena(struct exchange *e);
struct loop *exchange_loop(struct exchange *e);
uint64_t exchange_started_us(struct exchange *e); /* loop_now_us() when the head was complete. */

/* From inside the on_request handler (or later): from here on callbacks run. */
void exchange_accept(struct exchange *e, const struct exchange_ops *ops, void *owner);
void *exchange_owner(struct exchange *e);
/* Request flow control: while paused the client is not read (h1) or its window is not opened (h2).
 */
void exchange_pause(struct exchange *e);
void exchange_resume(struct exchange *e);

/* Interim "100 Continue" is sent by serve itself when the body is first wanted.
 * @h: borrowed during the call; framing headers are added by serve (skipped in @h). @length: -1
 * when unknown (chunked, or close-delimited for 1.0). */
void exchange_respond(struct exchange *e, int status, const struct headers *h, int64_t length);
/* Moves @q. Returns false when the producer should wait for on_writable (the bytes were taken all
 * the same). */
bool exchange_send(struct exchange *e, struct chunkq *q);
/* Complete. @trailers may be NULL; sent with h2 and chunked h1. */
void exchange_end(struct exchange *e, const struct headers *trailers);
/* Abnormal end, so that the client notices: h2 RST_STREAM(INTERNAL_ERROR), h1 close without the
 * last chunk, after what is queued has left. */
void exchange_abort(struct exchange *e);
/* respond + send + end with a small body in one go (copied). Adds content-type when @type is not
 * NULL. @h may be NULL. */
void exchange_reply(struct exchange *e, int status, const char *type, struct slice body,
                    const struct headers *h);
bool exchange_responded(const struct exchange *e); /* exchange_respond() has been called. */

/* --- the listener side --- */
struct serve;
struct serve_cfg {
    struct loop *loop;
    const char *addr; /* "127.0.0.1:8080" */
    bool reuseport;
    struct tls_ctx *
        /* NULL: plain, h2c by prior knowledge. A reference is taken. ALPN of the context decides
         * h2 / http/1.1. */
        tls;
    uint64_t body_bytes_max;
    void (*on_request)(struct exchange *e, void *arg); /* Must accept, or reply at once. */
    void *arg;
};
int serve_start(const struct serve_cfg *cfg, struct serve **ret, struct errmsg *err);
uint16_t serve_port(const struct serve *s);
void serve_set_tls(struct serve *s, struct tls_ctx *tls); /* New connections use it. */
/* Graceful drain: stops accepting, h1 answers carry `connection: close`, idle connections are
 * closed, h2 gets GOAWAY; @done is called once nothing is left or @max_ms have passed
 * (then what is left was closed with on_close(Q_EDRAINING)). */
void serve_drain(struct serve *s, uint64_t max_ms, void (*done)(struct serve *s, void *arg),
                 void *arg);
bool serve_is_draining(const struct serve *s);
/* Closes everything at once; @done when all memory but *s is back; then *s is freed. */
void serve_close(struct serve *s, void (*done)(void *arg), void *arg);

#endif /* NODE_SERVE_EXCHANGE_H_ */
