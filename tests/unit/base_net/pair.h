/* Two ends of one connection over loopback, on one loop. A test gives each end its hooks, runs
 * the loop until both are closed, and looks at what they saw. */
#ifndef TESTS_UNIT_BASE_NET_PAIR_H_
#define TESTS_UNIT_BASE_NET_PAIR_H_

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/net/listener.h"
#include "base/net/loop.h"
#include "base/net/stream.h"
#include "base/net/tls.h"

struct pair;

struct end {
    struct pair *pair;
    struct stream *s; /* NULL before it exists and after on_close. */
    void (*on_open)(struct end *e);
    void (*on_read)(struct end *e, struct block *block, const char *p, size_t n);
    void (*on_drain)(struct end *e);
    void (*on_eof)(struct end *e);
    void (*on_close)(struct end *e);
    int opens, eofs, closes, drains, reads;
    int status;
    bool in_call; /* The test is inside of a stream_ call: no callback may come. */
    char why[512];
    char alpn[32];
    char peer_name[64];
    uint64_t n, sum; /* Of what was read: how much, and a hash of it. */
    uint64_t n_max_a_turn;
};

struct pair {
    struct loop *loop;
    struct listener *listener;
    struct tls_ctx *server_tls, *client_tls;
    struct end server, client;
    struct stream_dial dial; /* May be changed before pair_run(). */
    int rounds;              /* More connections, one after the other. */
};

/* The path of a file that certs.sh made; a static buffer, one of 16 in turn. */
const char *pair_cert(const char *file);
struct tls_ctx *pair_tls(const struct tls_ctx_cfg *cfg);
/* NULL contexts: plain. Contexts are taken. */
void pair_init(struct pair *p, struct tls_ctx *server, struct tls_ctx *client);
/* Server's certificate, the client trusts it by the name server.test; ALPN as given. */
void pair_init_tls(struct pair *p, const char *server_alpn, const char *client_alpn);
/* Connects and runs until both ends are closed. */
void pair_run(struct pair *p);
void pair_deinit(struct pair *p);
/* The same hash that end.sum has after reading @n bytes at @p. */
uint64_t pair_hash(uint64_t sum, const char *p, size_t n);
/* @n bytes that depend on their position, in chunks of @chunk. */
void pair_fill(struct chunkq *q, size_t n, size_t chunk);
/* The hash of @n such bytes. */
uint64_t pair_fill_hash(size_t n);

#endif /* TESTS_UNIT_BASE_NET_PAIR_H_ */
