#include "pair.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"

static void pair_connect(struct pair *p);

static void end_on_open(struct stream *s)
{
    struct end *e = stream_owner(s);

    assert_false(e->in_call);
    assert_int_equal(e->closes, 0);
    e->opens++;
    (void)slice_copy_str(stream_alpn(s), e->alpn, sizeof e->alpn);
    (void)slice_copy_str(stream_peer_name(s), e->peer_name, sizeof e->peer_name);
    if (e->on_open != NULL) {
        e->on_open(e);
    }
}

static void end_on_read(struct stream *s, struct block *block, const char *p, size_t n)
{
    struct end *e = stream_owner(s);

    assert_false(e->in_call);
    assert_true(n > 0);
    assert_true(p >= block->data && p + n <= block->data + block->cap);
    e->reads++;
    e->n += n;
    e->sum = pair_hash(e->sum, p, n);
    if (e->on_read != NULL) {
        e->on_read(e, block, p, n);
    }
}

static void end_on_drain(struct stream *s)
{
    struct end *e = stream_owner(s);

    assert_false(e->in_call);
    assert_int_equal(stream_unsent(s), 0);
    e->drains++;
    if (e->on_drain != NULL) {
        e->on_drain(e);
    }
}

static void end_on_eof(struct stream *s)
{
    struct end *e = stream_owner(s);

    assert_false(e->in_call);
    e->eofs++;
    assert_int_equal(e->eofs, 1);
    if (e->on_eof != NULL) {
        e->on_eof(e);
    } else {
        stream_close_gently(s);
    }
}

static void end_on_close(struct stream *s, int status)
{
    struct end *e = stream_owner(s);

    assert_false(e->in_call);
    e->closes++;
    e->status = status;
    (void)snprintf(e->why, sizeof e->why, "%s", stream_errmsg(s));
    e->s = NULL;
    if (e->on_close != NULL) {
        e->on_close(e);
    }
    if (e->pair->server.s == NULL && e->pair->client.s == NULL) {
        if (e->pair->rounds > 0) {
            e->pair->rounds--;
            pair_connect(e->pair);
        } else {
            listener_close(e->pair->listener);
            e->pair->listener = NULL;
        }
    }
}

static const struct stream_ops end_ops = {end_on_open, end_on_read, end_on_drain, end_on_eof,
                                          end_on_close};

static void pair_on_accept(struct listener *l, int fd, void *arg)
{
    struct pair *p = arg;

    (void)l;
    assert_null(p->server.s);
    p->server.closes = 0;
    p->server.eofs = 0;
    p->server.s = stream_accept(p->loop, fd, p->server_tls, &end_ops, &p->server);
}

static void pair_connect(struct pair *p)
{
    p->client.closes = 0;
    p->client.eofs = 0;
    p->client.in_call = true;
    p->client.s = stream_connect(p->loop, &p->dial, &end_ops, &p->client);
    p->client.in_call = false;
}

const char *pair_cert(const char *file)
{
    static char paths[16][512];
    static unsigned i;
    char *path = paths[i++ % 16];

    (void)snprintf(path, sizeof paths[0], "%s/%s", NET_CERTS_DIR, file);
    return path;
}

struct tls_ctx *pair_tls(const struct tls_ctx_cfg *cfg)
{
    struct errmsg err = {""};
    struct tls_ctx *c = NULL;

    if (tls_ctx_new(cfg, &c, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return c;
}

void pair_init(struct pair *p, struct tls_ctx *server, struct tls_ctx *client)
{
    struct errmsg err = {""};

    *p = (struct pair){.server_tls = server, .client_tls = client};
    p->loop = loop_new(clock_system());
    p->server.pair = p;
    p->client.pair = p;
    if (listener_start(p->loop, "127.0.0.1:0", false, pair_on_accept, p, &p->listener, &err) != 0) {
        fail_msg("%s", err.text);
    }
    p->dial = (struct stream_dial){.host = "127.0.0.1",
                                   .port = listener_port(p->listener),
                                   .tls = client,
                                   .verify_name = client != NULL ? "server.test" : NULL,
                                   .timeout_ms = 5000};
}

void pair_init_tls(struct pair *p, const char *server_alpn, const char *client_alpn)
{
    struct tls_ctx_cfg server = {.server = true,
                                 .cert_file = pair_cert("server.pem"),
                                 .key_file = pair_cert("server.key"),
                                 .alpn = server_alpn};
    struct tls_ctx_cfg client = {.ca_file = pair_cert("ca.pem"), .alpn = client_alpn};

    pair_init(p, pair_tls(&server), pair_tls(&client));
}

void pair_run(struct pair *p)
{
    pair_connect(p);
    loop_run(p->loop);
    assert_null(p->client.s);
    assert_null(p->server.s);
    assert_int_equal(p->client.closes, 1);
}

void pair_deinit(struct pair *p)
{
    listener_close(p->listener);
    loop_free(p->loop);
    tls_ctx_unref(p->server_tls);
    tls_ctx_unref(p->client_tls);
}

uint64_t pair_hash(uint64_t sum, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sum = (sum ^ (uint8_t)p[i]) * 1099511628211u;
    }
    return sum;
}

static char pair_byte(size_t at)
{
    return (char)(at * 2654435761u >> 13);
}

void pair_fill(struct chunkq *q, size_t n, size_t chunk)
{
    char *p = mem_alloc(chunk);

    for (size_t at = 0; at < n;) {
        size_t take = n - at < chunk ? n - at : chunk;
        for (size_t i = 0; i < take; i++) {
            p[i] = pair_byte(at + i);
        }
        chunkq_add_copy(q, p, take);
        at += take;
    }
    mem_free(p);
}

uint64_t pair_fill_hash(size_t n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        char c = pair_byte(i);
        sum = pair_hash(sum, &c, 1);
    }
    return sum;
}
