/* team create: the team and its budget in one revision, so that there is never one without the
 * other. */
#include <stdio.h>
#include <string.h>

#include "base/money.h"
#include "client/cli.h"

#define TEAM_BODY_BYTES_MAX (64u << 10)

struct team_budget {
    struct slice limit; /* "500" */
    struct slice unit;  /* "usd" */
    struct slice every; /* "month" */
};

static bool team_is_word(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || s.p[i] == '_')) {
            return false;
        }
    }
    return s.n > 0;
}

/* "500usd/month" */
static int team_parse_budget(const char *text, struct team_budget *ret)
{
    struct slice s = slice_str(text);
    size_t digits = strspn(text, "0123456789.");
    size_t slash = slice_find(s, '/');
    i128 amount;

    if (slash == s.n || digits >= slash) {
        return Q_EINVAL;
    }
    ret->limit = slice_of(text, digits);
    ret->unit = slice_of(text + digits, slash - digits);
    ret->every = slice_of(text + slash + 1, s.n - slash - 1);
    if (amount_parse(ret->limit, 12, &amount) != 0 || text[0] == '.' || text[digits - 1] == '.') {
        return Q_EINVAL;
    }
    /* JSON knows no leading zeros. */
    if (text[0] == '0' && digits > 1 && text[1] != '.') {
        return Q_EINVAL;
    }
    return team_is_word(ret->unit) && team_is_word(ret->every) ? 0 : Q_EINVAL;
}

static void team_add_budget(struct jsonw *w, const char *team, const char *name,
                            const struct team_budget *b)
{
    jsonw_obj(w);
    jsonw_kstr(w, "kind", "budget");
    jsonw_kstr(w, "name", name);
    jsonw_key(w, "spec");
    jsonw_obj(w);
    jsonw_key(w, "match");
    jsonw_obj(w);
    jsonw_kstr(w, "team", team);
    jsonw_obj_end(w);
    jsonw_kslice(w, "unit", b->unit);
    jsonw_key(w, "limit");
    jsonw_raw(w, b->limit);
    jsonw_key(w, "window");
    jsonw_obj(w);
    jsonw_kslice(w, "every", b->every);
    jsonw_obj_end(w);
    jsonw_kstr(w, "mode", "hard");
    jsonw_obj_end(w);
    jsonw_obj_end(w);
}

static void team_add(struct jsonw *w, const char *team, const char *org)
{
    jsonw_obj(w);
    jsonw_kstr(w, "kind", "team");
    jsonw_kstr(w, "name", team);
    jsonw_key(w, "spec");
    jsonw_obj(w);
    if (org) {
        jsonw_kstr(w, "org", org);
    }
    jsonw_obj_end(w);
    jsonw_obj_end(w);
}

/* An option that a later version will know is refused, not ignored: a limit that nobody enforces
 * would be believed in. */
static int team_refuse_later(const struct cli *cli)
{
    static const enum args_option later[] = {OPT_RPM, OPT_TPM, OPT_TZ};

    for (unsigned i = 0; i < 3; i++) {
        if (cli_opt(cli, later[i])) {
            return cli_fail(CLI_USAGE, "%s: not enforced by this version",
                            args_option_name(later[i]));
        }
    }
    return CLI_OK;
}

/* apply would replace a resource of that name; create must not. */
static int team_refuse_existing(struct cli *cli, const char *kind, const char *name)
{
    struct http_call c = {.method = "GET"};
    struct errmsg err = {0};
    struct buf path;
    int rc;

    buf_init(&path, CLI_PATH_BYTES_MAX);
    buf_printf(&path, "/admin/v1/%ss", kind);
    http_add_segment(&path, name);
    buf_add_u8(&path, 0);
    if (path.full) {
        buf_deinit(&path);
        return cli_fail(CLI_USAGE, "the name is too long");
    }
    c.path = path.p;
    rc = http_call(&cli->http, &c, &err);
    if (rc) {
        rc = cli_fail_err(rc, &err);
    } else if (c.status == 200) {
        rc = cli_fail(CLI_REFUSED, "%s %s exists already; nothing was changed", kind, name);
    } else if (c.status != 404) {
        rc = cli_fail_reply(&c);
    }
    http_call_deinit(&c);
    buf_deinit(&path);
    return rc;
}

static void team_write_body(struct cli *cli, const struct team_budget *budget,
                            const char *budget_name, struct buf *body)
{
    const char *team = cli->args.words[0];
    struct jsonw w;

    jsonw_init(&w, body);
    jsonw_obj(&w);
    jsonw_key(&w, "resources");
    jsonw_arr(&w);
    team_add(&w, team, cli_opt(cli, OPT_ORG));
    if (budget) {
        team_add_budget(&w, team, budget_name, budget);
    }
    jsonw_arr_end(&w);
    jsonw_obj_end(&w);
}

int cmd_team_create(struct cli *cli)
{
    const char *team = cli->args.words[0];
    const char *text = cli_opt(cli, OPT_BUDGET);
    char name[CLI_PATH_BYTES_MAX] = "";
    struct team_budget budget;
    yyjson_doc *doc = NULL;
    struct buf body;
    int rc = team_refuse_later(cli);

    if (rc == CLI_OK && text) {
        if (team_parse_budget(text, &budget) != 0) {
            return cli_fail(CLI_USAGE, "--budget is like 500usd/month, not '%s'", text);
        }
        (void)snprintf(name, sizeof(name), "%s-%.*s", team, SLICE_FMT(budget.every));
        rc = team_refuse_existing(cli, "budget", name);
    }
    if (rc == CLI_OK) {
        rc = team_refuse_existing(cli, "team", team);
    }
    if (rc) {
        return rc;
    }
    buf_init(&body, TEAM_BODY_BYTES_MAX);
    team_write_body(cli, text ? &budget : NULL, name, &body);
    rc = cli_call(cli, "POST", "/admin/v1/apply", &body, &doc);
    if (rc == CLI_OK) {
        (void)printf("team %s: created\n", team);
        if (text) {
            (void)printf("budget %s: created, %.*s %.*s, hard\n", name, SLICE_FMT(budget.limit),
                         SLICE_FMT(budget.unit));
        }
    }
    yyjson_doc_free(doc);
    buf_deinit(&body);
    return rc;
}
