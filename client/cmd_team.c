/* team create: the team and its budget in one revision, so that there is never one without the other. */
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

static void team_add_budget(struct jsonw *w, const char *team, const struct team_budget *b)
{
    char name[512];

    (void)snprintf(name, sizeof(name), "%s-%.*s", team, SLICE_FMT(b->every));
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

/* An option that a later version will know is refused, not ignored: a limit that nobody enforces would
 * be believed in. */
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

int cmd_team_create(struct cli *cli)
{
    const char *team = cli->args.words[0];
    const char *budget_text = cli_opt(cli, OPT_BUDGET);
    struct team_budget budget;
    yyjson_doc *doc = NULL;
    struct buf body;
    struct jsonw w;
    int rc = team_refuse_later(cli);

    if (rc) {
        return rc;
    }
    if (budget_text && team_parse_budget(budget_text, &budget) != 0) {
        return cli_fail(CLI_USAGE, "--budget is like 500usd/month, not '%s'", budget_text);
    }
    buf_init(&body, TEAM_BODY_BYTES_MAX);
    jsonw_init(&w, &body);
    jsonw_obj(&w);
    jsonw_key(&w, "resources");
    jsonw_arr(&w);
    team_add(&w, team, cli_opt(cli, OPT_ORG));
    if (budget_text) {
        team_add_budget(&w, team, &budget);
    }
    jsonw_arr_end(&w);
    jsonw_obj_end(&w);
    rc = cli_call(cli, "POST", "/admin/v1/apply", &body, &doc);
    if (rc == CLI_OK) {
        (void)printf("team %s: created\n", team);
        if (budget_text) {
            (void)printf("budget %s-%.*s: created, %.*s %.*s, hard\n", team,
                         SLICE_FMT(budget.every), SLICE_FMT(budget.limit), SLICE_FMT(budget.unit));
        }
    }
    yyjson_doc_free(doc);
    buf_deinit(&body);
    return rc;
}
