/* Resources as the API takes them (CONTRACT.md): JSON in, checked structs out. Pure; the same
 * function validates in the admin API, in the state machine and in views. Fuzzed. Unknown fields
 * and fields that this version does not enforce are refused by name: "spec.alerts: not enforced by
 * this version". Errors name the path and what was expected. Parsed structs live in the given arena
 * and borrow nothing else. */
#ifndef RAFT_SPEC_H_
#define RAFT_SPEC_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/money.h"
#include "base/slice.h"

enum kind {
    KIND_PROVIDER,
    KIND_MODEL,
    KIND_ROUTE,
    KIND_ORG,
    KIND_TEAM,
    KIND_USER,
    KIND_KEY,
    KIND_BUDGET,
    KIND_LIMIT,
    KIND_N_
};
/* "provider" <-> KIND_PROVIDER; accepts the plural too. */
int kind_parse(struct slice name, enum kind *ret);
const char *kind_name(enum kind k);   /* "provider" */
const char *kind_plural(enum kind k); /* "providers" */

enum spec_dialect { SPEC_DIALECT_OPENAI, SPEC_DIALECT_ANTHROPIC, SPEC_DIALECT_SIM };
enum spec_cancel { SPEC_CANCEL_NONE, SPEC_CANCEL_BOUNDED, SPEC_CANCEL_EXACT };
enum spec_secret_from { SPEC_SECRET_NONE, SPEC_SECRET_SEALED, SPEC_SECRET_ENV, SPEC_SECRET_FILE };

struct spec_secret {
    enum spec_secret_from from;
    struct slice text; /* Sealed: base64 of nonce|ciphertext|tag; env: variable; file: name. */
};
struct spec_kv {
    struct slice key, value;
};
struct spec_provider {
    enum spec_dialect dialect;
    struct slice base_url; /* "" for sim. */
    struct spec_secret api_key;
    enum spec_cancel cancel;
    bool allow_private, reasoning_bounded;
    struct slice ca;         /* PEM text or file name; "" none. */
    struct spec_kv *headers; /* Extra request headers. */
    size_t n_headers;
    int64_t concurrency;           /* 0: unlimited. */
    struct slice max_tokens_field; /* "" = by dialect; "max_tokens" | "max_completion_tokens". */
    bool stream_usage;             /* Understands stream_options.include_usage; default true. */
};
struct spec_model { /* name is "provider/model" */
    struct slice provider, model;
    int64_t input_pusd, output_pusd;           /* Per token. */
    int64_t cache_read_pusd, cache_write_pusd; /* -1: as input. */
    int64_t request_pusd;
    int64_t max_input_tokens, max_output_tokens; /* 0: unknown. */
    bool reasoning_bounded;
};
struct spec_target {
    struct slice provider, model;
    int64_t weight;
};
struct spec_route {
    struct spec_target *targets;
    size_t n_targets;
    enum { SPEC_ROUTE_WEIGHTED, SPEC_ROUTE_PRIORITY } strategy;
    uint64_t connect_ms, first_byte_ms, idle_ms, total_ms; /* 0: default */
    int64_t retries_max;
};
struct spec_team {
    struct slice org; /* "" none */
    bool blocked;
};
struct spec_user {
    struct slice team;
};
/* Name is the public id. Its JSON has the MACs as "mac" and "old_mac", 64 hex digits each, which
 * only the API's own `keys` paths write; "old_until" and "expires" are times
 * ("2026-12-31T00:00:00Z"). */
struct spec_key {
    struct slice team, user;
    struct slice *models; /* Globs; none: all. */
    size_t n_models;
    int64_t expires_ms; /* Unix; 0 never. */
    bool disabled, see_amounts, revoked;
    int64_t max_output_tokens; /* 0: none */
    uint8_t mac[32];           /* HMAC-SHA256(pepper, secret part). Never shown by the API. */
    uint8_t old_mac[32];       /* After a rotation, */
    int64_t old_until_ms;      /* valid until then; 0 none. */
};
enum unit { UNIT_USD, UNIT_TOKENS, UNIT_INPUT_TOKENS, UNIT_OUTPUT_TOKENS, UNIT_REQUESTS, UNIT_N_ };
const char *unit_name(enum unit u);
int unit_decimals(enum unit u); /* 12 for usd, else 0: amounts are in pico-dollars or counts. */
enum window_every {
    WINDOW_ONCE,
    WINDOW_HOUR,
    WINDOW_DAY,
    WINDOW_WEEK,
    WINDOW_MONTH,
    WINDOW_QUARTER,
    WINDOW_YEAR
};
const char *window_every_name(enum window_every w);
struct spec_budget {
    struct slice team, key, org; /* match; "" = not matched on. At least one, enforced as AND. */
    enum unit unit;
    i128 limit;
    enum window_every every; /* UTC in this version. Weeks begin on Monday. */
};
/* [*start, *end) of the calendar window that holds @now_ms; once: [0, INT64_MAX). */
void window_bounds(enum window_every every, int64_t now_ms, int64_t *ret_start_ms,
                   int64_t *ret_end_ms);
/* Ordinal of that window since 1970; once: 0. Strictly increasing in time. */
uint32_t window_id(enum window_every every, int64_t now_ms);

struct spec {
    enum kind kind;
    union {
        struct spec_provider provider;
        struct spec_model model;
        struct spec_route route;
        struct spec_team team;
        struct spec_user user;
        struct spec_key key;
        struct spec_budget budget;
    };
};
/* @json is the text of `spec` ("{...}"). Checks the name too. Q_EINVAL with a sentence. */
int spec_parse(enum kind kind, struct slice name, struct slice json, struct arena *arena,
               struct spec *ret, struct errmsg *err);
/* What the API shows of a stored spec: key MACs left out, sealed secrets as "sealed:<fingerprint>".
 * Appends JSON. */
void spec_show(enum kind kind, struct slice json, struct buf *out);
/* Before a spec from outside is replicated: replaces {"api_key":{"value":"..."}} by a sealed one,
 * "sealed:<fp>" by what @old has (unchanged), durations and amounts stay as text. Appends canonical
 * JSON to @out.
 * @old: the stored spec or "". Q_EINVAL names the path. Not pure (random nonce): API side only. */
int spec_seal(enum kind kind, struct slice name, struct slice json, struct slice old,
              const uint8_t seal_key[32], struct buf *out, struct errmsg *err);
/* The secret in clear, appended to @out (wipe it): opens a sealed one; env and file are read by the
 * caller. */
int spec_unseal(struct slice provider_name, const struct spec_secret *s, const uint8_t seal_key[32],
                struct buf *out);

#endif /* RAFT_SPEC_H_ */
