/* The listener and its sessions: accepting, finding out the protocol, draining. */
#include "node/serve/session.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metrics.h"

static const char h2_preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/* --- a session's stream --- */

static void session_on_open(struct stream *stream)
{
    struct session *s = stream_owner(stream);

    if (slice_eq(stream_alpn(stream), SLICE("h2"))) {
        session_h2_start(s);
    } else if (stream_is_tls(stream)) {
        session_h1_start(s);
    }
    /* Plain: the first bytes tell. */
}

/* HTTP/2 by prior knowledge begins with its preface; anything else is HTTP/1. */
static void session_sniff(struct session *s, struct block *block, const char *p, size_t n)
{
    size_t want = sizeof h2_preface - 1 - s->sniff_n;
    size_t take = n < want ? n : want;

    if (memcmp(h2_preface + s->sniff_n, p, take) != 0) {
        session_h1_start(s);
    } else if (take == want) {
        session_h2_start(s);
    } else {
        memcpy(s->sniff + s->sniff_n, p, take);
        s->sniff_n += take;
        return;
    }
    if (s->sniff_n > 0) { /* What was looked at belongs to the protocol. */
        struct block *early = block_new(s->sniff_n);
        memcpy(early->data, s->sniff, s->sniff_n);
        s->ops->on_read(s, early, early->data, s->sniff_n);
        block_unref(early);
    }
    if (!s->closing) {
        s->ops->on_read(s, block, p, n);
    }
}

static void session_on_read(struct stream *stream, struct block *block, const char *p, size_t n)
{
    struct session *s = stream_owner(stream);

    if (s->closing) {
        return;
    }
    if (s->ops != NULL) {
        s->ops->on_read(s, block, p, n);
    } else {
        session_sniff(s, block, p, n);
    }
}

static void session_on_drain(struct stream *stream)
{
    struct session *s = stream_owner(stream);

    if (s->ops != NULL && !s->closing) {
        s->ops->on_drain(s);
    }
}

static void session_on_eof(struct stream *stream)
{
    struct session *s = stream_owner(stream);

    if (s->ops != NULL && !s->closing) {
        s->ops->on_eof(s);
    } else {
        session_close(s);
    }
}

static void session_on_close(struct stream *stream, int status)
{
    struct session *s = stream_owner(stream);
    struct serve *serve = s->serve;

    s->closing = true;
    timer_stop(&s->timer);
    list_remove(&s->link);
    serve->n_sessions--;
    metric_add(METRIC_sessions_open, -1);
    if (s->ops != NULL) {
        s->ops->on_gone(s, status != 0 ? status : Q_ERESET);
    }
    mem_free(s);
    serve_session_gone(serve);
}

static const struct stream_ops session_stream_ops = {
    .on_open = session_on_open,
    .on_read = session_on_read,
    .on_drain = session_on_drain,
    .on_eof = session_on_eof,
    .on_close = session_on_close,
};

static void session_on_first_timer(struct timer *t)
{
    session_close(CONTAINER_OF(t, struct session, timer));
}

void session_accept(struct serve *serve, int fd)
{
    struct session *s = mem_zalloc(sizeof *s);

    s->serve = serve;
    s->loop = serve->cfg.loop;
    list_push_back(&serve->sessions, &s->link);
    serve->n_sessions++;
    timer_init(&s->timer, s->loop, session_on_first_timer);
    timer_start(&s->timer, HTTP_HEAD_MS);
    metric_inc(METRIC_sessions_total);
    metric_add(METRIC_sessions_open, 1);
    s->stream = stream_accept(s->loop, fd, serve->tls, &session_stream_ops, s);
}

void session_close(struct session *s)
{
    s->closing = true;
    stream_close(s->stream);
}

void session_close_gently(struct session *s)
{
    s->closing = true;
    stream_close_gently(s->stream);
}

/* --- the listener --- */

static void serve_on_accept(struct listener *l, int fd, void *arg)
{
    struct serve *s = arg;

    session_accept(s, fd);
    if (s->n_sessions >= WORKER_SESSIONS_MAX && !s->paused) {
        s->paused = true;
        listener_pause(l);
    }
}

static void serve_drained(struct serve *s)
{
    void (*cb)(struct serve *, void *) = s->drain_cb;

    timer_stop(&s->drain_timer);
    s->drain_cb = NULL;
    cb(s, s->drain_arg);
}

static void serve_on_drain_late(struct timer *t)
{
    struct serve *s = CONTAINER_OF(t, struct serve, drain_timer);

    LIST_EACH_SAFE (it, &s->sessions) {
        session_close(LIST_ENTRY(it, struct session, link));
    }
}

void serve_session_gone(struct serve *s)
{
    if (s->paused && s->n_sessions < WORKER_SESSIONS_MAX - WORKER_SESSIONS_MAX / 16 &&
        s->listener != NULL) {
        s->paused = false;
        listener_resume(s->listener);
    }
    if (s->n_sessions > 0) {
        return;
    }
    if (s->drain_cb != NULL) {
        serve_drained(s);
    }
    if (s->close_cb != NULL) {
        void (*cb)(void *) = s->close_cb;
        void *arg = s->close_arg;
        tls_ctx_unref(s->tls);
        mem_free(s);
        cb(arg);
    }
}

int serve_start(const struct serve_cfg *cfg, struct serve **ret, struct errmsg *err)
{
    struct serve *s = mem_zalloc(sizeof *s);
    int rv;

    s->cfg = *cfg;
    s->tls = cfg->tls != NULL ? tls_ctx_ref(cfg->tls) : NULL;
    list_init(&s->sessions);
    timer_init(&s->drain_timer, cfg->loop, serve_on_drain_late);
    rv =
        listener_start(cfg->loop, cfg->addr, cfg->reuseport, serve_on_accept, s, &s->listener, err);
    if (rv != 0) {
        tls_ctx_unref(s->tls);
        mem_free(s);
        return rv;
    }
    *ret = s;
    return 0;
}

uint16_t serve_port(const struct serve *s)
{
    return listener_port(s->listener);
}

void serve_set_tls(struct serve *s, struct tls_ctx *tls)
{
    tls_ctx_unref(s->tls);
    s->tls = tls != NULL ? tls_ctx_ref(tls) : NULL;
}

bool serve_is_draining(const struct serve *s)
{
    return s->draining;
}

static void serve_stop_listening(struct serve *s)
{
    if (s->listener != NULL) {
        listener_close(s->listener);
        s->listener = NULL;
    }
}

static void serve_on_drain_empty(struct timer *t)
{
    struct serve *s = CONTAINER_OF(t, struct serve, drain_timer);

    if (s->drain_cb != NULL) {
        serve_drained(s);
    }
}

void serve_drain(struct serve *s, uint64_t max_ms, void (*done)(struct serve *s, void *arg),
                 void *arg)
{
    s->draining = true;
    s->drain_cb = done;
    s->drain_arg = arg;
    serve_stop_listening(s);
    LIST_EACH_SAFE (it, &s->sessions) {
        struct session *session = LIST_ENTRY(it, struct session, link);
        if (session->ops != NULL && !session->closing) {
            session->ops->drain(session);
        } else if (!session->closing && session->sniff_n == 0) {
            session_close(session); /* Nothing was asked yet. */
        }
    }
    if (s->n_sessions == 0) {
        timer_init(&s->drain_timer, s->cfg.loop, serve_on_drain_empty);
        timer_start(&s->drain_timer, 1);
    } else {
        timer_start(&s->drain_timer, max_ms);
    }
}

void serve_close(struct serve *s, void (*done)(void *arg), void *arg)
{
    serve_stop_listening(s);
    timer_stop(&s->drain_timer);
    s->drain_cb = NULL;
    if (s->n_sessions == 0) {
        tls_ctx_unref(s->tls);
        mem_free(s);
        done(arg);
        return;
    }
    s->close_cb = done;
    s->close_arg = arg;
    LIST_EACH_SAFE (it, &s->sessions) {
        session_close(LIST_ENTRY(it, struct session, link));
    }
}

const char *serve_date(struct serve *s)
{
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t ms = loop_wall_ms(s->cfg.loop);
    struct civil c;

    if (ms / 1000 != s->date_s) {
        s->date_s = ms / 1000;
        civil_from_ms(ms, &c);
        (void)snprintf(s->date, sizeof s->date, "%s, %02d %s %04d %02d:%02d:%02d GMT",
                       days[ms / 86400000 % 7], c.day, months[c.month - 1], c.year % 10000, c.hour,
                       c.minute, c.second);
    }
    return s->date;
}
