/* Step stream: one attempt after another down the list of candidates, until one commits. */
#include "base/check.h"
#include "node/req/attempt.h"

static enum req_next req_stream(struct req *r)
{
    ASSERT(r->next_candidate < r->plan.n);
    if (attempt_start(r, r->plan.candidates[r->next_candidate])) {
        return REQ_WAIT; /* req_attempt_ended() */
    }
    r->error = r->last;
    r->step = &req_step_close;
    return REQ_MORE;
}

bool req_may_retry(const struct req *r)
{
    return r->attempts <= r->plan.retries_max && r->next_candidate + 1 < r->plan.n;
}

static void req_stream_failed(struct req *r)
{
    if (r->last.code != NULL && r->last.retry_after_s >= 0 &&
        (r->retry_after_min_s < 0 || r->last.retry_after_s < r->retry_after_min_s)) {
        r->retry_after_min_s = r->last.retry_after_s;
    }
    if (r->last.http != 429) {
        r->all_rate_limited = false;
    }
    if (req_may_retry(r)) {
        r->next_candidate++;
        r->step = &req_step_stream;
        req_run(r);
        return;
    }
    if (r->last.http == 429) {
        r->last.retry_after_s = r->retry_after_min_s;
    }
    req_fail_now(r, &r->last);
}

void req_attempt_ended(struct req *r, enum attempt_end end)
{
    r->attempt = NULL;
    switch (end) {
    case ATTEMPT_OK:
    case ATTEMPT_CUT:
        break; /* The exchange's on_close ends the request. */
    case ATTEMPT_FAILED:
        req_stream_failed(r);
        break;
    case ATTEMPT_REFUSED:
        req_fail_now(r, &r->last);
        break;
    }
}

const struct req_step req_step_stream = {"stream", req_stream};
