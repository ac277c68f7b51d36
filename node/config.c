#include "node/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/net/listener.h"
#include "base/yaml.h"

#define CONFIG_DRAIN_MS    600000
#define CONFIG_STALE_MS    60000
#define CONFIG_WORKERS_MAX 64

struct config_reader {
    struct config *c;
    struct slice text;
    const char *file, *dir;
    struct errmsg *err;
    bool seen;
};

/* "node.yaml:7: raft.preset: expected lan, wan or test" */
static int config_refuse(struct config_reader *r, const char *path, const char *expected)
{
    unsigned line = yaml_line_of(r->text, 0, path);

    if (line > 0) {
        errmsg_set(r->err, "%s:%u: %s: %s", r->file, line, path, expected);
    } else {
        errmsg_set(r->err, "%s: %s: %s", r->file, path, expected);
    }
    return Q_EINVAL;
}

/* --- values --- */

enum config_kind {
    CONFIG_TEXT,
    CONFIG_FILE,
    CONFIG_ADDR,
    CONFIG_BOOL,
    CONFIG_WORKERS,
    CONFIG_PRESET,
    CONFIG_BYTES,
    CONFIG_DURATION,
    CONFIG_LEVEL,
    CONFIG_JOIN
};

struct config_field {
    const char *path;
    enum config_kind kind;
    size_t offset;
    bool required;
};

#define FIELD(path, kind, member, required)                            \
    {                                                                  \
        path, CONFIG_##kind, offsetof(struct config, member), required \
    }
static const struct config_field config_fields[] = {
    FIELD("name", TEXT, name, true),
    FIELD("region", TEXT, region, false),
    FIELD("data_dir", FILE, data_dir, true),
    FIELD("listen.gateway", ADDR, listen_gateway, true),
    FIELD("listen.admin", ADDR, listen_admin, true),
    FIELD("listen.peer", ADDR, listen_peer, true),
    FIELD("advertise.gateway", TEXT, advertise_gateway, false),
    FIELD("advertise.peer", ADDR, advertise_peer, false),
    FIELD("tls.cert", FILE, tls_cert, false),
    FIELD("tls.key", FILE, tls_key, false),
    FIELD("peer_tls.ca", FILE, peer_ca, true),
    FIELD("peer_tls.cert", FILE, peer_cert, true),
    FIELD("peer_tls.key", FILE, peer_key, true),
    FIELD("cluster.bootstrap", BOOL, bootstrap, false),
    FIELD("cluster.join", JOIN, join, false),
    FIELD("admin_token_file", FILE, admin_token_file, true),
    FIELD("master_key_file", FILE, master_key_file, true),
    FIELD("secrets.env_prefix", TEXT, secrets_env_prefix, false),
    FIELD("secrets.dir", FILE, secrets_dir, false),
    FIELD("workers", WORKERS, workers, false),
    FIELD("raft.preset", PRESET, preset, false),
    FIELD("limits.body", BYTES, body_bytes_max, false),
    FIELD("limits.drain", DURATION, drain_ms, false),
    FIELD("limits.stale", DURATION, stale_ms, false),
    FIELD("log.level", LEVEL, log_level, false),
};
#undef FIELD

static int config_text(struct config_reader *r, const struct config_field *f, yyjson_val *v)
{
    const char **to = (const char **)((char *)r->c + f->offset);
    struct slice s = json_slice(v);
    char host[256];
    uint16_t port;

    if (!yyjson_is_str(v) || s.n == 0 || slice_find(s, 0) < s.n) {
        return config_refuse(r, f->path, "expected text");
    }
    *to = arena_strdup(&r->c->arena, s);
    if (f->kind == CONFIG_ADDR && addr_split(*to, host, sizeof host, &port) != 0) {
        return config_refuse(r, f->path, "expected HOST:PORT");
    }
    if (f->kind == CONFIG_FILE && (*to)[0] != '/') {
        *to = arena_printf(&r->c->arena, "%s/%s", r->dir, *to);
    }
    return 0;
}

static int config_join(struct config_reader *r, const struct config_field *f, yyjson_val *v)
{
    yyjson_val *one;
    size_t i, n;

    if (!yyjson_is_arr(v) || yyjson_arr_size(v) > CONFIG_JOIN_MAX) {
        return config_refuse(r, f->path, "expected a list of at most 15 HOST:PORT");
    }
    yyjson_arr_foreach(v, i, n, one)
    {
        char host[256];
        uint16_t port;
        const char *text = arena_strdup(&r->c->arena, json_slice(one));
        if (addr_split(text, host, sizeof host, &port) != 0) {
            return config_refuse(r, f->path, "expected a list of HOST:PORT");
        }
        r->c->join[r->c->n_join++] = text;
    }
    return 0;
}

static int config_number(struct config_reader *r, const struct config_field *f, yyjson_val *v)
{
    uint64_t *to = (uint64_t *)((char *)r->c + f->offset);
    char text[32];
    struct slice s = json_slice(v);

    if (yyjson_is_uint(v)) {
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)yyjson_get_uint(v));
        s = slice_str(text);
    }
    if (f->kind == CONFIG_BYTES) {
        if (scan_bytes(s, to) != 0 || *to == 0 || *to > HTTP_BODY_BYTES_CAP) {
            return config_refuse(r, f->path, "expected a size up to 256MiB, like 32MiB");
        }
    } else if (scan_duration_ms(s, to) != 0) {
        return config_refuse(r, f->path, "expected a duration, like 600s");
    }
    return 0;
}

static int config_value(struct config_reader *r, const struct config_field *f, yyjson_val *v)
{
    switch (f->kind) {
    case CONFIG_TEXT:
    case CONFIG_FILE:
    case CONFIG_ADDR:
        return config_text(r, f, v);
    case CONFIG_JOIN:
        return config_join(r, f, v);
    case CONFIG_BYTES:
    case CONFIG_DURATION:
        return config_number(r, f, v);
    case CONFIG_BOOL:
        if (!yyjson_is_bool(v)) {
            return config_refuse(r, f->path, "expected true or false");
        }
        *(bool *)((char *)r->c + f->offset) = yyjson_get_bool(v);
        return 0;
    case CONFIG_WORKERS:
        if (!yyjson_is_uint(v) || yyjson_get_uint(v) > CONFIG_WORKERS_MAX) {
            return config_refuse(r, f->path, "expected 0 (one a core) to 64");
        }
        r->c->workers = (unsigned)yyjson_get_uint(v);
        return 0;
    case CONFIG_PRESET:
        if (consensus_preset_parse(json_slice(v), &r->c->preset) != 0) {
            return config_refuse(r, f->path, "expected lan, wan or test");
        }
        return 0;
    case CONFIG_LEVEL:
        if (!log_level_parse(json_slice(v), &r->c->log_level)) {
            return config_refuse(r, f->path, "expected debug, info, warn or error");
        }
        return 0;
    }
    UNREACHABLE();
}

/* --- the document --- */

static const struct config_field *config_find(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(config_fields); i++) {
        if (strcmp(config_fields[i].path, path) == 0) {
            return &config_fields[i];
        }
    }
    return NULL;
}

static bool config_is_section(const char *path)
{
    size_t n = strlen(path);

    for (size_t i = 0; i < ARRAY_LEN(config_fields); i++) {
        if (strncmp(config_fields[i].path, path, n) == 0 && config_fields[i].path[n] == '.') {
            return true;
        }
    }
    return false;
}

static int config_object(struct config_reader *r, yyjson_val *obj, const char *prefix)
{
    yyjson_val *key, *val;
    size_t i, n;
    int rv = 0;

    yyjson_obj_foreach(obj, i, n, key, val)
    {
        const struct config_field *f;
        char path[256];
        (void)snprintf(path, sizeof path, "%s%s%.*s", prefix, prefix[0] != 0 ? "." : "",
                       SLICE_FMT(json_slice(key)));
        f = config_find(path);
        if (f != NULL) {
            rv = config_value(r, f, val);
        } else if (config_is_section(path) && yyjson_is_obj(val)) {
            rv = config_object(r, val, path);
        } else {
            rv = config_refuse(r, path, config_is_section(path) ? "expected a map" : "unknown key");
        }
        if (rv != 0) {
            return rv;
        }
    }
    return 0;
}

static int config_document(void *arg, struct slice json, unsigned line, struct errmsg *err)
{
    struct config_reader *r = arg;
    yyjson_doc *doc;
    int rv;

    (void)line;
    if (r->seen) {
        errmsg_set(err, "%s: expected one document", r->file);
        return Q_EINVAL;
    }
    r->seen = true;
    rv = json_parse(json, &doc, err);
    if (rv != 0) {
        return rv;
    }
    if (yyjson_is_obj(yyjson_doc_get_root(doc))) {
        rv = config_object(r, yyjson_doc_get_root(doc), "");
    } else {
        errmsg_set(err, "%s: expected a map of settings", r->file);
        rv = Q_EINVAL;
    }
    yyjson_doc_free(doc);
    return rv;
}

static int config_readable(struct config_reader *r, const char *path, const char *file)
{
    char why[600];

    if (file == NULL || access(file, R_OK) == 0) {
        return 0;
    }
    (void)snprintf(why, sizeof why, "cannot read %s: %s", file, strerror(errno));
    return config_refuse(r, path, why);
}

static int config_check(struct config_reader *r)
{
    struct config *c = r->c;
    char host[256];
    uint16_t port;
    int rv = 0;

    for (size_t i = 0; i < ARRAY_LEN(config_fields); i++) {
        const struct config_field *f = &config_fields[i];
        if (f->required && *(const char **)((char *)c + f->offset) == NULL) {
            errmsg_set(r->err, "%s: %s: is required", r->file, f->path);
            return Q_EINVAL;
        }
    }
    if ((c->tls_cert == NULL) != (c->tls_key == NULL)) {
        return config_refuse(r, "tls", "expected both cert and key");
    }
    (void)addr_split(c->listen_admin, host, sizeof host, &port);
    if (c->tls_cert == NULL && !addr_is_loopback(host)) {
        return config_refuse(r, "listen.admin",
                             "without tls the admin API listens on a loopback address only");
    }
    if (strlen(c->name) > 63) {
        return config_refuse(r, "name", "expected at most 63 characters");
    }
    rv = rv != 0 ? rv : config_readable(r, "tls.cert", c->tls_cert);
    rv = rv != 0 ? rv : config_readable(r, "tls.key", c->tls_key);
    rv = rv != 0 ? rv : config_readable(r, "peer_tls.ca", c->peer_ca);
    rv = rv != 0 ? rv : config_readable(r, "peer_tls.cert", c->peer_cert);
    rv = rv != 0 ? rv : config_readable(r, "peer_tls.key", c->peer_key);
    rv = rv != 0 ? rv : config_readable(r, "admin_token_file", c->admin_token_file);
    rv = rv != 0 ? rv : config_readable(r, "master_key_file", c->master_key_file);
    return rv;
}

static void config_defaults(struct config *c)
{
    c->region = c->region != NULL ? c->region : "";
    c->advertise_peer = c->advertise_peer != NULL ? c->advertise_peer : c->listen_peer;
    c->advertise_gateway =
        c->advertise_gateway != NULL
            ? c->advertise_gateway
            : arena_printf(&c->arena, "%s://%s", c->tls_cert != NULL ? "https" : "http",
                           c->listen_gateway);
}

static int config_read_file(const char *file, struct buf *out, struct errmsg *err)
{
    FILE *f = fopen(file, "re");
    char part[4096];
    size_t n;

    if (f == NULL) {
        errmsg_set(err, "%s: %s", file, strerror(errno));
        return err_from_errno(errno);
    }
    while ((n = fread(part, 1, sizeof part, f)) > 0) {
        buf_add(out, part, n);
    }
    (void)fclose(f);
    return out->full ? Q_ETOOBIG : 0;
}

int config_load(const char *file, struct config *ret, struct errmsg *err)
{
    struct config c = {.body_bytes_max = HTTP_BODY_BYTES_MAX,
                       .drain_ms = CONFIG_DRAIN_MS,
                       .stale_ms = CONFIG_STALE_MS,
                       .log_level = LOG_LEVEL_INFO};
    const char *slash = strrchr(file, '/');
    struct config_reader r = {.c = &c, .file = file, .err = err};
    struct buf text;
    int rv;

    buf_init(&text, YAML_FILE_BYTES_MAX);
    rv = config_read_file(file, &text, err);
    if (rv != 0) {
        buf_deinit(&text);
        return rv;
    }
    arena_init(&c.arena, NULL);
    r.text = buf_slice(&text);
    r.dir = slash != NULL ? arena_strdup(&c.arena, slice_of(file, (size_t)(slash - file))) : ".";
    rv = yaml_to_json(r.text, config_document, &r, err);
    if (rv == Q_EPROTO) {
        errmsg_wrap(err, "%s", file);
    }
    if (rv == 0) {
        rv = config_check(&r);
    }
    buf_deinit(&text);
    if (rv != 0) {
        arena_deinit(&c.arena);
        return rv;
    }
    config_defaults(&c);
    *ret = c;
    return 0;
}

void config_deinit(struct config *c)
{
    arena_deinit(&c->arena);
}

int config_read_key(const char *file, uint8_t key[32], struct errmsg *err)
{
    struct buf text;
    int rv;

    buf_init(&text, 4096);
    rv = config_read_file(file, &text, err);
    if (rv == 0) {
        struct slice s = slice_trim(buf_slice(&text));
        if (text.n == 32) {
            memcpy(key, text.p, 32);
        } else if (hex_decode(s, key, 32) != 0) {
            errmsg_set(err, "%s: expected a master key of 32 bytes, or 64 hexadecimal digits",
                       file);
            rv = Q_EINVAL;
        }
    }
    if (text.p != NULL) {
        mem_wipe(text.p, text.n);
    }
    buf_deinit(&text);
    return rv;
}
