/* Remembered results: a command that is retried after an unknown outcome answers as the first time.
 * The newest FSM_RESULTS_MAX of each origin are kept; results of old processes go first, since keys
 * are in order of incarnation and request number. */
#include "base/check.h"
#include "raft/fsm_i.h"

#define FSM_RESULTS_MAX     1024
#define FSM_ORIGINS_MAX     64 /* Origins are members; more are not remembered. */
#define FSM_RESULT_TEXT_MAX 200

static void fsm_result_key(struct buf *k, struct slice origin)
{
    buf_add_slice(k, origin);
    buf_add_u8(k, 0);
}

static void fsm_result_key_of(struct buf *k, const struct cmd *c)
{
    fsm_result_key(k, c->origin);
    record_key_u32(k, c->origin_inc);
    record_key_u64(k, c->reqno);
}

bool fsm_result_recall(const struct fsm *f, const struct cmd *c, struct fsm_result *ret)
{
    const struct table_rec *rec;
    struct record_reader r;
    struct slice text;
    struct buf key;

    if (c->reqno == 0) {
        return false;
    }
    buf_init(&key, 2 * NAME_BYTES_MAX);
    fsm_result_key_of(&key, c);
    rec = table_get(&f->tables[FSM_T_RESULT], buf_slice(&key));
    buf_deinit(&key);
    if (rec == NULL) {
        return false;
    }
    r = (struct record_reader){table_value(rec), false};
    ret->status = (int)record_i64(&r);
    ret->revision = record_u64(&r);
    text = record_text(&r);
    errmsg_set(&ret->err, "%.*s", SLICE_FMT(text));
    return true;
}

static uint32_t fsm_result_count(const struct fsm *f, struct slice origin)
{
    const struct table_rec *rec = table_get(&f->tables[FSM_T_ORIGIN], origin);
    struct record_reader r;

    if (rec == NULL) {
        return 0;
    }
    r = (struct record_reader){table_value(rec), false};
    return record_u32(&r);
}

void fsm_result_remember(struct fsm *f, const struct cmd *c, const struct fsm_result *r)
{
    struct slice text = slice_str(r->err.text);
    uint32_t n = fsm_result_count(f, c->origin);
    struct buf *k, *v;

    if (c->reqno == 0 || (n == 0 && f->tables[FSM_T_ORIGIN].n >= FSM_ORIGINS_MAX)) {
        return;
    }
    text.n = text.n < FSM_RESULT_TEXT_MAX ? text.n : FSM_RESULT_TEXT_MAX;
    fsm_result_key_of(fsm_key(f), c);
    v = fsm_value(f);
    buf_add_u64le(v, (uint64_t)(int64_t)r->status);
    buf_add_u64le(v, r->revision);
    record_add_text(v, text);
    fsm_put(f, FSM_T_RESULT);
    if (++n > FSM_RESULTS_MAX) {
        const struct table_rec *oldest;
        k = fsm_key(f);
        fsm_result_key(k, c->origin);
        oldest = table_next(&f->tables[FSM_T_RESULT], buf_slice(k), true);
        ASSERT(oldest != NULL);
        buf_clear(k);
        buf_add_slice(k, table_key(oldest));
        (void)table_remove(&f->tables[FSM_T_RESULT], buf_slice(k));
        n--;
    }
    buf_add_slice(fsm_key(f), c->origin);
    buf_add_u32le(fsm_value(f), n);
    fsm_put(f, FSM_T_ORIGIN);
}
