/* TLS contexts: certificates, verification, ALPN. A context is immutable and shared by
 * reference; a reload makes a new one, and connections keep the one they began with. OpenSSL's
 * protocol code ends in base/net. */
#ifndef BASE_NET_TLS_H_
#define BASE_NET_TLS_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

struct tls_ctx;

struct tls_ctx_cfg {
    bool server;
    const char *cert_file, *key_file; /* PEM; both or none. */
    const char *
        /* Trust anchors; NULL: the system's (client) or no client certificates (server). */
        ca_file;
    bool require_peer_cert; /* Server: mutual TLS. */
    bool tls13_only;        /* Peer links. */
    const char *alpn;       /* Comma separated, in order of preference: "h2,http/1.1"; NULL none. */
};

/* One reference, the caller's. Errors name the file and what was expected. Thread: any;
 * references are atomic. */
int tls_ctx_new(const struct tls_ctx_cfg *cfg, struct tls_ctx **ret, struct errmsg *err);
struct tls_ctx *tls_ctx_ref(struct tls_ctx *c);
void tls_ctx_unref(struct tls_ctx *c); /* NULL is fine. */

#endif /* BASE_NET_TLS_H_ */
