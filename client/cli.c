#include "client/cli.h"

#include "client/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const cli_kinds[CLI_KINDS_MAX] = {
    "org", "team", "user", "provider", "model", "route", "budget", "limit", "key",
};

const char *cli_kind(const char *word)
{
    size_t n = strlen(word);

    for (unsigned i = 0; i < CLI_KINDS_MAX; i++) {
        size_t kind_n = strlen(cli_kinds[i]);
        if (strncmp(word, cli_kinds[i], kind_n) == 0 &&
            (n == kind_n || (n == kind_n + 1 && word[kind_n] == 's'))) {
            return cli_kinds[i];
        }
    }
    (void)cli_fail(CLI_USAGE,
                   "there is no kind '%s'; kinds are org, team, user, provider, model, route, "
                   "budget, limit and key",
                   word);
    return NULL;
}

int cli_fail(int code, const char *fmt, ...)
{
    char text[2 * ERRMSG_BYTES_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    /* The sentence may come from a node: no control characters to the terminal. */
    for (char *p = text; *p; p++) {
        if ((unsigned char)*p < ' ' && *p != '\n') {
            *p = ' ';
        }
    }
    (void)fprintf(stderr, "quoratectl: %s\n", text);
    return code;
}

int cli_fail_err(int rc, const struct errmsg *err)
{
    int code = rc == Q_EINVAL                         ? CLI_USAGE
               : rc == Q_EREFUSED || rc == Q_EUNKNOWN ? CLI_UNREACHABLE
                                                      : CLI_REFUSED;

    return cli_fail(code, "%s", err->text[0] ? err->text : err_str(rc));
}

const char *cli_text(yyjson_val *obj, const char *key, const char *otherwise)
{
    yyjson_val *v = yyjson_obj_get(obj, key);

    if (yyjson_is_str(v)) {
        return yyjson_get_str(v);
    }
    return yyjson_is_raw(v) ? yyjson_get_raw(v) : otherwise;
}

void cli_show(struct cli *cli, yyjson_val *rows, const struct table_column *columns,
              unsigned n_columns)
{
    struct buf out;

    if (cli->args.output != OUTPUT_TABLE) {
        output_print(cli->args.output, rows);
        return;
    }
    buf_init(&out, OUTPUT_BYTES_MAX);
    table_add(&out, columns, n_columns, rows);
    output_flush(&out);
    buf_deinit(&out);
}

void cli_add_json(struct buf *out, const yyjson_val *val)
{
    size_t n;
    char *text = yyjson_val_write(val, 0, &n);

    if (text) {
        buf_add(out, text, n);
        free(text);
    } else {
        buf_add_str(out, "null");
    }
}

int cli_fail_reply(const struct http_call *c)
{
    int exit_code = c->status == 503 ? CLI_UNREACHABLE : CLI_REFUSED;
    struct errmsg ignored;
    yyjson_doc *doc = NULL;
    yyjson_val *error;

    if (json_parse(buf_slice(&c->reply), &doc, &ignored) == 0) {
        error = yyjson_obj_get(yyjson_doc_get_root(doc), "error");
        if (cli_text(error, "message", NULL)) {
            (void)cli_fail(exit_code, "%s (%s)", cli_text(error, "message", ""),
                           cli_text(error, "code", "no code"));
            yyjson_doc_free(doc);
            return exit_code;
        }
    }
    yyjson_doc_free(doc);
    return cli_fail(exit_code, "%s %s: status %ld without a reason; is this an admin endpoint?",
                    c->method, c->path, c->status);
}

int cli_call(struct cli *cli, const char *method, const char *path, const struct buf *body,
             yyjson_doc **ret)
{
    struct http_call c = {.method = method, .path = path};
    struct errmsg err = {0};
    int rc;

    *ret = NULL;
    if (body) {
        if (body->full) {
            return cli_fail(CLI_REFUSED, "the request is over %zu bytes", body->cap);
        }
        c.body = buf_slice(body);
        c.content_type = "application/json";
    }
    rc = http_call(&cli->http, &c, &err);
    if (rc) {
        rc = cli_fail_err(rc, &err);
    } else if (c.status < 200 || c.status > 299) {
        rc = cli_fail_reply(&c);
    } else if (c.reply.n && json_parse_raw_numbers(buf_slice(&c.reply), ret, &err) != 0) {
        rc = cli_fail(CLI_REFUSED, "%s %s: the answer is no JSON: %s", method, path, err.text);
    }
    http_call_deinit(&c);
    return rc;
}

int cli_get(struct cli *cli, const char *path, yyjson_doc **ret)
{
    return cli_call(cli, "GET", path, NULL, ret);
}

int cli_read_file(const char *name, size_t max, struct buf *ret)
{
    FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
    int rc = CLI_OK;

    buf_init(ret, max);
    if (!f) {
        return cli_fail(CLI_REFUSED, "%s: %s", name, strerror(errno));
    }
    while (!feof(f) && !ferror(f)) {
        char part[16384];
        buf_add(ret, part, fread(part, 1, sizeof(part), f));
        if (ret->full) {
            rc = cli_fail(CLI_REFUSED, "%s: over %zu bytes", name, max);
            break;
        }
    }
    if (ferror(f)) {
        rc = cli_fail(CLI_REFUSED, "%s: %s", name, strerror(errno));
    }
    if (f != stdin) {
        (void)fclose(f);
    }
    return rc;
}
