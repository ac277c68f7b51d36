/* HTTP/1.1 towards clients: one exchange at a time; the next request is parsed when the last is
 * answered, so pipelining is safe.
 *
 * When it goes well: head parsed -> handler -> body given on -> response written -> kept alive.
 * When it does not: malformed bytes are answered 400 (or 431, 414) and the connection closes; a
 * client that leaves while its answer
 * is being made is noticed, because reading goes on (up to one block of a next request is held). A
 * half-close by the client counts as leaving. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/http/h1.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "node/serve/session.h"

struct h1_session {
    struct h1 *parser;
    struct exchange *exchange; /* Under way, or being parsed (its arena takes the head). */
    struct chunkq held;        /* Bytes of the next request. */
    bool begun;                /* The exchange's head has been handed over. */
    bool keep_alive;
    bool version0;
    bool expect_continue;
    bool chunked;
    bool closing_after;    /* `connection: close` was sent. */
    bool parsing;          /* Inside h1_parse(). */
    struct loop_task next; /* Goes on with held bytes or a finished exchange. */
    struct session *session;
};

static void h1_session_next(struct loop_task *t);
static void h1_session_parse(struct session *s, struct block *block, const char *p, size_t n);

static struct h1_session *h1_of(struct session *s)
{
    return s->proto;
}

/* --- refusing --- */

static void h1_session_refuse(struct session *s, int status, const char *why)
{
    struct h1_session *h = h1_of(s);
    struct chunkq q;
    struct headers headers;
    char body[256];
    int n;

    metric_inc(METRIC_http_malformed_total);
    if (h->begun) { /* In the middle of a body: the handler learns by on_close. */
        session_close(s);
        return;
    }
    n = snprintf(body, sizeof body,
                 "{\"error\":{\"message\":\"%s\",\"type\":\"invalid_request_error\","
                 "\"param\":null,\"code\":\"invalid_request\"}}",
                 why);
    headers_init(&headers, &h->exchange->arena);
    headers_add_str(&headers, "content-type", "application/json");
    headers_add_str(&headers, "date", serve_date(s->serve));
    chunkq_init(&q);
    h1_write_response(&q, status, &headers, H1_LENGTH, (uint64_t)n, false);
    chunkq_add_copy(&q, body, (size_t)n);
    stream_write(s->stream, &q);
    session_close_gently(s);
}

static void h1_session_malformed(struct session *s, int code)
{
    const char *why = h1_error(h1_of(s)->parser);
    int status = 400;

    if (code == Q_ETOOBIG) {
        status = strstr(why, "target") != NULL ? 414 : 431;
    }
    for (const char *c = why; *c != 0; c++) {
        if (*c == '"' || *c == '\\' || (unsigned char)*c < 0x20) {
            why = "The HTTP request is malformed.";
            break;
        }
    }
    h1_session_refuse(s, status, why);
}

/* --- requests --- */

static void h1_session_begin(struct session *s)
{
    struct h1_session *h = h1_of(s);

    h->exchange = exchange_new(s);
    h->begun = false;
    h1_begin(h->parser, &h->exchange->arena, false);
}

static void h1_session_on_head(struct h1 *parser, struct h1_head *head)
{
    struct session *s = h1_owner(parser);
    struct h1_session *h = h1_of(s);
    struct exchange *e = h->exchange;
    size_t q = slice_find(head->target, '?');

    timer_stop(&s->timer);
    h->keep_alive = head->keep_alive;
    h->version0 = head->version_minor == 0;
    h->expect_continue = head->expect_continue && head->has_body;
    e->request.method = head->method;
    e->request.path = slice_of(head->target.p, q);
    e->request.query =
        q < head->target.n ? slice_of(head->target.p + q + 1, head->target.n - q - 1) : SLICE("");
    e->request.headers = head->headers;
    e->request.authority = headers_get(&head->headers, "host");
    e->request.content_length = head->has_body ? head->content_length : 0;
    e->request.http_major = 1;
    h->begun = true;
    if (head->has_body) {
        timer_start(&s->timer, HTTP_BODY_STALL_MS);
    }
    exchange_begin(e);
}

static void h1_session_on_body(struct h1 *parser, struct block *block, const char *p, size_t n)
{
    struct session *s = h1_owner(parser);
    struct h1_session *h = h1_of(s);

    if (s->closing || h->exchange == NULL || !h->begun) {
        return;
    }
    timer_start(&s->timer, HTTP_BODY_STALL_MS);
    exchange_feed(h->exchange, block, p, n);
}

static void h1_session_on_end(struct h1 *parser)
{
    struct session *s = h1_owner(parser);
    struct h1_session *h = h1_of(s);

    if (s->closing || h->exchange == NULL || !h->begun) {
        return;
    }
    timer_stop(&s->timer);
    exchange_feed_end(h->exchange);
}

static const struct h1_ops h1_session_parser_ops = {
    .on_head = h1_session_on_head,
    .on_body = h1_session_on_body,
    .on_end = h1_session_on_end,
};

/* The exchange under way has been answered in full and its request read in full: the next one. */
static void h1_session_maybe_next(struct session *s)
{
    struct h1_session *h = h1_of(s);
    struct exchange *e = h->exchange;

    if (!h->begun || !e->ended || !chunkq_empty(&e->out)) {
        return;
    }
    if (!h->keep_alive || h->closing_after || !e->request_ended) {
        /* An unread body is not waited for. */
        h->exchange = NULL;
        h->begun = false;
        session_close_gently(s);
        exchange_finish(e, 0);
        return;
    }
    h->exchange = NULL;
    h->begun = false;
    exchange_finish(e, 0);
    if (s->closing) {
        return;
    }
    h1_session_begin(s);
    if (s->serve->draining) {
        session_close_gently(s);
        return;
    }
    timer_start(&s->timer, HTTP_IDLE_MS);
    stream_resume(s->stream);
    if (!chunkq_empty(&h->held)) {
        loop_at_turn_end(s->loop, &h->next);
    }
}

static void h1_session_next(struct loop_task *t)
{
    struct h1_session *h = CONTAINER_OF(t, struct h1_session, next);
    struct session *s = h->session;
    struct chunkq held;

    if (s->closing) {
        return;
    }
    h1_session_maybe_next(s);
    chunkq_init(&held);
    chunkq_move(&held, &h->held);
    while (!chunkq_empty(&held) && !s->closing) {
        struct chunk *c = held.first;
        h1_session_parse(s, c->block, c->p, c->n);
        chunkq_consume(&held, c->n);
    }
    chunkq_deinit(&held);
}

/* Parses until the end of a message; the rest is held. */
static void h1_session_parse(struct session *s, struct block *block, const char *p, size_t n)
{
    struct h1_session *h = h1_of(s);
    int64_t took;

    if (h->begun && h->exchange->request_ended) {
        chunkq_add(&h->held, block, p, n);
        stream_pause(s->stream); /* One block of a next request is enough to hold. */
        return;
    }
    if (!h->begun && h1_idle(h->parser)) {
        timer_start(&s->timer, HTTP_HEAD_MS);
    }
    h->parsing = true;
    took = h1_parse(h->parser, block, p, n);
    h->parsing = false;
    if (s->closing) {
        return;
    }
    if (took < 0) {
        h1_session_malformed(s, (int)took);
        return;
    }
    if ((size_t)took < n) {
        chunkq_add(&h->held, block, p + took, n - (size_t)took);
    }
    if (h->begun && h->exchange->ended) {
        loop_at_turn_end(s->loop, &h->next);
    }
}

static void h1_session_on_read(struct session *s, struct block *block, const char *p, size_t n)
{
    h1_session_parse(s, block, p, n);
}

/* FIN: the client has left, whether it waits for an answer or not. */
static void h1_session_on_eof(struct session *s)
{
    session_close(s);
}

static void h1_session_on_drain(struct session *s)
{
    struct h1_session *h = h1_of(s);

    if (h->exchange != NULL && h->begun) {
        if (h->exchange->ended) {
            loop_at_turn_end(s->loop, &h->next);
        } else {
            exchange_progress(h->exchange, stream_unsent(s->stream));
        }
    }
}

static void h1_session_on_gone(struct session *s, int status)
{
    struct h1_session *h = h1_of(s);
    struct exchange *e = h->exchange;

    loop_task_cancel(&h->next);
    if (e != NULL && h->begun) {
        exchange_finish(e, e->ended && chunkq_empty(&e->out) ? 0
                           : s->serve->draining              ? Q_EDRAINING
                                                             : status);
    } else if (e != NULL) { /* Never handed over. */
        struct arena arena = e->arena;
        arena_deinit(&arena);
    }
    h1_free(h->parser);
    chunkq_deinit(&h->held);
    mem_free(h);
}

static void h1_session_drain(struct session *s)
{
    struct h1_session *h = h1_of(s);

    if (!h->begun && h1_idle(h->parser)) {
        session_close_gently(s);
    }
}

static void h1_session_on_timer(struct timer *t)
{
    struct session *s = CONTAINER_OF(t, struct session, timer);
    struct h1_session *h = h1_of(s);

    if (h->begun && !h->exchange->responded) {
        h->begun = false; /* A 408 can still be said. */
        h1_session_refuse(s, 408, "The request body did not arrive in time.");
        h->begun = true;
    } else if (!h->begun && !h1_idle(h->parser)) {
        h1_session_refuse(s, 408, "The request head did not arrive in time.");
    } else {
        session_close(s);
    }
}

/* --- responses --- */

static void h1_session_wants_body(struct exchange *e)
{
    struct h1_session *h = h1_of(e->session);

    if (h->expect_continue) {
        h->expect_continue = false;
        stream_write_copy(e->session->stream, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    }
}

static void h1_session_pause(struct exchange *e)
{
    timer_stop(&e->session->timer);
    stream_pause(e->session->stream);
}

static void h1_session_resume(struct exchange *e)
{
    if (!e->request_ended) {
        timer_start(&e->session->timer, HTTP_BODY_STALL_MS);
    }
    stream_resume(e->session->stream);
}

static void h1_session_respond(struct exchange *e, int status, const struct headers *in,
                               int64_t length)
{
    struct session *s = e->session;
    struct h1_session *h = h1_of(s);
    enum h1_framing f = length >= 0 ? H1_LENGTH : H1_CHUNKED;
    struct headers all;
    struct chunkq q;
    bool keep;

    headers_init(&all, &e->arena);
    for (size_t i = 0; in != NULL && i < in->n; i++) {
        headers_add_static(&all, in->v[i].name, in->v[i].value);
    }
    headers_add_static(&all, SLICE("date"), slice_str(serve_date(s->serve)));
    if (f == H1_CHUNKED && h->version0) {
        f = H1_NO_BODY; /* Delimited by the close. */
        h->keep_alive = false;
    }
    if (status == 204 || status == 304) {
        f = H1_NO_BODY;
        e->head_only = true;
    }
    h->chunked = f == H1_CHUNKED && !e->head_only;
    /* A body that is not read makes the connection useless. */
    keep = h->keep_alive && !s->serve->draining && (e->request_ended || !e->too_large);
    h->closing_after = !keep;
    chunkq_init(&q);
    h1_write_response(&q, status, &all, f, length >= 0 ? (uint64_t)length : 0, keep);
    stream_write(s->stream, &q);
    timer_stop(&s->timer);
}

static void h1_session_send(struct exchange *e)
{
    struct h1_session *h = h1_of(e->session);
    struct chunkq q;

    chunkq_init(&q);
    if (h->chunked) {
        h1_write_chunk(&q, &e->out);
    } else {
        chunkq_move(&q, &e->out);
    }
    stream_write(e->session->stream, &q);
}

static void h1_session_end(struct exchange *e, const struct headers *trailers)
{
    struct session *s = e->session;
    struct h1_session *h = h1_of(s);
    struct chunkq q;

    if (h->chunked) {
        chunkq_init(&q);
        h1_write_last_chunk(&q, trailers);
        stream_write(s->stream, &q);
    }
    /* Finished once the kernel has all of it: on_drain, or now when nothing waits. */
    loop_at_turn_end(s->loop, &h->next);
}

static void h1_session_abort(struct exchange *e)
{
    session_close_gently(e->session);
}

const struct session_ops h1_session_ops = {
    .on_read = h1_session_on_read,
    .on_eof = h1_session_on_eof,
    .on_drain = h1_session_on_drain,
    .on_gone = h1_session_on_gone,
    .drain = h1_session_drain,
    .pause = h1_session_pause,
    .resume = h1_session_resume,
    .wants_body = h1_session_wants_body,
    .respond = h1_session_respond,
    .send = h1_session_send,
    .end = h1_session_end,
    .abort = h1_session_abort,
};

void session_h1_start(struct session *s)
{
    static const struct h1_limits limits = {HTTP_HEAD_BYTES_MAX, HTTP_URL_BYTES_MAX,
                                            HTTP_HEADERS_MAX};
    struct h1_session *h = mem_zalloc(sizeof *h);

    h->session = s;
    h->parser = h1_new(true, &limits, &h1_session_parser_ops, s);
    chunkq_init(&h->held);
    loop_task_init(&h->next, h1_session_next);
    s->ops = &h1_session_ops;
    s->proto = h;
    timer_stop(&s->timer); /* It watched for the first bytes. */
    timer_init(&s->timer, s->loop, h1_session_on_timer);
    timer_start(&s->timer, HTTP_HEAD_MS);
    h1_session_begin(s);
}
