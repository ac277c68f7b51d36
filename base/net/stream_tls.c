/* TLS on a stream: OpenSSL between two memory BIOs; it never sees the socket.
 *
 *   socket -> rbio -> SSL_read -> on_read        stream_write -> out -> SSL_write -> wbio -> wire -> socket */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/net/stream_i.h"

#define TLS_RECORD_BYTES 16384

void stream_tls_start(struct stream *s, const char *verify_name)
{
    struct dns_addr literal;

    s->ssl = SSL_new(s->tls->ssl);
    s->rbio = BIO_new(BIO_s_mem());
    s->wbio = BIO_new(BIO_s_mem());
    ASSERT(s->ssl != NULL && s->rbio != NULL && s->wbio != NULL);
    BIO_set_mem_eof_return(s->rbio, -1);
    BIO_set_mem_eof_return(s->wbio, -1);
    SSL_set_bio(s->ssl, s->rbio, s->wbio);
    if (s->tls->server) {
        SSL_set_accept_state(s->ssl);
        return;
    }
    SSL_set_connect_state(s->ssl);
    if (verify_name == NULL) {
        return;
    }
    if (dns_literal(verify_name, 0, &literal)) {
        X509_VERIFY_PARAM *param = SSL_get0_param(s->ssl);
        (void)X509_VERIFY_PARAM_set1_ip_asc(param, verify_name);
    } else {
        (void)SSL_set_tlsext_host_name(s->ssl, verify_name);
        SSL_set_hostflags(s->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        (void)SSL_set1_host(s->ssl, verify_name);
    }
}

void stream_tls_free(struct stream *s)
{
    SSL_free(s->ssl); /* With both BIOs. */
    s->ssl = NULL;
}

/* What OpenSSL wants sent. */
static void stream_tls_collect(struct stream *s)
{
    size_t n = BIO_ctrl_pending(s->wbio);

    while (n > 0) {
        struct block *b = block_new(n < STREAM_READ_BYTES ? n : STREAM_READ_BYTES);
        int got = BIO_read(s->wbio, b->data, (int)b->cap);
        if (got > 0) {
            chunkq_add(&s->wire, b, b->data, (size_t)got);
        }
        block_unref(b);
        n = got > 0 ? BIO_ctrl_pending(s->wbio) : 0;
    }
}

static void stream_tls_peer_name(struct stream *s)
{
    X509 *cert = SSL_get1_peer_certificate(s->ssl);
    GENERAL_NAMES *names;

    if (cert == NULL) {
        return;
    }
    names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names) && s->peer_name[0] == 0; i++) {
        const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);
        if (n->type == GEN_DNS) {
            const unsigned char *p = ASN1_STRING_get0_data(n->d.dNSName);
            (void)slice_copy_str(
                slice_of((const char *)p, (size_t)ASN1_STRING_length(n->d.dNSName)), s->peer_name,
                sizeof s->peer_name);
        }
    }
    GENERAL_NAMES_free(names);
    X509_free(cert);
}

static void stream_tls_failed(struct stream *s)
{
    long verify = SSL_get_verify_result(s->ssl);
    char why[256];

    (void)tls_reason(why, sizeof why);
    stream_tls_collect(s); /* The alert that tells the other side. */
    if (!s->closing && !chunkq_empty(&s->wire) && s->n_writing == 0) {
        uv_buf_t b = uv_buf_init((char *)(uintptr_t)s->wire.first->p, (unsigned)s->wire.first->n);
        (void)uv_try_write((uv_stream_t *)&s->tcp, &b, 1);
    }
    if (verify != X509_V_OK && !s->tls_done) {
        stream_fail(s, Q_ETLS, "the certificate is not accepted: %s",
                    X509_verify_cert_error_string(verify));
    } else {
        stream_fail(s, Q_ETLS, "TLS: %s", why);
    }
}

static void stream_tls_handshake(struct stream *s)
{
    int rv;

    ERR_clear_error();
    rv = SSL_do_handshake(s->ssl);
    if (rv != 1) {
        int e = SSL_get_error(s->ssl, rv);
        if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE) {
            stream_tls_failed(s);
            return;
        }
        stream_tls_collect(s);
        stream_flush(s);
        return;
    }
    s->tls_done = true;
    stream_tls_peer_name(s);
    stream_tls_collect(s);
    stream_flush(s);
    if (!s->closing) {
        stream_opened(s);
    }
}

void stream_tls_hello(struct stream *s)
{
    stream_tls_handshake(s);
}

static void stream_tls_read_ended(struct stream *s, int rv)
{
    switch (SSL_get_error(s->ssl, rv)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        break;
    case SSL_ERROR_ZERO_RETURN: /* close_notify: a clean end. */
        s->tls_peer_shut = true;
        if (!s->eof_told) {
            s->eof_told = true;
            if (s->ops->on_eof != NULL) {
                s->ops->on_eof(s);
            }
        }
        break;
    default:
        stream_tls_failed(s);
        return;
    }
    if (!s->closing) { /* Key updates, tickets. */
        stream_tls_collect(s);
        if (!chunkq_empty(&s->wire)) {
            loop_at_turn_end(s->loop, &s->flush);
        }
    }
}

void stream_tls_read(struct stream *s)
{
    struct block *b = NULL;
    size_t used = 0;

    while (!s->closing && !s->paused && !s->tls_peer_shut) {
        int rv;
        if (b == NULL || b->cap - used < 1024) {
            block_unref(b);
            b = block_new(STREAM_READ_BYTES);
            used = 0;
        }
        ERR_clear_error();
        rv = SSL_read(s->ssl, b->data + used, (int)(b->cap - used));
        if (rv <= 0) {
            stream_tls_read_ended(s, rv);
            break;
        }
        s->ops->on_read(s, b, b->data + used, (size_t)rv);
        used += (size_t)rv;
    }
    block_unref(b);
}

void stream_tls_input(struct stream *s, const char *p, size_t n)
{
    (void)BIO_write(s->rbio, p, (int)n);
    if (!s->tls_done) {
        stream_tls_handshake(s);
        if (s->closing || !s->tls_done) {
            return;
        }
    }
    stream_tls_read(s);
}

/* Small chunks of a turn are joined into one record; a large chunk is encrypted where it lies. */
void stream_tls_encrypt(struct stream *s)
{
    char joined[TLS_RECORD_BYTES];

    while (!chunkq_empty(&s->out)) {
        const char *p = s->out.first->p;
        size_t n = s->out.first->n < TLS_RECORD_BYTES ? s->out.first->n : TLS_RECORD_BYTES;
        int rv;
        if (n < TLS_RECORD_BYTES && s->out.first->next != NULL) {
            n = chunkq_peek(&s->out, 0, joined, sizeof joined);
            p = joined;
        }
        ERR_clear_error();
        rv = SSL_write(s->ssl, p, (int)n);
        if (rv <= 0) {
            int e = SSL_get_error(s->ssl, rv);
            if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE) {
                stream_tls_failed(s);
            }
            return;
        }
        chunkq_consume(&s->out, (size_t)rv);
        stream_tls_collect(s);
    }
}

void stream_tls_shutdown(struct stream *s)
{
    ERR_clear_error();
    (void)SSL_shutdown(s->ssl);
    ERR_clear_error();
    stream_tls_collect(s);
}

struct slice stream_alpn(struct stream *s)
{
    const unsigned char *p = NULL;
    unsigned int n = 0;

    if (s->ssl != NULL) {
        SSL_get0_alpn_selected(s->ssl, &p, &n);
    }
    return p != NULL ? slice_of((const char *)p, n) : SLICE("");
}

struct slice stream_peer_name(struct stream *s)
{
    return slice_str(s->peer_name);
}

bool stream_peer_has_name(struct stream *s, const char *name)
{
    X509 *cert = s->ssl != NULL ? SSL_get1_peer_certificate(s->ssl) : NULL;
    bool has = cert != NULL &&
               X509_check_host(cert, name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;

    X509_free(cert);
    return has;
}
