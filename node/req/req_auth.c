/* Step auth: whose key is it? Form and checksum are checked before any lookup; what is wrong is
 * told only to who presents the right secret. */
#include "base/metrics.h"
#include "node/req/req.h"

#define KEY_SOURCES 5

/* All places a key may stand in; "" where there is none. */
static size_t req_keys_presented(const struct exchange_request *q, struct slice out[KEY_SOURCES])
{
    struct slice bearer = headers_get(&q->headers, "authorization");
    struct slice query = q->query;
    size_t n = 0;

    if (bearer.n > 7 && slice_ieq(slice_of(bearer.p, 7), SLICE("bearer "))) {
        out[n++] = slice_trim(slice_of(bearer.p + 7, bearer.n - 7));
    }
    static const char *const names[] = {"x-api-key", "x-goog-api-key", "api-key"};
    for (size_t i = 0; i < 3; i++) {
        struct slice v = slice_trim(headers_get(&q->headers, names[i]));
        if (v.n > 0) {
            out[n++] = v;
        }
    }
    while (query.n > 0) { /* ?key=...&... */
        size_t end = slice_find(query, '&');
        if (slice_starts(query, SLICE("key="))) {
            out[n++] = slice_of(query.p + 4, end - 4);
            break;
        }
        query = end < query.n ? slice_of(query.p + end + 1, query.n - end - 1) : SLICE("");
    }
    return n;
}

static enum req_next req_auth_refused(struct req *r, enum key_verdict v)
{
    metric_inc(METRIC_auth_refused_total);
    switch (v) {
    case KEY_EXPIRED:
        return req_fail(r, 401, "key_expired", "This key has expired.");
    case KEY_REVOKED:
        return req_fail(r, 401, "key_revoked", "This key has been revoked.");
    case KEY_DISABLED:
        return req_fail(r, 401, "key_revoked", "This key is disabled.");
    case KEY_TEAM_BLOCKED:
        return req_fail(r, 401, "key_revoked", "The team of this key is blocked.");
    case KEY_OK:
    case KEY_MALFORMED:
    case KEY_UNKNOWN:
        break;
    }
    return req_fail(r, 401, "invalid_api_key",
                    "The API key is not valid. Send a Quorate key (qk-...) as a bearer token.");
}

static enum req_next req_auth(struct req *r)
{
    const struct exchange_request *q = exchange_request(r->exchange);
    struct slice keys[KEY_SOURCES];
    size_t n = req_keys_presented(q, keys);
    struct view *view = gov_view(r->worker->gov);
    enum key_verdict v;

    if (view == NULL) {
        return req_fail(r, 503, "overloaded", "This node has not joined its cluster yet.");
    }
    r->view = view_ref(view);
    if (n == 0) {
        metric_inc(METRIC_auth_refused_total);
        return req_fail(r, 401, "invalid_api_key",
                        "No API key was sent. Send a Quorate key (qk-...) as a bearer token.");
    }
    for (size_t i = 1; i < n; i++) {
        if (!slice_eq(keys[0], keys[i])) {
            metric_inc(METRIC_auth_refused_total);
            return req_fail(r, 401, "invalid_api_key",
                            "Two different API keys were sent; send one.");
        }
    }
    v = view_key_check(r->view, keys[0], loop_wall_ms(r->worker->loop), &r->key);
    if (v != KEY_OK) {
        return req_auth_refused(r, v);
    }
    (void)slice_copy_str(r->key->id, r->record->key, sizeof r->record->key);
    if (r->key->team != NULL) {
        (void)slice_copy_str(r->key->team->name, r->record->team, sizeof r->record->team);
    }
    if (r->worker->draining) {
        return req_fail(r, 503, "draining", "This node is draining; try another.");
    }
    if (req_is_models(q->path)) {
        req_models(r);
        return REQ_WAIT; /* on_close ends it. */
    }
    r->step = &req_step_admit;
    return REQ_MORE;
}

const struct req_step req_step_auth = {"auth", req_auth};
