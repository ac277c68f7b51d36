/* TLS contexts over OpenSSL 3. */
#include "base/net/tls_i.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

#define ALPN_BYTES_MAX 64

struct tls_ctx *tls_ctx_ref(struct tls_ctx *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void tls_ctx_unref(struct tls_ctx *c)
{
    if (c != NULL && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1) {
        SSL_CTX_free(c->ssl);
        mem_free(c);
    }
}

const char *tls_reason(char *out, size_t cap)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);

    (void)snprintf(out, cap, "%s", reason != NULL ? reason : "unknown reason");
    ERR_clear_error();
    return out;
}

/* "h2,http/1.1" -> \x02h2\x08http/1.1 */
static size_t tls_alpn_wire(const char *list, unsigned char *out)
{
    size_t n = 0;

    while (*list != 0) {
        const char *comma = strchr(list, ',');
        size_t len = comma != NULL ? (size_t)(comma - list) : strlen(list);
        ASSERT(n + len + 1 <= ALPN_BYTES_MAX);
        out[n++] = (unsigned char)len;
        memcpy(out + n, list, len);
        n += len;
        list += len + (comma != NULL);
    }
    return n;
}

static int tls_alpn_select(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                           const unsigned char *in, unsigned int in_n, void *arg)
{
    struct tls_ctx *c = arg;

    (void)ssl;
    if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_n, c->alpn,
                              (unsigned int)c->alpn_n, in, in_n) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    return SSL_TLSEXT_ERR_OK;
}

static int tls_load_files(SSL_CTX *ssl, const struct tls_ctx_cfg *cfg, struct errmsg *err)
{
    char why[256];

    if (cfg->cert_file != NULL && SSL_CTX_use_certificate_chain_file(ssl, cfg->cert_file) != 1) {
        errmsg_set(err, "%s: expected a PEM certificate chain (%s)", cfg->cert_file,
                   tls_reason(why, sizeof why));
        return Q_EINVAL;
    }
    if (cfg->key_file != NULL &&
        SSL_CTX_use_PrivateKey_file(ssl, cfg->key_file, SSL_FILETYPE_PEM) != 1) {
        errmsg_set(err, "%s: expected a PEM private key (%s)", cfg->key_file,
                   tls_reason(why, sizeof why));
        return Q_EINVAL;
    }
    if (cfg->cert_file != NULL && SSL_CTX_check_private_key(ssl) != 1) {
        errmsg_set(err, "%s: this key does not belong to the certificate %s", cfg->key_file,
                   cfg->cert_file);
        return Q_EINVAL;
    }
    if (cfg->ca_file != NULL && SSL_CTX_load_verify_locations(ssl, cfg->ca_file, NULL) != 1) {
        errmsg_set(err, "%s: expected PEM certificates of an authority (%s)", cfg->ca_file,
                   tls_reason(why, sizeof why));
        return Q_EINVAL;
    }
    return 0;
}

static void tls_settings(SSL_CTX *ssl, const struct tls_ctx_cfg *cfg)
{
    (void)SSL_CTX_set_min_proto_version(ssl, cfg->tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION);
    (void)SSL_CTX_set_cipher_list(ssl, "ECDHE+AESGCM:ECDHE+CHACHA20");
    (void)SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                    SSL_MODE_RELEASE_BUFFERS);
    if (cfg->server && !cfg->require_peer_cert) {
        SSL_CTX_set_verify(ssl, SSL_VERIFY_NONE, NULL);
    } else {
        SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    if (!cfg->server && cfg->ca_file == NULL) {
        (void)SSL_CTX_set_default_verify_paths(ssl);
    }
    (void)SSL_CTX_set_session_id_context(ssl, (const unsigned char *)"quorate", 7);
}

int tls_ctx_new(const struct tls_ctx_cfg *cfg, struct tls_ctx **ret, struct errmsg *err)
{
    struct tls_ctx *c = mem_zalloc(sizeof *c);
    int rv;

    atomic_store(&c->refs, 1);
    c->server = cfg->server;
    c->ssl = SSL_CTX_new(cfg->server ? TLS_server_method() : TLS_client_method());
    ASSERT(c->ssl != NULL);
    tls_settings(c->ssl, cfg);
    rv = tls_load_files(c->ssl, cfg, err);
    if (rv != 0) {
        tls_ctx_unref(c);
        return rv;
    }
    if (cfg->alpn != NULL) {
        c->alpn_n = tls_alpn_wire(cfg->alpn, c->alpn);
        if (cfg->server) {
            SSL_CTX_set_alpn_select_cb(c->ssl, tls_alpn_select, c);
        } else {
            (void)SSL_CTX_set_alpn_protos(c->ssl, c->alpn, (unsigned int)c->alpn_n);
        }
    }
    *ret = c;
    return 0;
}
