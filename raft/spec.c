/* Resources: kinds, names, and the words that the readers of spec_provider.c and spec_org.c share.
 */
#include "raft/spec.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "raft/spec_i.h"

/* --- kinds --- */

static const char *const spec_kinds[KIND_N_][2] = {
    [KIND_PROVIDER] = {"provider", "providers"},
    [KIND_MODEL] = {"model", "models"},
    [KIND_ROUTE] = {"route", "routes"},
    [KIND_ORG] = {"org", "orgs"},
    [KIND_TEAM] = {"team", "teams"},
    [KIND_USER] = {"user", "users"},
    [KIND_KEY] = {"key", "keys"},
    [KIND_BUDGET] = {"budget", "budgets"},
    [KIND_LIMIT] = {"limit", "limits"},
};

int kind_parse(struct slice name, enum kind *ret)
{
    for (int k = 0; k < KIND_N_; k++) {
        if (slice_eq(name, slice_str(spec_kinds[k][0])) ||
            slice_eq(name, slice_str(spec_kinds[k][1]))) {
            *ret = (enum kind)k;
            return 0;
        }
    }
    return Q_EINVAL;
}

const char *kind_name(enum kind k)
{
    ASSERT(k < KIND_N_);
    return spec_kinds[k][0];
}

const char *kind_plural(enum kind k)
{
    ASSERT(k < KIND_N_);
    return spec_kinds[k][1];
}

const char *unit_name(enum unit u)
{
    static const char *const names[UNIT_N_] = {"usd", "tokens", "input_tokens", "output_tokens",
                                               "requests"};

    ASSERT(u < UNIT_N_);
    return names[u];
}

int unit_decimals(enum unit u)
{
    return u == UNIT_USD ? 12 : 0;
}

/* --- names --- */

static bool spec_name_char(char c, enum kind kind)
{
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '.' || c == '_' || c == '-';

    return plain || (kind == KIND_MODEL && (c == '/' || c == ':' || c == '@' || c == '+'));
}

static bool spec_name_reserved(struct slice name)
{
    static const char *const reserved[] = {"v1",      "v1beta", "healthz", "readyz",
                                           "metrics", "ui",     "admin"};

    for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
        if (slice_eq(name, slice_str(reserved[i]))) {
            return true;
        }
    }
    return false;
}

int spec_check_name(enum kind kind, struct slice name, struct errmsg *err)
{
    size_t slash = slice_find(name, '/');

    if (name.n == 0 || name.n > NAME_BYTES_MAX) {
        errmsg_set(err, "name: expected 1 to %d characters", NAME_BYTES_MAX);
        return Q_EINVAL;
    }
    for (size_t i = 0; i < name.n; i++) {
        if (!spec_name_char(name.p[i], kind)) {
            errmsg_set(err, "name: expected letters, digits, '.', '_' and '-' only%s",
                       kind == KIND_MODEL ? ", after provider/ also '/', ':', '@' and '+'" : "");
            return Q_EINVAL;
        }
    }
    if (slice_eq(name, SLICE(".")) || slice_eq(name, SLICE(".."))) {
        errmsg_set(err, "name: \".\" and \"..\" cannot be part of a path");
        return Q_EINVAL;
    }
    if (kind == KIND_PROVIDER && spec_name_reserved(name)) {
        errmsg_set(err, "name: \"%.*s\" is a path of the gateway itself", SLICE_FMT(name));
        return Q_EINVAL;
    }
    if (kind == KIND_MODEL && (slash == 0 || slash + 1 >= name.n)) {
        errmsg_set(err, "name: expected provider/model");
        return Q_EINVAL;
    }
    return 0;
}

/* --- reading fields --- */

void spec_fail(struct spec_reader *r, const char *path, const char *field, const char *fmt, ...)
{
    char text[ERRMSG_BYTES_MAX];
    va_list ap;

    if (r->rv != 0) {
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    r->rv = Q_EINVAL;
    errmsg_set(r->err, "%s%s%s: %s", path, field[0] != 0 ? "." : "", field, text);
}

static bool spec_listed(const char *list, struct slice word)
{
    struct slice rest = slice_str(list);

    while (rest.n > 0) {
        size_t n = slice_find(rest, ' ');
        if (slice_eq(slice_of(rest.p, n), word)) {
            return true;
        }
        n = n < rest.n ? n + 1 : n;
        rest = slice_of(rest.p + n, rest.n - n);
    }
    return false;
}

void spec_fields(struct spec_reader *r, yyjson_val *obj, const char *path, const char *known,
                 const char *later)
{
    yyjson_val *key, *value;
    char name[64];
    size_t i, n;

    if (r->rv != 0) {
        return;
    }
    if (!yyjson_is_obj(obj)) {
        spec_fail(r, path, "", "expected an object");
        return;
    }
    yyjson_obj_foreach(obj, i, n, key, value)
    {
        struct slice k = json_slice(key);
        (void)value;
        if (spec_listed(known, k)) {
            continue;
        }
        if (k.n >= sizeof name || !slice_copy_str(k, name, sizeof name)) {
            spec_fail(r, path, "", "has an unknown field with a long or odd name");
        } else if (spec_listed(later, k) || slice_starts(k, SLICE("tag."))) {
            spec_fail(r, path, name, "not enforced by this version");
        } else {
            spec_fail(r, path, name, "unknown field; known are: %s", known);
        }
    }
}

void spec_text(struct spec_reader *r, yyjson_val *obj, const char *path, const char *field,
               struct slice *ret)
{
    yyjson_val *v = yyjson_obj_get(obj, field);

    if (r->rv != 0 || v == NULL) {
        return;
    }
    if (!yyjson_is_str(v) || json_slice(v).n > SPEC_TEXT_MAX) {
        spec_fail(r, path, field, "expected a text of at most %d bytes", SPEC_TEXT_MAX);
        return;
    }
    *ret = arena_slice(r->arena, json_slice(v));
}

void spec_name(struct spec_reader *r, yyjson_val *obj, const char *path, const char *field,
               enum kind kind, struct slice *ret)
{
    struct slice name = {"", 0};
    struct errmsg err;

    spec_text(r, obj, path, field, &name);
    if (r->rv != 0 || yyjson_obj_get(obj, field) == NULL) {
        return;
    }
    if (spec_check_name(kind, name, &err) != 0) {
        spec_fail(r, path, field, "expected the name of a %s", kind_name(kind));
        return;
    }
    *ret = name;
}

void spec_bool(struct spec_reader *r, yyjson_val *obj, const char *path, const char *field,
               bool *ret)
{
    yyjson_val *v = yyjson_obj_get(obj, field);

    if (r->rv != 0 || v == NULL) {
        return;
    }
    if (!yyjson_is_bool(v)) {
        spec_fail(r, path, field, "expected true or false");
        return;
    }
    *ret = yyjson_get_bool(v);
}

static struct slice spec_number(yyjson_val *v)
{
    return yyjson_is_raw(v) ? slice_of(yyjson_get_raw(v), yyjson_get_len(v)) : json_slice(v);
}

void spec_count(struct spec_reader *r, yyjson_val *obj, const char *path, const char *field,
                int64_t max, int64_t *ret)
{
    yyjson_val *v = yyjson_obj_get(obj, field);
    uint64_t n = 0;

    if (r->rv != 0 || v == NULL) {
        return;
    }
    if (!yyjson_is_raw(v) || scan_u64(spec_number(v), (uint64_t)max, &n) != 0) {
        spec_fail(r, path, field, "expected a whole number from 0 to %lld", (long long)max);
        return;
    }
    *ret = (int64_t)n;
}

void spec_duration(struct spec_reader *r, yyjson_val *obj, const char *path, const char *field,
                   uint64_t *ret_ms)
{
    yyjson_val *v = yyjson_obj_get(obj, field);
    uint64_t ms = 0;

    if (r->rv != 0 || v == NULL) {
        return;
    }
    if (!yyjson_is_str(v) || scan_duration_ms(json_slice(v), &ms) != 0 || ms == 0 ||
        ms > 86400000) {
        spec_fail(r, path, field, "expected a duration such as \"3s\", at most a day");
        return;
    }
    *ret_ms = ms;
}

bool spec_decimal(struct spec_reader *r, yyjson_val *obj, const char *path, const char *field,
                  struct slice suffix, int decimals, i128 *ret)
{
    yyjson_val *v = yyjson_obj_get(obj, field);
    struct slice text;
    i128 amount = 0;

    if (r->rv != 0 || v == NULL) {
        return false;
    }
    text = spec_number(v);
    if (yyjson_is_str(v) && suffix.n > 0 && slice_ends(text, suffix)) {
        text.n -= suffix.n;
    }
    if (amount_parse(text, decimals, &amount) != 0 || amount < 0) {
        spec_fail(r, path, field, "expected a decimal number such as 12.5, not negative");
        return false;
    }
    *ret = amount;
    return true;
}

void spec_word(struct spec_reader *r, yyjson_val *obj, const char *path, const char *field,
               const char *words, int *ret)
{
    struct slice rest = slice_str(words), word = {"", 0};
    yyjson_val *v = yyjson_obj_get(obj, field);
    int at = 0;

    if (r->rv != 0 || v == NULL) {
        return;
    }
    word = json_slice(v);
    while (rest.n > 0 && word.n > 0) {
        size_t n = slice_find(rest, ' ');
        if (slice_eq(slice_of(rest.p, n), word)) {
            *ret = at;
            return;
        }
        n = n < rest.n ? n + 1 : n;
        rest = slice_of(rest.p + n, rest.n - n);
        at++;
    }
    spec_fail(r, path, field, "expected one of: %s", words);
}

/* --- dispatch --- */

static void spec_read(struct spec_reader *r, enum kind kind, struct slice name, yyjson_val *v,
                      struct spec *ret)
{
    switch (kind) {
    case KIND_PROVIDER:
        spec_read_provider(r, v, name, &ret->provider);
        break;
    case KIND_MODEL:
        spec_read_model(r, v, name, &ret->model);
        break;
    case KIND_ROUTE:
        spec_read_route(r, v, &ret->route);
        break;
    case KIND_ORG:
        spec_fields(r, v, "spec", "", "");
        break;
    case KIND_TEAM:
        spec_read_team(r, v, &ret->team);
        break;
    case KIND_USER:
        spec_read_user(r, v, &ret->user);
        break;
    case KIND_KEY:
        spec_read_key(r, v, &ret->key);
        break;
    case KIND_BUDGET:
        spec_read_budget(r, v, &ret->budget);
        break;
    case KIND_LIMIT:
        spec_fail(r, "kind limit", "", "not enforced by this version");
        break;
    case KIND_N_:
        UNREACHABLE();
    }
}

int spec_parse(enum kind kind, struct slice name, struct slice json, struct arena *arena,
               struct spec *ret, struct errmsg *err)
{
    struct spec_reader r = {arena, err, 0};
    struct spec s = {.kind = kind};
    yyjson_doc *doc;

    ASSERT(kind < KIND_N_);
    if (json.n > SPEC_BYTES_MAX) {
        errmsg_set(err, "spec: %zu bytes; at most %u", json.n, SPEC_BYTES_MAX);
        return Q_EINVAL;
    }
    if (spec_check_name(kind, name, err) != 0) {
        return Q_EINVAL;
    }
    if (json_parse_raw_numbers(json, &doc, err) != 0) {
        errmsg_wrap(err, "spec");
        return Q_EINVAL;
    }
    spec_read(&r, kind, name, yyjson_doc_get_root(doc), &s);
    yyjson_doc_free(doc);
    if (r.rv == 0) {
        *ret = s;
    }
    return r.rv;
}
