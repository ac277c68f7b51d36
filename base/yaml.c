/* YAML by libyaml's events, written out as JSON. What the core schema does not need is refused with
 * its place. */
#include "base/yaml.h"

#include <yaml.h>

#include "base/check.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"

#define YAML_DEPTH_MAX      60
#define YAML_PATH_BYTES_MAX 512

enum yaml_level_kind { YAML_LEVEL_MAP_KEY, YAML_LEVEL_MAP_VALUE, YAML_LEVEL_SEQ };

struct yaml_level {
    enum yaml_level_kind kind;
    size_t path_n;    /* Length of the path before this level. */
    size_t item;      /* Index in a sequence. */
    size_t keys_from; /* Where this map's keys begin in `keys`. */
};

struct yaml_state {
    yaml_parser_t parser;
    struct jsonw w;
    struct buf json;
    struct yaml_level levels[YAML_DEPTH_MAX];
    size_t depth;
    struct buf keys; /* Keys of all open maps: len u32 | text. */
    struct errmsg *err;
    char path[YAML_PATH_BYTES_MAX];
    size_t path_n;
    const char *find; /* yaml_line_of(): stop at this path. */
    unsigned found_line, find_doc;
    unsigned doc_no, doc_line;
};

static int yaml_refuse(struct yaml_state *s, const yaml_mark_t *at, const char *what)
{
    errmsg_set(s->err, "line %zu, column %zu: %s", at->line + 1, at->column + 1, what);
    return Q_EPROTO;
}

/* --- the path, for yaml_line_of() --- */

static void yaml_path_add(struct yaml_state *s, struct slice part)
{
    size_t dot = s->path_n > 0;

    if (s->path_n + dot + part.n + 1 > sizeof s->path) {
        return;
    }
    if (dot) {
        s->path[s->path_n++] = '.';
    }
    memcpy(s->path + s->path_n, part.p, part.n);
    s->path_n += part.n;
}

static void yaml_value_begins(struct yaml_state *s, const yaml_mark_t *at)
{
    if (s->depth > 0 && s->levels[s->depth - 1].kind == YAML_LEVEL_SEQ) {
        struct yaml_level *l = &s->levels[s->depth - 1];
        char number[24];
        int n = snprintf(number, sizeof number, "%zu", l->item++);
        s->path_n = l->path_n;
        yaml_path_add(s, slice_of(number, (size_t)n));
    }
    if (s->find != NULL && s->found_line == 0 && s->doc_no == s->find_doc &&
        slice_eq(slice_of(s->path, s->path_n), slice_str(s->find))) {
        s->found_line = (unsigned)at->line + 1;
    }
}

static void yaml_value_ends(struct yaml_state *s)
{
    if (s->depth > 0 && s->levels[s->depth - 1].kind == YAML_LEVEL_MAP_VALUE) {
        s->levels[s->depth - 1].kind = YAML_LEVEL_MAP_KEY;
    }
}

/* --- scalars --- */

static bool yaml_all_digits(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return false;
        }
    }
    return s.n > 0;
}

/* A number of the core schema that is one of JSON too: its text is kept exactly. */
static bool yaml_is_number(struct slice s)
{
    size_t dot, e;
    struct slice whole, fraction = {"0", 1}, exponent = {"0", 1};

    if (s.n > 0 && s.p[0] == '-') {
        s = slice_of(s.p + 1, s.n - 1);
    }
    e = slice_find(s, 'e') < s.n ? slice_find(s, 'e') : slice_find(s, 'E');
    if (e < s.n) {
        size_t sign = e + 1 < s.n && (s.p[e + 1] == '-' || s.p[e + 1] == '+');
        exponent = slice_of(s.p + e + 1 + sign, s.n - e - 1 - sign);
        s.n = e;
    }
    dot = slice_find(s, '.');
    whole = slice_of(s.p, dot);
    if (dot < s.n) {
        fraction = slice_of(s.p + dot + 1, s.n - dot - 1);
    }
    return yaml_all_digits(whole) && (whole.n == 1 || whole.p[0] != '0') &&
           yaml_all_digits(fraction) && yaml_all_digits(exponent);
}

static void yaml_plain(struct yaml_state *s, struct slice v)
{
    if (v.n == 0 || slice_eq(v, SLICE("~")) || slice_eq(v, SLICE("null")) ||
        slice_eq(v, SLICE("Null")) || slice_eq(v, SLICE("NULL"))) {
        jsonw_null(&s->w);
    } else if (slice_eq(v, SLICE("true")) || slice_eq(v, SLICE("True")) ||
               slice_eq(v, SLICE("TRUE"))) {
        jsonw_bool(&s->w, true);
    } else if (slice_eq(v, SLICE("false")) || slice_eq(v, SLICE("False")) ||
               slice_eq(v, SLICE("FALSE"))) {
        jsonw_bool(&s->w, false);
    } else if (yaml_is_number(v)) {
        jsonw_raw(&s->w, v);
    } else {
        jsonw_slice(&s->w, v);
    }
}

static bool yaml_key_known(const struct yaml_state *s, const struct yaml_level *l, struct slice key)
{
    for (size_t at = l->keys_from; at < s->keys.n;) {
        uint32_t n;
        memcpy(&n, s->keys.p + at, sizeof n);
        if (slice_eq(slice_of(s->keys.p + at + sizeof n, n), key)) {
            return true;
        }
        at += sizeof n + n;
    }
    return false;
}

static int yaml_key(struct yaml_state *s, const yaml_event_t *e, struct slice key)
{
    struct yaml_level *l = &s->levels[s->depth - 1];
    uint32_t n = (uint32_t)key.n;

    if (yaml_key_known(s, l, key)) {
        return yaml_refuse(s, &e->start_mark, "this key is given twice");
    }
    buf_add(&s->keys, &n, sizeof n);
    buf_add_slice(&s->keys, key);
    jsonw_key_slice(&s->w, key);
    s->path_n = l->path_n;
    yaml_path_add(s, key);
    l->kind = YAML_LEVEL_MAP_VALUE;
    return 0;
}

static int yaml_scalar(struct yaml_state *s, const yaml_event_t *e)
{
    struct slice v = slice_of((const char *)e->data.scalar.value, e->data.scalar.length);

    if (e->data.scalar.anchor != NULL || e->data.scalar.tag != NULL) {
        return yaml_refuse(s, &e->start_mark, "anchors and tags are not used here");
    }
    if (s->depth > 0 && s->levels[s->depth - 1].kind == YAML_LEVEL_MAP_KEY) {
        return yaml_key(s, e, v);
    }
    yaml_value_begins(s, &e->start_mark);
    if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        yaml_plain(s, v);
    } else {
        jsonw_slice(&s->w, v);
    }
    yaml_value_ends(s);
    return 0;
}

/* --- structure --- */

static int yaml_open(struct yaml_state *s, const yaml_event_t *e, bool map, bool decorated)
{
    if (decorated) {
        return yaml_refuse(s, &e->start_mark, "anchors and tags are not used here");
    }
    if (s->depth == YAML_DEPTH_MAX) {
        return yaml_refuse(s, &e->start_mark, "nested too deep");
    }
    if (s->depth > 0 && s->levels[s->depth - 1].kind == YAML_LEVEL_MAP_KEY) {
        return yaml_refuse(s, &e->start_mark, "a key must be plain text");
    }
    yaml_value_begins(s, &e->start_mark);
    s->levels[s->depth++] = (struct yaml_level){.kind = map ? YAML_LEVEL_MAP_KEY : YAML_LEVEL_SEQ,
                                                .path_n = s->path_n,
                                                .keys_from = s->keys.n};
    if (map) {
        jsonw_obj(&s->w);
    } else {
        jsonw_arr(&s->w);
    }
    return 0;
}

static void yaml_close(struct yaml_state *s, bool map)
{
    struct yaml_level *l = &s->levels[--s->depth];

    s->keys.n = l->keys_from;
    s->path_n = l->path_n;
    if (map) {
        jsonw_obj_end(&s->w);
    } else {
        jsonw_arr_end(&s->w);
    }
    yaml_value_ends(s);
}

static int yaml_document_end(struct yaml_state *s, yaml_doc_cb cb, void *arg)
{
    int rv = 0;

    if (s->json.full) {
        errmsg_set(s->err, "line %u: the document is too large", s->doc_line);
        return Q_ETOOBIG;
    }
    if (slice_eq(buf_slice(&s->json), SLICE("null"))) {
        return 0; /* An empty document between two separators is nothing: not counted either. */
    }
    if (cb != NULL) {
        rv = cb(arg, buf_slice(&s->json), s->doc_line, s->err);
    }
    s->doc_no++;
    return rv;
}

static int yaml_one_event(struct yaml_state *s, const yaml_event_t *e, yaml_doc_cb cb, void *arg)
{
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        buf_clear(&s->json);
        jsonw_init(&s->w, &s->json);
        s->depth = 0;
        s->path_n = 0;
        s->doc_line = (unsigned)e->start_mark.line + 1;
        return 0;
    case YAML_DOCUMENT_END_EVENT:
        return yaml_document_end(s, cb, arg);
    case YAML_SCALAR_EVENT:
        return yaml_scalar(s, e);
    case YAML_MAPPING_START_EVENT:
        return yaml_open(s, e, true,
                         e->data.mapping_start.anchor != NULL || e->data.mapping_start.tag != NULL);
    case YAML_SEQUENCE_START_EVENT:
        return yaml_open(s, e, false,
                         e->data.sequence_start.anchor != NULL ||
                             e->data.sequence_start.tag != NULL);
    case YAML_MAPPING_END_EVENT:
        yaml_close(s, true);
        return 0;
    case YAML_SEQUENCE_END_EVENT:
        yaml_close(s, false);
        return 0;
    case YAML_ALIAS_EVENT:
        return yaml_refuse(s, &e->start_mark, "aliases are not used here");
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
        break;
    }
    return 0;
}

static int yaml_run(struct yaml_state *s, struct slice text, yaml_doc_cb cb, void *arg)
{
    bool end = false;
    int rv = 0;

    if (text.n > YAML_FILE_BYTES_MAX) {
        errmsg_set(s->err, "larger than %u bytes", YAML_FILE_BYTES_MAX);
        return Q_ETOOBIG;
    }
    ASSERT(yaml_parser_initialize(&s->parser) != 0);
    yaml_parser_set_input_string(&s->parser, (const unsigned char *)text.p, text.n);
    buf_init(&s->json, YAML_FILE_BYTES_MAX * 2);
    buf_init(&s->keys, YAML_FILE_BYTES_MAX * 2);
    while (rv == 0 && !end) {
        yaml_event_t e;
        if (yaml_parser_parse(&s->parser, &e) == 0) {
            errmsg_set(s->err, "line %zu, column %zu: %s", s->parser.problem_mark.line + 1,
                       s->parser.problem_mark.column + 1,
                       s->parser.problem != NULL ? s->parser.problem : "not YAML");
            rv = Q_EPROTO;
            break;
        }
        end = e.type == YAML_STREAM_END_EVENT;
        rv = yaml_one_event(s, &e, cb, arg);
        end = end || (s->find != NULL && s->found_line != 0);
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&s->parser);
    buf_deinit(&s->json);
    buf_deinit(&s->keys);
    return rv;
}

int yaml_to_json(struct slice text, yaml_doc_cb cb, void *arg, struct errmsg *err)
{
    struct yaml_state *s = mem_zalloc(sizeof *s);
    int rv;

    s->err = err;
    rv = yaml_run(s, text, cb, arg);
    mem_free(s);
    return rv;
}

unsigned yaml_line_of(struct slice text, unsigned doc_no, const char *path)
{
    struct yaml_state *s = mem_zalloc(sizeof *s);
    unsigned line;

    s->find = path;
    s->find_doc = doc_no;
    (void)yaml_run(s, text, NULL, NULL);
    line = s->found_line;
    mem_free(s);
    return line;
}
