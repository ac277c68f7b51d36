/* What the commands share: the arguments, the connection, and the way to say that something failed.
 * A command returns an exit code and has then said why. */
#ifndef CLIENT_CLI_H_
#define CLIENT_CLI_H_

#include "base/json.h"
#include "client/args.h"
#include "client/http.h"
#include "client/table.h"

#define CLI_FILE_BYTES_MAX (16u << 20)
#define CLI_PATH_BYTES_MAX 4096
#define CLI_KINDS_MAX      9

enum cli_exit {
    CLI_OK = 0,
    CLI_REFUSED = 1, /* The node, or the file, said no. */
    CLI_USAGE = 2,
    CLI_UNREACHABLE = 3, /* No node answered. */
};

struct cli {
    struct args args;
    struct http http;
};

/* The kinds of resources in the order in which they refer to each other. */
extern const char *const cli_kinds[CLI_KINDS_MAX];
/* "models" and "model" -> "model"; NULL when there is no such kind, which has then been said. */
const char *cli_kind(const char *word);

/* "quoratectl: sentence" on stderr; returns @code. */
int cli_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The exit code for a failure of base/. */
int cli_fail_err(int rc, const struct errmsg *err);

/* Calls and parses the answer into *ret (yyjson_doc_free(); NULL when there is no body). Numbers
 * are raw text. @body NULL: none. Anything but 2xx has been said:
 * CLI_REFUSED or CLI_UNREACHABLE. */
int cli_call(struct cli *cli, const char *method, const char *path, const struct buf *body,
             yyjson_doc **ret);
int cli_get(struct cli *cli, const char *path, yyjson_doc **ret);
/* Says the {"error": ...} of an answer; returns the exit code. */
int cli_fail_reply(const struct http_call *c);

/* The value of an option, or NULL. */
static inline const char *cli_opt(const struct cli *cli, enum args_option o)
{
    return cli->args.value[o];
}
/* A string member as C text; @otherwise when it is missing. */
const char *cli_text(yyjson_val *obj, const char *key, const char *otherwise);
/* Prints the array @rows as -o says: a table of @columns, JSON or YAML. */
void cli_show(struct cli *cli, yyjson_val *rows, const struct table_column *columns,
              unsigned n_columns);
/* Appends @val as JSON. */
void cli_add_json(struct buf *out, const yyjson_val *val);
/* The whole file, "-" being stdin; @max bytes at most. The exit code. */
int cli_read_file(const char *name, size_t max, struct buf *ret);

/* cmd_*.c: one function a command, named in the table of main.c. */
int cmd_apply(struct cli *cli);
int cmd_diff(struct cli *cli);
int cmd_export(struct cli *cli);
int cmd_get(struct cli *cli);
int cmd_describe(struct cli *cli);
int cmd_delete(struct cli *cli);
int cmd_team_create(struct cli *cli);
int cmd_key_create(struct cli *cli);
int cmd_key_list(struct cli *cli);
int cmd_key_rotate(struct cli *cli);
int cmd_key_revoke(struct cli *cli);
int cmd_budget_status(struct cli *cli);
int cmd_budget_resolve(struct cli *cli);
int cmd_usage(struct cli *cli);
int cmd_explain(struct cli *cli);
int cmd_cluster_status(struct cli *cli);
int cmd_snapshot_save(struct cli *cli);
int cmd_snapshot_restore(struct cli *cli);

#endif /* CLIENT_CLI_H_ */
