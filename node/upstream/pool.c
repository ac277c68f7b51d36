/* Origins and their connections. */
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "node/upstream/fetch_i.h"

struct upstream *upstream_new(struct loop *l)
{
    struct upstream *u = mem_zalloc(sizeof *u);

    u->loop = l;
    list_init(&u->origins);
    return u;
}

struct tls_ctx *upstream_default_tls(struct upstream *u)
{
    const struct tls_ctx_cfg cfg = {.alpn = "http/1.1"};

    if (u->tls_default == NULL) {
        (void)tls_ctx_new(&cfg, &u->tls_default, NULL);
    }
    return u->tls_default;
}

static void pool_free(struct pool *p)
{
    list_remove(&p->link);
    tls_ctx_unref(p->tls);
    mem_free(p);
}

static void upstream_maybe_closed(struct upstream *u)
{
    void (*cb)(void *) = u->close_cb;
    void *arg = u->close_arg;

    if (!u->closing || u->n_conns > 0) {
        return;
    }
    LIST_EACH_SAFE (it, &u->origins) {
        pool_free(LIST_ENTRY(it, struct pool, link));
    }
    tls_ctx_unref(u->tls_default);
    mem_free(u);
    cb(arg);
}

void upstream_conn_gone(struct upstream *u)
{
    u->n_conns--;
    upstream_maybe_closed(u);
}

void upstream_close(struct upstream *u, void (*done)(void *arg), void *arg)
{
    u->closing = true;
    u->close_cb = done;
    u->close_arg = arg;
    LIST_EACH (it, &u->origins) {
        struct pool *p = LIST_ENTRY(it, struct pool, link);
        LIST_EACH_SAFE (c, &p->idle) {
            conn_drop(LIST_ENTRY(c, struct conn, link));
        }
        LIST_EACH_SAFE (c, &p->busy) { /* Connecting for nobody. */
            conn_drop(LIST_ENTRY(c, struct conn, link));
        }
    }
    upstream_maybe_closed(u);
}

struct pool *pool_get(struct upstream *u, const struct origin *o)
{
    struct pool *p;

    LIST_EACH (it, &u->origins) {
        p = LIST_ENTRY(it, struct pool, link);
        if (p->port == o->port && p->https == o->https && p->allow_private == o->allow_private &&
            p->tls == o->tls && p->h2_prior == o->h2_prior && strcmp(p->host, o->host) == 0) {
            return p;
        }
    }
    p = mem_zalloc(sizeof *p);
    p->upstream = u;
    (void)slice_copy_str(slice_str(o->host), p->host, sizeof p->host);
    p->port = o->port;
    p->https = o->https;
    p->allow_private = o->allow_private;
    p->h2_prior = o->h2_prior;
    p->tls = o->tls != NULL ? tls_ctx_ref(o->tls) : NULL;
    list_init(&p->idle);
    list_init(&p->busy);
    list_init(&p->waiting);
    list_push_back(&u->origins, &p->link);
    return p;
}

void pool_submit(struct pool *p, struct fetch *f)
{
    if (!list_empty(&p->idle) && !f->was_resent) {
        conn_take(LIST_FIRST(&p->idle, struct conn, link), f);
        return;
    }
    if (p->n_waiting >= ORIGIN_WAITERS_MAX) {
        fetch_failed(f, Q_EBUSY, "too many requests wait for a connection");
        return;
    }
    list_push_back(&p->waiting, &f->link);
    p->n_waiting++;
    if (p->n_conns < ORIGIN_CONNS_MAX && p->n_connecting < p->n_waiting) {
        conn_open(p);
    }
}

void pool_forget(struct fetch *f)
{
    if (!list_empty(&f->link)) {
        list_remove(&f->link);
        f->pool->n_waiting--;
    }
}

void pool_serve_waiters(struct pool *p)
{
    while (!list_empty(&p->waiting) && !list_empty(&p->idle)) {
        struct fetch *f = LIST_FIRST(&p->waiting, struct fetch, link);
        pool_forget(f);
        conn_take(LIST_FIRST(&p->idle, struct conn, link), f);
    }
    while (p->n_conns < ORIGIN_CONNS_MAX && p->n_connecting < p->n_waiting) {
        conn_open(p);
    }
}
