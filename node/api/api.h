/* The admin API: JSON over the admin listener (CONTRACT.md, control plane). Runs on one worker's
 * loop; what needs the state machine is asked of the raft loop by mail (api_call), never read
 * across threads.
 *
 *   exchange -> api_on_request -> authenticate -> handler -> api_call -> [raft loop: barrier, read
 *   or submit] -> reply letter -> exchange_reply
 *
 * Thread: worker 0, but for functions marked raft. */
#ifndef NODE_API_API_H_
#define NODE_API_API_H_

#include <stdbool.h>

#include "base/net/mailbox.h"
#include "node/gov/gov.h"
#include "node/obs/record.h"
#include "node/serve/exchange.h"
#include "raft/consensus.h"

struct api;

/* Finds a request record on any worker of this node: @cb on the api's loop with JSON, or "" when
 * nobody has it. Implemented by node/ (it knows the workers). */
typedef void (*api_find_record_cb)(void *owner, struct slice json);
struct api_cfg {
    struct loop *loop;            /* Of the worker that serves the admin listener. */
    struct mailbox *raft_mailbox; /* Letters for the raft loop. */
    struct consensus *consensus;  /* Used on the raft loop only. */
    struct gov *gov;              /* gov_pepper(), gov_seal_key(): immutable. */
    const char *token_file;       /* Read at start; the token is at least 16 bytes. */
    const char *node_name;
    const char *version;
    bool (*is_draining)(void *arg);
    bool (*is_ready)(void *arg);
    void (*find_record)(void *arg, struct slice id, api_find_record_cb cb, void *owner);
    void *arg;
};
int api_new(const struct api_cfg *cfg, struct api **ret, struct errmsg *err);
/* Calls under way complete first; @done then. */
void api_close(struct api *a, void (*done)(void *arg), void *arg);
/* serve_cfg.on_request of the admin listener, @arg = the api. Also /healthz, /readyz, /metrics (no
 * token needed for the first two). */
void api_on_request(struct exchange *e, void *arg);

#endif /* NODE_API_API_H_ */
