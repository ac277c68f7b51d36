/* Base URLs of providers, as an operator writes them. Fuzzed. */
#ifndef BASE_HTTP_URL_H_
#define BASE_HTTP_URL_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

/* "https://api.example.com:8443/v1" in parts; @path without a trailing slash ("/v1" or ""). */
struct url {
    bool https;
    char host[256]; /* Without the brackets of an IPv6 literal. */
    uint16_t port;
    char path[512];
};

/* Q_EINVAL says what was expected: http or https, no user info, no query, no fragment. */
int url_parse(struct slice text, struct url *ret, struct errmsg *err);

#endif /* BASE_HTTP_URL_H_ */
