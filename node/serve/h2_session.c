/* HTTP/2 towards clients, by nghttp2. Frames of a turn leave in one write; DATA is cut straight out
 * of an exchange's queue.
 *
 * When it goes well: HEADERS -> handler, DATA -> on_body (the window is opened only for what was
 * taken), END_STREAM -> on_request_end; the response's DATA is taken as windows allow. When it does
 * not: a stream that is reset ends
 * its exchange with Q_ERESET; a client that resets too many streams (rapid reset, or by making us
 * reset them) gets GOAWAY ENHANCE_YOUR_CALM. */
#include <nghttp2/nghttp2.h>
#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "node/serve/session.h"

#define H2_OUT_BYTES_MAX     (256u << 10) /* Unsent bytes after which no more frames are made. */
#define H2_WINDOW            (1 << 20)
#define H2_CONNECTION_WINDOW (16 << 20)

struct h2_session {
    nghttp2_session *ng;
    struct session *session;
    struct list streams;
    size_t n_streams;
    struct loop_task pump;
    struct chunkq out;
    unsigned n_recent, n_reset; /* Of the last H2_RESETS_WINDOW streams. */
    bool draining, calm;
};

struct h2_stream {
    struct list link;
    struct h2_session *h2;
    struct exchange *exchange;
    int32_t id;
    bool begun, bad, responded, data_done;
    size_t head_bytes;
    size_t unacked; /* Bytes received and not yet given back to the window. */
    struct headers trailers;
    bool has_trailers;
};

static void h2_pump_soon(struct h2_session *h)
{
    loop_at_turn_end(h->session->loop, &h->pump);
}

static struct h2_stream *h2_stream_of(struct exchange *e)
{
    return e->proto;
}

/* --- requests --- */

static int h2_on_begin_headers(nghttp2_session *ng, const nghttp2_frame *f, void *arg)
{
    struct h2_session *h = arg;
    struct h2_stream *st;

    if (f->hd.type != NGHTTP2_HEADERS || f->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    st = mem_zalloc(sizeof *st);
    st->h2 = h;
    st->id = f->hd.stream_id;
    st->exchange = exchange_new(h->session);
    st->exchange->proto = st;
    st->exchange->request.http_major = 2;
    list_push_back(&h->streams, &st->link);
    h->n_streams++;
    timer_stop(&h->session->timer);
    (void)nghttp2_session_set_stream_user_data(ng, st->id, st);
    return 0;
}

static void h2_pseudo(struct h2_stream *st, struct slice name, struct slice value)
{
    struct exchange_request *q = &st->exchange->request;
    size_t at = slice_find(value, '?');

    value = arena_slice(&st->exchange->arena, value);
    if (slice_eq(name, SLICE(":method"))) {
        q->method = value;
    } else if (slice_eq(name, SLICE(":path"))) {
        q->path = slice_of(value.p, at);
        q->query = at < value.n ? slice_of(value.p + at + 1, value.n - at - 1) : SLICE("");
        st->bad = st->bad || value.n == 0 || value.p[0] != '/' || value.n > HTTP_URL_BYTES_MAX;
    } else if (slice_eq(name, SLICE(":authority"))) {
        q->authority = value;
    }
}

static int h2_on_header(nghttp2_session *ng, const nghttp2_frame *f, const uint8_t *n, size_t n_n,
                        const uint8_t *v, size_t v_n, uint8_t flags, void *arg)
{
    struct h2_stream *st = nghttp2_session_get_stream_user_data(ng, f->hd.stream_id);
    struct slice name = slice_of((const char *)n, n_n), value = slice_of((const char *)v, v_n);

    (void)flags;
    (void)arg;
    if (st == NULL || st->begun) {
        return 0; /* Trailers are dropped. */
    }
    st->head_bytes += n_n + v_n + 32;
    if (st->head_bytes > HTTP_HEAD_BYTES_MAX ||
        st->exchange->request.headers.n >= HTTP_HEADERS_MAX) {
        st->bad = true;
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* The stream is reset. */
    }
    if (n_n > 0 && n[0] == ':') {
        h2_pseudo(st, name, value);
    } else {
        headers_add(&st->exchange->request.headers, name, value);
    }
    return 0;
}

static void h2_begin(struct h2_stream *st)
{
    struct exchange_request *q = &st->exchange->request;
    struct slice length = headers_get(&q->headers, "content-length");
    uint64_t n;

    st->begun = true;
    if (length.p != NULL && scan_u64(length, 1ull << 53, &n) == 0) {
        q->content_length = (int64_t)n;
    }
    if (q->authority.n == 0) {
        q->authority = headers_get(&q->headers, "host");
    }
    exchange_begin(st->exchange);
}

static int h2_on_frame(nghttp2_session *ng, const nghttp2_frame *f, void *arg)
{
    struct h2_stream *st = nghttp2_session_get_stream_user_data(ng, f->hd.stream_id);

    (void)arg;
    if (st == NULL || (f->hd.type != NGHTTP2_HEADERS && f->hd.type != NGHTTP2_DATA)) {
        return 0;
    }
    if (f->hd.type == NGHTTP2_HEADERS && !st->begun) {
        if (st->bad || st->exchange->request.method.n == 0 || st->exchange->request.path.n == 0) {
            (void)nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_PROTOCOL_ERROR);
            return 0;
        }
        h2_begin(st);
    }
    if ((f->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 && st->begun) {
        exchange_feed_end(st->exchange);
    }
    return 0;
}

static int h2_on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
                      void *arg)
{
    struct h2_stream *st = nghttp2_session_get_stream_user_data(ng, id);
    struct block *block;

    (void)flags;
    (void)arg;
    if (st == NULL || !st->begun) {
        (void)nghttp2_session_consume(ng, id, n);
        return 0;
    }
    block = block_new(n > 0 ? n : 1);
    memcpy(block->data, p, n);
    exchange_feed(st->exchange, block, block->data, n);
    block_unref(block);
    if (st->exchange->paused || !st->exchange->accepted) {
        st->unacked += n;
    } else {
        (void)nghttp2_session_consume(ng, id, n + st->unacked);
        st->unacked = 0;
    }
    return 0;
}

/* Of the last 200 streams at most half may end by a reset. */
static void h2_count(struct h2_session *h, bool reset)
{
    h->n_recent++;
    h->n_reset += reset;
    if (h->n_reset > H2_RESETS_MAX && !h->calm) {
        h->calm = true;
        metric_inc(METRIC_http_malformed_total);
        (void)nghttp2_session_terminate_session(h->ng, NGHTTP2_ENHANCE_YOUR_CALM);
    }
    if (h->n_recent >= H2_RESETS_WINDOW) {
        h->n_recent = 0;
        h->n_reset = 0;
    }
}

static void h2_stream_free(struct h2_stream *st, int status)
{
    struct exchange *e = st->exchange;
    bool begun = st->begun;

    list_remove(&st->link);
    st->h2->n_streams--;
    mem_free(st);
    if (begun) {
        exchange_finish(e, status);
    } else {
        struct arena arena = e->arena;
        arena_deinit(&arena);
    }
}

static int h2_on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *arg)
{
    struct h2_session *h = arg;
    struct h2_stream *st = nghttp2_session_get_stream_user_data(ng, id);

    if (st == NULL) {
        return 0;
    }
    h2_count(h, code != NGHTTP2_NO_ERROR);
    h2_stream_free(st, st->data_done ? 0 : Q_ERESET);
    if (h->n_streams == 0) {
        timer_start(&h->session->timer, HTTP_IDLE_MS);
    }
    return 0;
}

/* --- output --- */

static ssize_t h2_read_data(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t cap,
                            uint32_t *flags, nghttp2_data_source *src, void *arg)
{
    struct h2_stream *st = src->ptr;
    struct exchange *e = st->exchange;
    size_t n = e->out.n_bytes < cap ? e->out.n_bytes : cap;

    (void)buf;
    (void)arg;
    (void)id;
    if (n == 0 && !e->ended) {
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (e->ended && n == e->out.n_bytes) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (st->has_trailers) {
            nghttp2_nv nv[16];
            size_t count = 0;
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            for (; count < st->trailers.n && count < 16; count++) {
                const struct header *h = &st->trailers.v[count];
                nv[count] =
                    (nghttp2_nv){(uint8_t *)(uintptr_t)h->name.p, (uint8_t *)(uintptr_t)h->value.p,
                                 h->name.n, h->value.n, NGHTTP2_NV_FLAG_NONE};
            }
            (void)nghttp2_submit_trailer(ng, st->id, nv, count);
        }
        st->data_done = true;
    }
    return (ssize_t)n;
}

static int h2_send_data(nghttp2_session *ng, nghttp2_frame *f, const uint8_t *head, size_t n,
                        nghttp2_data_source *src, void *arg)
{
    struct h2_session *h = arg;
    struct h2_stream *st = src->ptr;

    (void)ng;
    (void)f;
    chunkq_add_copy(&h->out, head, 9);
    chunkq_move_n(&h->out, &st->exchange->out, n);
    return 0;
}

static ssize_t h2_send(nghttp2_session *ng, const uint8_t *p, size_t n, int flags, void *arg)
{
    struct h2_session *h = arg;

    (void)ng;
    (void)flags;
    if (stream_unsent(h->session->stream) + h->out.n_bytes > H2_OUT_BYTES_MAX) {
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    chunkq_add_copy(&h->out, p, n);
    return (ssize_t)n;
}

static void h2_tell_progress(struct h2_session *h)
{
    LIST_EACH_SAFE (it, &h->streams) {
        struct h2_stream *st = LIST_ENTRY(it, struct h2_stream, link);
        if (st->begun) {
            exchange_progress(st->exchange, stream_unsent(h->session->stream));
        }
    }
}

static void h2_on_pump(struct loop_task *t)
{
    struct h2_session *h = CONTAINER_OF(t, struct h2_session, pump);
    struct session *s = h->session;

    if (s->closing) {
        return;
    }
    if (nghttp2_session_send(h->ng) != 0) {
        session_close(s);
        return;
    }
    stream_write(s->stream, &h->out);
    if (nghttp2_session_want_read(h->ng) == 0 && nghttp2_session_want_write(h->ng) == 0) {
        session_close_gently(s);
        return;
    }
    if (h->draining && h->n_streams == 0) {
        session_close_gently(s);
        return;
    }
    h2_tell_progress(h);
}

/* --- the session --- */

static void h2_session_on_read(struct session *s, struct block *block, const char *p, size_t n)
{
    struct h2_session *h = s->proto;
    ssize_t rv = nghttp2_session_mem_recv(h->ng, (const uint8_t *)p, n);

    (void)block;
    if (s->closing) {
        return;
    }
    if (rv < 0) {
        metric_inc(METRIC_http_malformed_total);
        (void)nghttp2_session_send(h->ng); /* The GOAWAY that says why. */
        stream_write(s->stream, &h->out);
        session_close_gently(s);
        return;
    }
    h2_pump_soon(h);
}

static void h2_session_on_eof(struct session *s)
{
    session_close(s);
}

static void h2_session_on_drain(struct session *s)
{
    h2_pump_soon(s->proto);
}

static void h2_session_on_gone(struct session *s, int status)
{
    struct h2_session *h = s->proto;

    loop_task_cancel(&h->pump);
    while (!list_empty(&h->streams)) {
        struct h2_stream *st = LIST_FIRST(&h->streams, struct h2_stream, link);
        h2_stream_free(st, st->data_done ? 0 : s->serve->draining ? Q_EDRAINING : status);
    }
    nghttp2_session_del(h->ng);
    chunkq_deinit(&h->out);
    mem_free(h);
}

static void h2_session_drain(struct session *s)
{
    struct h2_session *h = s->proto;

    h->draining = true;
    (void)nghttp2_submit_goaway(h->ng, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(h->ng), NGHTTP2_NO_ERROR,
                                NULL, 0);
    h2_pump_soon(h);
}

static void h2_session_on_timer(struct timer *t)
{
    struct session *s = CONTAINER_OF(t, struct session, timer);
    struct h2_session *h = s->proto;

    if (h->n_streams == 0) {
        (void)nghttp2_session_terminate_session(h->ng, NGHTTP2_NO_ERROR);
        h2_pump_soon(h);
    }
}

/* --- of an exchange --- */

static void h2_exchange_taken(struct exchange *e)
{
    struct h2_stream *st = h2_stream_of(e);

    if (st->unacked > 0) {
        (void)nghttp2_session_consume(st->h2->ng, st->id, st->unacked);
        st->unacked = 0;
        h2_pump_soon(st->h2);
    }
}

static void h2_exchange_pause(struct exchange *e)
{
    (void)e; /* The window stays shut: see h2_on_data(). */
}

static void h2_exchange_respond(struct exchange *e, int status, const struct headers *in,
                                int64_t length)
{
    struct h2_stream *st = h2_stream_of(e);
    nghttp2_nv *nv = arena_alloc(&e->arena, (in->n + 4) * sizeof *nv);
    nghttp2_data_provider data = {.source.ptr = st, .read_callback = h2_read_data};
    size_t n = 0;

#define H2_NV(name_, value_)                                                                    \
    ((nghttp2_nv){(uint8_t *)(uintptr_t)(name_).p, (uint8_t *)(uintptr_t)(value_).p, (name_).n, \
                  (value_).n, NGHTTP2_NV_FLAG_NONE})
    nv[n++] = H2_NV(SLICE(":status"), slice_str(arena_printf(&e->arena, "%d", status)));
    nv[n++] = H2_NV(SLICE("date"), slice_str(serve_date(e->session->serve)));
    for (size_t i = 0; i < in->n; i++) {
        if (!header_is_hop_by_hop(in->v[i].name) &&
            !slice_eq(in->v[i].name, SLICE("content-length"))) {
            nv[n++] = H2_NV(in->v[i].name, in->v[i].value);
        }
    }
    if (length >= 0) {
        nv[n++] = H2_NV(SLICE("content-length"),
                        slice_str(arena_printf(&e->arena, "%lld", (long long)length)));
    }
#undef H2_NV
    st->responded = true;
    (void)nghttp2_submit_response(st->h2->ng, st->id, nv, n, &data);
    h2_pump_soon(st->h2);
}

static void h2_exchange_send(struct exchange *e)
{
    struct h2_stream *st = h2_stream_of(e);

    (void)nghttp2_session_resume_data(st->h2->ng, st->id);
    h2_pump_soon(st->h2);
}

static void h2_exchange_end(struct exchange *e, const struct headers *trailers)
{
    struct h2_stream *st = h2_stream_of(e);

    if (trailers != NULL && trailers->n > 0) {
        st->trailers = *trailers;
        st->has_trailers = true;
    }
    (void)nghttp2_session_resume_data(st->h2->ng, st->id);
    h2_pump_soon(st->h2);
}

static void h2_exchange_abort(struct exchange *e)
{
    struct h2_stream *st = h2_stream_of(e);

    h2_on_pump(&st->h2->pump); /* What is queued leaves first. */
    if (!e->session->closing) {
        (void)nghttp2_submit_rst_stream(st->h2->ng, NGHTTP2_FLAG_NONE, st->id,
                                        NGHTTP2_INTERNAL_ERROR);
        h2_pump_soon(st->h2);
    }
}

const struct session_ops h2_session_ops = {
    .on_read = h2_session_on_read,
    .on_eof = h2_session_on_eof,
    .on_drain = h2_session_on_drain,
    .on_gone = h2_session_on_gone,
    .drain = h2_session_drain,
    .pause = h2_exchange_pause,
    .resume = h2_exchange_taken,
    .wants_body = h2_exchange_taken,
    .respond = h2_exchange_respond,
    .send = h2_exchange_send,
    .end = h2_exchange_end,
    .abort = h2_exchange_abort,
};

static nghttp2_session *h2_new(struct h2_session *h)
{
    nghttp2_session_callbacks *cb;
    nghttp2_option *option;
    nghttp2_session *ng;

    ASSERT(nghttp2_session_callbacks_new(&cb) == 0 && nghttp2_option_new(&option) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, h2_on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, h2_on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, h2_on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, h2_on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, h2_on_stream_close);
    nghttp2_session_callbacks_set_send_callback(cb, h2_send);
    nghttp2_session_callbacks_set_send_data_callback(cb, h2_send_data);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_max_send_header_block_length(option, HTTP_HEAD_BYTES_MAX * 4);
    ASSERT(nghttp2_session_server_new2(&ng, cb, h, option) == 0);
    nghttp2_session_callbacks_del(cb);
    nghttp2_option_del(option);
    return ng;
}

void session_h2_start(struct session *s)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, H2_STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEAD_BYTES_MAX}};
    struct h2_session *h = mem_zalloc(sizeof *h);

    h->session = s;
    list_init(&h->streams);
    chunkq_init(&h->out);
    loop_task_init(&h->pump, h2_on_pump);
    h->ng = h2_new(h);
    s->proto = h;
    s->ops = &h2_session_ops;
    timer_stop(&s->timer);
    timer_init(&s->timer, s->loop, h2_session_on_timer);
    timer_start(&s->timer, HTTP_IDLE_MS);
    (void)nghttp2_submit_settings(h->ng, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
    (void)nghttp2_session_set_local_window_size(h->ng, NGHTTP2_FLAG_NONE, 0, H2_CONNECTION_WINDOW);
    h2_pump_soon(h);
}
