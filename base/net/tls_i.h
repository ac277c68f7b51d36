/* Inside of TLS: contexts, the sessions a loop may resume, and one connection without its
 * socket. */
#ifndef BASE_NET_TLS_I_H_
#define BASE_NET_TLS_I_H_

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/net/tls.h"
#include "base/slice.h"

struct loop;
struct sessions;

#define TLS_ALPN_BYTES_MAX 255

struct tls_ctx {
    atomic_uint refs;
    uint64_t id; /* Never used twice: part of the key of a session. */
    bool server;
    SSL_CTX *ssl;
    unsigned alpn_n;
    unsigned char alpn[TLS_ALPN_BYTES_MAX]; /* As on the wire: each name after its length. */
};

/* A connection: ciphertext is given in, plain text comes out, and the other way round. It never
 * touches a socket.
 *
 *     in (borrowed) --BIO read--> SSL --tlsio_read()---> plain text
 *     out (loop's) <--BIO write-- SSL <--tlsio_write()-- plain text
 */
struct tlsio {
    SSL *ssl;
    struct tls_ctx *ctx;
    struct loop *loop;
    const char *in; /* Ciphertext to be read; whoever gave it keeps it alive while in_n > 0. */
    size_t in_n;
    struct buf *out;   /* Every call below may append to it. */
    char *session_key; /* NULL: not to be resumed. */
    char *peer_name;   /* NULL before it was asked for. */
};

/* @verify_name: what the peer's certificate must carry (client); NULL for a server. @host and
 * @port tell sessions apart. */
struct tlsio *tlsio_new(struct loop *l, struct tls_ctx *ctx, struct buf *out,
                        const char *verify_name, const char *host, uint16_t port);
void tlsio_free(struct tlsio *t);
/* 0: done; Q_EAGAIN: more ciphertext is needed; Q_ETLS: an alert is in out. */
int tlsio_handshake(struct tlsio *t, struct errmsg *err);
/* 0: *ret_n > 0 bytes; Q_EAGAIN; Q_EOF after close_notify; Q_ETLS. */
int tlsio_read(struct tlsio *t, char *p, size_t cap, size_t *ret_n, struct errmsg *err);
/* One record of @n <= 16384 bytes. 0 or Q_ETLS. */
int tlsio_write(struct tlsio *t, const char *p, size_t n, struct errmsg *err);
/* Appends close_notify. */
void tlsio_shutdown(struct tlsio *t);
struct slice tlsio_alpn(const struct tlsio *t);
struct slice tlsio_peer_name(struct tlsio *t);
bool tlsio_peer_has_name(const struct tlsio *t, const char *name);

/* Tickets by key, a few each, used once. Belongs to a loop: no locks. */
void sessions_put(struct loop *l, const char *key, SSL_SESSION *taken);
SSL_SESSION *sessions_take(struct loop *l, const char *key); /* NULL: none. Given. */
void sessions_free(struct sessions *s);

/* Called by OpenSSL when a ticket arrives. 1: taken. */
int tlsio_on_new_session(SSL *ssl, SSL_SESSION *session);

#endif /* BASE_NET_TLS_I_H_ */
