/* HTTP/1.1 parsing by llhttp in strict mode. What llhttp lets pass and we do not is checked when
 * the head is complete. */
#include "base/http/h1.h"

#include <llhttp.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/mem.h"

#define LENGTH_MAX (1ll << 53)

enum h1_part { H1_PART_NONE, H1_PART_NAME, H1_PART_VALUE };

struct h1 {
    llhttp_t parser;
    bool is_request, no_body, begun, head_done, ended, pause, trailers;
    struct h1_limits limits;
    const struct h1_ops *ops;
    void *owner;
    struct arena *arena;
    struct h1_head head;
    struct buf text; /* The head's text: target, names, values, one after another. */
    enum h1_part part;
    size_t name_at, name_n, value_at;
    size_t target_n;
    unsigned n_host, n_length, n_transfer;
    struct block *block; /* Of the bytes being parsed. */
    int error_code;
    char error[160];
};

static llhttp_settings_t h1_settings;

static int h1_refuse(struct h1 *p, int code, const char *why)
{
    p->error_code = code;
    (void)snprintf(p->error, sizeof p->error, "%s", why);
    return HPE_USER;
}

static int h1_text_add(struct h1 *p, const char *s, size_t n)
{
    if (p->text.n + n > p->limits.head_bytes) {
        return h1_refuse(p, Q_ETOOBIG, "the head is too large");
    }
    buf_add(&p->text, s, n);
    return 0;
}

static int h1_on_begin(llhttp_t *parser)
{
    struct h1 *p = parser->data;

    p->begun = true;
    p->head_done = false;
    p->trailers = false;
    p->part = H1_PART_NONE;
    p->name_n = 0;
    p->target_n = 0;
    p->n_host = p->n_length = p->n_transfer = 0;
    buf_clear(&p->text);
    memset(&p->head, 0, sizeof p->head);
    headers_init(&p->head.headers, p->arena);
    p->head.content_length = -1;
    return 0;
}

static int h1_on_url(llhttp_t *parser, const char *s, size_t n)
{
    struct h1 *p = parser->data;

    p->target_n += n;
    if (p->target_n > p->limits.url_bytes) {
        return h1_refuse(p, Q_ETOOBIG, "the request target is too long");
    }
    return h1_text_add(p, s, n);
}

static void h1_count(struct h1 *p, struct slice name)
{
    p->n_host += slice_ieq(name, SLICE("host"));
    p->n_length += slice_ieq(name, SLICE("content-length"));
    p->n_transfer += slice_ieq(name, SLICE("transfer-encoding"));
}

/* The header that has just ended. */
static int h1_header_end(struct h1 *p)
{
    struct slice name = slice_of(p->text.p + p->name_at, p->name_n);
    struct slice value = slice_trim(slice_of(p->text.p + p->value_at, p->text.n - p->value_at));

    if (p->name_n == 0) {
        return 0;
    }
    p->part = H1_PART_NONE;
    p->name_n = 0;
    if (p->trailers) {
        return 0; /* Dropped. */
    }
    if (p->head.headers.n >= p->limits.headers) {
        return h1_refuse(p, Q_ETOOBIG, "too many headers");
    }
    if (!header_name_ok(name) || !header_value_ok(value)) {
        return h1_refuse(p, Q_EPROTO, "a header has characters that are not allowed");
    }
    h1_count(p, name);
    headers_add(&p->head.headers, name, value);
    return 0;
}

static int h1_on_name(llhttp_t *parser, const char *s, size_t n)
{
    struct h1 *p = parser->data;

    if (p->part != H1_PART_NAME) {
        int rv = p->part == H1_PART_VALUE ? h1_header_end(p) : 0;
        if (rv != 0) {
            return rv;
        }
        p->part = H1_PART_NAME;
        p->name_at = p->text.n;
        p->name_n = 0;
    }
    p->name_n += n;
    return h1_text_add(p, s, n);
}

static int h1_on_value(llhttp_t *parser, const char *s, size_t n)
{
    struct h1 *p = parser->data;

    if (p->part != H1_PART_VALUE) {
        p->part = H1_PART_VALUE;
        p->value_at = p->text.n;
    }
    return h1_text_add(p, s, n);
}

static int h1_on_value_complete(llhttp_t *parser)
{
    struct h1 *p = parser->data;

    if (p->part != H1_PART_VALUE) { /* An empty value. */
        p->value_at = p->text.n;
        p->part = H1_PART_VALUE;
    }
    return h1_header_end(p);
}

/* "http://host/path?q" -> "/path?q"; origin form stays. */
static bool h1_target(struct h1 *p, struct slice target)
{
    struct slice rest = target;
    size_t at;

    if (slice_starts(target, SLICE("/")) || slice_eq(target, SLICE("*"))) {
        p->head.target = target;
        return true;
    }
    at = slice_search(target, SLICE("://"));
    if (at == target.n) {
        return false;
    }
    rest = slice_of(target.p + at + 3, target.n - at - 3);
    at = slice_find(rest, '/');
    p->head.target = at < rest.n ? slice_of(rest.p + at, rest.n - at) : SLICE("/");
    return true;
}

static int h1_check_request(struct h1 *p)
{
    struct slice target = arena_slice(p->arena, slice_of(p->text.p, p->target_n));

    p->head.method = slice_str(llhttp_method_name(llhttp_get_method(&p->parser)));
    if (slice_eq(p->head.method, SLICE("CONNECT")) || !h1_target(p, target)) {
        return h1_refuse(p, Q_EPROTO, "the request target is not a path");
    }
    if (p->head.version_minor == 1 && p->n_host != 1) {
        return h1_refuse(p, Q_EPROTO, "exactly one Host header is expected");
    }
    if (p->n_host > 1) {
        return h1_refuse(p, Q_EPROTO, "two Host headers");
    }
    p->head.expect_continue =
        slice_ieq(headers_get(&p->head.headers, "expect"), SLICE("100-continue"));
    return 0;
}

/* Lengths: one, or chunked, never both, nothing else. */
static int h1_check_framing(struct h1 *p)
{
    struct slice length = headers_get(&p->head.headers, "content-length");
    struct slice coding = headers_get(&p->head.headers, "transfer-encoding");
    uint64_t n;

    if (p->n_length > 1 || p->n_transfer > 1 || (p->n_length == 1 && p->n_transfer == 1)) {
        return h1_refuse(p, Q_EPROTO, "more than one length is given");
    }
    if (p->n_transfer == 1 &&
        (p->head.version_minor == 0 || !slice_ieq(coding, SLICE("chunked")))) {
        return h1_refuse(p, Q_EPROTO, "the only transfer coding is chunked, in HTTP/1.1");
    }
    if (p->n_length == 1) {
        if (scan_u64(length, LENGTH_MAX, &n) != 0) {
            return h1_refuse(p, Q_EPROTO, "Content-Length is not a number");
        }
        p->head.content_length = (int64_t)n;
    }
    p->head.has_body = p->n_transfer == 1 || p->head.content_length > 0;
    if (!p->is_request && p->n_transfer == 0 && p->n_length == 0) {
        p->head.has_body = true; /* Until the connection closes. */
    }
    return 0;
}

static int h1_on_headers_complete(llhttp_t *parser)
{
    struct h1 *p = parser->data;
    int rv;

    if (p->part == H1_PART_VALUE) {
        rv = h1_header_end(p);
        if (rv != 0) {
            return -1;
        }
    }
    if (parser->http_major != 1) {
        return h1_refuse(p, Q_EPROTO, "the version is not HTTP/1"), -1;
    }
    p->head.version_minor = parser->http_minor;
    p->head.status = llhttp_get_status_code(parser);
    p->head.keep_alive = llhttp_should_keep_alive(parser) != 0;
    p->head.upgrade = parser->upgrade != 0;
    rv = h1_check_framing(p);
    if (rv == 0 && p->is_request) {
        rv = h1_check_request(p);
    }
    if (rv != 0) {
        return -1;
    }
    if (!p->is_request && (p->no_body || p->head.status == 204 || p->head.status == 304 ||
                           p->head.status / 100 == 1)) {
        p->head.has_body = false;
    }
    p->head_done = true;
    p->trailers = true;
    p->ops->on_head(p, &p->head);
    /* 1: no body whatever the headers say. */
    return p->no_body ? 1 : 0;
}

static int h1_on_body(llhttp_t *parser, const char *s, size_t n)
{
    struct h1 *p = parser->data;

    p->ops->on_body(p, p->block, s, n);
    return p->pause ? HPE_PAUSED : 0;
}

static int h1_on_complete(llhttp_t *parser)
{
    struct h1 *p = parser->data;

    p->ended = true;
    p->ops->on_end(p);
    return HPE_PAUSED; /* What follows is the next message's. */
}

struct h1 *h1_new(bool is_request, const struct h1_limits *limits, const struct h1_ops *ops,
                  void *owner)
{
    struct h1 *p = mem_zalloc(sizeof *p);

    if (h1_settings.on_body == NULL) {
        llhttp_settings_t s;
        llhttp_settings_init(&s);
        s.on_message_begin = h1_on_begin;
        s.on_url = h1_on_url;
        s.on_header_field = h1_on_name;
        s.on_header_value = h1_on_value;
        s.on_header_value_complete = h1_on_value_complete;
        s.on_headers_complete = h1_on_headers_complete;
        s.on_body = h1_on_body;
        s.on_message_complete = h1_on_complete;
        h1_settings = s;
    }
    p->is_request = is_request;
    p->limits = *limits;
    p->ops = ops;
    p->owner = owner;
    buf_init(&p->text, limits->head_bytes + 1);
    llhttp_init(&p->parser, is_request ? HTTP_REQUEST : HTTP_RESPONSE, &h1_settings);
    p->parser.data = p;
    return p;
}

void h1_free(struct h1 *p)
{
    if (p != NULL) {
        buf_deinit(&p->text);
        mem_free(p);
    }
}

void *h1_owner(struct h1 *p)
{
    return p->owner;
}

void h1_begin(struct h1 *p, struct arena *arena, bool no_body)
{
    p->arena = arena;
    p->no_body = no_body;
    p->begun = false;
    p->ended = false;
    p->head_done = false;
    p->pause = false;
    p->error_code = 0;
    p->error[0] = 0;
    buf_clear(&p->text);
    llhttp_init(&p->parser, p->is_request ? HTTP_REQUEST : HTTP_RESPONSE, &h1_settings);
    p->parser.data = p;
}

static void h1_set_error(struct h1 *p)
{
    if (p->error[0] == 0) {
        const char *why = llhttp_get_error_reason(&p->parser);
        (void)snprintf(p->error, sizeof p->error, "%s", why != NULL ? why : "malformed");
    }
}

int64_t h1_parse(struct h1 *p, struct block *block, const char *s, size_t n)
{
    llhttp_errno_t e;

    if (p->ended || n == 0) {
        return 0;
    }
    p->block = block;
    p->pause = false;
    if (llhttp_get_errno(&p->parser) == HPE_PAUSED) {
        llhttp_resume(&p->parser);
    }
    e = llhttp_execute(&p->parser, s, n);
    p->block = NULL;
    if (e == HPE_OK) {
        return (int64_t)n;
    }
    if (e == HPE_PAUSED || e == HPE_PAUSED_UPGRADE) {
        if (!p->ended && e == HPE_PAUSED_UPGRADE) {
            h1_refuse(p, Q_EPROTO, "the protocol is not switched here");
            return Q_EPROTO;
        }
        return llhttp_get_error_pos(&p->parser) - s;
    }
    h1_set_error(p);
    return p->error_code != 0 ? p->error_code : Q_EPROTO;
}

int h1_eof(struct h1 *p)
{
    if (!p->begun || p->ended) {
        return 0;
    }
    if (llhttp_get_errno(&p->parser) == HPE_PAUSED) {
        llhttp_resume(&p->parser);
    }
    if (llhttp_finish(&p->parser) == HPE_OK && p->ended) {
        return 0;
    }
    if (p->ended) {
        return 0;
    }
    (void)snprintf(p->error, sizeof p->error, "the message was cut");
    return Q_EPROTO;
}

bool h1_idle(const struct h1 *p)
{
    return !p->begun;
}

void h1_pause(struct h1 *p)
{
    p->pause = true;
}

const char *h1_error(const struct h1 *p)
{
    return p->error;
}
