/* The command line: words in order, options anywhere. Which options a command takes is checked
 * against the table in main.c with args_refuse_others(). */
#ifndef CLIENT_ARGS_H_
#define CLIENT_ARGS_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define ARGS_WORDS_MAX     4
#define ARGS_ENDPOINTS_MAX 16

/* id, name on the command line, takes a value */
#define ARGS_OPTIONS(X)                 \
    X(ENDPOINT, "--endpoint", true)     \
    X(TOKEN_FILE, "--token-file", true) \
    X(CACERT, "--cacert", true)         \
    X(OUTPUT, "-o", true)               \
    X(HELP, "--help", false)            \
    X(FILE, "-f", true)                 \
    X(ORG, "--org", true)               \
    X(BUDGET, "--budget", true)         \
    X(TEAM, "--team", true)             \
    X(NAME, "--name", true)             \
    X(USER, "--user", true)             \
    X(MODELS, "--models", true)         \
    X(EXPIRES, "--expires", true)       \
    X(OVERLAP, "--overlap", true)       \
    X(NODE, "--node", true)             \
    X(I_KNOW, "--i-know", false)        \
    X(WATCH, "--watch", false)          \
    X(BY, "--by", true)                 \
    X(SINCE, "--since", true)           \
    X(UNTIL, "--until", true)           \
    X(RPM, "--rpm", true)               \
    X(TPM, "--tpm", true)               \
    X(TZ, "--tz", true)

enum args_option {
#define X(id, name, takes_value) OPT_##id,
    ARGS_OPTIONS(X)
#undef X
        OPT_COUNT_
};

/* A set of options, as in the command table. */
#define OPT_BIT(id) (1u << OPT_##id)
#define OPT_ANYWHERE \
    (OPT_BIT(ENDPOINT) | OPT_BIT(TOKEN_FILE) | OPT_BIT(CACERT) | OPT_BIT(OUTPUT) | OPT_BIT(HELP))

enum output {
    OUTPUT_TABLE,
    OUTPUT_JSON,
    OUTPUT_YAML,
};

/* Borrows argv; only the endpoints of the environment are copied. */
struct args {
    const char *words[ARGS_WORDS_MAX]; /* "key", "create" */
    unsigned n_words;
    const char *value[OPT_COUNT_]; /* NULL: not given; "" for an option without value. */
    const char *endpoints[ARGS_ENDPOINTS_MAX];
    unsigned n_endpoints;
    enum output output;
    char *env_endpoints; /* Owned: the cut copy of QUORATE_ENDPOINT. */
};

/* Q_EINVAL with a sentence when an option is unknown, repeated or lacks its value. */
int args_init(struct args *a, int argc, char **argv, struct errmsg *err);
void args_deinit(struct args *a);
/* Fills what was not given from the environment. */
int args_env(struct args *a, struct errmsg *err);
/* Q_EINVAL when an option outside @allowed (OPT_BIT | ...) was given. */
int args_refuse_others(const struct args *a, uint32_t allowed, struct errmsg *err);
const char *args_option_name(enum args_option o);

#endif /* CLIENT_ARGS_H_ */
