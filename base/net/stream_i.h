/* The inside of a stream: stream.c (life, reading, writing), stream_tls.c (records), dial.c (becoming connected). */
#ifndef BASE_NET_STREAM_I_H_
#define BASE_NET_STREAM_I_H_

#include "base/net/dns.h"
#include "base/net/loop_i.h"
#include "base/net/stream.h"
#include "base/net/tls_i.h"

struct dial;

struct stream {
    struct loop *loop;
    const struct stream_ops *ops;
    void *owner;
    uv_tcp_t tcp;
    bool tcp_made;      /* uv_close() is needed. */
    bool open;          /* on_open has been called. */
    bool paused, reading;
    bool eof_told;      /* on_eof has been called. */
    bool shut_wanted, shut_sent;
    bool gentle;        /* Close once everything is sent. */
    bool closing;       /* on_close follows. */
    int status;         /* For on_close. */
    struct errmsg err;
    struct chunkq out;      /* Plaintext that has not been given to the kernel (or to TLS). */
    struct chunkq wire;     /* TLS: records that have not been given to the kernel. */
    size_t n_writing;       /* Bytes in uv_write requests. */
    struct loop_task flush, begin, resume_task, close_task;
    struct timer deadline;  /* Handshake, gentle close. */
    struct dial *dial;
    char peer_addr[64];
    char peer_name[256];
    /* TLS */
    struct tls_ctx *tls;
    SSL *ssl;
    BIO *rbio, *wbio;
    bool tls_done;      /* Handshake complete. */
    bool tls_peer_shut; /* close_notify has come. */
    bool tcp_eof;
};

void stream_fail(struct stream *s, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The socket is connected: starts TLS or opens. */
void stream_connected(struct stream *s, int fd);
void stream_opened(struct stream *s);
void stream_start_reading(struct stream *s);
/* Ciphertext has come. */
void stream_tls_start(struct stream *s, const char *verify_name);
void stream_tls_input(struct stream *s, const char *p, size_t n);
void stream_tls_read(struct stream *s); /* Gives plaintext on until there is none or the stream is paused. */
void stream_tls_encrypt(struct stream *s); /* out -> wire */
void stream_tls_shutdown(struct stream *s);
void stream_tls_free(struct stream *s);
void dial_free(struct dial *d);
/* A stream without a socket, for dial.c. */
struct stream *stream_new_for_dial(struct loop *l, struct tls_ctx *tls, const struct stream_ops *ops, void *owner);
/* Begins a client's handshake, once the socket is connected. */
void stream_tls_hello(struct stream *s);

#endif /* BASE_NET_STREAM_I_H_ */
