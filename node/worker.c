/* A worker thread: its loop and everything on it, from start to drained. */
#include "node/node.h"

#include <signal.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"

struct worker_letter {
    struct letter letter;
    struct worker *worker;
    struct tls_ctx *tls;
};

static void worker_mail(struct worker *w, void (*deliver)(struct letter *l), struct tls_ctx *tls)
{
    struct worker_letter *l = mem_zalloc(sizeof *l);

    l->letter.deliver = deliver;
    l->worker = w;
    l->tls = tls;
    mailbox_send(w->mailbox, &l->letter);
}

static struct worker *worker_of(struct letter *letter, struct tls_ctx **ret_tls)
{
    struct worker_letter *l = CONTAINER_OF(letter, struct worker_letter, letter);
    struct worker *w = l->worker;

    if (ret_tls != NULL) {
        *ret_tls = l->tls;
    }
    mem_free(l);
    return w;
}

/* --- explain: records of all workers --- */

struct record_search {
    struct letter letter;
    struct node *node;
    unsigned at; /* The worker that looks. */
    char id[RECORD_ID_BYTES];
    struct buf json;
    api_find_record_cb cb;
    void *owner;
};

static void worker_record_found(struct letter *l)
{
    struct record_search *s = CONTAINER_OF(l, struct record_search, letter);

    s->cb(s->owner, s->json.n > 0 ? buf_slice(&s->json) : SLICE(""));
    buf_deinit(&s->json);
    mem_free(s);
}

static void worker_record_look(struct letter *l)
{
    struct record_search *s = CONTAINER_OF(l, struct record_search, letter);
    struct node *n = s->node;
    const struct record *r = record_ring_find(&n->workers[s->at].req.records, slice_str(s->id));

    if (r != NULL) {
        record_json(r, &s->json);
    }
    if (r == NULL && s->at + 1 < n->n_workers) {
        s->at++;
        mailbox_send(n->workers[s->at].mailbox, &s->letter);
        return;
    }
    s->letter.deliver = worker_record_found;
    mailbox_send(n->workers[0].mailbox, &s->letter);
}

static void worker_find_record(void *arg, struct slice id, api_find_record_cb cb, void *owner)
{
    struct node *n = arg;
    struct record_search *s = mem_zalloc(sizeof *s);

    s->node = n;
    s->cb = cb;
    s->owner = owner;
    s->letter.deliver = worker_record_look;
    buf_init(&s->json, 65536);
    (void)slice_copy_str(id, s->id, sizeof s->id);
    mailbox_send(n->workers[0].mailbox, &s->letter);
}

static bool worker_is_draining(void *arg)
{
    struct node *n = arg;

    return atomic_load(&n->draining);
}

static bool worker_is_ready(void *arg)
{
    struct node *n = arg;

    return gov_ready(n->workers[0].gov) && !atomic_load(&n->draining);
}

/* --- start --- */

static int worker_start_admin(struct worker *w, struct errmsg *err)
{
    struct node *n = w->node;
    const struct api_cfg api = {.loop = w->loop,
                                .raft_mailbox = n->mailbox,
                                .consensus = n->consensus,
                                .gov = n->gov,
                                .token_file = n->cfg.admin_token_file,
                                .node_name = n->cfg.name,
                                .version = NODE_VERSION,
                                .is_draining = worker_is_draining,
                                .is_ready = worker_is_ready,
                                .find_record = worker_find_record,
                                .arg = n};
    struct serve_cfg serve = {.loop = w->loop,
                              .addr = n->cfg.listen_admin,
                              .tls = n->tls,
                              .body_bytes_max = 4u << 20,
                              .on_request = api_on_request};
    int rv = api_new(&api, &w->api, err);

    if (rv != 0) {
        return rv;
    }
    serve.arg = w->api;
    rv = serve_start(&serve, &w->admin, err);
    if (rv != 0) {
        errmsg_wrap(err, "admin listener");
    }
    return rv;
}

static void *worker_thread(void *arg)
{
    struct worker *w = arg;

    loop_run(w->loop);
    req_worker_deinit(&w->req);
    loop_free(w->loop);
    block_pool_release();
    return NULL;
}

int worker_start(struct worker *w, struct node *n, unsigned no, struct errmsg *err)
{
    struct serve_cfg serve = {.addr = n->cfg.listen_gateway,
                              .reuseport = n->n_workers > 1,
                              .tls = n->tls,
                              .body_bytes_max = n->cfg.body_bytes_max,
                              .on_request = req_on_request,
                              .arg = &w->req};
    sigset_t all, old;
    int rv;

    w->node = n;
    w->no = no;
    w->loop = loop_new(clock_system());
    w->mailbox = mailbox_new(w->loop);
    w->gov = gov_worker_new(n->gov, w->loop, no, NULL, NULL);
    w->upstream = upstream_new(w->loop);
    req_worker_init(&w->req, w->loop, w->gov, w->upstream, n->cfg.body_bytes_max);
    serve.loop = w->loop;
    rv = serve_start(&serve, &w->gateway, err);
    if (rv != 0) {
        errmsg_wrap(err, "gateway listener");
        return rv;
    }
    if (no == 0) {
        rv = worker_start_admin(w, err);
        if (rv != 0) {
            return rv;
        }
    }
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    ASSERT(pthread_create(&w->thread, NULL, worker_thread, w) == 0);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return 0;
}

void worker_join(struct worker *w)
{
    (void)pthread_join(w->thread, NULL);
}

/* --- stop: drain, then close one thing after another --- */

static void worker_done(struct letter *l)
{
    node_worker_done(worker_of(l, NULL)->node);
}

static void worker_part_closed(void *arg)
{
    struct worker *w = arg;
    struct worker_letter *l;

    if (--w->closing > 0) {
        return;
    }
    l = mem_zalloc(sizeof *l);
    l->letter.deliver = worker_done;
    l->worker = w;
    mailbox_send(w->node->mailbox, &l->letter);
    mailbox_close(w->mailbox);
}

static void worker_close_parts(struct worker *w)
{
    w->closing = w->no == 0 ? 5 : 3;
    upstream_close(w->upstream, worker_part_closed, w);
    gov_worker_close(w->gov, worker_part_closed, w);
    serve_close(w->gateway, worker_part_closed, w);
    if (w->no == 0) {
        serve_close(w->admin, worker_part_closed, w);
        api_close(w->api, worker_part_closed, w);
    }
}

static void worker_idle(void *arg)
{
    worker_close_parts(arg);
}

static void worker_drained(struct serve *s, void *arg)
{
    struct worker *w = arg;

    (void)s;
    /* Attempts whose clients have left may still be read to their usage. */
    req_worker_drain(&w->req, worker_idle, w);
}

static void worker_on_stop(struct letter *l)
{
    struct worker *w = worker_of(l, NULL);

    w->req.draining = true;
    serve_drain(w->gateway, w->node->cfg.drain_ms, worker_drained, w);
}

void worker_stop(struct worker *w)
{
    worker_mail(w, worker_on_stop, NULL);
}

static void worker_on_tls(struct letter *l)
{
    struct tls_ctx *tls;
    struct worker *w = worker_of(l, &tls);

    serve_set_tls(w->gateway, tls);
    if (w->admin != NULL) {
        serve_set_tls(w->admin, tls);
    }
    tls_ctx_unref(tls);
}

void worker_set_tls(struct worker *w, struct tls_ctx *tls)
{
    worker_mail(w, worker_on_tls, tls_ctx_ref(tls));
}
