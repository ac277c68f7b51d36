/* The node: what main.c puts together. One raft loop, N worker loops, the storage thread.
 *
 *   main thread = raft loop: consensus, state machine, lease manager; signals
 *   worker i:   its own loop: gateway listener (SO_REUSEPORT), pools, pipeline; worker 0 also
 *   serves the admin listener */
#ifndef NODE_NODE_H_
#define NODE_NODE_H_

#include <pthread.h>
#include <stdatomic.h>

#include "base/net/mailbox.h"
#include "node/api/api.h"
#include "node/config.h"
#include "node/req/req.h"

#define NODE_VERSION "0.1.0"

struct worker {
    struct node *node;
    unsigned no;
    pthread_t thread;
    struct loop *loop;
    struct mailbox *mailbox;
    struct gov_worker *gov;
    struct upstream *upstream;
    struct req_worker req;
    struct serve *gateway;
    struct serve *admin; /* Worker 0. */
    struct api *api;     /* Worker 0. */
    unsigned closing;    /* What has still to end. */
    bool drained;
};

struct node {
    struct config cfg;
    struct loop *loop; /* The raft loop. */
    struct mailbox *mailbox;
    struct db *db;
    struct consensus *consensus;
    struct gov *gov;
    struct worker *workers;
    unsigned n_workers;
    struct tls_ctx *tls; /* Of gateway and admin; NULL: plain. */
    _Atomic bool draining;
    unsigned workers_left;
    bool stopping, failed;
};

/* worker.c. Q_E... with the reason: the port in use, for one. Thread: main. */
int worker_start(struct worker *w, struct node *n, unsigned no, struct errmsg *err);
/* Begins the drain; node_worker_done() follows on the raft loop. Thread: any. */
void worker_stop(struct worker *w);
void worker_set_tls(struct worker *w, struct tls_ctx *tls); /* Thread: any. */
void worker_join(struct worker *w);
void node_worker_done(struct node *n);

#endif /* NODE_NODE_H_ */
