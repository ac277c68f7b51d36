#include "raft/peer.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"

#define PEER_RETRY_MS_MIN 50
#define PEER_RETRY_MS_MAX 1000
#define PEER_DIAL_MS      3000

static void peer_dial(struct peer *p);

static void peers_maybe_closed(struct peers *p)
{
    if (p->closing && p->n_streams == 0 && p->close_cb != NULL) {
        void (*cb)(void *) = p->close_cb;
        p->close_cb = NULL;
        cb(p->close_arg);
    }
}

/* --- outgoing --- */

static void peer_on_open(struct stream *s)
{
    struct peer *p = stream_owner(s);
    struct peers *all = p->peers;
    const struct wire_hello hello = {.uuid = all->has_uuid ? slice_of((const char *)all->uuid, 16)
                                                           : SLICE(""),
                                     .name = slice_str(all->name),
                                     .peer_addr = slice_str(all->addr),
                                     .raft_id = all->id,
                                     .wall_ms = loop_wall_ms(all->loop)};
    struct buf b;

    p->open = true;
    p->backoff_ms = PEER_RETRY_MS_MIN;
    buf_init(&b, 4096);
    wire_hello(&b, &hello);
    stream_write_copy(s, b.p, b.n);
    buf_deinit(&b);
    all->ops->up(all->ctx, p);
}

static void peer_on_read(struct stream *s, struct block *block, const char *bytes, size_t n)
{
    (void)s; /* Nothing is said on this direction. */
    (void)block;
    (void)bytes;
    (void)n;
}

static void peer_on_eof(struct stream *s)
{
    stream_close(s);
}

static void peer_on_close(struct stream *s, int status)
{
    struct peer *p = stream_owner(s);
    struct peers *all = p->peers;
    bool was_open = p->open;

    if (status != 0 && status != Q_EREFUSED) {
        LOG_DEBUG("link to a peer is down", LOG_STR("peer", p->name),
                  LOG_STR("why", stream_errmsg(s)));
    }
    if (status == Q_ETLS) {
        LOG_WARN("a peer's certificate is not accepted, or it does not accept ours",
                 LOG_STR("peer", p->name), LOG_STR("address", p->addr),
                 LOG_STR("why", stream_errmsg(s)));
    }
    p->stream = NULL;
    p->open = false;
    all->n_streams--;
    if (all->closing) {
        peers_maybe_closed(all);
        return;
    }
    timer_start(&p->retry, p->backoff_ms + rng_below(&all->rng, p->backoff_ms));
    p->backoff_ms = p->backoff_ms * 2 < PEER_RETRY_MS_MAX ? p->backoff_ms * 2 : PEER_RETRY_MS_MAX;
    if (was_open) {
        all->ops->down(all->ctx, p);
    }
}

static const struct stream_ops peer_stream_ops = {.on_open = peer_on_open,
                                                  .on_read = peer_on_read,
                                                  .on_eof = peer_on_eof,
                                                  .on_close = peer_on_close};

static void peer_on_retry(struct timer *t)
{
    peer_dial(CONTAINER_OF(t, struct peer, retry));
}

static void peer_dial(struct peer *p)
{
    char host[256];
    struct stream_dial d = {
        .host = host, .tls = p->peers->client, .verify_name = p->name, .timeout_ms = PEER_DIAL_MS};

    if (p->stream != NULL || p->peers->closing || p->name[0] == 0 ||
        addr_split(p->addr, host, sizeof host, &d.port) != 0) {
        return;
    }
    timer_stop(&p->retry);
    p->peers->n_streams++;
    p->stream = stream_connect(p->peers->loop, &d, &peer_stream_ops, p);
}

struct peer *peers_find(struct peers *all, raft_id id)
{
    LIST_EACH (it, &all->all) {
        struct peer *p = LIST_ENTRY(it, struct peer, link);
        if (p->id == id) {
            return p;
        }
    }
    return NULL;
}

struct peer *peers_get(struct peers *all, raft_id id, struct slice name, struct slice addr)
{
    struct peer *p = peers_find(all, id);

    if (p == NULL) {
        p = mem_zalloc(sizeof *p);
        p->peers = all;
        p->id = id;
        p->backoff_ms = PEER_RETRY_MS_MIN;
        timer_init(&p->retry, all->loop, peer_on_retry);
        list_push_back(&all->all, &p->link);
    }
    if (name.n > 0 && !slice_eq(name, slice_str(p->name))) {
        (void)slice_copy_str(name, p->name, sizeof p->name);
    }
    if (addr.n > 0 && !slice_eq(addr, slice_str(p->addr))) {
        (void)slice_copy_str(addr, p->addr, sizeof p->addr);
        if (p->stream != NULL) {
            stream_close(p->stream); /* It has moved; dialled again. */
        }
    }
    if (!timer_is_running(&p->retry)) {
        peer_dial(p);
    }
    return p;
}

bool peer_send(struct peer *p, struct slice frame)
{
    if (!p->open || stream_unsent(p->stream) + frame.n > PEER_SEND_BYTES_MAX) {
        return false;
    }
    stream_write_copy(p->stream, frame.p, frame.n);
    return true;
}

/* --- incoming --- */

static void inbound_close(struct inbound *i, const char *why)
{
    LOG_WARN("a peer's link is refused", LOG_STR("peer", i->name),
             LOG_STR("address", stream_peer_addr(i->stream)), LOG_STR("why", why));
    stream_close(i->stream);
}

static void inbound_hello(struct inbound *i, const struct wire_frame *f)
{
    struct peers *all = i->peers;
    struct wire_hello h;
    struct peer *p;

    if (wire_read_hello(f->body, NULL, &h) != 0 || h.raft_id == 0 ||
        !slice_copy_str(h.name, i->name, sizeof i->name)) {
        inbound_close(i, "its hello is malformed");
        return;
    }
    if (!stream_peer_has_name(i->stream, i->name)) {
        inbound_close(i, "its certificate does not carry its name");
        return;
    }
    if (all->has_uuid && h.uuid.n == 16 && memcmp(h.uuid.p, all->uuid, 16) != 0) {
        inbound_close(i, "it belongs to another cluster");
        return;
    }
    i->id = h.raft_id;
    p = peers_get(all, h.raft_id, h.name, h.peer_addr);
    p->wall_offset_ms = h.wall_ms - loop_wall_ms(all->loop);
    p->wall_known = true;
    p->heard_ms = loop_now_ms(all->loop);
    if (p->stream == NULL) { /* It is there: no need to wait. */
        p->backoff_ms = PEER_RETRY_MS_MIN;
        peer_dial(p);
    }
}

static void inbound_frame(struct inbound *i, const struct wire_frame *f)
{
    struct peer *p;

    if (f->type == WIRE_HELLO) {
        inbound_hello(i, f);
        return;
    }
    if (i->id == 0 && f->type != WIRE_JOIN) {
        inbound_close(i, "it did not say hello");
        return;
    }
    p = peers_find(i->peers, i->id);
    if (p != NULL) {
        p->heard_ms = loop_now_ms(i->peers->loop);
    }
    i->peers->ops->frame(i->peers->ctx, i, f);
}

static void inbound_on_read(struct stream *s, struct block *block, const char *bytes, size_t n)
{
    struct inbound *i = stream_owner(s);
    struct wire_frame f;
    size_t at = 0, took;
    int rv = 0;

    (void)block;
    buf_add(&i->in, bytes, n);
    while (!i->peers->closing &&
           (rv = wire_next(slice_of(i->in.p + at, i->in.n - at), &f, &took)) == 1) {
        inbound_frame(i, &f);
        at += took;
    }
    buf_consume(&i->in, at);
    if (rv < 0 || i->in.full) {
        inbound_close(i, "a frame is malformed");
    }
}

static void inbound_on_open(struct stream *s)
{
    (void)s;
}

static void inbound_on_close(struct stream *s, int status)
{
    struct inbound *i = stream_owner(s);
    struct peers *all = i->peers;
    raft_id id = i->id;

    if (status == Q_ETLS) {
        LOG_WARN("a connection to the peer port was refused",
                 LOG_STR("address", stream_peer_addr(s)), LOG_STR("why", stream_errmsg(s)));
    }
    list_remove(&i->link);
    buf_deinit(&i->in);
    mem_free(i);
    all->n_streams--;
    if (all->closing) {
        peers_maybe_closed(all);
    } else if (id != 0) {
        all->ops->inbound_lost(all->ctx, id);
    }
}

static const struct stream_ops inbound_stream_ops = {.on_open = inbound_on_open,
                                                     .on_read = inbound_on_read,
                                                     .on_eof = peer_on_eof,
                                                     .on_close = inbound_on_close};

static void peers_on_accept(struct listener *l, int fd, void *arg)
{
    struct peers *all = arg;
    struct inbound *i = mem_zalloc(sizeof *i);

    (void)l;
    i->peers = all;
    buf_init(&i->in, WIRE_FRAME_BYTES_MAX * 2);
    list_push_back(&all->inbounds, &i->link);
    all->n_streams++;
    i->stream = stream_accept(all->loop, fd, all->server, &inbound_stream_ops, i);
}

void inbound_reply(struct inbound *i, struct slice frame)
{
    stream_write_copy(i->stream, frame.p, frame.n);
}

/* --- all --- */

int peers_start(struct peers *p, struct loop *l, const char *listen, const struct peers_ops *ops,
                void *ctx, struct errmsg *err)
{
    p->loop = l;
    p->ops = ops;
    p->ctx = ctx;
    list_init(&p->all);
    list_init(&p->inbounds);
    rng_init_system(&p->rng);
    return listener_start(l, listen, false, peers_on_accept, p, &p->listener, err);
}

void peers_forget(struct peers *all, raft_id id)
{
    struct peer *p = peers_find(all, id);

    if (p != NULL && p->stream == NULL) {
        timer_stop(&p->retry);
        list_remove(&p->link);
        mem_free(p);
    }
}

void peers_close(struct peers *p, void (*done)(void *arg), void *arg)
{
    p->closing = true;
    p->close_cb = done;
    p->close_arg = arg;
    if (p->listener != NULL) {
        listener_close(p->listener);
        p->listener = NULL;
    }
    LIST_EACH (it, &p->all) {
        struct peer *peer = LIST_ENTRY(it, struct peer, link);
        timer_stop(&peer->retry);
        if (peer->stream != NULL) {
            stream_close(peer->stream);
        }
    }
    LIST_EACH (it, &p->inbounds) {
        stream_close(LIST_ENTRY(it, struct inbound, link)->stream);
    }
    peers_maybe_closed(p);
}
