#include "client/args.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const struct {
    const char *name;
    bool takes_value;
} args_options[OPT_COUNT_] = {
#define X(id, text, takes) [OPT_##id] = {text, takes},
    ARGS_OPTIONS(X)
#undef X
};

_Static_assert(OPT_COUNT_ <= 32, "OPT_BIT() fits 32 bits");

const char *args_option_name(enum args_option o)
{
    return args_options[o].name;
}

/* "--team=x" and "--team x" alike; *ret_value is the text after '=' or NULL.
 * OPT_COUNT_: unknown. */
static enum args_option args_find(const char *text, const char **ret_value)
{
    size_t n = strcspn(text, "=");
    bool is_long = strncmp(text, "--", 2) == 0;

    *ret_value = is_long && text[n] == '=' ? text + n + 1 : NULL;
    if (strcmp(text, "-h") == 0) {
        return OPT_HELP;
    }
    for (unsigned i = 0; i < OPT_COUNT_; i++) {
        const char *name = args_options[i].name;
        if (is_long ? strlen(name) == n && memcmp(name, text, n) == 0 : strcmp(name, text) == 0) {
            return (enum args_option)i;
        }
    }
    return OPT_COUNT_;
}

static int args_add_endpoint(struct args *a, const char *url, struct errmsg *err)
{
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) {
        errmsg_set(err, "endpoint '%s' must begin with https:// or http://", url);
        return Q_EINVAL;
    }
    if (a->n_endpoints == ARGS_ENDPOINTS_MAX) {
        errmsg_set(err, "more than %d endpoints", ARGS_ENDPOINTS_MAX);
        return Q_EINVAL;
    }
    a->endpoints[a->n_endpoints++] = url;
    return 0;
}

static int args_set_output(struct args *a, const char *text, struct errmsg *err)
{
    static const char *const names[] = {"table", "json", "yaml"};

    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            a->output = (enum output)i;
            return 0;
        }
    }
    errmsg_set(err, "-o is table, json or yaml, not '%s'", text);
    return Q_EINVAL;
}

static int args_set(struct args *a, enum args_option o, const char *value, struct errmsg *err)
{
    if (o != OPT_ENDPOINT && a->value[o]) {
        errmsg_set(err, "%s is given twice", args_options[o].name);
        return Q_EINVAL;
    }
    if (args_options[o].takes_value && !value[0]) {
        errmsg_set(err, "%s needs a value", args_options[o].name);
        return Q_EINVAL;
    }
    a->value[o] = value;
    if (o == OPT_ENDPOINT) {
        return args_add_endpoint(a, value, err);
    }
    return o == OPT_OUTPUT ? args_set_output(a, value, err) : 0;
}

static int args_add_word(struct args *a, const char *word, struct errmsg *err)
{
    if (a->n_words == ARGS_WORDS_MAX) {
        errmsg_set(err, "'%s' is one word too many", word);
        return Q_EINVAL;
    }
    a->words[a->n_words++] = word;
    return 0;
}

/* The option at argv[*i]; moves *i over its value. */
static int args_take_option(struct args *a, int argc, char **argv, int *i, struct errmsg *err)
{
    const char *value;
    enum args_option o = args_find(argv[*i], &value);

    if (o == OPT_COUNT_) {
        errmsg_set(err, "there is no option '%s'", argv[*i]);
        return Q_EINVAL;
    }
    if (!args_options[o].takes_value) {
        if (value) {
            errmsg_set(err, "%s takes no value", args_options[o].name);
            return Q_EINVAL;
        }
        return args_set(a, o, "", err);
    }
    if (!value) {
        if (*i + 1 == argc) {
            errmsg_set(err, "%s needs a value", args_options[o].name);
            return Q_EINVAL;
        }
        value = argv[++*i];
    }
    return args_set(a, o, value, err);
}

int args_init(struct args *a, int argc, char **argv, struct errmsg *err)
{
    bool only_words = false;

    *a = (struct args){0};
    for (int i = 1; i < argc; i++) {
        int rc;
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
            continue;
        }
        if (only_words || argv[i][0] != '-' || argv[i][1] == 0) {
            rc = args_add_word(a, argv[i], err);
        } else {
            rc = args_take_option(a, argc, argv, &i, err);
        }
        if (rc) {
            return rc;
        }
    }
    return 0;
}

int args_env(struct args *a, struct errmsg *err)
{
    const char *endpoints = getenv("QUORATE_ENDPOINT");
    char *save = NULL;

    if (!a->value[OPT_TOKEN_FILE]) {
        a->value[OPT_TOKEN_FILE] = getenv("QUORATE_TOKEN_FILE");
    }
    if (!a->value[OPT_CACERT]) {
        a->value[OPT_CACERT] = getenv("QUORATE_CACERT");
        if (a->value[OPT_CACERT] != NULL && a->value[OPT_CACERT][0] == 0) {
            a->value[OPT_CACERT] = NULL; /* Plain HTTP: script/server writes it empty. */
        }
    }
    if (a->n_endpoints || !endpoints) {
        return 0;
    }
    a->env_endpoints = mem_strdup(endpoints);
    for (char *url = strtok_r(a->env_endpoints, " \t\n", &save); url;
         url = strtok_r(NULL, " \t\n", &save)) {
        int rc = args_add_endpoint(a, url, err);
        if (rc) {
            errmsg_wrap(err, "QUORATE_ENDPOINT");
            return rc;
        }
    }
    return 0;
}

int args_refuse_others(const struct args *a, uint32_t allowed, struct errmsg *err)
{
    for (unsigned i = 0; i < OPT_COUNT_; i++) {
        if (a->value[i] && !(allowed & (1u << i))) {
            errmsg_set(err, "%s does not belong to this command", args_options[i].name);
            return Q_EINVAL;
        }
    }
    return 0;
}

void args_deinit(struct args *a)
{
    mem_free(a->env_endpoints);
    a->env_endpoints = NULL;
}
