/* Letters between the manager (raft loop) and the workers. */
#ifndef NODE_GOV_MAIL_H_
#define NODE_GOV_MAIL_H_

#include "node/gov/gov_i.h"

struct gov_view_letter { /* -> worker */
    struct letter letter;
    struct gov_worker *worker;
    struct view *view; /* A reference. */
};
struct
    /* -> worker -> manager: the worker has passed this point. Also hello, leave, bye, retry. */
    gov_ping {
    struct letter letter;
    struct gov_worker *worker;
    uint64_t round;
};

struct gov_shared *gov_shared_of(struct gov *g);

/* Delivered on a worker. */
void gov_deliver_view(struct letter *l);
void gov_deliver_retry(struct letter *l);
void gov_deliver_ping(struct letter *l);
void gov_deliver_bye(struct letter *l);
/* Delivered on the raft loop. */
void gov_deliver_hello(struct letter *l);
void gov_deliver_leave(struct letter *l);
void gov_deliver_pong(struct letter *l);
void gov_deliver_need(struct letter *l);
void gov_deliver_cells(struct letter *l);

void worker_write_init(struct gov_worker *w);
void worker_cells_send(struct gov_worker *w);

#endif /* NODE_GOV_MAIL_H_ */
