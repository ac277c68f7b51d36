/* Keys: made, rotated, revoked. A secret is told once, in the answer that made it; the state holds
 * its MAC. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "node/api/api_i.h"

#define KEY_OVERLAP_MS 86400000 /* A rotated secret works on for a day. */

struct key_edit { /* What a key's new spec is made of. */
    struct slice id;
    enum { KEY_CREATE, KEY_ROTATE, KEY_REVOKE } what;
    struct slice members; /* Of a new key's spec, as JSON without braces. */
    uint64_t overlap_ms;
    uint8_t mac[32];
};

static struct key_edit *key_edit_of(struct call *c)
{
    return (struct key_edit *)(void *)c->ops;
}

static void key_made(struct call *c)
{
    struct jsonw w;

    jsonw_init(&w, &c->out);
    jsonw_obj(&w);
    jsonw_kstr(&w, "id", c->key_id);
    if (c->key_text[0] != 0) {
        jsonw_kstr(&w, "secret", c->key_text);
    }
    jsonw_obj_end(&w);
    call_answer(c, c->key_text[0] != 0 ? 201 : 200);
}

static void key_mac_member(struct jsonw *w, const char *name, const uint8_t mac[32])
{
    char hex[65];

    hex_encode(mac, 32, hex);
    jsonw_kstr(w, name, hex);
}

/* The stored spec with some members replaced. */
static void key_copy_members(struct jsonw *w, yyjson_val *old, const struct key_edit *e)
{
    yyjson_val *key, *val;
    size_t i, n, len;

    yyjson_obj_foreach(old, i, n, key, val)
    {
        struct slice name = json_slice(key);
        char *text;
        bool mac = slice_eq(name, SLICE("mac")) || slice_eq(name, SLICE("old_mac")) ||
                   slice_eq(name, SLICE("old_until"));
        if ((e->what == KEY_ROTATE && mac) ||
            (e->what == KEY_REVOKE && slice_eq(name, SLICE("revoked")))) {
            continue;
        }
        text = yyjson_val_write(val, 0, &len);
        jsonw_key_slice(w, name);
        jsonw_raw(w, slice_of(text, len));
        free(text);
    }
}

static void key_rotated_members(struct call *c, struct jsonw *w, yyjson_val *old,
                                const struct key_edit *e)
{
    char until[CIVIL_TEXT_BYTES];
    struct slice mac = json_slice(yyjson_obj_get(old, "mac"));

    key_mac_member(w, "mac", e->mac);
    if (e->overlap_ms > 0 && mac.n == 64) {
        civil_text((int64_t)consensus_now_ledger_ms(c->api->cfg.consensus) + (int64_t)e->overlap_ms,
                   until);
        jsonw_kslice(w, "old_mac", mac);
        jsonw_kstr(w, "old_until", until);
    }
}

static bool key_spec(struct call *c, const struct key_edit *e, struct buf *out)
{
    const struct resource *r = fsm_get(consensus_fsm(c->api->cfg.consensus), KIND_KEY, e->id);
    yyjson_doc *doc = NULL;
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_obj(&w);
    if (e->what == KEY_CREATE) {
        key_mac_member(&w, "mac", e->mac);
        if (e->members.n > 0) {
            buf_add_str(out, ",");
            buf_add_slice(out, e->members);
        }
    } else {
        if (r == NULL || json_parse_raw_numbers(r->spec, &doc, NULL) != 0) {
            call_error(c, 404, "not_found", "There is no key %.*s.", SLICE_FMT(e->id));
            return false;
        }
        key_copy_members(&w, yyjson_doc_get_root(doc), e);
        if (e->what == KEY_ROTATE) {
            key_rotated_members(c, &w, yyjson_doc_get_root(doc), e);
        } else {
            jsonw_kbool(&w, "revoked", true);
        }
        yyjson_doc_free(doc);
    }
    jsonw_obj_end(&w);
    return true;
}

static void key_run(struct call *c)
{
    struct key_edit e = *key_edit_of(c);
    const struct resource *r;
    struct errmsg err = {{0}};
    struct spec spec;
    struct buf text;

    buf_init(&text, SPEC_BYTES_MAX);
    if (!key_spec(c, &e, &text)) {
        buf_deinit(&text);
        return;
    }
    c->ops = arena_zalloc(&c->arena, sizeof *c->ops);
    c->n_ops = 1;
    c->ops[0].kind = KIND_KEY;
    c->ops[0].name = e.id;
    c->ops[0].spec = arena_slice(&c->arena, buf_slice(&text));
    buf_deinit(&text);
    r = fsm_get(consensus_fsm(c->api->cfg.consensus), KIND_KEY, e.id);
    c->ops[0].expect_revision = e.what == KEY_CREATE ? 0 : (int64_t)r->revision;
    if (spec_parse(KIND_KEY, e.id, c->ops[0].spec, &c->arena, &spec, &err) != 0) {
        call_error(c, 400, "invalid_request", "key: %s", err.text);
        return;
    }
    call_change(c, key_made);
}

/* The body's members become the spec's, but for `name` and a relative `expires`. */
static bool key_members(struct call *c, struct key_edit *e, yyjson_val *root)
{
    yyjson_val *key, *val;
    size_t i, n, len;
    struct jsonw w;
    struct buf b;

    buf_init(&b, SPEC_BYTES_MAX);
    jsonw_init(&w, &b);
    jsonw_obj(&w);
    yyjson_obj_foreach(root, i, n, key, val)
    {
        struct slice name = json_slice(key);
        uint64_t ms;
        char *text;
        if (slice_eq(name, SLICE("name")) || slice_eq(name, SLICE("mac")) ||
            slice_eq(name, SLICE("old_mac")) || slice_eq(name, SLICE("old_until"))) {
            continue;
        }
        jsonw_key_slice(&w, name);
        if (slice_eq(name, SLICE("expires")) && scan_duration_ms(json_slice(val), &ms) == 0) {
            char at[CIVIL_TEXT_BYTES];
            civil_text(loop_wall_ms(c->api->cfg.loop) + (int64_t)ms, at);
            jsonw_str(&w, at);
            continue;
        }
        text = yyjson_val_write(val, 0, &len);
        jsonw_raw(&w, slice_of(text, len));
        free(text);
    }
    jsonw_obj_end(&w);
    e->members = arena_slice(&c->arena, slice_of(b.p + 1, b.n - 2));
    buf_deinit(&b);
    return true;
}

static bool key_name_ok(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9'))) {
            return false;
        }
    }
    return s.n > 0 && s.n <= 24;
}

/* The public id: what the caller named, or ten random characters. */
static bool key_new_id(struct call *c, struct key_edit *e, struct slice name)
{
    char id[16];

    if (name.n > 0 && !key_name_ok(name)) {
        call_refuse(c, 400, "invalid_request",
                    "A key's name is its public id: 1 to 24 letters and digits.");
        return false;
    }
    gov_key_id_make(id);
    e->id = arena_slice(&c->arena, name.n > 0 ? name : slice_str(id));
    return true;
}

void keys_post(struct call *c, struct slice rest)
{
    struct key_edit *e = arena_zalloc(&c->arena, sizeof *e);
    struct slice body = c->body.n > 0 ? buf_slice(&c->body) : SLICE("{}");
    struct errmsg err = {{0}};
    struct slice overlap;
    yyjson_doc *doc;
    bool good = true;

    if (json_parse_raw_numbers(body, &doc, &err) != 0 || !yyjson_is_obj(yyjson_doc_get_root(doc))) {
        call_refuse(c, 400, "invalid_request", "Expected a JSON object. %s", err.text);
        return;
    }
    c->ops = (struct cmd_resource_op *)(void *)e;
    e->overlap_ms = KEY_OVERLAP_MS;
    overlap = json_slice(yyjson_obj_get(yyjson_doc_get_root(doc), "overlap"));
    if (rest.n == 0) {
        e->what = KEY_CREATE;
        good = key_new_id(c, e, json_slice(yyjson_obj_get(yyjson_doc_get_root(doc), "name"))) &&
               key_members(c, e, yyjson_doc_get_root(doc));
    } else if (slice_ends(rest, SLICE("/rotate"))) {
        e->what = KEY_ROTATE;
        e->id = call_decode(c, slice_of(rest.p, rest.n - 7));
        if (overlap.n > 0 && scan_duration_ms(overlap, &e->overlap_ms) != 0) {
            call_refuse(c, 400, "invalid_request", "overlap: expected a duration, like 24h.");
            good = false;
        }
    } else if (slice_ends(rest, SLICE("/revoke"))) {
        e->what = KEY_REVOKE;
        e->id = call_decode(c, slice_of(rest.p, rest.n - 7));
    } else {
        call_refuse(c, 404, "not_found", "Expected keys, keys/ID/rotate or keys/ID/revoke.");
        good = false;
    }
    yyjson_doc_free(doc);
    if (!good) {
        return;
    }
    c->key_id = arena_strdup(&c->arena, e->id);
    if (e->what != KEY_REVOKE) {
        gov_key_make(gov_pepper(c->api->cfg.gov), c->key_id, c->key_text, e->mac);
    }
    call_to_raft(c, key_run, false);
}
