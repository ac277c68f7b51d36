/* Links to other nodes. Each node dials every other and sends on what it dialled; what others send
 * comes in on what they dialled. So a link has one direction, and an answer travels on the other.
 * Identity: the peer's certificate carries its name; a hello that claims another name is refused.
 * Thread: raft. */
#ifndef RAFT_PEER_H_
#define RAFT_PEER_H_

#include "base/net/listener.h"
#include "base/net/stream.h"
#include "base/rng.h"
#include "raft/wire.h"

struct peers;
struct peer { /* Somebody we send to. */
    struct list link;
    struct peers *peers;
    raft_id id;
    char name[NAME_BYTES_MAX + 1], addr[256];
    struct stream *stream; /* NULL: waiting to dial again. */
    bool open;
    struct timer retry;
    uint64_t backoff_ms;
    uint64_t heard_ms;      /* When a frame of it came last; 0: never. */
    int64_t wall_offset_ms; /* Its clock minus ours, at its hello. */
    bool wall_known;
};
struct inbound { /* Somebody who sends to us. */
    struct list link;
    struct peers *peers;
    struct stream *stream;
    struct buf in;
    raft_id id; /* 0 before its hello. */
    char name[NAME_BYTES_MAX + 1];
    bool joining; /* A joiner's: answered on the same link. */
};

struct peers_ops {
    void (*frame)(void *ctx, struct inbound *from, const struct wire_frame *f);
    void (*up)(void *ctx, struct peer *p);   /* We can send. */
    void (*down)(void *ctx, struct peer *p); /* What was sent may be lost. */
    void (*inbound_lost)(void *ctx, raft_id id);
};
struct peers {
    struct loop *loop;
    const struct peers_ops *ops;
    void *ctx;
    struct tls_ctx *server, *client;
    struct listener *listener;
    struct list all, inbounds;
    struct rng rng;
    size_t n_streams;
    bool closing;
    void (*close_cb)(void *arg);
    void *close_arg;
    /* Our own hello. */
    const char *name, *addr;
    raft_id id;
    uint8_t uuid[16];
    bool has_uuid;
};

int peers_start(struct peers *p, struct loop *l, const char *listen, const struct peers_ops *ops,
                void *ctx, struct errmsg *err);
void peers_close(struct peers *p, void (*done)(void *arg), void *arg);
/* Finds or makes; changes the address or name when they differ. Dials by itself once the name is
 * known. */
struct peer *peers_get(struct peers *p, raft_id id, struct slice name, struct slice addr);
struct peer *peers_find(struct peers *p, raft_id id);
void peers_forget(struct peers *p, raft_id id);
/* Copies the frame. False when there is no open link or its queue is full. */
bool peer_send(struct peer *p, struct slice frame);
void inbound_reply(struct inbound *i, struct slice frame);

#endif /* RAFT_PEER_H_ */
