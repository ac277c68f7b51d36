/* GET /v1/models and /v1/models/{id}, in the caller's dialect: the routes and priced models that
 * the key may use. */
#include <string.h>

#include "base/json.h"
#include "node/req/req.h"

#define MODELS_BYTES_MAX (4u << 20)
#define MODELS_PATH      "/v1/models"

bool req_is_models(struct slice path)
{
    return slice_eq(path, SLICE(MODELS_PATH)) || slice_starts(path, SLICE(MODELS_PATH "/"));
}

struct listing {
    struct req *r;
    struct jsonw w;
    struct slice only; /* "" all */
    size_t n;
};

static void req_model_json(struct listing *l, struct slice id, struct slice owner)
{
    jsonw_obj(&l->w);
    if (l->r->dialect == DIALECT_ANTHROPIC) {
        jsonw_kstr(&l->w, "type", "model");
        jsonw_kslice(&l->w, "id", id);
        jsonw_kslice(&l->w, "display_name", id);
        jsonw_kstr(&l->w, "created_at", "1970-01-01T00:00:00Z");
    } else {
        jsonw_kslice(&l->w, "id", id);
        jsonw_kstr(&l->w, "object", "model");
        jsonw_ki64(&l->w, "created", 0);
        jsonw_kslice(&l->w, "owned_by", owner);
    }
    jsonw_obj_end(&l->w);
}

static bool req_model_each(void *arg, struct slice id, struct slice owner)
{
    struct listing *l = arg;

    if ((l->only.n == 0 || slice_eq(l->only, id)) && view_key_allows_model(l->r->key, id)) {
        req_model_json(l, id, owner);
        l->n++;
    }
    return true;
}

/* %2F in an id stands for its slash. */
static struct slice req_model_id(struct req *r, struct slice path)
{
    struct slice rest = slice_of(path.p + sizeof MODELS_PATH, path.n - sizeof MODELS_PATH);
    char *out = arena_alloc(r->arena, rest.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < rest.n; i++) {
        if (i + 2 < rest.n && rest.p[i] == '%' && rest.p[i + 1] == '2' &&
            (rest.p[i + 2] == 'F' || rest.p[i + 2] == 'f')) {
            out[n++] = '/';
            i += 2;
        } else {
            out[n++] = rest.p[i];
        }
    }
    return slice_of(out, n);
}

void req_models(struct req *r)
{
    struct slice path = exchange_request(r->exchange)->path;
    struct listing l = {.r = r};
    struct headers h;
    struct buf out;
    bool one = path.n > sizeof MODELS_PATH;

    if (one) {
        l.only = req_model_id(r, path);
    }
    buf_init(&out, MODELS_BYTES_MAX);
    jsonw_init(&l.w, &out);
    if (!one) {
        jsonw_obj(&l.w);
        if (r->dialect == DIALECT_OPENAI) {
            jsonw_kstr(&l.w, "object", "list");
        } else {
            jsonw_kbool(&l.w, "has_more", false);
        }
        jsonw_key(&l.w, "data");
        jsonw_arr(&l.w);
    }
    view_models_each(r->view, req_model_each, &l);
    if (!one) {
        jsonw_arr_end(&l.w);
        jsonw_obj_end(&l.w);
    }
    headers_init(&h, r->arena);
    req_common_headers(r, &h);
    r->answered = true;
    if (one && l.n == 0) {
        const struct dialect_error e = {.http = 404,
                                        .code = "model_not_found",
                                        .request_id = r->id,
                                        .message = "There is no such model for this key."};
        buf_clear(&out);
        dialect_error_body(r->dialect, &e, &out);
    }
    r->record->status = one && l.n == 0 ? 404 : 200;
    exchange_reply(r->exchange, r->record->status, "application/json", buf_slice(&out), &h);
    buf_deinit(&out);
}
