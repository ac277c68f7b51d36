/* The few bytes that change in a same-dialect request: spliced between slices of the blocks it
 * arrived in. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/json.h"
#include "node/dialect/scan.h"

#define SPLICES_MAX 4

struct splice {
    size_t at, end; /* Bytes [at, end) of the body are replaced. */
    struct buf text;
};
struct splices {
    struct splice v[SPLICES_MAX]; /* In the order of `at`. */
    size_t n;
};

static struct buf *rewrite_splice(struct splices *s, size_t at, size_t end)
{
    size_t i = s->n++;

    ASSERT(s->n <= SPLICES_MAX);
    for (; i > 0 && s->v[i - 1].at > at; i--) {
        s->v[i] = s->v[i - 1];
    }
    s->v[i].at = at;
    s->v[i].end = end;
    buf_init(&s->v[i].text, 8192);
    return &s->v[i].text;
}

/* The value of a field: replaced where it stands, else a first member of the object. All new
 * members share one splice. */
static struct buf *rewrite_value(const struct chat_scan *s, struct splices *out, enum chat_field f,
                                 struct buf *fresh, bool *ret_is_new)
{
    const struct jsonscan_value *v = jsonscan_get(s->json, f);

    *ret_is_new = v->kind == JSONSCAN_ABSENT;
    if (!*ret_is_new) {
        return rewrite_splice(out, v->at, v->end);
    }
    buf_printf(fresh, "\"%s\":", chat_fields[f]);
    return fresh;
}

/* All members but include_usage as they are, then include_usage. */
static void rewrite_stream_options(const struct chat_scan *s, struct buf *out)
{
    const struct jsonscan_value *v = jsonscan_get(s->json, FIELD_STREAM_OPTIONS);
    yyjson_doc *doc = NULL;
    yyjson_val *key, *val;
    size_t i, n;

    buf_add_str(out, "{");
    if (v->kind == JSONSCAN_OBJECT && v->captured &&
        json_parse(slice_of(v->raw, v->end - v->at), &doc, NULL) == 0) {
        yyjson_obj_foreach(yyjson_doc_get_root(doc), i, n, key, val)
        {
            size_t len;
            char *text = yyjson_val_write(val, 0, &len);
            struct jsonw w;
            if (!yyjson_equals_str(key, "include_usage") && text != NULL) {
                jsonw_init(&w, out);
                jsonw_slice(&w, json_slice(key));
                buf_add_str(out, ":");
                buf_add(out, text, len);
                buf_add_str(out, ",");
            }
            free(text);
        }
        yyjson_doc_free(doc);
    }
    buf_add_str(out, "\"include_usage\":true}");
}

static void rewrite_apply(struct splices *s, const struct chunkq *body, struct chunkq *out)
{
    struct chunkq rest;
    size_t at = 0;

    chunkq_init(&rest);
    chunkq_share(&rest, body);
    for (size_t i = 0; i < s->n; i++) {
        ASSERT(s->v[i].at >= at);
        chunkq_move_n(out, &rest, s->v[i].at - at);
        chunkq_consume(&rest, s->v[i].end - s->v[i].at);
        chunkq_add_copy(out, s->v[i].text.p, s->v[i].text.n);
        at = s->v[i].end;
        buf_deinit(&s->v[i].text);
    }
    chunkq_move(out, &rest);
    chunkq_deinit(&rest);
}

void chat_rewrite(const struct chat_scan *s, const struct chat_change *c, const struct chunkq *body,
                  struct chunkq *out)
{
    struct splices splices = {.n = 0};
    struct buf fresh;
    struct jsonw w;
    bool is_new;

    buf_init(&fresh, 8192);
    if (c->model.n > 0) {
        const struct jsonscan_value *v = jsonscan_get(s->json, FIELD_MODEL);
        jsonw_init(&w, rewrite_splice(&splices, v->at, v->end));
        jsonw_slice(&w, c->model);
    }
    if (c->include_usage && !s->facts.include_usage) {
        rewrite_stream_options(s,
                               rewrite_value(s, &splices, FIELD_STREAM_OPTIONS, &fresh, &is_new));
        if (is_new) {
            buf_add_str(&fresh, ",");
        }
    }
    if (c->max_output >= 0) {
        enum chat_field f = slice_eq(slice_str(c->max_output_field), SLICE("max_tokens"))
                                ? FIELD_MAX_TOKENS
                                : FIELD_MAX_COMPLETION_TOKENS;
        buf_printf(rewrite_value(s, &splices, f, &fresh, &is_new), "%" PRId64, c->max_output);
        if (is_new) {
            buf_add_str(&fresh, ",");
        }
    }
    if (fresh.n > 0) { /* The object has a model, so it is not empty: the comma is right. */
        size_t at = jsonscan_object_at(s->json) + 1;
        buf_add_slice(rewrite_splice(&splices, at, at), buf_slice(&fresh));
    }
    buf_deinit(&fresh);
    rewrite_apply(&splices, body, out);
}
