/* How a vendor wants to be asked and what its answers mean; one static instance per dialect in one
 * registry. Pure. */
#ifndef NODE_PROVIDER_PROVIDER_H_
#define NODE_PROVIDER_PROVIDER_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/http/headers.h"
#include "base/slice.h"
#include "node/dialect/dialect.h"

/* What to do about an answer's status (CONTRACT.md errors, RELIABILITY.md 2.6). */
enum provider_verdict {
    PROVIDER_OK,           /* 2xx */
    PROVIDER_CLIENT_ERROR, /* 400 404 413 422 ...: goes through as it is; not retried, not billed */
    PROVIDER_AUTH,         /* 401 403: our credential; body never forwarded */
    PROVIDER_RATE_LIMITED, /* 429: another target, else retry-after */
    PROVIDER_QUOTA, /* 402, 429 insufficient_quota and the like: the account is out of credit */
    PROVIDER_OVERLOADED, /* 503 529 */
    PROVIDER_FAILED,     /* other 5xx, 408 409 425: may be retried elsewhere */
    PROVIDER_BAD         /* redirects, 101, HTML, unknown encodings */
};

struct provider {
    const char *name; /* "openai", "anthropic" */
    enum dialect dialect;
    const char *
        /* Appended to the base URL's path: "/chat/completions" for a base of ".../v1",
         * "/v1/messages" for anthropic. */
        chat_path;
    const char *max_output_field;       /* Where an output bound is sent by default. */
    bool output_bound_covers_reasoning; /* Known to bound hidden reasoning too. */
    /* Adds authentication and what the vendor requires; @client are the caller's headers, of which
     * allowed ones pass (never credentials, cookies, OpenAI-Organization/-Project, x-quorate-*,
     * hop-by-hop). Sets accept-encoding: identity. */
    void (*headers)(struct headers *out, struct slice credential, const struct headers *client,
                    bool stream);
};
extern const struct provider provider_openai;
extern const struct provider provider_anthropic;
const struct provider *provider_by_dialect(enum dialect d);

/* @body: the first bytes of an error body (may be empty). */
enum provider_verdict provider_classify(const struct provider *p, int status,
                                        const struct headers *h, struct slice body);
/* Seconds to wait from retry-after / retry-after-ms / x-ratelimit-reset; -1 none. Clamped to
 * 0..300. @now_ms for HTTP dates when the answer has no Date. */
int64_t provider_retry_after_s(const struct headers *h, int64_t now_ms);
/* Response headers that may go back to the client: no set-cookie, no upstream rate headers, no
 * hop-by-hop, no framing; request ids become x-quorate-upstream-request-id. Appended to @out. */
void provider_response_headers(const struct headers *upstream, struct headers *out);
/* Is this answer of the content type that was asked for? SSE for streams, JSON otherwise. */
bool provider_content_ok(const struct headers *h, bool stream);

#endif /* NODE_PROVIDER_PROVIDER_H_ */
