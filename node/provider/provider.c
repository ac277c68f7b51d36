/* What is the same for all vendors: headers that may pass, statuses, retry-after. */
#include "node/provider/provider.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "node/provider/pass.h"

#define RETRY_AFTER_MAX_S 300

const struct provider *provider_by_dialect(enum dialect d)
{
    switch (d) {
    case DIALECT_OPENAI:
        return &provider_openai;
    case DIALECT_ANTHROPIC:
        return &provider_anthropic;
    case DIALECT_N_:
        break;
    }
    UNREACHABLE();
}

/* --- requests --- */

/* Never toward a provider: credentials and identity of the caller, what belongs to this hop, what
 * is ours. */
static bool provider_withholds(struct slice name)
{
    static const char *const names[] = {"authorization",
                                        "x-api-key",
                                        "x-goog-api-key",
                                        "api-key",
                                        "cookie",
                                        "host",
                                        "content-length",
                                        "accept-encoding",
                                        "openai-organization",
                                        "openai-project",
                                        "expect",
                                        "forwarded",
                                        "via",
                                        "traceparent",
                                        "tracestate",
                                        "content-type",
                                        "accept",
                                        "x-real-ip",
                                        "origin",
                                        "referer"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (slice_eq(name, slice_str(names[i]))) {
            return true;
        }
    }
    return header_is_hop_by_hop(name) || slice_starts(name, SLICE("x-quorate-")) ||
           slice_starts(name, SLICE("x-forwarded-")) || slice_starts(name, SLICE("cf-")) ||
           slice_starts(name, SLICE("sec-"));
}

void provider_pass_headers(struct headers *out, const struct headers *client, bool stream)
{
    headers_add_static(out, SLICE("content-type"), SLICE("application/json"));
    headers_add_static(out, SLICE("accept"),
                       stream ? SLICE("text/event-stream") : SLICE("application/json"));
    headers_add_static(out, SLICE("accept-encoding"), SLICE("identity"));
    for (size_t i = 0; i < client->n; i++) {
        if (!provider_withholds(client->v[i].name)) {
            headers_add(out, client->v[i].name, client->v[i].value);
        }
    }
}

/* --- answers --- */

void provider_response_headers(const struct headers *upstream, struct headers *out)
{
    static const char *const dropped[] = {"set-cookie",
                                          "content-length",
                                          "date",
                                          "server",
                                          "via",
                                          "alt-svc",
                                          "strict-transport-security",
                                          "nel",
                                          "report-to",
                                          "retry-after",
                                          "x-should-retry"};

    for (size_t i = 0; i < upstream->n; i++) {
        const struct header *h = &upstream->v[i];
        bool drop = header_is_hop_by_hop(h->name) || slice_starts(h->name, SLICE("x-ratelimit-")) ||
                    slice_starts(h->name, SLICE("anthropic-ratelimit-")) ||
                    slice_starts(h->name, SLICE("ratelimit")) ||
                    slice_starts(h->name, SLICE("x-quorate-")) ||
                    slice_starts(h->name, SLICE("cf-")) ||
                    slice_starts(h->name, SLICE("anthropic-organization")) ||
                    slice_starts(h->name, SLICE("openai-organization")) ||
                    slice_starts(h->name, SLICE("openai-project"));
        for (size_t k = 0; !drop && k < ARRAY_LEN(dropped); k++) {
            drop = slice_eq(h->name, slice_str(dropped[k]));
        }
        if (slice_eq(h->name, SLICE("x-request-id")) || slice_eq(h->name, SLICE("request-id"))) {
            headers_set(out, "x-quorate-upstream-request-id", h->value);
        } else if (!drop) {
            headers_add(out, h->name, h->value);
        }
    }
}

static struct slice provider_media_type(const struct headers *h)
{
    struct slice type = headers_get(h, "content-type");

    return slice_trim(slice_of(type.p, slice_find(type, ';')));
}

bool provider_content_ok(const struct headers *h, bool stream)
{
    struct slice type = provider_media_type(h);
    struct slice encoding = headers_get(h, "content-encoding");

    if (encoding.n > 0 && !slice_ieq(encoding, SLICE("identity"))) {
        return false;
    }
    return slice_ieq(type, stream ? SLICE("text/event-stream") : SLICE("application/json"));
}

/* Words by which vendors say that the account, not the moment, is the trouble. */
static bool provider_says_quota(struct slice body)
{
    static const char *const words[] = {
        "insufficient_quota",         "credit_balance_exhausted",  "spend_limit",
        "billing_hard_limit_reached", "credit balance is too low", "exceeded your current quota"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (slice_search(body, slice_str(words[i])) < body.n) {
            return true;
        }
    }
    return false;
}

enum provider_verdict provider_classify(const struct provider *p, int status,
                                        const struct headers *h, struct slice body)
{
    (void)p;
    (void)h;
    if (status >= 200 && status < 300) {
        return PROVIDER_OK;
    }
    if (status < 400) {
        return PROVIDER_BAD; /* Redirects are not followed. */
    }
    switch (status) {
    case 401:
    case 403:
        return PROVIDER_AUTH;
    case 402:
        return PROVIDER_QUOTA;
    case 429:
        return provider_says_quota(body) ? PROVIDER_QUOTA : PROVIDER_RATE_LIMITED;
    case 408:
    case 409:
    case 425:
        return PROVIDER_FAILED;
    case 503:
    case 529:
        return PROVIDER_OVERLOADED;
    default:
        break;
    }
    if (status == 400 && provider_says_quota(body)) {
        return PROVIDER_QUOTA;
    }
    return status < 500 ? PROVIDER_CLIENT_ERROR : PROVIDER_FAILED;
}

/* "Wed, 21 Oct 2026 07:28:00 GMT" -> Unix ms; -1 otherwise. */
static int64_t provider_http_date(struct slice s)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct civil c = {0};
    uint64_t day, year, hour, minute, second;

    if (s.n != 29 || s.p[3] != ',' || !slice_ends(s, SLICE(" GMT")) ||
        scan_u64(slice_of(s.p + 5, 2), 31, &day) != 0 ||
        scan_u64(slice_of(s.p + 12, 4), 9999, &year) != 0 ||
        scan_u64(slice_of(s.p + 17, 2), 23, &hour) != 0 ||
        scan_u64(slice_of(s.p + 20, 2), 59, &minute) != 0 ||
        scan_u64(slice_of(s.p + 23, 2), 60, &second) != 0 || year < 1970 || day < 1) {
        return -1;
    }
    for (int m = 0; m < 12; m++) {
        if (memcmp(months + m * 3, s.p + 8, 3) == 0) {
            c = (struct civil){(int)year, m + 1, (int)day, (int)hour, (int)minute, (int)second, 0};
            return civil_to_ms(&c);
        }
    }
    return -1;
}

static int64_t provider_clamp_s(int64_t s)
{
    return s < 0 ? 0 : s > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : s;
}

int64_t provider_retry_after_s(const struct headers *h, int64_t now_ms)
{
    struct slice ms = slice_trim(headers_get(h, "retry-after-ms"));
    struct slice s = slice_trim(headers_get(h, "retry-after"));
    int64_t at_ms, base_ms;
    uint64_t v;

    if (scan_u64(ms, 1ull << 40, &v) == 0) {
        return provider_clamp_s((int64_t)((v + 999) / 1000));
    }
    if (scan_u64(s, 1ull << 40, &v) == 0) {
        return provider_clamp_s((int64_t)v);
    }
    at_ms = provider_http_date(s);
    if (at_ms < 0) {
        return -1;
    }
    base_ms = provider_http_date(slice_trim(headers_get(h, "date")));
    return provider_clamp_s((at_ms - (base_ms >= 0 ? base_ms : now_ms) + 999) / 1000);
}
