/* budget status, resolve. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "client/cli.h"
#include "client/output.h"

#define BUDGET_WATCH_MS 2000

static const struct table_column budget_columns[] = {
    {"name", "NAME", false},        {"unit", "UNIT", false},  {"window", "WINDOW", false},
    {"limit", "LIMIT", true},       {"spent", "SPENT", true}, {"held", "HELD", true},
    {"presumed", "PRESUMED", true}, {"left", "LEFT", true},   {"resets_at", "RESETS AT", false},
};
static const struct table_column budget_node_columns[] = {
    {"node", "NODE", false},        {"incarnation", "INCARNATION", true},
    {"granted", "GRANTED", true},   {"settled", "SETTLED", true},
    {"returned", "RETURNED", true}, {"presumed", "PRESUMED", true},
};

static void budget_path(struct buf *path, const char *name, const char *verb)
{
    buf_init(path, CLI_PATH_BYTES_MAX);
    buf_add_str(path, "/admin/v1/budgets");
    http_add_segment(path, name);
    buf_printf(path, "/%s", verb);
    buf_add_u8(path, 0);
}

/* Appends the status object of one budget to the array. */
static int budget_add_status(struct cli *cli, const char *name, struct jsonw *w)
{
    yyjson_doc *doc = NULL;
    struct buf path;
    struct buf one;
    int rc;

    budget_path(&path, name, "status");
    rc = path.full ? cli_fail(CLI_USAGE, "the name is too long") : cli_get(cli, path.p, &doc);
    if (rc == CLI_OK) {
        buf_init(&one, OUTPUT_BYTES_MAX);
        cli_add_json(&one, yyjson_doc_get_root(doc));
        jsonw_raw(w, buf_slice(&one));
        buf_deinit(&one);
    }
    yyjson_doc_free(doc);
    buf_deinit(&path);
    return rc;
}

static int budget_add_all(struct cli *cli, struct jsonw *w)
{
    yyjson_doc *doc = NULL;
    yyjson_val *item;
    size_t i, n;
    int rc = cli_get(cli, "/admin/v1/budgets", &doc);

    if (rc == CLI_OK) {
        yyjson_val *items = yyjson_obj_get(yyjson_doc_get_root(doc), "items");
        yyjson_arr_foreach(items, i, n, item)
        {
            rc = budget_add_status(cli, cli_text(item, "name", ""), w);
            if (rc) {
                break;
            }
        }
    }
    yyjson_doc_free(doc);
    return rc;
}

static void budget_show(struct cli *cli, yyjson_val *rows, bool one)
{
    yyjson_val *nodes = yyjson_obj_get(yyjson_arr_get_first(rows), "nodes");

    if (one && cli->args.output != OUTPUT_TABLE) {
        output_print(cli->args.output, yyjson_arr_get_first(rows));
        return;
    }
    cli_show(cli, rows, budget_columns, ARRAY_LEN(budget_columns));
    if (one && yyjson_arr_size(nodes)) {
        (void)putchar('\n');
        cli_show(cli, nodes, budget_node_columns, ARRAY_LEN(budget_node_columns));
    }
}

/* @clear: the screen, once there is something new to show on it. */
static int budget_status_once(struct cli *cli, bool clear)
{
    bool one = cli->args.n_words == 1;
    yyjson_doc *doc = NULL;
    struct errmsg err = {0};
    struct buf text;
    struct jsonw w;
    int rc;

    buf_init(&text, OUTPUT_BYTES_MAX);
    jsonw_init(&w, &text);
    jsonw_arr(&w);
    rc = one ? budget_add_status(cli, cli->args.words[0], &w) : budget_add_all(cli, &w);
    jsonw_arr_end(&w);
    if (rc == CLI_OK && json_parse_raw_numbers(buf_slice(&text), &doc, &err) != 0) {
        rc = cli_fail(CLI_REFUSED, "the status is no JSON: %s", err.text);
    }
    if (rc == CLI_OK) {
        if (clear) {
            (void)fputs("\033[H\033[2J", stdout);
        }
        budget_show(cli, yyjson_doc_get_root(doc), one);
    }
    yyjson_doc_free(doc);
    buf_deinit(&text);
    return rc;
}

int cmd_budget_status(struct cli *cli)
{
    bool watch = cli_opt(cli, OPT_WATCH);
    bool clear = watch && cli->args.output == OUTPUT_TABLE && isatty(STDOUT_FILENO);
    int rc = budget_status_once(cli, clear);

    /* Until Ctrl-C, or until the reader of the pipe has gone. A node that is down for a while is
     * waited for; a refusal ends the watch. */
    while (watch && (rc == CLI_OK || rc == CLI_UNREACHABLE) && !ferror(stdout)) {
        (void)poll(NULL, 0, BUDGET_WATCH_MS);
        rc = budget_status_once(cli, clear);
    }
    return rc;
}

int cmd_budget_resolve(struct cli *cli)
{
    const char *node = cli_opt(cli, OPT_NODE);
    yyjson_doc *doc = NULL;
    struct buf path;
    struct buf body;
    struct jsonw w;
    int rc;

    if (!node) {
        return cli_fail(CLI_USAGE,
                        "whose credit? Give --node N; 'budget status %s' lists the nodes",
                        cli->args.words[0]);
    }
    if (!cli_opt(cli, OPT_I_KNOW)) {
        return cli_fail(
            CLI_USAGE,
            "this gives back what %s is presumed to have spent. If %s did spend it, the "
            "budget is overspent by as much.\nAdd --i-know when %s is stopped for good "
            "and you know what it spent.",
            node, node, node);
    }
    budget_path(&path, cli->args.words[0], "resolve");
    buf_init(&body, CLI_PATH_BYTES_MAX);
    jsonw_init(&w, &body);
    jsonw_obj(&w);
    jsonw_kstr(&w, "node", node);
    jsonw_obj_end(&w);
    rc = path.full ? cli_fail(CLI_USAGE, "the name is too long")
                   : cli_call(cli, "POST", path.p, &body, &doc);
    if (rc == CLI_OK) {
        (void)printf("budget %s: %s resolved\n", cli->args.words[0], node);
    }
    yyjson_doc_free(doc);
    buf_deinit(&body);
    buf_deinit(&path);
    return rc;
}
