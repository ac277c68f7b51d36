/* Inside node/serve: a listener's state, the session (a connection opened to us), the exchange.
 * Which protocol a session speaks is known by ALPN or its first bytes; h1_session.c and
 * h2_session.c do the rest. */
#ifndef NODE_SERVE_SESSION_H_
#define NODE_SERVE_SESSION_H_

#include "base/net/listener.h"
#include "base/net/stream.h"
#include "node/serve/exchange.h"

struct session;

struct serve {
    struct serve_cfg cfg;
    struct tls_ctx *tls;
    struct listener *listener;
    struct list sessions;
    size_t n_sessions;
    bool paused; /* At WORKER_SESSIONS_MAX. */
    bool draining;
    void (*drain_cb)(struct serve *s, void *arg);
    void *drain_arg;
    struct timer drain_timer;
    void (*close_cb)(void *arg);
    void *close_arg;
    int64_t date_s; /* The second that `date` is of. */
    char date[40];
};

/* What a protocol does for its exchanges. */
struct session_ops {
    void (*on_read)(struct session *s, struct block *block, const char *p, size_t n);
    void (*on_eof)(struct session *s);
    void (*on_drain)(struct session *s);
    void (*on_gone)(
        struct session *s,
        int status); /* The stream has ended: finish all exchanges, free what is the protocol's. */
    void (*drain)(struct session *s); /* No new exchanges. */
    /* Of an exchange. */
    void (*pause)(struct exchange *e);
    void (*resume)(struct exchange *e);
    void (*wants_body)(struct exchange *e); /* The handler has accepted. */
    void (*respond)(struct exchange *e, int status, const struct headers *h, int64_t length);
    void (*send)(struct exchange *e); /* e->out has more. */
    void (*end)(struct exchange *e, const struct headers *trailers);
    void (*abort)(struct exchange *e);
};
extern const struct session_ops h1_session_ops, h2_session_ops;

struct session {
    struct list link;
    struct serve *serve;
    struct loop *loop;
    struct stream *stream;
    const struct session_ops *ops; /* NULL until the protocol is known. */
    void *proto;                   /* struct h1_session or h2_session. */
    struct timer timer; /* Whatever the protocol waits for; before it is known: the head. */
    bool closing;
    char sniff[24];
    size_t sniff_n;
};

struct exchange {
    struct session *session;
    struct arena arena;
    struct exchange_request request;
    const struct exchange_ops *ops; /* NULL until accepted. */
    void *owner;
    uint64_t started_us;
    struct chunkq out; /* Response body that the protocol has not taken. */
    uint64_t body_seen;
    bool accepted, request_ended, end_told, too_large, paused;
    bool responded, ended, aborted, closed;
    bool wants_writable;
    int status_sent;
    int64_t length;         /* Announced; -1 unknown. */
    bool head_only;         /* HEAD: no body is sent. */
    struct loop_task begin; /* Tells what arrived before exchange_accept(), never from inside it. */
    struct chunkq early;    /* Body that came before the handler could take it. */
    void *proto;            /* The protocol's per-exchange state. */
};

/* session.c */
void session_accept(struct serve *s, int fd);
void session_close(struct session *s);        /* At once. */
void session_close_gently(struct session *s); /* After what is queued. */
void serve_session_gone(struct serve *s);
const char *serve_date(struct serve *s);
void session_h1_start(struct session *s);
void session_h2_start(struct session *s);

/* exchange.c */
struct exchange *exchange_new(struct session *s);
void exchange_begin(struct exchange *e); /* The head is complete: calls the handler. */
void exchange_feed(struct exchange *e, struct block *block, const char *p, size_t n);
void exchange_feed_end(struct exchange *e);
/* The only way an exchange ends; frees it. */
void exchange_finish(struct exchange *e, int status);
/* Response bytes have left: perhaps on_writable. */
void exchange_progress(struct exchange *e, size_t unsent);

#endif /* NODE_SERVE_SESSION_H_ */
