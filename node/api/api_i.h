/* Inside the admin API. A call is one request: parsed on the worker, run on the raft loop, answered
 * on the worker again. The exchange may be gone by then. */
#ifndef NODE_API_API_I_H_
#define NODE_API_API_I_H_

#include "base/arena.h"
#include "base/json.h"
#include "node/api/api.h"

#define API_BODY_BYTES_MAX   (4u << 20)
#define API_ANSWER_BYTES_MAX (64u << 20)

struct api {
    struct api_cfg cfg;
    uint8_t token_hash[32];
    struct mailbox *mailbox; /* Of the worker. */
    size_t n_calls;
    bool closing;
    void (*close_cb)(void *arg);
    void *close_arg;
};

struct call {
    struct letter letter;
    struct api *api;
    struct exchange *exchange; /* NULL: the client has left. */
    struct arena arena;
    struct buf body;
    struct slice method, path, query; /* In the arena. The path after /admin/v1/. */
    struct slice if_match;
    bool done;
    /* The raft loop's part. */
    void (*run)(struct call *c); /* After the barrier, for reads. */
    struct barrier barrier;
    struct submit submit;
    struct buf cmd;
    struct cmd_resource_op *ops;
    size_t n_ops;
    char key_text[96]; /* A secret that is told once; wiped. */
    const char *key_id;
    bool dry_run;
    /* The answer. */
    int status;
    struct buf out;
    const char *content_type;
    uint64_t revision;
};

/* Worker: hands the call to the raft loop; @linearizable waits for a barrier first. */
void call_to_raft(struct call *c, void (*run)(struct call *c), bool linearizable);
/* Raft loop: back to the worker, where it is answered. */
void call_answer(struct call *c, int status);
void call_error(struct call *c, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void call_result(struct call *c, const struct fsm_result *r); /* An error of a command. */
/* Worker: answers at once. */
void call_refuse(struct call *c, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The value of a query parameter, decoded into the arena; "" when absent. */
struct slice call_param(struct call *c, const char *name);
struct slice call_decode(struct call *c, struct slice percent);
/* Raft loop: submits c->ops as one atomic change; @then runs when it was applied well. */
void call_change(struct call *c, void (*then)(struct call *c));

/* resources.c */
void resources_get(struct call *c, enum kind k, struct slice name);
void resources_list(struct call *c, enum kind k);
void resources_put(struct call *c, enum kind k, struct slice name);
void resources_delete(struct call *c, enum kind k, struct slice name);
void resources_apply(struct call *c);
/* keys.c: @rest is what follows "keys". */
void keys_post(struct call *c, struct slice rest);
/* budgets.c */
void budgets_status(struct call *c, struct slice name);
void budgets_resolve(struct call *c, struct slice name);
void usage_get(struct call *c);
/* cluster.c */
void cluster_get(struct call *c);
void cluster_snapshot(struct call *c);
void records_get(struct call *c, struct slice id);

#endif /* NODE_API_API_I_H_ */
