/* usage, explain: what was asked of the gateway, and what became of one request. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "client/cli.h"
#include "client/output.h"

#define USAGE_BY_MAX     8
#define USAGE_NAME_BYTES 64

static const struct table_column usage_sums[] = {
    {"requests", "REQUESTS", true},    {"errors", "ERRORS", true},
    {"input_tokens", "INPUT", true},   {"cached_tokens", "CACHED", true},
    {"output_tokens", "OUTPUT", true}, {"cost_usd", "COST USD", true},
};

/* The names in --by, as columns. */
struct usage_by {
    char key[USAGE_BY_MAX][USAGE_NAME_BYTES];
    char title[USAGE_BY_MAX][USAGE_NAME_BYTES];
    unsigned n;
};

static int usage_parse_by(const char *text, struct usage_by *by)
{
    by->n = 0;
    while (*text) {
        size_t n = strcspn(text, ",");
        if (by->n == USAGE_BY_MAX || n == 0 || n >= USAGE_NAME_BYTES) {
            return Q_EINVAL;
        }
        for (size_t i = 0; i < n; i++) {
            char ch = text[i];
            bool lower = ch >= 'a' && ch <= 'z';
            if (!lower && ch != '_') {
                return Q_EINVAL;
            }
            by->key[by->n][i] = ch;
            by->title[by->n][i] = lower ? (char)(ch - 'a' + 'A') : ' ';
        }
        by->key[by->n][n] = 0;
        by->title[by->n][n] = 0;
        by->n++;
        text += n + (text[n] == ',');
    }
    return by->n ? 0 : Q_EINVAL;
}

/* "7d" and unix milliseconds go as they are; "2026-11-01" becomes milliseconds. */
static int usage_add_time(struct buf *path, const char *key, const char *text)
{
    uint64_t ms;
    int64_t at;

    buf_printf(path, "&%s=", key);
    if (scan_duration_ms(slice_str(text), &ms) == 0 ||
        scan_u64(slice_str(text), INT64_MAX, &ms) == 0) {
        http_add_query(path, text);
        return CLI_OK;
    }
    if (civil_parse(text, &at) == 0) {
        buf_printf(path, "%lld", (long long)at);
        return CLI_OK;
    }
    return cli_fail(CLI_USAGE, "--%s is like 7d, 2026-11-01 or 2026-11-01T10:00:00Z, not '%s'", key,
                    text);
}

static void usage_show(struct cli *cli, const struct usage_by *by, yyjson_val *rows)
{
    struct table_column columns[USAGE_BY_MAX + ARRAY_LEN(usage_sums)];
    unsigned n = 0;

    while (n < by->n) {
        columns[n] = (struct table_column){by->key[n], by->title[n], false};
        n++;
    }
    memcpy(columns + n, usage_sums, sizeof(usage_sums));
    cli_show(cli, rows, columns, n + (unsigned)ARRAY_LEN(usage_sums));
}

int cmd_usage(struct cli *cli)
{
    const char *by_text = cli_opt(cli, OPT_BY) ? cli_opt(cli, OPT_BY) : "team,model";
    const char *since = cli_opt(cli, OPT_SINCE) ? cli_opt(cli, OPT_SINCE) : "7d";
    struct usage_by by;
    yyjson_doc *doc = NULL;
    struct buf path;
    int rc;

    if (usage_parse_by(by_text, &by) != 0) {
        return cli_fail(CLI_USAGE, "--by is a list like team,model, not '%s'", by_text);
    }
    buf_init(&path, CLI_PATH_BYTES_MAX);
    buf_printf(&path, "/admin/v1/usage?by=%s", by_text);
    rc = usage_add_time(&path, "since", since);
    if (rc == CLI_OK && cli_opt(cli, OPT_UNTIL)) {
        rc = usage_add_time(&path, "until", cli_opt(cli, OPT_UNTIL));
    }
    buf_add_u8(&path, 0);
    if (rc == CLI_OK) {
        rc = path.full ? cli_fail(CLI_USAGE, "the options are too long")
                       : cli_get(cli, path.p, &doc);
    }
    if (rc == CLI_OK) {
        usage_show(cli, &by, yyjson_obj_get(yyjson_doc_get_root(doc), "rows"));
    }
    yyjson_doc_free(doc);
    buf_deinit(&path);
    return rc;
}

static const struct table_column explain_facts[] = {
    {"id", "request", false},
    {"at", "at", false},
    {"team", "team", false},
    {"key", "key", false},
    {"model_asked", "model asked", false},
    {"provider", "provider", false},
    {"model", "model", false},
    {"status", "status", false},
    {"code", "code", false},
    {"why", "why", false},
    {"attempts", "attempts", false},
    {"stream", "stream", false},
    {"client_left", "client left", false},
    {"input_tokens", "input tokens", false},
    {"output_tokens", "output tokens", false},
    {"cost_usd", "cost USD", false},
    {"total_us", "total us", false},
    {"first_byte_us", "first byte us", false},
    {"overhead_us", "overhead us", false},
};

static void explain_show(struct cli *cli, yyjson_val *record)
{
    struct buf out;

    if (cli->args.output != OUTPUT_TABLE) {
        output_print(cli->args.output, record);
        return;
    }
    buf_init(&out, OUTPUT_BYTES_MAX);
    table_add_facts(&out, explain_facts, ARRAY_LEN(explain_facts), record);
    output_flush(&out);
    buf_deinit(&out);
}

/* Each node keeps the records of what it served itself: all are asked until one knows. */
static int explain_ask_all(struct cli *cli, const char *path, const char *id)
{
    struct http_call c = {.method = "GET", .path = path};
    struct errmsg err = {0};
    yyjson_doc *doc = NULL;
    unsigned n_down = 0;
    int rc = CLI_REFUSED;
    unsigned i;

    for (i = 0; i < cli->http.n_endpoints; i++) {
        if (http_call_at(&cli->http, i, &c, &err) != 0 || c.status == 503) {
            n_down++;
        } else if (c.status != 404) {
            break;
        }
    }
    if (i < cli->http.n_endpoints) {
        if (c.status != 200) {
            rc = cli_fail_reply(&c);
        } else if (json_parse_raw_numbers(buf_slice(&c.reply), &doc, &err) != 0) {
            rc = cli_fail(CLI_REFUSED, "the record is no JSON: %s", err.text);
        } else {
            explain_show(cli, yyjson_doc_get_root(doc));
            rc = CLI_OK;
        }
    } else if (n_down == cli->http.n_endpoints) {
        rc = cli_fail(CLI_UNREACHABLE, "no node answered; the last: %s",
                      err.text[0] ? err.text : "not ready (503)");
    } else if (n_down) {
        rc = cli_fail(CLI_UNREACHABLE, "no node that answered knows %s; %u of %u did not answer",
                      id, n_down, cli->http.n_endpoints);
    } else {
        rc = cli_fail(CLI_REFUSED, "no node given knows %s; name all nodes with --endpoint", id);
    }
    yyjson_doc_free(doc);
    http_call_deinit(&c);
    return rc;
}

int cmd_explain(struct cli *cli)
{
    struct buf path;
    int rc;

    buf_init(&path, CLI_PATH_BYTES_MAX);
    buf_add_str(&path, "/admin/v1/requests");
    http_add_segment(&path, cli->args.words[0]);
    buf_add_u8(&path, 0);
    rc = path.full ? cli_fail(CLI_USAGE, "the id is too long")
                   : explain_ask_all(cli, path.p, cli->args.words[0]);
    buf_deinit(&path);
    return rc;
}
