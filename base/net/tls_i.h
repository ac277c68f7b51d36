/* The inside of a TLS context. */
#ifndef BASE_NET_TLS_I_H_
#define BASE_NET_TLS_I_H_

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "base/net/tls.h"

struct tls_ctx {
    _Atomic uint32_t refs;
    SSL_CTX *ssl;
    bool server;
    unsigned char alpn[64]; /* Wire form. */
    size_t alpn_n;
};
/* OpenSSL's newest reason, as text; clears its queue. */
const char *tls_reason(char *out, size_t cap);

#endif /* BASE_NET_TLS_I_H_ */
