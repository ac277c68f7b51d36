#include "base/json.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/mem.h"

/* --- depth, before yyjson recurses or we do --- */

static bool json_depth_ok(struct slice text)
{
    unsigned depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX) {
                return false;
            }
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return true;
}

/* --- duplicate keys --- */

static int json_key_order(const void *a, const void *b)
{
    yyjson_val *const *ka = a, *const *kb = b;

    return slice_cmp(json_slice(*ka), json_slice(*kb));
}

static const yyjson_val *json_duplicate_in(yyjson_val *obj)
{
    size_t n = yyjson_obj_size(obj), i = 0;
    const yyjson_val *found = NULL;
    yyjson_obj_iter it;
    yyjson_val **keys, *key;

    if (n < 2) {
        return NULL;
    }
    keys = mem_alloc(n * sizeof(yyjson_val *));
    yyjson_obj_iter_init(obj, &it);
    while ((key = yyjson_obj_iter_next(&it)) != NULL) {
        keys[i++] = key;
    }
    qsort(keys, n, sizeof keys[0], json_key_order);
    for (i = 1; i < n && found == NULL; i++) {
        if (json_key_order(&keys[i - 1], &keys[i]) == 0) {
            found = keys[i];
        }
    }
    mem_free(keys);
    return found;
}

/* Depth is bounded by JSON_DEPTH_MAX. */
static const yyjson_val *json_duplicate(yyjson_val *v)
{
    const yyjson_val *found = NULL;
    yyjson_val *key, *child;
    size_t i, n;

    if (yyjson_is_obj(v)) {
        found = json_duplicate_in(v);
        yyjson_obj_foreach(v, i, n, key, child)
        {
            found = found != NULL ? found : json_duplicate(child);
        }
    } else if (yyjson_is_arr(v)) {
        yyjson_arr_foreach(v, i, n, child)
        {
            found = found != NULL ? found : json_duplicate(child);
        }
    }
    return found;
}

static void json_place(struct slice text, size_t at, unsigned *ret_line, unsigned *ret_column)
{
    *ret_line = 1;
    *ret_column = 1;
    for (size_t i = 0; i < at && i < text.n; i++) {
        if (text.p[i] == '\n') {
            (*ret_line)++;
            *ret_column = 1;
        } else {
            (*ret_column)++;
        }
    }
}

static int json_parse_flags(struct slice text, yyjson_read_flag flags, yyjson_doc **ret,
                            struct errmsg *err)
{
    const yyjson_val *twice;
    yyjson_read_err why;
    yyjson_doc *doc;

    if (!json_depth_ok(text)) {
        errmsg_set(err, "nested deeper than %d levels", JSON_DEPTH_MAX);
        return Q_EPROTO;
    }
    doc = yyjson_read_opts((char *)(uintptr_t)text.p, text.n, flags, NULL, &why);
    if (doc == NULL) {
        unsigned line, column;
        json_place(text, why.pos, &line, &column);
        errmsg_set(err, "line %u, column %u: %s", line, column, why.msg);
        return Q_EPROTO;
    }
    twice = json_duplicate(yyjson_doc_get_root(doc));
    if (twice != NULL) {
        struct slice key = json_slice(twice);
        errmsg_set(err, "the key \"%.*s\" is given twice", key.n < 100 ? (int)key.n : 100, key.p);
        yyjson_doc_free(doc);
        return Q_EPROTO;
    }
    *ret = doc;
    return 0;
}

int json_parse(struct slice text, yyjson_doc **ret, struct errmsg *err)
{
    return json_parse_flags(text, YYJSON_READ_NOFLAG, ret, err);
}

int json_parse_raw_numbers(struct slice text, yyjson_doc **ret, struct errmsg *err)
{
    return json_parse_flags(text, YYJSON_READ_NUMBER_AS_RAW, ret, err);
}

struct slice json_slice(const yyjson_val *str)
{
    yyjson_val *v = (yyjson_val *)(uintptr_t)str;

    return yyjson_is_str(v) ? slice_of(yyjson_get_str(v), yyjson_get_len(v)) : SLICE("");
}
