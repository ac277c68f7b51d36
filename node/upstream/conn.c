/* One HTTP/1.1 connection to an origin.
 *
 * It goes back to its origin only when a response has ended exactly where its framing said and both
 * sides want to keep it. Bytes on an idle connection, surplus bytes, a dirty end: it is closed. */
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "node/upstream/fetch_i.h"

static const struct h1_limits conn_limits = {FETCH_HEAD_BYTES_MAX, HTTP_URL_BYTES_MAX,
                                             FETCH_HEADERS_MAX};

/* --- the response --- */

static void conn_on_head(struct h1 *parser, struct h1_head *head)
{
    struct conn *c = h1_owner(parser);

    c->keep_alive = head->keep_alive;
    if (c->fetch != NULL) {
        fetch_head(c->fetch, head->status, &head->headers);
    }
}

static void conn_on_body(struct h1 *parser, struct block *block, const char *p, size_t n)
{
    struct conn *c = h1_owner(parser);

    if (c->fetch != NULL) {
        fetch_body(c->fetch, block, p, n);
    }
}

static void conn_on_end(struct h1 *parser)
{
    struct conn *c = h1_owner(parser);

    c->message_done = true;
}

static const struct h1_ops conn_parser_ops = {
    .on_head = conn_on_head, .on_body = conn_on_body, .on_end = conn_on_end};

/* 1xx: swallowed, the next head follows. */
static bool conn_is_interim(const struct conn *c)
{
    return c->message_done && c->fetch != NULL && c->fetch->stage == FETCH_SENT;
}

static void conn_on_read(struct stream *s, struct block *block, const char *p, size_t n)
{
    struct conn *c = stream_owner(s);
    size_t at = 0;

    if (c->closing) {
        return;
    }
    if (c->fetch == NULL) { /* Nothing was asked: never matched to the next request. */
        conn_drop(c);
        return;
    }
    c->fetch->got_bytes = true;
    while (at < n && c->fetch != NULL && !c->message_done && !c->closing) {
        int64_t took = h1_parse(c->parser, block, p + at, n - at);
        if (took < 0) {
            struct fetch *f = c->fetch;
            if (f != NULL) {
                fetch_failed(f, (int)took, h1_error(c->parser));
            }
            if (!c->closing) {
                conn_drop(c);
            }
            return;
        }
        at += (size_t)took;
        if (conn_is_interim(c)) {
            c->message_done = false;
            h1_begin(c->parser, &c->fetch->arena, false);
        } else if (took == 0) {
            break;
        }
    }
    if (c->message_done && !c->closing) {
        c->dirty = c->dirty || at < n;
        if (c->fetch != NULL) {
            fetch_complete(c->fetch);
        }
    }
}

/* --- the connection --- */

static void conn_become_idle(struct conn *c)
{
    list_remove(&c->link);
    list_push_front(&c->pool->idle, &c->link);
    timer_start(&c->idle, CONN_IDLE_MS);
    pool_serve_waiters(c->pool);
}

static void conn_on_open(struct stream *s)
{
    struct conn *c = stream_owner(s);

    c->open = true;
    c->pool->n_connecting--;
    metric_add(METRIC_upstream_conns_open, 1);
    metric_inc(METRIC_upstream_conns_opened_total);
    conn_become_idle(c);
}

static void conn_lost(struct conn *c, int status, const char *why)
{
    struct fetch *f = c->fetch;

    if (f == NULL) {
        return;
    }
    if (c->open && h1_eof(c->parser) == 0 && c->message_done) {
        fetch_complete(f); /* A body that ends with the connection. */
        return;
    }
    fetch_failed(f, status, why);
}

static void conn_on_eof(struct stream *s)
{
    struct conn *c = stream_owner(s);

    if (c->closing) {
        return;
    }
    c->dirty = true;
    conn_lost(c, Q_ERESET, "the connection was closed before the answer was complete");
    if (!c->closing) {
        conn_drop(c);
    }
}

static void conn_on_close(struct stream *s, int status)
{
    struct conn *c = stream_owner(s);
    struct pool *p = c->pool;
    bool was_open = c->open;

    c->closing = true;
    c->dirty = true;
    if (status != 0) {
        conn_lost(c, status, stream_errmsg(s));
    }
    timer_stop(&c->idle);
    list_remove(&c->link);
    p->n_conns--;
    if (was_open) {
        metric_add(METRIC_upstream_conns_open, -1);
    } else {
        p->n_connecting--;
    }
    h1_free(c->parser);
    if (!was_open && status != 0) { /* Nobody reaches this origin: who waits longest learns it. */
        if (!list_empty(&p->waiting)) {
            struct fetch *f = LIST_FIRST(&p->waiting, struct fetch, link);
            pool_forget(f);
            fetch_failed(f, status, stream_errmsg(s));
        }
    }
    mem_free(c);
    if (!p->upstream->closing) {
        pool_serve_waiters(p);
    }
    upstream_conn_gone(p->upstream);
}

static const struct stream_ops conn_stream_ops = {.on_open = conn_on_open,
                                                  .on_read = conn_on_read,
                                                  .on_eof = conn_on_eof,
                                                  .on_close = conn_on_close};

static void conn_on_idle(struct timer *t)
{
    conn_drop(CONTAINER_OF(t, struct conn, idle));
}

void conn_open(struct pool *p)
{
    struct conn *c = mem_zalloc(sizeof *c);
    const struct fetch *f = LIST_FIRST(&p->waiting, struct fetch, link);
    struct stream_dial d = {.host = p->host,
                            .port = p->port,
                            .timeout_ms = f->timeouts.connect_ms,
                            .deny_private = !p->allow_private};

    if (p->https) {
        d.tls = p->tls != NULL ? p->tls : upstream_default_tls(p->upstream);
    }
    c->pool = p;
    c->parser = h1_new(false, &conn_limits, &conn_parser_ops, c);
    timer_init(&c->idle, p->upstream->loop, conn_on_idle);
    list_push_back(&p->busy, &c->link);
    p->n_conns++;
    p->n_connecting++;
    p->upstream->n_conns++;
    c->stream = stream_connect(p->upstream->loop, &d, &conn_stream_ops, c);
}

void conn_drop(struct conn *c)
{
    if (!c->closing) {
        c->closing = true;
        timer_stop(&c->idle);
        list_remove(&c->link);
        list_push_back(&c->pool->busy, &c->link); /* Not offered to anybody. */
        stream_close(c->stream);
    }
}

static void conn_write_request(struct conn *c, struct fetch *f)
{
    struct headers all;
    struct chunkq q;
    char host[300];
    bool plain_port = c->pool->port == (c->pool->https ? 443 : 80);
    bool v6 = slice_find(slice_str(c->pool->host), ':') < slice_str(c->pool->host).n;

    (void)snprintf(host, sizeof host, v6 ? "[%s]" : "%s", c->pool->host);
    headers_init(&all, &f->arena);
    headers_add_str(&all, "host",
                    plain_port ? host : arena_printf(&f->arena, "%s:%u", host, c->pool->port));
    for (size_t i = 0; i < f->headers.n; i++) {
        if (!slice_eq(f->headers.v[i].name, SLICE("host"))) {
            headers_add_static(&all, f->headers.v[i].name, f->headers.v[i].value);
        }
    }
    chunkq_init(&q);
    h1_write_request(&q, f->method, f->target, &all, f->has_body ? H1_LENGTH : H1_NO_BODY,
                     f->body_n);
    chunkq_move(&q, &f->body);
    stream_write(c->stream, &q);
}

void conn_take(struct conn *c, struct fetch *f)
{
    timer_stop(&c->idle);
    list_remove(&c->link);
    list_push_back(&c->pool->busy, &c->link);
    c->fetch = f;
    c->message_done = false;
    c->dirty = false;
    h1_begin(c->parser, &f->arena, slice_eq(f->method, SLICE("HEAD")));
    fetch_begin(f, c);
    f->reused = c->has_served;
    if (c->has_served) {
        metric_inc(METRIC_upstream_reused_total);
    }
    c->has_served = true;
    conn_write_request(c, f);
}

void conn_released(struct conn *c)
{
    c->fetch = NULL;
    if (c->closing) {
        return;
    }
    stream_resume(c->stream);
    if (c->dirty || !c->message_done || !c->keep_alive || c->pool->upstream->closing) {
        conn_drop(c);
    } else {
        conn_become_idle(c);
    }
}

void conn_pause(struct conn *c)
{
    stream_pause(c->stream);
}

void conn_resume(struct conn *c)
{
    stream_resume(c->stream);
}
