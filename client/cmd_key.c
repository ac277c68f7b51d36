/* key create, list, rotate, revoke. A secret is printed once and kept nowhere. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "client/cli.h"
#include "client/output.h"

#define KEY_BODY_BYTES_MAX (64u << 10)

/* The id and the secret on stdout, the advice on stderr. */
static void key_show(struct cli *cli, yyjson_val *answer)
{
    static const struct table_column facts[] = {{"id", "id", false}, {"secret", "secret", false}};
    struct buf out;

    if (cli->args.output != OUTPUT_TABLE) {
        output_print(cli->args.output, answer);
        return;
    }
    buf_init(&out, OUTPUT_BYTES_MAX);
    table_add_facts(&out, facts, ARRAY_LEN(facts), answer);
    output_flush(&out);
    buf_deinit(&out);
    (void)fprintf(stderr, "Keep the secret now: it is not shown again.\n");
}

/* "a,b" as a list. */
static void key_add_models(struct jsonw *w, const char *models)
{
    jsonw_key(w, "models");
    jsonw_arr(w);
    while (*models) {
        size_t n = strcspn(models, ",");
        struct slice model = slice_trim(slice_of(models, n));
        if (model.n) {
            jsonw_slice(w, model);
        }
        models += n + (models[n] == ',');
    }
    jsonw_arr_end(w);
}

int cmd_key_create(struct cli *cli)
{
    static const struct {
        enum args_option option;
        const char *key;
    } members[] = {
        {OPT_TEAM, "team"}, {OPT_NAME, "name"}, {OPT_USER, "user"}, {OPT_EXPIRES, "expires"}};
    yyjson_doc *doc = NULL;
    struct buf body;
    struct jsonw w;
    int rc;

    if (!cli_opt(cli, OPT_TEAM)) {
        return cli_fail(CLI_USAGE, "a key belongs to a team: give --team T");
    }
    buf_init(&body, KEY_BODY_BYTES_MAX);
    jsonw_init(&w, &body);
    jsonw_obj(&w);
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (cli_opt(cli, members[i].option)) {
            jsonw_kstr(&w, members[i].key, cli_opt(cli, members[i].option));
        }
    }
    if (cli_opt(cli, OPT_MODELS)) {
        key_add_models(&w, cli_opt(cli, OPT_MODELS));
    }
    jsonw_obj_end(&w);
    rc = cli_call(cli, "POST", "/admin/v1/keys", &body, &doc);
    if (rc == CLI_OK) {
        key_show(cli, yyjson_doc_get_root(doc));
    }
    yyjson_doc_free(doc);
    buf_deinit(&body);
    return rc;
}

int cmd_key_list(struct cli *cli)
{
    cli->args.words[0] = "key";
    cli->args.n_words = 1;
    return cmd_get(cli);
}

/* POST /admin/v1/keys/{id}/{verb} */
static int key_post(struct cli *cli, const char *verb, const struct buf *body, yyjson_doc **ret)
{
    struct buf path;
    int rc;

    buf_init(&path, CLI_PATH_BYTES_MAX);
    buf_add_str(&path, "/admin/v1/keys");
    http_add_segment(&path, cli->args.words[0]);
    buf_printf(&path, "/%s", verb);
    buf_add_u8(&path, 0);
    rc = path.full ? cli_fail(CLI_USAGE, "the id is too long")
                   : cli_call(cli, "POST", path.p, body, ret);
    buf_deinit(&path);
    return rc;
}

int cmd_key_rotate(struct cli *cli)
{
    const char *overlap = cli_opt(cli, OPT_OVERLAP) ? cli_opt(cli, OPT_OVERLAP) : "24h";
    yyjson_doc *doc = NULL;
    struct buf body;
    struct jsonw w;
    int rc;

    buf_init(&body, KEY_BODY_BYTES_MAX);
    jsonw_init(&w, &body);
    jsonw_obj(&w);
    jsonw_kstr(&w, "overlap", overlap);
    jsonw_obj_end(&w);
    rc = key_post(cli, "rotate", &body, &doc);
    if (rc == CLI_OK) {
        key_show(cli, yyjson_doc_get_root(doc));
        (void)fprintf(stderr, "The old secret stays valid for %s.\n", overlap);
    }
    yyjson_doc_free(doc);
    buf_deinit(&body);
    return rc;
}

int cmd_key_revoke(struct cli *cli)
{
    yyjson_doc *doc = NULL;
    struct buf body;
    int rc;

    buf_init(&body, KEY_BODY_BYTES_MAX);
    buf_add_str(&body, "{}");
    rc = key_post(cli, "revoke", &body, &doc);
    if (rc == CLI_OK) {
        (void)printf("key %s: revoked\n", cli->args.words[0]);
    }
    yyjson_doc_free(doc);
    buf_deinit(&body);
    return rc;
}
