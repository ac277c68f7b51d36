/* apply, diff, export: a cluster as a file.
 *
 * A cluster file holds YAML documents of kind, name and spec. It is read whole and checked for its
 * shape, with FILE:LINE of the first mistake, before a node is asked; the node takes all of it in
 * one revision or nothing. What is not in the file stays as it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/money.h"
#include "base/yaml.h"
#include "client/cli.h"
#include "client/output.h"

#define APPLY_DOCS_MAX 16384
#define DIFF_FACTS_MAX 65536

struct apply_file {
    const char *name;
    struct buf text;
    yyjson_doc *docs[APPLY_DOCS_MAX];
    unsigned n;
    unsigned n_seen; /* Documents, empty ones included. */
    struct buf body; /* {"resources":[...]} */
    struct jsonw w;
};

/* "FILE:LINE: sentence" in @err, of the value at @path or of the document's first line. */
static int apply_mistake(struct apply_file *f, unsigned doc_line, const char *path,
                         const char *what, struct errmsg *err)
{
    unsigned line = path ? yaml_line_of(buf_slice(&f->text), f->n_seen, path) : 0;

    errmsg_set(err, "%s:%u: %s", f->name, line ? line : doc_line, what);
    return Q_EINVAL;
}

static bool apply_is_kind(struct slice kind)
{
    for (unsigned i = 0; i < CLI_KINDS_MAX; i++) {
        if (slice_eq(kind, slice_str(cli_kinds[i]))) {
            return true;
        }
    }
    return false;
}

static int apply_check_doc(struct apply_file *f, unsigned line, yyjson_val *root,
                           struct errmsg *err)
{
    yyjson_val *key, *val;
    size_t i, n;

    if (!yyjson_is_obj(root)) {
        return apply_mistake(f, line, NULL, "a resource is kind, name and spec", err);
    }
    yyjson_obj_foreach(root, i, n, key, val)
    {
        const char *text = yyjson_get_str(key);
        if (strcmp(text, "kind") != 0 && strcmp(text, "name") != 0 && strcmp(text, "spec") != 0) {
            char what[256];
            (void)snprintf(what, sizeof(what), "unknown member '%s'; there are kind, name and spec",
                           text);
            return apply_mistake(f, line, text, what, err);
        }
    }
    if (!apply_is_kind(json_slice(yyjson_obj_get(root, "kind")))) {
        return apply_mistake(f, line, "kind",
                             "kind is one of org, team, user, provider, model, route, budget, "
                             "limit and key",
                             err);
    }
    if (json_slice(yyjson_obj_get(root, "name")).n == 0) {
        return apply_mistake(f, line, "name", "name is missing", err);
    }
    if (!yyjson_is_obj(yyjson_obj_get(root, "spec"))) {
        return apply_mistake(f, line, "spec", "spec is missing, or no mapping", err);
    }
    for (i = 0; i < f->n; i++) {
        yyjson_val *other = yyjson_doc_get_root(f->docs[i]);
        if (yyjson_equals(yyjson_obj_get(other, "kind"), yyjson_obj_get(root, "kind")) &&
            yyjson_equals(yyjson_obj_get(other, "name"), yyjson_obj_get(root, "name"))) {
            return apply_mistake(f, line, "name", "the file holds this resource twice", err);
        }
    }
    return 0;
}

/* yaml_doc_cb */
static int apply_on_doc(void *arg, struct slice json, unsigned line, struct errmsg *err)
{
    struct apply_file *f = arg;
    yyjson_doc *doc;
    int rc;

    if (slice_eq(slice_trim(json), SLICE("null")) || json.n == 0) {
        f->n_seen++;
        return 0;
    }
    if (f->n == APPLY_DOCS_MAX) {
        return apply_mistake(f, line, NULL, "too many resources", err);
    }
    if (json_parse_raw_numbers(json, &doc, err) != 0) {
        errmsg_wrap(err, "%s:%u", f->name, line);
        return Q_EINVAL;
    }
    rc = apply_check_doc(f, line, yyjson_doc_get_root(doc), err);
    if (rc) {
        yyjson_doc_free(doc);
        return rc;
    }
    f->docs[f->n++] = doc;
    f->n_seen++;
    jsonw_raw(&f->w, json);
    return 0;
}

/* "line 3, column 5: x" of base/yaml becomes "FILE:3: column 5: x". */
static void apply_name_line(const char *file, struct errmsg *err)
{
    struct errmsg old = *err;
    struct slice rest = slice_str(old.text);
    struct slice number;
    uint64_t line;

    if (slice_starts(rest, SLICE("line "))) {
        rest = slice_of(rest.p + 5, rest.n - 5);
        if (scan_token(&rest, ',', 10, &number) == 0 && scan_u64(number, UINT32_MAX, &line) == 0) {
            rest = slice_trim(rest);
            errmsg_set(err, "%s:%u: %.*s", file, (unsigned)line, SLICE_FMT(rest));
            return;
        }
    }
    if (!slice_starts(slice_str(old.text), slice_str(file))) {
        errmsg_wrap(err, "%s", file);
    }
}

static void apply_file_free(struct apply_file *f)
{
    for (unsigned i = 0; i < f->n; i++) {
        yyjson_doc_free(f->docs[i]);
    }
    buf_deinit(&f->text);
    buf_deinit(&f->body);
    mem_free(f);
}

static int apply_file_load(struct cli *cli, struct apply_file *f)
{
    struct errmsg err = {0};
    int rc;

    f->name = cli_opt(cli, OPT_FILE);
    buf_init(&f->body, CLI_FILE_BYTES_MAX);
    if (!f->name) {
        return cli_fail(CLI_USAGE, "which file? Give -f FILE, or -f - for stdin");
    }
    rc = cli_read_file(f->name, CLI_FILE_BYTES_MAX, &f->text);
    if (rc) {
        return rc;
    }
    jsonw_init(&f->w, &f->body);
    jsonw_obj(&f->w);
    jsonw_key(&f->w, "resources");
    jsonw_arr(&f->w);
    if (yaml_to_json(buf_slice(&f->text), apply_on_doc, f, &err) != 0) {
        apply_name_line(f->name, &err);
        return cli_fail(CLI_REFUSED, "%s", err.text);
    }
    jsonw_arr_end(&f->w);
    jsonw_obj_end(&f->w);
    return f->n ? CLI_OK : cli_fail(CLI_REFUSED, "%s: no resources", f->name);
}

int cmd_apply(struct cli *cli)
{
    struct apply_file *f = mem_zalloc(sizeof(*f));
    yyjson_doc *doc = NULL;
    int rc = apply_file_load(cli, f);

    if (rc == CLI_OK) {
        rc = cli_call(cli, "POST", "/admin/v1/apply", &f->body, &doc);
    }
    if (rc == CLI_OK && cli->args.output != OUTPUT_TABLE) {
        output_print(cli->args.output, yyjson_doc_get_root(doc));
    } else if (rc == CLI_OK) {
        (void)printf("applied: %u resource%s, revision %s\n", f->n, f->n == 1 ? "" : "s",
                     cli_text(yyjson_doc_get_root(doc), "revision", "-"));
    }
    yyjson_doc_free(doc);
    apply_file_free(f);
    return rc;
}

/* A spec as sorted "path: value" lines. */
struct diff_facts {
    struct buf text;
    size_t *at; /* Offsets of lines, each ended by a 0. */
    unsigned n;
};

static int diff_compare(const void *a, const void *b, void *text)
{
    return strcmp((const char *)text + *(const size_t *)a, (const char *)text + *(const size_t *)b);
}

/* "5.00" and "5" are the same number. */
static void diff_add_number(struct buf *out, struct slice raw)
{
    char text[AMOUNT_TEXT_BYTES];
    i128 v;

    if (slice_find(raw, 'e') == raw.n && slice_find(raw, 'E') == raw.n &&
        amount_parse(raw, 12, &v) == 0) {
        buf_add_str(out, amount_text(v, 12, text));
    } else {
        buf_add_slice(out, raw);
    }
}

static void diff_add(struct diff_facts *d, struct buf *path, yyjson_val *val)
{
    size_t i, n;
    size_t path_n = path->n;
    yyjson_val *key, *item;

    if (yyjson_is_obj(val) && yyjson_obj_size(val)) {
        yyjson_obj_foreach(val, i, n, key, item)
        {
            buf_printf(path, "%s%s", path_n ? "." : "", yyjson_get_str(key));
            diff_add(d, path, item);
            path->n = path_n;
        }
        return;
    }
    if (yyjson_is_arr(val) && yyjson_arr_size(val)) {
        yyjson_arr_foreach(val, i, n, item)
        {
            buf_printf(path, "[%zu]", i);
            diff_add(d, path, item);
            path->n = path_n;
        }
        return;
    }
    if (path_n == 0 || d->n == DIFF_FACTS_MAX) {
        return; /* An empty spec has no facts. */
    }
    d->at[d->n++] = d->text.n;
    buf_add_slice(&d->text, buf_slice(path));
    buf_add_str(&d->text, ": ");
    if (yyjson_is_raw(val)) {
        diff_add_number(&d->text, slice_of(yyjson_get_raw(val), yyjson_get_len(val)));
    } else {
        table_add_cell(&d->text, val);
    }
    buf_add_u8(&d->text, 0);
}

static void diff_facts_init(struct diff_facts *d, yyjson_val *spec)
{
    struct buf path;

    *d = (struct diff_facts){.at = mem_alloc(DIFF_FACTS_MAX * sizeof(size_t))};
    buf_init(&d->text, CLI_FILE_BYTES_MAX);
    buf_init(&path, CLI_PATH_BYTES_MAX);
    diff_add(d, &path, spec);
    qsort_r(d->at, d->n, sizeof(d->at[0]), diff_compare, d->text.p);
    buf_deinit(&path);
}

static void diff_facts_deinit(struct diff_facts *d)
{
    buf_deinit(&d->text);
    mem_free(d->at);
}

/* Appends "  - path: old" and "  + path: new" lines. */
static void diff_merge(struct buf *out, const struct diff_facts *was, const struct diff_facts *is)
{
    unsigned i = 0, j = 0;

    while (i < was->n || j < is->n) {
        const char *a = i < was->n ? was->text.p + was->at[i] : NULL;
        const char *b = j < is->n ? is->text.p + is->at[j] : NULL;
        int order = !a ? 1 : !b ? -1 : strcmp(a, b);
        if (order < 0) {
            buf_printf(out, "  - %s\n", a);
        } else if (order > 0) {
            buf_printf(out, "  + %s\n", b);
        }
        i += order <= 0;
        j += order >= 0;
    }
}

static void diff_resource(struct buf *out, yyjson_val *mine, yyjson_val *theirs,
                          unsigned *n_changed)
{
    struct diff_facts was, is;
    struct buf lines;

    buf_init(&lines, OUTPUT_BYTES_MAX);
    diff_facts_init(&was, yyjson_obj_get(theirs, "spec"));
    diff_facts_init(&is, yyjson_obj_get(mine, "spec"));
    diff_merge(&lines, &was, &is);
    if (lines.n || !theirs) {
        buf_printf(out, "%s %s: %s\n", cli_text(mine, "kind", ""), cli_text(mine, "name", ""),
                   theirs ? "changed" : "new");
        buf_add_slice(out, buf_slice(&lines));
        (*n_changed)++;
    }
    diff_facts_deinit(&was);
    diff_facts_deinit(&is);
    buf_deinit(&lines);
}

static yyjson_val *diff_find(yyjson_val *items, yyjson_val *name)
{
    size_t i, n;
    yyjson_val *item;

    yyjson_arr_foreach(items, i, n, item)
    {
        if (yyjson_equals(yyjson_obj_get(item, "name"), name)) {
            return item;
        }
    }
    return NULL;
}

/* All of one kind in the file against all of it in the cluster. */
static int diff_kind(struct cli *cli, struct apply_file *f, const char *kind, struct buf *out,
                     unsigned *n_changed)
{
    yyjson_doc *doc = NULL;
    yyjson_val *items = NULL;
    char path[64];

    for (unsigned i = 0; i < f->n; i++) {
        yyjson_val *mine = yyjson_doc_get_root(f->docs[i]);
        if (strcmp(cli_text(mine, "kind", ""), kind) != 0) {
            continue;
        }
        if (!doc) {
            (void)snprintf(path, sizeof(path), "/admin/v1/%ss", kind);
            int rc = cli_get(cli, path, &doc);
            if (rc) {
                return rc;
            }
            items = yyjson_obj_get(yyjson_doc_get_root(doc), "items");
        }
        diff_resource(out, mine, diff_find(items, yyjson_obj_get(mine, "name")), n_changed);
    }
    yyjson_doc_free(doc);
    return CLI_OK;
}

int cmd_diff(struct cli *cli)
{
    struct apply_file *f = mem_zalloc(sizeof(*f));
    yyjson_doc *doc = NULL;
    unsigned n_changed = 0;
    struct buf out;
    int rc = apply_file_load(cli, f);

    buf_init(&out, OUTPUT_BYTES_MAX);
    for (unsigned i = 0; rc == CLI_OK && i < CLI_KINDS_MAX; i++) {
        rc = diff_kind(cli, f, cli_kinds[i], &out, &n_changed);
    }
    if (rc == CLI_OK) {
        buf_printf(&out, "%u of %u would change\n", n_changed, f->n);
        output_flush(&out);
        /* And whether the node would take it. */
        rc = cli_call(cli, "POST", "/admin/v1/apply?dry_run=true", &f->body, &doc);
    }
    yyjson_doc_free(doc);
    buf_deinit(&out);
    apply_file_free(f);
    return rc;
}

/* Everything is fetched before anything is printed: half an export is none. */
int cmd_export(struct cli *cli)
{
    struct buf out;
    int rc = CLI_OK;

    if (cli->args.output == OUTPUT_JSON) {
        return cli_fail(CLI_USAGE, "export prints a cluster file, which is YAML");
    }
    buf_init(&out, OUTPUT_BYTES_MAX);
    for (unsigned i = 0; rc == CLI_OK && i < CLI_KINDS_MAX; i++) {
        yyjson_doc *doc = NULL;
        yyjson_val *item;
        size_t k, n;
        char path[64];
        (void)snprintf(path, sizeof(path), "/admin/v1/%ss", cli_kinds[i]);
        rc = cli_get(cli, path, &doc);
        if (rc == CLI_OK) {
            yyjson_val *items = yyjson_obj_get(yyjson_doc_get_root(doc), "items");
            yyjson_arr_foreach(items, k, n, item)
            {
                output_add_resource(&out, item);
            }
        }
        yyjson_doc_free(doc);
    }
    if (rc == CLI_OK && out.full) {
        rc = cli_fail(CLI_REFUSED, "the cluster is over %u bytes", OUTPUT_BYTES_MAX);
    }
    if (rc == CLI_OK) {
        output_flush(&out);
    }
    buf_deinit(&out);
    return rc;
}
