/* quoratectl: administers a Quorate cluster through the admin API of any of its nodes.
 *
 * All goes well: the words name a command of the table below, its options fit, the command calls a
 * node and prints, exit code 0. Otherwise one sentence goes to stderr, and the exit code says
 * whose turn it is: 1 the node refused, 2 the command line is wrong, 3 no node answered. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "client/cli.h"

#define APPLY_OPTS OPT_BIT(FILE)
#define TEAM_OPTS  (OPT_BIT(ORG) | OPT_BIT(BUDGET) | OPT_BIT(RPM) | OPT_BIT(TPM) | OPT_BIT(TZ))
#define KEY_OPTS \
    (OPT_BIT(TEAM) | OPT_BIT(NAME) | OPT_BIT(USER) | OPT_BIT(MODELS) | OPT_BIT(EXPIRES))
#define USAGE_OPTS (OPT_BIT(BY) | OPT_BIT(SINCE) | OPT_BIT(UNTIL))

/* words, arguments at least, at most, options, function, usage, what it does */
#define COMMANDS(X)                                                                              \
    X("apply", 0, 0, APPLY_OPTS, cmd_apply, "-f FILE|-",                                         \
      "create and change what a file holds, all or nothing")                                     \
    X("diff", 0, 0, APPLY_OPTS, cmd_diff, "-f FILE|-", "show what apply would change")           \
    X("export", 0, 0, 0, cmd_export, "", "print all resources as a cluster file")                \
    X("get", 1, 2, 0, cmd_get, "KIND [NAME]", "list resources")                                  \
    X("describe", 2, 2, 0, cmd_describe, "KIND NAME", "show one resource in full")               \
    X("delete", 2, 2, 0, cmd_delete, "KIND NAME", "delete a resource")                           \
    X("team create", 1, 1, TEAM_OPTS, cmd_team_create, "NAME [--org O] [--budget 500usd/month]", \
      "make a team, with a hard budget if you like")                                             \
    X("key create", 0, 0, KEY_OPTS, cmd_key_create,                                              \
      "--team T [--name N] [--user U] [--models a,b] [--expires 90d]",                           \
      "make a key; its secret is shown once")                                                    \
    X("key list", 0, 0, 0, cmd_key_list, "", "list keys, without secrets")                       \
    X("key rotate", 1, 1, OPT_BIT(OVERLAP), cmd_key_rotate, "ID [--overlap 24h]",                \
      "make a new secret; the old one stays valid for the overlap")                              \
    X("key revoke", 1, 1, 0, cmd_key_revoke, "ID", "end a key now")                              \
    X("budget status", 0, 1, OPT_BIT(WATCH), cmd_budget_status, "[NAME] [--watch]",              \
      "limit, spent, held and left")                                                             \
    X("budget resolve", 1, 1, OPT_BIT(NODE) | OPT_BIT(I_KNOW), cmd_budget_resolve,               \
      "NAME --node N --i-know", "give back what a dead node is presumed to have spent")          \
    X("usage", 0, 0, USAGE_OPTS, cmd_usage, "[--by team,model] [--since 7d] [--until T]",        \
      "requests, tokens and cost")                                                               \
    X("explain", 1, 1, 0, cmd_explain, "REQUEST-ID", "say what happened to a request, and why")  \
    X("cluster status", 0, 0, 0, cmd_cluster_status, "", "leader and members")                   \
    X("snapshot save", 1, 1, 0, cmd_snapshot_save, "FILE", "save the state of the cluster")      \
    X("snapshot restore", 1, 1, 0, cmd_snapshot_restore, "FILE", "put a saved state back")       \
    X("version", 0, 0, 0, NULL, "", "print the version")                                         \
    X("help", 0, 2, 0, NULL, "", "print this")

struct main_command {
    const char *words;
    unsigned args_min, args_max;
    uint32_t options;
    int (*run)(struct cli *cli); /* NULL: needs no node. */
    const char *usage;
    const char *what;
};

static const struct main_command main_commands[] = {
#define X(words, min, max, options, run, usage, what) {words, min, max, options, run, usage, what},
    COMMANDS(X)
#undef X
};

static void main_help(FILE *out)
{
    (void)fputs("quoratectl: administer a Quorate cluster\n\n", out);
    for (size_t i = 0; i < ARRAY_LEN(main_commands); i++) {
        const struct main_command *c = &main_commands[i];
        (void)fprintf(out, "  %s%s%s\n        %s\n", c->words, c->usage[0] ? " " : "", c->usage,
                      c->what);
    }
    (void)fputs(
        "\nAnywhere:\n"
        "  --endpoint URL     a node's admin address; repeat it, and the next is tried when\n"
        "                     one is down (QUORATE_ENDPOINT, separated by spaces)\n"
        "  --token-file FILE  holds the admin token (QUORATE_TOKEN_FILE)\n"
        "  --cacert FILE      the CA of the nodes' certificates (QUORATE_CACERT)\n"
        "  -o table|json|yaml\n"
        "\nKinds: org team user provider model route budget limit key\n"
        "Exit codes: 0 done, 1 refused, 2 wrong command line, 3 no node answered\n",
        out);
}

/* How many of the words given @text ("key create") takes; 0 when it is another command. */
static unsigned main_match(const struct args *a, const char *text)
{
    unsigned n = 0;

    while (*text) {
        size_t len = strcspn(text, " ");
        if (n == a->n_words || strlen(a->words[n]) != len || memcmp(a->words[n], text, len) != 0) {
            return 0;
        }
        n++;
        text += len + (text[len] == ' ');
    }
    return n;
}

/* Says what could have been meant. */
static int main_no_command(const struct args *a)
{
    bool begun = false;

    for (size_t i = 0; i < ARRAY_LEN(main_commands); i++) {
        const struct main_command *c = &main_commands[i];
        size_t len = strcspn(c->words, " ");
        if (c->words[len] && strlen(a->words[0]) == len && !memcmp(a->words[0], c->words, len)) {
            (void)fprintf(stderr, "%s quoratectl %s %s\n", begun ? "      " : "usage:", c->words,
                          c->usage);
            begun = true;
        }
    }
    if (begun) {
        return CLI_USAGE;
    }
    return cli_fail(CLI_USAGE, "there is no command '%s'; 'quoratectl help' lists them",
                    a->words[0]);
}

/* Drops the command's own words: words[0] is its first argument then. */
static void main_shift(struct args *a, unsigned n)
{
    a->n_words -= n;
    memmove(a->words, a->words + n, a->n_words * sizeof(a->words[0]));
}

static int main_run(struct cli *cli, const struct main_command *c, unsigned n_matched)
{
    struct errmsg err = {0};
    int rc;

    main_shift(&cli->args, n_matched);
    if (strcmp(c->words, "help") == 0) {
        main_help(stdout);
        return CLI_OK;
    }
    if (cli->args.value[OPT_HELP]) {
        (void)printf("usage: quoratectl %s %s\n%s\n", c->words, c->usage, c->what);
        return CLI_OK;
    }
    if (cli->args.n_words < c->args_min || cli->args.n_words > c->args_max) {
        return cli_fail(CLI_USAGE, "usage: quoratectl %s %s", c->words, c->usage);
    }
    if (args_refuse_others(&cli->args, OPT_ANYWHERE | c->options, &err)) {
        return cli_fail(CLI_USAGE, "%s\nusage: quoratectl %s %s", err.text, c->words, c->usage);
    }
    if (!c->run) {
        (void)printf("quoratectl %s\n", QUORATE_VERSION);
        return CLI_OK;
    }
    rc = args_env(&cli->args, &err);
    if (rc == 0) {
        rc = http_init(&cli->http, &cli->args, &err);
    }
    rc = rc ? cli_fail_err(rc, &err) : c->run(cli);
    http_deinit(&cli->http);
    return rc;
}

static int main_find(struct cli *cli)
{
    if (cli->args.n_words == 0) {
        main_help(cli->args.value[OPT_HELP] ? stdout : stderr);
        return cli->args.value[OPT_HELP] ? CLI_OK : CLI_USAGE;
    }
    for (size_t i = 0; i < ARRAY_LEN(main_commands); i++) {
        unsigned n = main_match(&cli->args, main_commands[i].words);
        if (n) {
            return main_run(cli, &main_commands[i], n);
        }
    }
    return main_no_command(&cli->args);
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    struct errmsg err = {0};
    int rc = args_init(&cli.args, argc, argv, &err);

    (void)signal(SIGPIPE, SIG_IGN);
    rc = rc ? cli_fail_err(rc, &err) : main_find(&cli);
    args_deinit(&cli.args);
    if ((fflush(stdout) != 0 || ferror(stdout)) && rc == CLI_OK) {
        rc = cli_fail(CLI_REFUSED, "stdout cannot be written");
    }
    return rc;
}
