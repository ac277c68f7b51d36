/* Errors in the client's dialect: one vocabulary (CONTRACT.md), the dialect's own type by the
 * official meaning of the status. */
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "node/dialect/dialect.h"

static const char *error_type_openai(const struct dialect_error *e)
{
    if (strcmp(e->code, "budget_exceeded") == 0) {
        return "insufficient_quota";
    }
    if (e->http == 429) {
        return "rate_limit_error";
    }
    if (e->http == 403) {
        return "permission_error";
    }
    return e->http < 500 ? "invalid_request_error" : "server_error";
}

static const char *error_type_anthropic(const struct dialect_error *e)
{
    switch (e->http) {
    case 401:
        return "authentication_error";
    case 402:
        return "billing_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 413:
        return "request_too_large";
    case 429:
        return "rate_limit_error";
    case 503:
    case 529:
        return "overloaded_error";
    case 504:
        return "timeout_error";
    default:
        return e->http < 500 ? "invalid_request_error" : "api_error";
    }
}

static void error_members(struct jsonw *w, enum dialect d, const struct dialect_error *e)
{
    jsonw_kstr(w, "message", e->message);
    jsonw_kstr(w, "type", d == DIALECT_ANTHROPIC ? error_type_anthropic(e) : error_type_openai(e));
    if (d == DIALECT_OPENAI) {
        jsonw_key(w, "param");
        if (e->param != NULL) {
            jsonw_str(w, e->param);
        } else {
            jsonw_null(w);
        }
    }
    jsonw_kstr(w, "code", e->code);
    if (e->extra.n > 0) {
        buf_add_str(w->out, ",");
        buf_add_slice(w->out, e->extra);
    }
}

void dialect_error_body(enum dialect d, const struct dialect_error *e, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_obj(&w);
    if (d == DIALECT_ANTHROPIC) {
        jsonw_kstr(&w, "type", "error");
    }
    jsonw_key(&w, "error");
    jsonw_obj(&w);
    error_members(&w, d, e);
    jsonw_obj_end(&w);
    if (d == DIALECT_ANTHROPIC && e->request_id != NULL) {
        jsonw_kstr(&w, "request_id", e->request_id);
    }
    jsonw_obj_end(&w);
}

void dialect_error_event(enum dialect d, const struct dialect_error *e, struct buf *out)
{
    buf_add_str(out, d == DIALECT_ANTHROPIC ? "event: error\ndata: " : "data: ");
    dialect_error_body(d, e, out);
    buf_add_str(out, "\n\n");
}
