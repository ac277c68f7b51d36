/* The admin API: who asks, what for, and the answer. */
#include "node/api/api_i.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

#define TOKEN_BYTES_MIN 16

/* --- answers --- */

static void call_free(struct call *c)
{
    struct api *a = c->api;
    struct arena arena = c->arena;

    buf_deinit(&c->body);
    buf_deinit(&c->cmd);
    buf_deinit(&c->out);
    mem_wipe(c->key_text, sizeof c->key_text);
    arena_deinit(&arena);
    a->n_calls--;
    if (a->closing && a->n_calls == 0) {
        void (*cb)(void *) = a->close_cb;
        void *arg = a->close_arg;
        mailbox_close(a->mailbox);
        mem_free(a);
        cb(arg);
    }
}

static void call_send(struct call *c)
{
    struct headers h;
    char etag[32];

    c->done = true;
    if (c->exchange == NULL) {
        call_free(c);
        return;
    }
    headers_init(&h, exchange_arena(c->exchange));
    if (c->revision > 0) {
        (void)snprintf(etag, sizeof etag, "\"%llu\"", (unsigned long long)c->revision);
        headers_add_str(&h, "etag", etag);
    }
    if (c->status == 503) {
        headers_add_str(&h, "retry-after", "1");
    }
    exchange_reply(c->exchange, c->status,
                   c->content_type != NULL ? c->content_type : "application/json",
                   buf_slice(&c->out), &h);
}

static void call_deliver(struct letter *l)
{
    call_send(CONTAINER_OF(l, struct call, letter));
}

void call_answer(struct call *c, int status)
{
    c->status = status;
    c->letter.deliver = call_deliver;
    mailbox_send(c->api->mailbox, &c->letter);
}

static void call_write_error(struct call *c, int status, const char *code, const char *message)
{
    struct jsonw w;

    c->status = status;
    buf_clear(&c->out);
    jsonw_init(&w, &c->out);
    jsonw_obj(&w);
    jsonw_key(&w, "error");
    jsonw_obj(&w);
    jsonw_kstr(&w, "code", code);
    jsonw_kstr(&w, "message", message);
    jsonw_obj_end(&w);
    jsonw_obj_end(&w);
}

void call_error(struct call *c, int status, const char *code, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    call_write_error(c, status, code, text);
    call_answer(c, status);
}

void call_refuse(struct call *c, int status, const char *code, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    call_write_error(c, status, code, text);
    call_send(c);
}

void call_result(struct call *c, const struct fsm_result *r)
{
    const char *why = r->err.text[0] != 0 ? r->err.text : err_str(r->status);

    switch (r->status) {
    case Q_EINVAL:
    case Q_EPROTO:
        call_error(c, 400, "invalid_request", "%s", why);
        break;
    case Q_ENOTFOUND:
        call_error(c, 404, "not_found", "%s", why);
        break;
    case Q_ECONFLICT:
    case Q_EEXIST:
        call_error(c, 409, "conflict", "%s", why);
        break;
    case Q_ETOOBIG:
        call_error(c, 413, "request_too_large", "%s", why);
        break;
    default:
        call_error(c, 503, "no_quorum", "%s", why);
        break;
    }
}

/* --- to the raft loop --- */

static void call_barrier_done(struct barrier *b, int status)
{
    struct call *c = CONTAINER_OF(b, struct call, barrier);

    if (status != 0) {
        call_error(c, 503, "no_quorum",
                   "There is no leader with a quorum; ?stale=true reads this "
                   "node's copy.");
        return;
    }
    c->run(c);
}

static void call_on_raft_read(struct letter *l)
{
    struct call *c = CONTAINER_OF(l, struct call, letter);

    c->barrier = (struct barrier){.cb = call_barrier_done};
    consensus_barrier(c->api->cfg.consensus, &c->barrier);
}

static void call_on_raft(struct letter *l)
{
    struct call *c = CONTAINER_OF(l, struct call, letter);

    c->run(c);
}

void call_to_raft(struct call *c, void (*run)(struct call *c), bool linearizable)
{
    c->run = run;
    c->letter.deliver = linearizable ? call_on_raft_read : call_on_raft;
    mailbox_send(c->api->cfg.raft_mailbox, &c->letter);
}

static void call_change_done(struct submit *s)
{
    struct call *c = CONTAINER_OF(s, struct call, submit);

    if (s->result.status != 0) {
        call_result(c, &s->result);
        return;
    }
    c->revision = s->result.revision;
    c->run(c);
}

void call_change(struct call *c, void (*then)(struct call *c))
{
    struct consensus *k = c->api->cfg.consensus;
    struct cmd cmd = {.type = CMD_RESOURCES};
    int rv;

    cmd.resources.ops = c->ops;
    cmd.resources.n = c->n_ops;
    consensus_origin(k, &cmd.origin, &cmd.origin_inc);
    cmd.reqno = consensus_reqno(k);
    rv = cmd_encode(&cmd, &c->cmd);
    if (rv != 0) {
        call_error(c, 413, "request_too_large",
                   "One change holds at most 1 MiB; apply the resources in smaller files.");
        return;
    }
    c->run = then;
    c->submit = (struct submit){.cmd = buf_slice(&c->cmd), .cb = call_change_done};
    consensus_submit(k, &c->submit);
}

/* --- requests --- */

static int api_hex(char ch)
{
    return ch >= '0' && ch <= '9'   ? ch - '0'
           : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
           : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10
                                    : -1;
}

struct slice call_decode(struct call *c, struct slice s)
{
    char *out = arena_alloc(&c->arena, s.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        int hi = i + 2 < s.n && s.p[i] == '%' ? api_hex(s.p[i + 1]) : -1;
        int lo = hi >= 0 ? api_hex(s.p[i + 2]) : -1;
        if (lo >= 0) {
            out[n++] = (char)(hi * 16 + lo);
            i += 2;
        } else {
            out[n++] = s.p[i];
        }
    }
    return slice_of(out, n);
}

struct slice call_param(struct call *c, const char *name)
{
    struct slice rest = c->query;
    size_t n = strlen(name);

    while (rest.n > 0) {
        size_t end = slice_find(rest, '&');
        if (end > n && rest.p[n] == '=' && memcmp(rest.p, name, n) == 0) {
            return call_decode(c, slice_of(rest.p + n + 1, end - n - 1));
        }
        rest = end < rest.n ? slice_of(rest.p + end + 1, rest.n - end - 1) : SLICE("");
    }
    return SLICE("");
}

static void api_route_resource(struct call *c, enum kind k, struct slice rest)
{
    struct slice name = call_decode(c, rest);

    if (rest.n == 0 && slice_eq(c->method, SLICE("GET"))) {
        resources_list(c, k);
    } else if (rest.n == 0) {
        call_refuse(c, 405, "invalid_request", "Use GET here.");
    } else if (slice_eq(c->method, SLICE("GET"))) {
        resources_get(c, k, name);
    } else if (slice_eq(c->method, SLICE("PUT"))) {
        resources_put(c, k, name);
    } else if (slice_eq(c->method, SLICE("DELETE"))) {
        resources_delete(c, k, name);
    } else {
        call_refuse(c, 405, "invalid_request", "Use GET, PUT or DELETE here.");
    }
}

/* "budgets/x/status" */
static bool api_cut_suffix(struct slice *s, const char *suffix)
{
    if (!slice_ends(*s, slice_str(suffix)) || s->n == strlen(suffix)) {
        return false;
    }
    s->n -= strlen(suffix);
    return true;
}

static void api_route_named(struct call *c, struct slice first, struct slice rest)
{
    bool post = slice_eq(c->method, SLICE("POST"));
    enum kind k;

    if (slice_eq(first, SLICE("apply")) && post) {
        resources_apply(c);
    } else if (slice_eq(first, SLICE("cluster"))) {
        cluster_get(c);
    } else if (slice_eq(first, SLICE("usage"))) {
        usage_get(c);
    } else if (slice_eq(first, SLICE("snapshot"))) {
        cluster_snapshot(c);
    } else if (slice_eq(first, SLICE("requests")) && rest.n > 0) {
        records_get(c, rest);
    } else if (slice_eq(first, SLICE("budgets")) && api_cut_suffix(&rest, "/status")) {
        budgets_status(c, call_decode(c, rest));
    } else if (slice_eq(first, SLICE("budgets")) && post && api_cut_suffix(&rest, "/resolve")) {
        budgets_resolve(c, call_decode(c, rest));
    } else if (slice_eq(first, SLICE("keys")) && post) {
        keys_post(c, rest);
    } else if (kind_parse(first, &k) == 0) {
        api_route_resource(c, k, rest);
    } else {
        call_refuse(c, 404, "not_found", "There is nothing at /admin/v1/%.*s.", SLICE_FMT(c->path));
    }
}

static void api_route(struct call *c)
{
    size_t slash = slice_find(c->path, '/');
    struct slice rest =
        slash < c->path.n ? slice_of(c->path.p + slash + 1, c->path.n - slash - 1) : SLICE("");

    api_route_named(c, slice_of(c->path.p, slash), rest);
}

static void api_on_body(struct exchange *e, struct block *block, const char *p, size_t n)
{
    struct call *c = exchange_owner(e);

    (void)block;
    buf_add(&c->body, p, n);
}

static void api_on_request_end(struct exchange *e)
{
    struct call *c = exchange_owner(e);

    if (c->done) {
        return;
    }
    if (c->body.full) {
        call_refuse(c, 413, "request_too_large", "The request body is over 4 MiB.");
        return;
    }
    api_route(c);
}

static void api_on_close(struct exchange *e, int status)
{
    struct call *c = exchange_owner(e);

    (void)status;
    c->exchange = NULL;
    if (c->done) {
        call_free(c);
    }
}

static void api_on_body_too_large(struct exchange *e)
{
    call_refuse(exchange_owner(e), 413, "request_too_large", "The request body is over 4 MiB.");
}

static const struct exchange_ops api_exchange_ops = {.on_body = api_on_body,
                                                     .on_request_end = api_on_request_end,
                                                     .on_body_too_large = api_on_body_too_large,
                                                     .on_close = api_on_close};

static bool api_authorized(const struct api *a, const struct exchange_request *q)
{
    struct slice v = headers_get(&q->headers, "authorization");
    uint8_t hash[32];

    if (v.n < 8 || !slice_ieq(slice_of(v.p, 7), SLICE("bearer "))) {
        return false;
    }
    crypto_sha256(slice_trim(slice_of(v.p + 7, v.n - 7)), hash);
    return crypto_equal(hash, a->token_hash, sizeof hash);
}

static bool api_open_path(struct api *a, struct exchange *e, struct slice path)
{
    struct buf out;
    bool ready = a->cfg.is_ready(a->cfg.arg);

    if (slice_eq(path, SLICE("/healthz"))) {
        exchange_reply(e, 200, "application/json", SLICE("{\"status\":\"ok\"}\n"), NULL);
        return true;
    }
    if (slice_eq(path, SLICE("/readyz"))) {
        exchange_reply(e, ready ? 200 : 503, "application/json",
                       ready ? SLICE("{\"status\":\"ready\"}\n")
                             : SLICE("{\"status\":\"not ready\"}\n"),
                       NULL);
        return true;
    }
    if (!slice_eq(path, SLICE("/metrics"))) {
        return false;
    }
    buf_init(&out, 1u << 20);
    metrics_print(&out);
    exchange_reply(e, 200, "text/plain; version=0.0.4", buf_slice(&out), NULL);
    buf_deinit(&out);
    return true;
}

void api_on_request(struct exchange *e, void *arg)
{
    static const char prefix[] = "/admin/v1/";
    const struct exchange_request *q = exchange_request(e);
    struct api *a = arg;
    struct arena arena;
    struct call *c;

    if (api_open_path(a, e, q->path)) {
        return;
    }
    if (!slice_starts(q->path, SLICE(prefix))) {
        exchange_reply(e, 404, "application/json",
                       SLICE("{\"error\":{\"code\":\"not_found\",\"message\":\"The admin API is "
                             "under /admin/v1/.\"}}\n"),
                       NULL);
        return;
    }
    if (!api_authorized(a, q)) {
        exchange_reply(e, 401, "application/json",
                       SLICE("{\"error\":{\"code\":\"unauthorized\",\"message\":\"Send the admin "
                             "token as a bearer token.\"}}\n"),
                       NULL);
        return;
    }
    arena_init(&arena, NULL);
    c = arena_zalloc(&arena, sizeof *c);
    c->arena = arena;
    c->api = a;
    c->exchange = e;
    a->n_calls++;
    buf_init(&c->body, API_BODY_BYTES_MAX);
    buf_init(&c->cmd, CMD_BYTES_MAX);
    buf_init(&c->out, API_ANSWER_BYTES_MAX);
    c->method = arena_slice(&c->arena, q->method);
    c->path = arena_slice(&c->arena,
                          slice_of(q->path.p + sizeof prefix - 1, q->path.n - (sizeof prefix - 1)));
    c->query = arena_slice(&c->arena, q->query);
    c->if_match = arena_slice(&c->arena, headers_get(&q->headers, "if-match"));
    exchange_accept(e, &api_exchange_ops, c);
}

/* --- life --- */

int api_new(const struct api_cfg *cfg, struct api **ret, struct errmsg *err)
{
    FILE *f = fopen(cfg->token_file, "re");
    char text[1024];
    struct slice token;
    struct api *a;
    size_t n;

    if (f == NULL) {
        errmsg_set(err, "admin_token_file %s cannot be read", cfg->token_file);
        return Q_ENOTFOUND;
    }
    n = fread(text, 1, sizeof text, f);
    (void)fclose(f);
    token = slice_trim(slice_of(text, n));
    if (token.n < TOKEN_BYTES_MIN) {
        errmsg_set(err, "admin_token_file %s: expected a token of at least %d characters",
                   cfg->token_file, TOKEN_BYTES_MIN);
        return Q_EINVAL;
    }
    a = mem_zalloc(sizeof *a);
    a->cfg = *cfg;
    a->mailbox = mailbox_new(cfg->loop);
    crypto_sha256(token, a->token_hash);
    mem_wipe(text, sizeof text);
    *ret = a;
    return 0;
}

void api_close(struct api *a, void (*done)(void *arg), void *arg)
{
    if (a->n_calls == 0) {
        mailbox_close(a->mailbox);
        mem_free(a);
        done(arg);
        return;
    }
    a->closing = true;
    a->close_cb = done;
    a->close_arg = arg;
}
