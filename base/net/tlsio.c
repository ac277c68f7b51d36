#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/net/addr_i.h"
#include "base/net/loop_i.h"
#include "base/net/tls_i.h"

#define TLSIO_RECORD_BYTES_MAX 16384

static pthread_once_t tlsio_once = PTHREAD_ONCE_INIT;
static BIO_METHOD *tlsio_bio;

static int tlsio_bio_write(BIO *bio, const char *p, int n)
{
    struct tlsio *t = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    buf_add(t->out, p, (size_t)n);
    ASSERT(!t->out->full); /* It is emptied after each call of OpenSSL. */
    return n;
}

static int tlsio_bio_read(BIO *bio, char *p, int cap)
{
    struct tlsio *t = BIO_get_data(bio);
    size_t n = t->in_n < (size_t)cap ? t->in_n : (size_t)cap;

    BIO_clear_retry_flags(bio);
    if (n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(p, t->in, n);
    t->in += n;
    t->in_n -= n;
    return (int)n;
}

static long tlsio_bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)bio, (void)num, (void)ptr;
    return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static int tlsio_bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static void tlsio_init_once(void)
{
    int rv;

    tlsio_bio = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "quorate");
    ASSERT(tlsio_bio != NULL);
    rv = BIO_meth_set_write(tlsio_bio, tlsio_bio_write) &
         BIO_meth_set_read(tlsio_bio, tlsio_bio_read) &
         BIO_meth_set_ctrl(tlsio_bio, tlsio_bio_ctrl) &
         BIO_meth_set_create(tlsio_bio, tlsio_bio_create);
    ASSERT(rv == 1);
}

/* Subject alternative names only: the common name was given up in 2000 (RFC 2818). */
static void tlsio_expect_name(struct tlsio *t, const char *name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
    union addr literal;
    int rv;

    if (name[0] == 0) {
        return; /* The authority is all that is asked for. */
    }
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (addr_parse_literal(name, 0, &literal)) {
        rv = X509_VERIFY_PARAM_set1_ip_asc(param, name);
    } else {
        rv = X509_VERIFY_PARAM_set1_host(param, name, 0) &&
             SSL_set_tlsext_host_name(t->ssl, name) == 1;
    }
    ASSERT(rv == 1); /* The length was checked: see stream_connect(). */
}

static void tlsio_resume(struct tlsio *t, const char *verify_name, const char *host, uint16_t port)
{
    size_t cap = strlen(verify_name) + strlen(host) + 48;
    SSL_SESSION *session;

    /* A resumed session is not verified again: the key holds all that was verified. */
    t->session_key = mem_alloc(cap);
    (void)snprintf(t->session_key, cap, "%llu %s %s %u", (unsigned long long)t->ctx->id,
                   verify_name, host, port);
    session = sessions_take(t->loop, t->session_key);
    if (session != NULL) {
        (void)SSL_set_session(t->ssl, session);
        SSL_SESSION_free(session);
    }
}

struct tlsio *tlsio_new(struct loop *l, struct tls_ctx *ctx, struct buf *out,
                        const char *verify_name, const char *host, uint16_t port)
{
    struct tlsio *t = mem_zalloc(sizeof *t);
    BIO *bio;

    (void)pthread_once(&tlsio_once, tlsio_init_once);
    t->loop = l;
    t->ctx = tls_ctx_ref(ctx);
    t->out = out;
    t->ssl = SSL_new(ctx->ssl);
    bio = BIO_new(tlsio_bio);
    ASSERT(t->ssl != NULL && bio != NULL);
    BIO_set_data(bio, t);
    SSL_set_bio(t->ssl, bio, bio);
    (void)SSL_set_app_data(t->ssl, t);
    if (ctx->server) {
        SSL_set_accept_state(t->ssl);
    } else {
        ASSERT(verify_name != NULL);
        SSL_set_connect_state(t->ssl);
        tlsio_expect_name(t, verify_name);
        tlsio_resume(t, verify_name, host, port);
    }
    return t;
}

void tlsio_free(struct tlsio *t)
{
    if (t == NULL) {
        return;
    }
    if (SSL_is_init_finished(t->ssl)) {
        /* A session stays good when its connection was cut; OpenSSL would make it unusable. */
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
    SSL_free(t->ssl);
    tls_ctx_unref(t->ctx);
    mem_free(t->session_key);
    mem_free(t->peer_name);
    mem_free(t);
}

int tlsio_on_new_session(SSL *ssl, SSL_SESSION *session)
{
    struct tlsio *t = SSL_get_app_data(ssl);

    if (t == NULL || t->session_key == NULL) {
        return 0;
    }
    sessions_put(t->loop, t->session_key, session);
    return 1;
}

/* Q_EAGAIN, Q_EOF, or Q_ETLS and a sentence. */
static int tlsio_status(struct tlsio *t, int rv, const char *what, struct errmsg *err)
{
    const char *reason = NULL;
    long verified;

    switch (SSL_get_error(t->ssl, rv)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return Q_EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return Q_EOF;
    default:
        break;
    }
    verified = SSL_get_verify_result(t->ssl);
    if (verified != X509_V_OK && !SSL_is_init_finished(t->ssl)) {
        errmsg_set(err, "%s: the certificate is refused: %s", what,
                   X509_verify_cert_error_string(verified));
    } else {
        reason = ERR_reason_error_string(ERR_peek_error());
        errmsg_set(err, "%s: %s", what, reason != NULL ? reason : "protocol failure");
    }
    ERR_clear_error();
    return Q_ETLS;
}

int tlsio_handshake(struct tlsio *t, struct errmsg *err)
{
    int rv;

    ERR_clear_error();
    rv = SSL_do_handshake(t->ssl);
    if (rv == 1) {
        return 0;
    }
    rv = tlsio_status(t, rv, "TLS handshake", err);
    return rv == Q_EOF ? Q_ETLS : rv;
}

int tlsio_read(struct tlsio *t, char *p, size_t cap, size_t *ret_n, struct errmsg *err)
{
    int rv;

    ERR_clear_error();
    rv = SSL_read_ex(t->ssl, p, cap, ret_n);
    return rv == 1 ? 0 : tlsio_status(t, rv, "TLS read", err);
}

int tlsio_write(struct tlsio *t, const char *p, size_t n, struct errmsg *err)
{
    size_t written = 0;
    int rv;

    ASSERT(n > 0);
    ASSERT(n <= TLSIO_RECORD_BYTES_MAX);
    ERR_clear_error();
    rv = SSL_write_ex(t->ssl, p, n, &written);
    if (rv == 1 && written == n) {
        return 0;
    }
    (void)tlsio_status(t, rv, "TLS write", err);
    return Q_ETLS; /* Its output always has room, and nobody renegotiates: not to be retried. */
}

void tlsio_shutdown(struct tlsio *t)
{
    ERR_clear_error();
    (void)SSL_shutdown(t->ssl);
    ERR_clear_error();
}

struct slice tlsio_alpn(const struct tlsio *t)
{
    const unsigned char *p = NULL;
    unsigned n = 0;

    SSL_get0_alpn_selected(t->ssl, &p, &n);
    return n > 0 ? slice_of((const char *)p, n) : SLICE("");
}

/* The names of a certificate that was verified. NULL: there is none. To be freed. */
static GENERAL_NAMES *tlsio_peer_names(const struct tlsio *t, X509 **ret_cert)
{
    X509 *cert = SSL_get0_peer_certificate(t->ssl);

    if (cert == NULL || SSL_get_verify_result(t->ssl) != X509_V_OK) {
        return NULL;
    }
    *ret_cert = cert;
    return X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
}

struct slice tlsio_peer_name(struct tlsio *t)
{
    X509 *cert;
    GENERAL_NAMES *names;

    if (t->peer_name == NULL) {
        names = tlsio_peer_names(t, &cert);
        for (int i = 0; t->peer_name == NULL && i < sk_GENERAL_NAME_num(names); i++) {
            const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
            if (name->type == GEN_DNS) {
                t->peer_name = mem_strndup((const char *)ASN1_STRING_get0_data(name->d.dNSName),
                                           (size_t)ASN1_STRING_length(name->d.dNSName));
            }
        }
        GENERAL_NAMES_free(names);
    }
    return t->peer_name != NULL ? slice_str(t->peer_name) : SLICE("");
}

bool tlsio_peer_has_name(const struct tlsio *t, const char *name)
{
    X509 *cert;
    GENERAL_NAMES *names = tlsio_peer_names(t, &cert);
    struct slice want = slice_str(name);
    bool found = false;

    for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *have = sk_GENERAL_NAME_value(names, i);
        if (have->type == GEN_DNS) {
            found = slice_ieq(want, slice_of((const char *)ASN1_STRING_get0_data(have->d.dNSName),
                                             (size_t)ASN1_STRING_length(have->d.dNSName)));
        } else if (have->type == GEN_IPADD) {
            found = X509_check_ip_asc(cert, name, 0) == 1;
        }
    }
    GENERAL_NAMES_free(names);
    return found;
}
