/* Step admit: the body is read and scanned as it comes; then the model must be one that the key may
 * use. */
#include <string.h>

#include "node/req/req.h"

static enum req_next req_admit_bad(struct req *r)
{
    enum req_next next;

    if (r->body_too_large) {
        return req_fail(r, 413, "request_too_large", "The request body is over %llu bytes.",
                        (unsigned long long)r->worker->body_bytes_max);
    }
    next = req_fail(r, 400, "invalid_request", "The request body is not valid: %s.",
                    chat_scan_error(r->scan));
    r->error.param = chat_scan_param(r->scan);
    return next;
}

static enum req_next req_admit_facts(struct req *r)
{
    const struct exchange_request *q = exchange_request(r->exchange);
    struct slice model = slice_str(r->facts->model);

    (void)slice_copy_str(model, r->record->model_asked, sizeof r->record->model_asked);
    r->record->stream = r->facts->stream;
    r->user = r->key->user.n > 0 ? r->key->user : headers_get(&q->headers, "x-quorate-user");
    if (r->user.n > NAME_BYTES_MAX) {
        return req_fail(r, 400, "invalid_request", "x-quorate-user is over %d bytes.",
                        NAME_BYTES_MAX);
    }
    if (!view_key_allows_model(r->key, model)) {
        return req_fail(r, 403, "model_not_allowed", "This key may not use the model %.*s.",
                        SLICE_FMT(model));
    }
    r->step = &req_step_route;
    return REQ_MORE;
}

static enum req_next req_admit(struct req *r)
{
    if (r->scan == NULL) {
        r->scan = r->worker->scans[r->dialect];
        r->worker->scans[r->dialect] = NULL;
        if (r->scan == NULL) {
            r->scan = chat_scan_new(r->dialect);
        }
        return REQ_WAIT; /* on_body, on_request_end */
    }
    if (r->body_bad || chat_scan_end(r->scan, &r->facts) != 0) {
        r->body_bad = true;
        return req_admit_bad(r);
    }
    return req_admit_facts(r);
}

const struct req_step req_step_admit = {"admit", req_admit};
