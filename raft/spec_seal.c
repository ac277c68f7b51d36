/* Specs on their way in and out: canonical text, sealed credentials, what the API may show.
 *
 * Going in, a credential in clear becomes {"sealed": base64}; "sealed:<fingerprint>", which is what
 * the API shows, becomes again what is stored, as do the MACs of a key, which are never shown. So
 * applying what was read changes nothing. */
#include "base/check.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "raft/spec_i.h"

#define SEAL_FINGERPRINT_CHARS 8
#define SEAL_PREFIX            "sealed:"

/* --- canonical JSON: compact, keys in order, numbers as they were written --- */

struct spec_pair {
    struct slice key;
    yyjson_val *value;
};

static void spec_write(struct jsonw *w, yyjson_val *v);

static void spec_pair_insert(struct spec_pair *pairs, size_t n, struct spec_pair p)
{
    size_t at = n;

    for (; at > 0 && slice_cmp(pairs[at - 1].key, p.key) > 0; at--) {
        pairs[at] = pairs[at - 1];
    }
    pairs[at] = p;
}

static void spec_write_obj(struct jsonw *w, yyjson_val *v)
{
    struct spec_pair *pairs = mem_alloc((yyjson_obj_size(v) + 1) * sizeof *pairs);
    yyjson_val *key, *value;
    size_t i, n;

    yyjson_obj_foreach(v, i, n, key, value)
    {
        spec_pair_insert(pairs, i, (struct spec_pair){json_slice(key), value});
    }
    jsonw_obj(w);
    for (i = 0; i < n; i++) {
        jsonw_key_slice(w, pairs[i].key);
        spec_write(w, pairs[i].value);
    }
    jsonw_obj_end(w);
    mem_free(pairs);
}

/* Depth is at most SPEC_WRITE_DEPTH_MAX, see spec_shallow(). */
static void spec_write(struct jsonw *w, yyjson_val *v)
{
    yyjson_val *item;
    size_t i, n;

    if (yyjson_is_obj(v)) {
        spec_write_obj(w, v);
    } else if (yyjson_is_arr(v)) {
        jsonw_arr(w);
        yyjson_arr_foreach(v, i, n, item)
        {
            spec_write(w, item);
        }
        jsonw_arr_end(w);
    } else if (yyjson_is_str(v)) {
        jsonw_slice(w, json_slice(v));
    } else if (yyjson_is_raw(v)) {
        jsonw_raw(w, slice_of(yyjson_get_raw(v), yyjson_get_len(v)));
    } else if (yyjson_is_bool(v)) {
        jsonw_bool(w, yyjson_get_bool(v));
    } else {
        jsonw_null(w);
    }
}

#define SPEC_WRITE_DEPTH_MAX 16
#define SPEC_WRITE_KEYS_MAX  1024

static bool spec_shallow(yyjson_val *v, unsigned depth)
{
    yyjson_val *key, *item;
    size_t i, n;
    bool ok = depth <= SPEC_WRITE_DEPTH_MAX;

    if (ok && yyjson_is_obj(v)) {
        ok = yyjson_obj_size(v) <= SPEC_WRITE_KEYS_MAX;
        yyjson_obj_foreach(v, i, n, key, item)
        {
            ok = ok && spec_shallow(item, depth + 1);
        }
    } else if (ok && yyjson_is_arr(v)) {
        yyjson_arr_foreach(v, i, n, item)
        {
            ok = ok && spec_shallow(item, depth + 1);
        }
    }
    return ok;
}

/* --- credentials --- */

static struct slice spec_aad(struct slice provider, struct buf *out)
{
    buf_init(out, 512);
    buf_add_str(out, "provider/");
    buf_add_slice(out, provider);
    buf_add_str(out, "/api_key");
    return buf_slice(out);
}

/* Of the ciphertext: tells two secrets apart and says nothing about either. */
static void spec_fingerprint(struct slice sealed_base64, char out[2 * SHA256_BYTES + 1])
{
    uint8_t digest[SHA256_BYTES];

    crypto_sha256(sealed_base64, digest);
    hex_encode(digest, sizeof digest, out);
    out[SEAL_FINGERPRINT_CHARS] = 0;
}

static void spec_write_sealed(struct jsonw *w, struct slice name, struct slice plain,
                              const uint8_t seal_key[32])
{
    struct buf aad, sealed, text;

    buf_init(&sealed, SPEC_BYTES_MAX);
    buf_init(&text, 2 * SPEC_BYTES_MAX);
    crypto_seal(seal_key, spec_aad(name, &aad), plain, &sealed);
    base64_encode(buf_slice(&sealed), &text);
    jsonw_obj(w);
    jsonw_kslice(w, "sealed", buf_slice(&text));
    jsonw_obj_end(w);
    buf_deinit(&aad);
    buf_deinit(&sealed);
    buf_deinit(&text);
}

/* "sealed:<fingerprint>" stands for what @old holds. */
static int spec_keep_sealed(struct jsonw *w, struct slice shown, yyjson_val *old,
                            struct errmsg *err)
{
    struct slice sealed = json_slice(yyjson_obj_get(yyjson_obj_get(old, "api_key"), "sealed"));
    char print[2 * SHA256_BYTES + 1];

    spec_fingerprint(sealed, print);
    if (sealed.n == 0 ||
        !slice_eq(slice_of(shown.p + sizeof SEAL_PREFIX - 1, shown.n - (sizeof SEAL_PREFIX - 1)),
                  slice_str(print))) {
        errmsg_set(err, "spec.api_key: \"%.*s\" is not the credential stored under this name",
                   shown.n < 40 ? (int)shown.n : 40, shown.p);
        return Q_EINVAL;
    }
    jsonw_obj(w);
    jsonw_kslice(w, "sealed", sealed);
    jsonw_obj_end(w);
    return 0;
}

static int spec_seal_secret(struct jsonw *w, struct slice name, yyjson_val *v, yyjson_val *old,
                            const uint8_t seal_key[32], struct errmsg *err)
{
    struct slice value = yyjson_is_str(v) ? json_slice(v) : json_slice(yyjson_obj_get(v, "value"));
    bool has_value = yyjson_is_str(v) || yyjson_obj_get(v, "value") != NULL;

    if (!has_value) {
        if (yyjson_obj_get(v, "sealed") != NULL) {
            errmsg_set(err, "spec.api_key.sealed: give value, env or file");
            return Q_EINVAL;
        }
        spec_write(w, v); /* env, file, or nonsense that spec_parse() will name. */
        return 0;
    }
    if (yyjson_is_obj(v) && yyjson_obj_size(v) != 1) {
        errmsg_set(err, "spec.api_key: expected exactly one of value, env and file");
        return Q_EINVAL;
    }
    if (slice_starts(value, SLICE(SEAL_PREFIX))) {
        return spec_keep_sealed(w, value, old, err);
    }
    if (value.n == 0 || value.n > SPEC_TEXT_MAX / 2) {
        errmsg_set(err, "spec.api_key.value: expected a text of 1 to %d bytes", SPEC_TEXT_MAX / 2);
        return Q_EINVAL;
    }
    spec_write_sealed(w, name, value, seal_key);
    return 0;
}

static int spec_seal_value(struct jsonw *w, enum kind kind, struct slice name, struct spec_pair p,
                           yyjson_val *old, const uint8_t seal_key[32], struct errmsg *err)
{
    jsonw_key_slice(w, p.key);
    if (kind == KIND_PROVIDER && slice_eq(p.key, SLICE("api_key"))) {
        return spec_seal_secret(w, name, p.value, old, seal_key, err);
    }
    spec_write(w, p.value);
    return 0;
}

/* What the API never shows and a writer therefore cannot send back. */
static const char *const spec_kept[] = {"mac", "old_mac", "old_until"};

static int spec_seal_obj(enum kind kind, struct slice name, yyjson_val *v, yyjson_val *old,
                         const uint8_t seal_key[32], struct jsonw *w, struct errmsg *err)
{
    size_t i, n, n_pairs = 0;
    struct spec_pair *pairs =
        mem_alloc((yyjson_obj_size(v) + ARRAY_LEN(spec_kept) + 1) * sizeof *pairs);
    yyjson_val *key, *value;
    int rv = 0;

    yyjson_obj_foreach(v, i, n, key, value)
    {
        spec_pair_insert(pairs, n_pairs++, (struct spec_pair){json_slice(key), value});
    }
    if (kind == KIND_KEY && yyjson_obj_get(v, "mac") == NULL) {
        for (i = 0; i < ARRAY_LEN(spec_kept); i++) {
            value = yyjson_obj_get(old, spec_kept[i]);
            if (value != NULL && yyjson_obj_get(v, spec_kept[i]) == NULL) {
                spec_pair_insert(pairs, n_pairs++,
                                 (struct spec_pair){slice_str(spec_kept[i]), value});
            }
        }
    }
    jsonw_obj(w);
    for (i = 0; i < n_pairs && rv == 0; i++) {
        rv = spec_seal_value(w, kind, name, pairs[i], old, seal_key, err);
    }
    jsonw_obj_end(w);
    mem_free(pairs);
    return rv;
}

int spec_seal(enum kind kind, struct slice name, struct slice json, struct slice old,
              const uint8_t seal_key[32], struct buf *out, struct errmsg *err)
{
    yyjson_doc *doc, *old_doc = NULL;
    struct buf text;
    struct jsonw w;
    int rv;

    if (json.n > SPEC_BYTES_MAX) {
        errmsg_set(err, "spec: %zu bytes; at most %u", json.n, SPEC_BYTES_MAX);
        return Q_EINVAL;
    }
    if (json_parse_raw_numbers(json, &doc, err) != 0) {
        errmsg_wrap(err, "spec");
        return Q_EINVAL;
    }
    if (old.n > 0 && json_parse_raw_numbers(old, &old_doc, NULL) != 0) {
        old_doc = NULL;
    }
    buf_init(&text, SPEC_BYTES_MAX);
    jsonw_init(&w, &text);
    if (!yyjson_is_obj(yyjson_doc_get_root(doc)) || !spec_shallow(yyjson_doc_get_root(doc), 0)) {
        errmsg_set(err, "spec: expected an object, at most %d levels deep", SPEC_WRITE_DEPTH_MAX);
        rv = Q_EINVAL;
    } else {
        rv = spec_seal_obj(kind, name, yyjson_doc_get_root(doc), yyjson_doc_get_root(old_doc),
                           seal_key, &w, err);
    }
    if (rv == 0 && text.full) {
        errmsg_set(err, "spec: more than %u bytes when sealed", SPEC_BYTES_MAX);
        rv = Q_EINVAL;
    }
    if (rv == 0) {
        buf_add_slice(out, buf_slice(&text));
    }
    yyjson_doc_free(doc);
    yyjson_doc_free(old_doc);
    mem_wipe(text.p, text.n);
    buf_deinit(&text);
    return rv;
}

int spec_unseal(struct slice provider_name, const struct spec_secret *s, const uint8_t seal_key[32],
                struct buf *out)
{
    struct buf sealed, aad;
    int rv;

    if (s->from != SPEC_SECRET_SEALED) {
        return Q_EINVAL;
    }
    buf_init(&sealed, SPEC_BYTES_MAX);
    rv = base64_decode(s->text, &sealed);
    if (rv == 0) {
        rv = crypto_open(seal_key, spec_aad(provider_name, &aad), buf_slice(&sealed), out);
        buf_deinit(&aad);
    }
    buf_deinit(&sealed);
    return rv;
}

/* --- out --- */

static void spec_show_secret(struct jsonw *w, yyjson_val *v)
{
    struct slice sealed = json_slice(yyjson_obj_get(v, "sealed"));
    char print[2 * SHA256_BYTES + 1], shown[sizeof SEAL_PREFIX + SEAL_FINGERPRINT_CHARS];
    struct buf b;

    if (sealed.n == 0) {
        spec_write(w, v);
        return;
    }
    spec_fingerprint(sealed, print);
    buf_init(&b, sizeof shown);
    buf_add_str(&b, SEAL_PREFIX);
    buf_add_str(&b, print);
    jsonw_obj(w);
    jsonw_kslice(w, "value", buf_slice(&b));
    jsonw_obj_end(w);
    buf_deinit(&b);
}

static bool spec_hidden(enum kind kind, struct slice key)
{
    for (size_t i = 0; kind == KIND_KEY && i < ARRAY_LEN(spec_kept); i++) {
        if (slice_eq(key, slice_str(spec_kept[i]))) {
            return true;
        }
    }
    return false;
}

void spec_show(enum kind kind, struct slice json, struct buf *out)
{
    yyjson_val *key, *value, *root;
    yyjson_doc *doc;
    struct jsonw w;
    size_t i, n;

    jsonw_init(&w, out);
    jsonw_obj(&w);
    if (json_parse_raw_numbers(json, &doc, NULL) == 0) {
        root = yyjson_doc_get_root(doc);
        yyjson_obj_foreach(root, i, n, key, value)
        {
            struct slice k = json_slice(key);
            if (spec_hidden(kind, k) || !spec_shallow(value, 1)) {
                continue;
            }
            jsonw_key_slice(&w, k);
            if (kind == KIND_PROVIDER && slice_eq(k, SLICE("api_key"))) {
                spec_show_secret(&w, value);
            } else {
                spec_write(&w, value);
            }
        }
        yyjson_doc_free(doc);
    }
    jsonw_obj_end(&w);
}
