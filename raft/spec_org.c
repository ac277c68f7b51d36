/* Who pays and how much: teams, users, keys, budgets. */
#include "base/check.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "raft/spec_i.h"

void spec_read_team(struct spec_reader *r, yyjson_val *v, struct spec_team *ret)
{
    spec_fields(r, v, "spec", "org blocked", "");
    spec_name(r, v, "spec", "org", KIND_ORG, &ret->org);
    spec_bool(r, v, "spec", "blocked", &ret->blocked);
}

void spec_read_user(struct spec_reader *r, yyjson_val *v, struct spec_user *ret)
{
    spec_fields(r, v, "spec", "team", "");
    spec_name(r, v, "spec", "team", KIND_TEAM, &ret->team);
}

/* --- keys --- */

static void spec_read_mac(struct spec_reader *r, yyjson_val *v, const char *field, uint8_t out[32])
{
    struct slice hex = {"", 0};

    spec_text(r, v, "spec", field, &hex);
    if (r->rv == 0 && hex.n > 0 && (hex.n != 64 || hex_decode(hex, out, 32) != 0)) {
        spec_fail(r, "spec", field, "expected 64 hex digits");
    }
}

static void spec_read_time(struct spec_reader *r, yyjson_val *v, const char *field, int64_t *ret_ms)
{
    struct slice text = {"", 0};
    char zero_terminated[64];

    spec_text(r, v, "spec", field, &text);
    if (r->rv != 0 || yyjson_obj_get(v, field) == NULL) {
        return;
    }
    if (!slice_copy_str(text, zero_terminated, sizeof zero_terminated) ||
        civil_parse(zero_terminated, ret_ms) != 0) {
        spec_fail(r, "spec", field, "expected a time such as \"2026-12-31T00:00:00Z\"");
    }
}

static void spec_read_globs(struct spec_reader *r, yyjson_val *v, struct spec_key *ret)
{
    yyjson_val *glob;
    size_t i, n;

    if (v == NULL || r->rv != 0) {
        return;
    }
    if (!yyjson_is_arr(v) || yyjson_arr_size(v) > SPEC_GLOBS_MAX) {
        spec_fail(r, "spec", "models", "expected a list of at most %d patterns", SPEC_GLOBS_MAX);
        return;
    }
    ret->models = arena_zalloc(r->arena, (yyjson_arr_size(v) + 1) * sizeof *ret->models);
    yyjson_arr_foreach(v, i, n, glob)
    {
        struct slice text = json_slice(glob);
        if (text.n == 0 || text.n > 2 * NAME_BYTES_MAX) {
            spec_fail(r, "spec", "models", "expected patterns such as \"openai/*\"");
            return;
        }
        ret->models[ret->n_models++] = arena_slice(r->arena, text);
    }
}

void spec_read_key(struct spec_reader *r, yyjson_val *v, struct spec_key *ret)
{
    static const char known[] = "team user models expires disabled see_amounts revoked "
                                "max_output_tokens mac old_mac old_until";
    static const uint8_t none[32];

    spec_fields(r, v, "spec", known, "pin require priority org");
    spec_name(r, v, "spec", "team", KIND_TEAM, &ret->team);
    spec_name(r, v, "spec", "user", KIND_USER, &ret->user);
    spec_read_globs(r, yyjson_obj_get(v, "models"), ret);
    spec_read_time(r, v, "expires", &ret->expires_ms);
    spec_bool(r, v, "spec", "disabled", &ret->disabled);
    spec_bool(r, v, "spec", "see_amounts", &ret->see_amounts);
    spec_bool(r, v, "spec", "revoked", &ret->revoked);
    spec_count(r, v, "spec", "max_output_tokens", INT32_MAX, &ret->max_output_tokens);
    spec_read_mac(r, v, "mac", ret->mac);
    spec_read_mac(r, v, "old_mac", ret->old_mac);
    spec_read_time(r, v, "old_until", &ret->old_until_ms);
    if (r->rv == 0 && memcmp(ret->mac, none, sizeof none) == 0) {
        spec_fail(r, "spec", "",
                  "a new key is made by `quoratectl key create`, which gives it its "
                  "secret");
    }
}

/* --- budgets --- */

static void spec_read_match(struct spec_reader *r, yyjson_val *v, struct spec_budget *ret)
{
    spec_fields(r, v, "spec.match", "team key org", "user model provider session tag");
    spec_name(r, v, "spec.match", "team", KIND_TEAM, &ret->team);
    spec_name(r, v, "spec.match", "key", KIND_KEY, &ret->key);
    spec_name(r, v, "spec.match", "org", KIND_ORG, &ret->org);
    if (ret->team.n + ret->key.n + ret->org.n == 0) {
        spec_fail(r, "spec", "match", "expected at least one of team, key and org");
    }
}

static void spec_read_window(struct spec_reader *r, yyjson_val *v, struct spec_budget *ret)
{
    struct slice tz = {"UTC", 3};
    struct slice every = json_slice(yyjson_obj_get(v, "every"));
    int word = -1;

    spec_fields(r, v, "spec.window", "every tz", "start");
    if (slice_starts(every, SLICE("rolling"))) {
        spec_fail(r, "spec.window.every", "", "rolling: not enforced by this version");
    }
    spec_word(r, v, "spec.window", "every", "once hour day week month quarter year", &word);
    spec_text(r, v, "spec.window", "tz", &tz);
    if (word < 0) {
        spec_fail(r, "spec.window", "every",
                  "expected one of: once hour day week month quarter "
                  "year");
        return;
    }
    if (!slice_eq(tz, SLICE("UTC"))) {
        spec_fail(r, "spec.window", "tz", "other than UTC: not enforced by this version");
    }
    ret->every = (enum window_every)word;
}

void spec_read_budget(struct spec_reader *r, yyjson_val *v, struct spec_budget *ret)
{
    struct slice mode = {"hard", 4};
    int unit = -1;

    spec_fields(r, v, "spec", "match unit limit window mode",
                "alerts clamp max_request_share overrun_margin stale status");
    spec_read_match(r, yyjson_obj_get(v, "match"), ret);
    spec_word(r, v, "spec", "unit", "usd tokens input_tokens output_tokens requests", &unit);
    if (unit < 0) {
        spec_fail(r, "spec", "unit",
                  "expected one of: usd tokens input_tokens output_tokens "
                  "requests");
        return;
    }
    ret->unit = (enum unit)unit;
    if (!spec_decimal(r, v, "spec", "limit", slice_str(unit_name(ret->unit)),
                      unit_decimals(ret->unit), &ret->limit)) {
        spec_fail(r, "spec", "limit", "required");
    }
    spec_read_window(r, yyjson_obj_get(v, "window"), ret);
    spec_text(r, v, "spec", "mode", &mode);
    if (r->rv == 0 && !slice_eq(mode, SLICE("hard"))) {
        spec_fail(r, "spec.mode", "", "other than hard: not enforced by this version");
    }
}
