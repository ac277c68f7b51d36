/* The ledger's records: bytes <-> structs, and walking over them. */
#include "base/check.h"
#include "base/err.h"
#include "raft/ledger.h"

/* --- windows --- */

static void ledger_window_add(struct buf *b, const struct ledger_window *w)
{
    buf_add_u64le(b, (uint64_t)w->end_ms);
    record_add_i128(b, w->limit);
    record_add_i128(b, w->posted);
    record_add_i128(b, w->held);
    record_add_i128(b, w->presumed);
    record_add_i128(b, w->overrun);
    record_add_i128(b, w->ceil);
}

static void ledger_window_read(struct record_reader *r, struct ledger_window *w)
{
    w->end_ms = record_i64(r);
    w->limit = record_amount(r);
    w->posted = record_amount(r);
    w->held = record_amount(r);
    w->presumed = record_amount(r);
    w->overrun = record_amount(r);
    w->ceil = record_amount(r);
}

static void ledger_window_key(struct fsm *f, uint64_t acct, uint32_t wid)
{
    struct buf *k = fsm_key(f);

    record_key_u64(k, acct);
    record_key_u32(k, wid);
}

int ledger_window_bind(void *head, struct slice key, struct slice value)
{
    struct record_reader k = {key, false}, v = {value, false};
    struct ledger_window *w = head;

    (void)record_from_key_u64(&k);
    w->wid = record_from_key_u32(&k);
    ledger_window_read(&v, w);
    return record_end(&k) != 0 ? Q_EPROTO : record_end(&v);
}

void ledger_window_put(struct fsm *f, uint64_t acct, const struct ledger_window *w)
{
    ledger_window_key(f, acct, w->wid);
    ledger_window_add(fsm_value(f), w);
    fsm_put(f, FSM_T_WINDOW);
}

int ledger_history_bind(void *head, struct slice key, struct slice value)
{
    struct record_reader k = {key, false}, v = {value, false};
    struct ledger_window *w = head;

    (void)record_from_key_u64(&k);
    w->wid = record_from_key_u32(&k);
    w->end_ms = record_i64(&v);
    w->limit = record_amount(&v);
    w->posted = record_amount(&v);
    w->overrun = record_amount(&v);
    return record_end(&k) != 0 ? Q_EPROTO : record_end(&v);
}

void ledger_history_put(struct fsm *f, uint64_t acct, const struct ledger_window *w)
{
    struct buf *v = fsm_value(f);

    ledger_window_key(f, acct, w->wid);
    buf_add_u64le(v, (uint64_t)w->end_ms);
    record_add_i128(v, w->limit);
    record_add_i128(v, w->posted);
    record_add_i128(v, w->overrun);
    fsm_put(f, FSM_T_HISTORY);
}

static bool ledger_is_of(const struct table_rec *rec, uint64_t acct)
{
    struct record_reader k;

    if (rec == NULL) {
        return false;
    }
    k = (struct record_reader){table_key(rec), false};
    return record_from_key_u64(&k) == acct;
}

const struct ledger_window *ledger_old_next(const struct fsm *f, uint64_t acct, uint32_t after,
                                            bool at_or_above)
{
    char bytes[12];
    struct slice key = slice_of(bytes, sizeof bytes);
    const struct table_rec *rec;

    for (int i = 0; i < 8; i++) {
        bytes[i] = (char)(acct >> (56 - 8 * i));
    }
    for (int i = 0; i < 4; i++) {
        bytes[8 + i] = (char)(after >> (24 - 8 * i));
    }
    rec = table_next(&f->tables[FSM_T_WINDOW], key, at_or_above);
    return ledger_is_of(rec, acct) ? table_head(rec) : NULL;
}

/* --- accounts --- */

int ledger_account_bind(void *head, struct slice key, struct slice value)
{
    struct record_reader k = {key, false}, v = {value, false};
    struct ledger_account *a = head;
    uint8_t unit, every;

    a->id = record_from_key_u64(&k);
    a->budget = record_text(&v);
    unit = record_u8(&v);
    every = record_u8(&v);
    a->live = record_bool(&v);
    a->wid_base = record_i64(&v);
    a->n_history = record_u32(&v);
    a->n_old = record_u32(&v);
    a->cur.wid = record_u32(&v);
    ledger_window_read(&v, &a->cur);
    if (unit >= UNIT_N_ || every > WINDOW_YEAR || record_end(&k) != 0) {
        return Q_EPROTO;
    }
    a->unit = (enum unit)unit;
    a->every = (enum window_every)every;
    return record_end(&v);
}

const struct ledger_account *ledger_account(const struct fsm *f, uint64_t acct)
{
    char key[8];

    for (int i = 0; i < 8; i++) {
        key[i] = (char)(acct >> (56 - 8 * i));
    }
    return table_head(table_get(&f->tables[FSM_T_ACCOUNT], slice_of(key, sizeof key)));
}

void ledger_account_put(struct fsm *f, const struct ledger_account *a)
{
    struct buf *v = fsm_value(f);

    record_key_u64(fsm_key(f), a->id);
    record_add_text(v, a->budget);
    buf_add_u8(v, (uint8_t)a->unit);
    buf_add_u8(v, (uint8_t)a->every);
    buf_add_u8(v, a->live);
    buf_add_u64le(v, (uint64_t)a->wid_base);
    buf_add_u32le(v, a->n_history);
    buf_add_u32le(v, a->n_old);
    buf_add_u32le(v, a->cur.wid);
    ledger_window_add(v, &a->cur);
    fsm_put(f, FSM_T_ACCOUNT);
}

/* --- leases --- */

int ledger_lease_bind(void *head, struct slice key, struct slice value)
{
    struct record_reader k = {key, false}, v = {value, false};
    struct ledger_lease *l = head;

    l->acct = record_from_key_u64(&k);
    l->wid = record_from_key_u32(&k);
    l->node = record_from_key_u32(&k);
    l->inc = record_from_key_u32(&k);
    l->G = record_amount(&v);
    l->S = record_amount(&v);
    l->R = record_amount(&v);
    l->O = record_amount(&v);
    l->presumed = record_bool(&v);
    if (record_end(&k) != 0 || ledger_out(l) < 0) {
        return Q_EPROTO;
    }
    return record_end(&v);
}

static struct slice ledger_lease_key(struct fsm *f, uint64_t acct, uint32_t wid, uint32_t node,
                                     uint32_t inc)
{
    struct buf *k = fsm_key(f);

    record_key_u64(k, acct);
    record_key_u32(k, wid);
    record_key_u32(k, node);
    record_key_u32(k, inc);
    return buf_slice(k);
}

/* Reading builds its key on the stack: the scratch buffers are for writing. */
#define LEDGER_LEASE_KEY_BYTES 20
static void ledger_lease_key_text(char out[LEDGER_LEASE_KEY_BYTES], uint64_t acct, uint32_t wid,
                                  uint32_t node, uint32_t inc)
{
    const uint32_t parts[5] = {(uint32_t)(acct >> 32), (uint32_t)acct, wid, node, inc};

    for (size_t i = 0; i < LEDGER_LEASE_KEY_BYTES; i++) {
        out[i] = (char)(parts[i / 4] >> (24 - i % 4 * 8));
    }
}

const struct ledger_lease *ledger_lease(const struct fsm *f, uint64_t acct, uint32_t wid,
                                        uint32_t node, uint32_t inc)
{
    char key[LEDGER_LEASE_KEY_BYTES];

    ledger_lease_key_text(key, acct, wid, node, inc);
    return table_head(table_get(&f->tables[FSM_T_LEASE], slice_of(key, sizeof key)));
}

void ledger_lease_index(struct fsm *f, const struct ledger_lease *l)
{
    struct buf *k = fsm_key(f);

    (void)fsm_value(f);
    record_key_u32(k, l->node);
    record_key_u32(k, l->inc);
    record_key_u64(k, l->acct);
    record_key_u32(k, l->wid);
    fsm_put(f, FSM_X_LEASE);
}

void ledger_lease_put(struct fsm *f, const struct ledger_lease *l)
{
    bool is_new = ledger_lease(f, l->acct, l->wid, l->node, l->inc) == NULL;
    struct buf *v = fsm_value(f);

    ASSERT(ledger_out(l) >= 0);
    (void)ledger_lease_key(f, l->acct, l->wid, l->node, l->inc);
    record_add_i128(v, l->G);
    record_add_i128(v, l->S);
    record_add_i128(v, l->R);
    record_add_i128(v, l->O);
    buf_add_u8(v, l->presumed);
    fsm_put(f, FSM_T_LEASE);
    if (is_new) {
        ledger_lease_index(f, l);
    }
}

void ledger_lease_remove(struct fsm *f, const struct ledger_lease *l)
{
    const struct ledger_lease at = *l; /* @l may be the record itself. */
    struct buf *k;

    (void)table_remove(&f->tables[FSM_T_LEASE],
                       ledger_lease_key(f, at.acct, at.wid, at.node, at.inc));
    k = fsm_key(f);
    record_key_u32(k, at.node);
    record_key_u32(k, at.inc);
    record_key_u64(k, at.acct);
    record_key_u32(k, at.wid);
    (void)table_remove(&f->tables[FSM_X_LEASE], buf_slice(k));
}

const struct ledger_lease *ledger_lease_next(const struct fsm *f, uint64_t acct, uint32_t wid,
                                             const struct ledger_lease *after)
{
    char key[LEDGER_LEASE_KEY_BYTES];
    const struct ledger_lease *l;

    ledger_lease_key_text(key, acct, wid, after == NULL ? 0 : after->node,
                          after == NULL ? 0 : after->inc);
    l = table_head(table_next(&f->tables[FSM_T_LEASE], slice_of(key, sizeof key), after == NULL));
    return l != NULL && l->acct == acct && l->wid == wid ? l : NULL;
}

bool ledger_lease_of(struct fsm *f, uint32_t node, uint32_t inc, uint64_t *acct, uint32_t *wid,
                     bool first, struct ledger_lease *ret)
{
    struct buf *k = fsm_key(f);
    const struct ledger_lease *l;
    const struct table_rec *rec;
    struct record_reader r;

    record_key_u32(k, node);
    record_key_u32(k, inc);
    record_key_u64(k, *acct);
    record_key_u32(k, *wid);
    rec = table_next(&f->tables[FSM_X_LEASE], buf_slice(k), first);
    if (rec == NULL) {
        return false;
    }
    r = (struct record_reader){table_key(rec), false};
    if (record_from_key_u32(&r) != node || record_from_key_u32(&r) != inc) {
        return false;
    }
    *acct = record_from_key_u64(&r);
    *wid = record_from_key_u32(&r);
    l = ledger_lease(f, *acct, *wid, node, inc);
    ASSERT(l != NULL);
    *ret = *l;
    return true;
}
