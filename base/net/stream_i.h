/* Inside of the stream, for stream.c, stream_read.c and stream_write.c.
 *
 *   DIAL ------> HANDSHAKE ------> OPEN ------> LINGER ------> CLOSING
 *    |  accept -----^  |             |                            ^
 *    +-----------------+-------------+----------------------------+
 *
 * DIAL resolves and connects. HANDSHAKE is the end of the turn for a plain stream. LINGER sends
 * what is left, then FIN, and reads into the void until the other side is done too: a socket
 * that is closed with unread bytes in it sends RST, which takes the last answer, or the TLS
 * alert, away from its reader. CLOSING waits for libuv. */
#ifndef BASE_NET_STREAM_I_H_
#define BASE_NET_STREAM_I_H_

#include <uv.h>

#include "base/net/addr_i.h"
#include "base/net/dial_i.h"
#include "base/net/iobuf_i.h"
#include "base/net/loop_i.h"
#include "base/net/stream.h"
#include "base/net/tls_i.h"
#include "base/sm.h"

#define STREAM_TURN_BYTES       65536   /* read in one turn, then others have theirs */
#define STREAM_GATHER_BYTES     65536   /* unsent bytes that do not wait for the end of the turn */
#define STREAM_LINGER_MS        2000    /* stream_close_gently() */
#define STREAM_LINGER_FAILED_MS 500     /* an alert on its way */
#define STREAM_TLS_BACKLOG_MAX  1048576 /* ciphertext that OpenSSL made by itself: close */

enum stream_state {
    STREAM_DIAL,
    STREAM_HANDSHAKE,
    STREAM_OPEN,
    STREAM_LINGER,
    STREAM_CLOSING,
};

struct stream {
    struct sm sm;
    struct loop *loop;
    const struct stream_ops *ops;
    void *owner;
    struct dial *dial;   /* NULL but in DIAL. */
    struct tcp *tcp;     /* NULL in DIAL; taken from it. */
    struct tls_ctx *ctx; /* NULL for plain. */
    struct tlsio *tls;   /* NULL for plain, and in DIAL. */
    struct iobuf *io;    /* The loop's. */
    char *host;          /* Of a dial: for TLS and for messages. */
    char *verify_name;
    uint16_t port;

    struct chunkq out;    /* Given to stream_write(); plain text. */
    struct chunkq wire;   /* TLS: records that the kernel did not take. */
    struct chunkq flight; /* In write_req: libuv points into it. */
    uv_write_t write_req;
    uv_shutdown_t shutdown_req;
    bool writing;     /* write_req is under way. */
    bool shut_wanted; /* FIN when everything is sent. */
    bool notify_sent; /* close_notify, or none is to be sent. */
    bool fin_sent, fin_done;
    bool drain_due; /* Something was written since on_drain. */

    bool paused;
    bool reading;  /* libuv reads for us. */
    bool eof;      /* The other side is done: FIN, or close_notify. */
    bool more;     /* TLS: plain text waits inside of OpenSSL, or ciphertext in rest. */
    char *rest;    /* Ciphertext that was read before a pause; NULL: none. */
    uint64_t turn; /* turn_bytes were read in it. */
    size_t turn_bytes;

    struct loop_task start_task, flush_task, pump_task, close_task;
    struct timer timer; /* Dial and handshake, then lingering. */
    uint64_t timeout_ms;
    int status; /* For on_close. */
    struct errmsg err;
    char peer_text[ADDR_TEXT_BYTES];
};

static inline bool stream_is(const struct stream *s, enum stream_state state)
{
    return s->sm.state == (int)state;
}

/* The one way a stream fails: closes at once. Harmless when it is closing. s->err may have been
 * set before. */
void stream_fail(struct stream *s, int status);
/* Fails, but after what is in cipher_out (an alert) has been sent. */
void stream_fail_after_alert(struct stream *s, int status);
/* LINGER: whether it is over. */
void stream_maybe_lingered(struct stream *s);
/* The connection can be used: calls on_open. */
void stream_opened(struct stream *s);

void stream_read_update(struct stream *s);
void stream_read_init(struct stream *s);
/* TLS: goes on with what is already here. */
void stream_read_pump(struct stream *s);
void stream_write_init(struct stream *s);
/* Sends what it can now; no callbacks. */
void stream_write_now(struct stream *s);
/* Sends what OpenSSL has left in cipher_out, or keeps it in wire. */
void stream_write_collect(struct stream *s);

#endif /* BASE_NET_STREAM_I_H_ */
