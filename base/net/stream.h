/* A byte stream over TCP, plain or TLS: one object for both, so that nothing above knows the
 * difference.
 *
 * When it goes well: on_open once (after the TLS handshake), then on_read per received block,
 * on_drain whenever the unsent bytes fall to zero after stream_write(), on_eof once if the other
 * side ends cleanly (FIN; with TLS only after close_notify), and on_close exactly once, after
 * stream_close() or a failure. When it does not: on_close with the reason; nothing is called
 * after it, and the memory of what the stream points at may go inside it. A TLS stream that ends
 * without close_notify is closed with Q_ERESET (truncation), never on_eof.
 *
 * Writes are gathered and leave at the end of the loop turn (or at once past 64 KiB): one writev
 * or one run of TLS records a turn. TCP_NODELAY is on. Handshakes are bounded by
 * STREAM_HANDSHAKE_MS. Long TLS reads yield every 64 KiB. Thread: the loop's. No callback is
 * made from inside a stream_... call but stream_open_... failing (which returns the code). */
#ifndef BASE_NET_STREAM_H_
#define BASE_NET_STREAM_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/chunkq.h"
#include "base/err.h"
#include "base/net/loop.h"
#include "base/net/tls.h"
#include "base/slice.h"

#define STREAM_HANDSHAKE_MS 10000
#define STREAM_READ_BYTES   16384 /* Size of the blocks that reads land in. */

struct stream;

struct stream_ops {
    void (*on_open)(struct stream *s);
    /* @p[0..n) lies inside @block; keep it by chunkq_add()/block_ref(). */
    void (*on_read)(struct stream *s, struct block *block, const char *p, size_t n);
    void (*on_drain)(struct stream *s);
    void (*on_eof)(struct stream *s);
    /* @status: 0 after stream_close(), else why it failed; stream_errmsg() says more until this
     * returns. The stream frees itself when this returns. */
    void (*on_close)(struct stream *s, int status);
};

/* Accepted connections: @fd is taken. @tls NULL for plain; a reference is taken. @owner for
 * stream_owner(). */
struct stream *stream_accept(struct loop *l, int fd, struct tls_ctx *tls,
                             const struct stream_ops *ops, void *owner);

/* An outgoing connection, resolved by c-ares, addresses tried 250 ms apart (happy eyeballs). */
struct stream_dial {
    const char *host; /* Name or literal address; copied. */
    uint16_t port;
    struct tls_ctx *tls; /* NULL for plain. */
    const char *
        /* DNS or IP name that the certificate must carry; NULL: @host; "": any name of the
         * authority. */
        verify_name;
    uint64_t timeout_ms; /* Resolving, connecting and handshake together. */
    /* Refuse private, loopback, link-local, CGNAT addresses that a public name resolved to
     * (Q_EPERM). Literal addresses and `localhost` pass. */
    bool deny_private;
};
/* Always gives a stream; failures arrive by on_close, never before this returns. */
struct stream *stream_connect(struct loop *l, const struct stream_dial *d,
                              const struct stream_ops *ops, void *owner);

void *stream_owner(struct stream *s);
/* Hands the stream to other callbacks, e.g. after ALPN was read. */
void stream_set_owner(struct stream *s, const struct stream_ops *ops, void *owner);

/* Takes everything in @q. Ignored after a failure or stream_close(). */
void stream_write(struct stream *s, struct chunkq *q);
void stream_write_copy(struct stream *s, const void *p, size_t n);
/* Bytes given to stream_write() that the kernel has not taken. */
size_t stream_unsent(const struct stream *s);
void stream_flush(struct stream *s); /* Now rather than at the end of the turn. */
/* Backpressure: while paused, nothing is read from the socket. Reading begins by itself after
 * on_open. */
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);
/* Sends what is queued, then close_notify and FIN; reading goes on. */
void stream_shutdown(struct stream *s);
/* Drops what is unsent and closes; on_close(0) follows, not from inside this call. Idempotent. */
void stream_close(struct stream *s);
/* Sends what is queued, then FIN, and closes when the other side has ended too; after 2 s at the
 * latest. Nothing more is read. */
void stream_close_gently(struct stream *s);

/* After on_open. "" when none was agreed. */
struct slice stream_alpn(struct stream *s);
/* The first DNS name (SAN) of the peer's verified certificate; "" when it has none. */
struct slice stream_peer_name(struct stream *s);
/* Whether any SAN of the verified certificate equals @name. */
bool stream_peer_has_name(struct stream *s, const char *name);
/* "203.0.113.7:4711". */
const char *stream_peer_addr(struct stream *s);
bool stream_is_tls(const struct stream *s);
const char *stream_errmsg(struct stream *s);

#endif /* BASE_NET_STREAM_H_ */
