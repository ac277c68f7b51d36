/* get, describe, delete: resources of any kind. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "client/cli.h"
#include "client/output.h"

#define GET_COLUMNS_MAX 6

/* What a table shows of each kind beside name and revision. */
static const struct get_kind {
    const char *kind;
    struct table_column columns[GET_COLUMNS_MAX];
} get_kinds[] = {
    {"team", {{"spec.org", "ORG", false}}},
    {"user", {{"spec.team", "TEAM", false}}},
    {"provider", {{"spec.type", "TYPE", false}, {"spec.base_url", "BASE URL", false}}},
    {"budget",
     {{"spec.match", "MATCH", false},
      {"spec.limit", "LIMIT", true},
      {"spec.unit", "UNIT", false},
      {"spec.window.every", "EVERY", false},
      {"spec.mode", "MODE", false}}},
    {"limit", {{"spec.match", "MATCH", false}}},
    {"key",
     {{"spec.team", "TEAM", false},
      {"spec.name", "LABEL", false},
      {"spec.user", "USER", false},
      {"spec.models", "MODELS", false},
      {"spec.expires", "EXPIRES", false},
      {"spec.revoked", "REVOKED", false}}},
};

static void get_show(struct cli *cli, const char *kind, yyjson_val *items)
{
    struct table_column columns[GET_COLUMNS_MAX + 2] = {{"name", "NAME", false}};
    unsigned n = 1;

    for (size_t i = 0; i < ARRAY_LEN(get_kinds); i++) {
        if (strcmp(get_kinds[i].kind, kind) != 0) {
            continue;
        }
        for (unsigned c = 0; c < GET_COLUMNS_MAX && get_kinds[i].columns[c].key; c++) {
            columns[n++] = get_kinds[i].columns[c];
        }
    }
    columns[n++] = (struct table_column){"revision", "REVISION", true};
    cli_show(cli, items, columns, n);
}

static void get_path(struct buf *path, const char *kind, const char *name)
{
    buf_init(path, CLI_PATH_BYTES_MAX);
    buf_printf(path, "/admin/v1/%ss", kind);
    if (name) {
        http_add_segment(path, name);
    }
    buf_add_u8(path, 0);
}

static int get_fetch(struct cli *cli, const char *kind, const char *name, yyjson_doc **ret)
{
    struct buf path;
    int rc;

    get_path(&path, kind, name);
    rc = path.full ? cli_fail(CLI_USAGE, "the name is too long") : cli_get(cli, path.p, ret);
    buf_deinit(&path);
    return rc;
}

static int get_list(struct cli *cli, const char *kind)
{
    yyjson_doc *doc = NULL;
    yyjson_val *items;
    struct buf out;
    size_t i, n;
    yyjson_val *item;
    int rc = get_fetch(cli, kind, NULL, &doc);

    if (rc) {
        return rc;
    }
    items = yyjson_obj_get(yyjson_doc_get_root(doc), "items");
    if (cli->args.output == OUTPUT_YAML) {
        buf_init(&out, OUTPUT_BYTES_MAX);
        yyjson_arr_foreach(items, i, n, item)
        {
            output_add_resource(&out, item);
        }
        output_flush(&out);
        buf_deinit(&out);
    } else {
        get_show(cli, kind, items);
    }
    yyjson_doc_free(doc);
    return CLI_OK;
}

static int get_one(struct cli *cli, const char *kind, const char *name, enum output how)
{
    static const struct table_column facts[] = {
        {"kind", "kind", false}, {"name", "name", false}, {"revision", "revision", false}};
    yyjson_doc *doc = NULL;
    yyjson_val *item;
    struct buf out;
    int rc = get_fetch(cli, kind, name, &doc);

    if (rc) {
        return rc;
    }
    item = yyjson_doc_get_root(doc);
    buf_init(&out, OUTPUT_BYTES_MAX);
    if (how == OUTPUT_JSON) {
        output_add_json(&out, item);
    } else if (how == OUTPUT_YAML) {
        output_add_resource(&out, item);
    } else {
        table_add_facts(&out, facts, ARRAY_LEN(facts), item);
        buf_add_str(&out, "spec\n");
        output_add_yaml(&out, yyjson_obj_get(item, "spec"));
    }
    output_flush(&out);
    buf_deinit(&out);
    yyjson_doc_free(doc);
    return CLI_OK;
}

int cmd_get(struct cli *cli)
{
    const char *kind = cli_kind(cli->args.words[0]);

    if (!kind) {
        return CLI_USAGE;
    }
    if (cli->args.n_words == 1) {
        return get_list(cli, kind);
    }
    return get_one(cli, kind, cli->args.words[1],
                   cli->args.output == OUTPUT_TABLE ? OUTPUT_YAML : cli->args.output);
}

int cmd_describe(struct cli *cli)
{
    const char *kind = cli_kind(cli->args.words[0]);

    return kind ? get_one(cli, kind, cli->args.words[1], cli->args.output) : CLI_USAGE;
}

int cmd_delete(struct cli *cli)
{
    const char *kind = cli_kind(cli->args.words[0]);
    yyjson_doc *doc = NULL;
    struct buf path;
    int rc;

    if (!kind) {
        return CLI_USAGE;
    }
    get_path(&path, kind, cli->args.words[1]);
    rc = path.full ? cli_fail(CLI_USAGE, "the name is too long")
                   : cli_call(cli, "DELETE", path.p, NULL, &doc);
    if (rc == CLI_OK) {
        (void)printf("%s %s: deleted\n", kind, cli->args.words[1]);
    }
    yyjson_doc_free(doc);
    buf_deinit(&path);
    return rc;
}
