#include "base/net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/net/tls_i.h"

/* Forward secrecy and AEAD only; TLS 1.3 knows nothing else. */
#define TLS12_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

/* What OpenSSL or the kernel says went wrong, the oldest cause first. */
static const char *tls_reason(void)
{
    unsigned long e = ERR_peek_error();
    const char *reason;

    if (ERR_SYSTEM_ERROR(e)) {
        return strerror(ERR_GET_REASON(e));
    }
    reason = ERR_reason_error_string(e);
    return reason != NULL ? reason : "unknown reason";
}

static int tls_fail_file(const char *file, const char *expected, struct errmsg *err)
{
    errmsg_set(err, "%s: expected %s: %s", file, expected, tls_reason());
    ERR_clear_error();
    return Q_EINVAL;
}

static int tls_load_identity(SSL_CTX *ssl, const struct tls_ctx_cfg *cfg, struct errmsg *err)
{
    if ((cfg->cert_file == NULL) != (cfg->key_file == NULL)) {
        errmsg_set(err, "%s: a certificate and its key come together",
                   cfg->cert_file != NULL ? cfg->cert_file : cfg->key_file);
        return Q_EINVAL;
    }
    if (cfg->cert_file == NULL) {
        if (cfg->server) {
            errmsg_set(err, "a TLS server needs a certificate and its key");
            return Q_EINVAL;
        }
        return 0;
    }
    if (SSL_CTX_use_certificate_chain_file(ssl, cfg->cert_file) != 1) {
        return tls_fail_file(cfg->cert_file, "a certificate chain in PEM", err);
    }
    if (SSL_CTX_use_PrivateKey_file(ssl, cfg->key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ssl) != 1) {
        return tls_fail_file(cfg->key_file, "the private key of the certificate in PEM", err);
    }
    return 0;
}

static int tls_load_trust(SSL_CTX *ssl, const struct tls_ctx_cfg *cfg, struct errmsg *err)
{
    STACK_OF(X509_NAME) * names;

    if (cfg->ca_file == NULL) {
        if (cfg->server && cfg->require_peer_cert) {
            errmsg_set(err, "requiring client certificates needs a file of trust anchors");
            return Q_EINVAL;
        }
        if (!cfg->server && SSL_CTX_set_default_verify_paths(ssl) != 1) {
            return tls_fail_file("the system's trust anchors", "certificates", err);
        }
        return 0;
    }
    if (SSL_CTX_load_verify_locations(ssl, cfg->ca_file, NULL) != 1) {
        return tls_fail_file(cfg->ca_file, "trust anchors in PEM", err);
    }
    if (cfg->server) {
        names = SSL_load_client_CA_file(cfg->ca_file);
        if (names == NULL) {
            return tls_fail_file(cfg->ca_file, "trust anchors in PEM", err);
        }
        SSL_CTX_set_client_CA_list(ssl, names);
    }
    return 0;
}

/* "h2,http/1.1" -> "\2h2\10http/1.1" */
static int tls_alpn_wire(const char *list, unsigned char *out, unsigned *ret_n, struct errmsg *err)
{
    unsigned n = 0;

    for (const char *p = list; *p != 0;) {
        size_t len = strcspn(p, ",");
        if (len == 0 || n + 1 + len > TLS_ALPN_BYTES_MAX) {
            errmsg_set(err, "ALPN '%s': expected names between commas, 254 bytes at most", list);
            return Q_EINVAL;
        }
        out[n] = (unsigned char)len;
        memcpy(out + n + 1, p, len);
        n += 1 + (unsigned)len;
        p += len;
        p += *p == ',';
    }
    *ret_n = n;
    return 0;
}

/* Ours is the order of preference. A client that shares no protocol with us is told so by an
 * alert. */
static int tls_on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                       const unsigned char *in, unsigned in_n, void *arg)
{
    const struct tls_ctx *c = arg;
    unsigned char *chosen;

    (void)ssl;
    if (SSL_select_next_proto(&chosen, out_n, c->alpn, c->alpn_n, in, in_n) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int tls_set_alpn(struct tls_ctx *c, const struct tls_ctx_cfg *cfg, struct errmsg *err)
{
    int rv;

    if (cfg->alpn == NULL) {
        return 0;
    }
    rv = tls_alpn_wire(cfg->alpn, c->alpn, &c->alpn_n, err);
    if (rv != 0) {
        return rv;
    }
    if (cfg->server) {
        SSL_CTX_set_alpn_select_cb(c->ssl, tls_on_alpn, c);
        return 0;
    }
    rv = SSL_CTX_set_alpn_protos(c->ssl, c->alpn, c->alpn_n);
    ASSERT(rv == 0);
    return 0;
}

static void tls_set_options(SSL_CTX *ssl, const struct tls_ctx_cfg *cfg)
{
    int rv =
        (int)SSL_CTX_set_min_proto_version(ssl, cfg->tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION);

    ASSERT(rv == 1);
    rv = SSL_CTX_set_cipher_list(ssl, TLS12_CIPHERS);
    ASSERT(rv == 1);
    (void)SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                       SSL_OP_PRIORITIZE_CHACHA | SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* Idle connections hold no record buffers. */
    (void)SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (!cfg->server) {
        SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
        (void)SSL_CTX_set_session_cache_mode(ssl,
                                             SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ssl, tlsio_on_new_session);
        return;
    }
    (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF); /* Tickets need no memory. */
    if (cfg->ca_file != NULL) {
        /* A ticket would carry the identity past the check of the certificate: none are given. */
        (void)SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
        (void)SSL_CTX_set_num_tickets(ssl, 0);
        SSL_CTX_set_verify(
            ssl, SSL_VERIFY_PEER | (cfg->require_peer_cert ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
            NULL);
    }
}

int tls_ctx_new(const struct tls_ctx_cfg *cfg, struct tls_ctx **ret, struct errmsg *err)
{
    static _Atomic uint64_t last_id;
    struct tls_ctx *c = mem_zalloc(sizeof *c);
    int rv;

    atomic_init(&c->refs, 1);
    c->id = atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
    c->server = cfg->server;
    c->ssl = SSL_CTX_new(cfg->server ? TLS_server_method() : TLS_client_method());
    ASSERT(c->ssl != NULL); /* Only out of memory or a broken installation. */
    ERR_clear_error();
    tls_set_options(c->ssl, cfg);
    rv = tls_load_identity(c->ssl, cfg, err);
    rv = rv != 0 ? rv : tls_load_trust(c->ssl, cfg, err);
    rv = rv != 0 ? rv : tls_set_alpn(c, cfg, err);
    if (rv != 0) {
        tls_ctx_unref(c);
        return rv;
    }
    *ret = c;
    return 0;
}

struct tls_ctx *tls_ctx_ref(struct tls_ctx *c)
{
    (void)atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void tls_ctx_unref(struct tls_ctx *c)
{
    if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    SSL_CTX_free(c->ssl);
    mem_free(c);
}
