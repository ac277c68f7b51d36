/* Members: who belongs to the cluster, and the ledger's numbers of each. A member that was removed
 * stays as a record: its incarnations must never be counted from 1 again. */
#include "base/check.h"
#include "raft/fsm_i.h"
#include "raft/ledger.h"

#define FSM_MEMBER_RECORDS_MAX 1024

int fsm_member_bind(void *head, struct slice key, struct slice value)
{
    struct record_reader v = {value, false};
    struct fsm_member *m = head;

    m->pub.name = key;
    m->node = record_u32(&v);
    m->pub.raft_id = record_u64(&v);
    m->removed = record_bool(&v);
    m->pub.fenced = record_bool(&v);
    m->pub.inc = record_u32(&v);
    m->pub.seq = record_u64(&v);
    m->seq0 = record_u64(&v);
    m->pub.peer_addr = record_text(&v);
    m->pub.gateway_addr = record_text(&v);
    m->pub.region = record_text(&v);
    m->pub.version = record_text(&v);
    return key.n == 0 || m->node == 0 ? Q_EPROTO : record_end(&v);
}

void fsm_member_put(struct fsm *f, const struct fsm_member *m)
{
    struct buf *v = fsm_value(f);

    buf_add_slice(fsm_key(f), m->pub.name);
    buf_add_u32le(v, m->node);
    buf_add_u64le(v, m->pub.raft_id);
    buf_add_u8(v, m->removed);
    buf_add_u8(v, m->pub.fenced);
    buf_add_u32le(v, m->pub.inc);
    buf_add_u64le(v, m->pub.seq);
    buf_add_u64le(v, m->seq0);
    record_add_text(v, m->pub.peer_addr);
    record_add_text(v, m->pub.gateway_addr);
    record_add_text(v, m->pub.region);
    record_add_text(v, m->pub.version);
    fsm_put(f, FSM_T_MEMBER);
}

const struct fsm_member *fsm_member_find(const struct fsm *f, struct slice name)
{
    return table_head(table_get(&f->tables[FSM_T_MEMBER], name));
}

static const struct fsm_member *fsm_member_after(const struct fsm *f, const struct fsm_member *m)
{
    return table_head(
        table_next(&f->tables[FSM_T_MEMBER], m == NULL ? SLICE("") : m->pub.name, m == NULL));
}

/* Members are few. */
const struct fsm_member *fsm_member_by_node(const struct fsm *f, uint32_t node)
{
    const struct fsm_member *m = NULL;

    while ((m = fsm_member_after(f, m)) != NULL && m->node != node) {
    }
    return m;
}

/* --- reading --- */

const struct member *fsm_member(const struct fsm *f, struct slice name)
{
    const struct fsm_member *m = fsm_member_find(f, name);

    return m == NULL || m->removed ? NULL : &m->pub;
}

const struct member *fsm_member_by_raft_id(const struct fsm *f, uint64_t raft_id)
{
    const struct fsm_member *m = NULL;

    while ((m = fsm_member_after(f, m)) != NULL && (m->removed || m->pub.raft_id != raft_id)) {
    }
    return m == NULL ? NULL : &m->pub;
}

const struct member *fsm_member_next(const struct fsm *f, const struct member *after)
{
    const struct fsm_member *m =
        after == NULL ? NULL
                      : (const struct fsm_member *)(const void *)((const char *)after -
                                                                  offsetof(struct fsm_member, pub));

    while ((m = fsm_member_after(f, m)) != NULL && m->removed) {
    }
    return m == NULL ? NULL : &m->pub;
}

uint64_t fsm_raft_id_next(const struct fsm *f)
{
    return f->s.raft_id_next;
}

/* --- CMD_MEMBER --- */

static size_t fsm_member_count(const struct fsm *f)
{
    const struct member *m = NULL;
    size_t n = 0;

    while ((m = fsm_member_next(f, m)) != NULL) {
        n++;
    }
    return n;
}

static void fsm_member_remove(struct fsm *f, const struct cmd *c)
{
    const struct fsm_member *found = fsm_member_find(f, c->member.name);
    struct fsm_member m;

    if (found == NULL || found->removed) {
        return; /* Done already. */
    }
    ledger_fence(f, found->pub.name, found->pub.inc); /* What it holds stays presumed. */
    m = *fsm_member_find(f, c->member.name);
    m.removed = true;
    fsm_member_put(f, &m);
}

void fsm_member_apply(struct fsm *f, const struct cmd *c, struct fsm_result *ret)
{
    const struct fsm_member *found = fsm_member_find(f, c->member.name);
    const struct member *other = fsm_member_by_raft_id(f, c->member.raft_id);
    struct fsm_member m = {.pub.fenced = false};
    bool is_new = found == NULL;

    if (c->member.name.n == 0) {
        fsm_result_fail(ret, Q_EINVAL, "a member needs a name");
        return;
    }
    if (c->member.remove) {
        fsm_member_remove(f, c);
        return;
    }
    if (c->member.raft_id == 0 || (other != NULL && !slice_eq(other->name, c->member.name))) {
        fsm_result_fail(ret, Q_EEXIST, "raft id %llu cannot be given to %.*s",
                        (unsigned long long)c->member.raft_id, SLICE_FMT(c->member.name));
        return;
    }
    if (((is_new || found->removed) && fsm_member_count(f) >= MEMBERS_MAX) ||
        (is_new && f->tables[FSM_T_MEMBER].n >= FSM_MEMBER_RECORDS_MAX)) {
        fsm_result_fail(ret, Q_ETOOBIG, "a cluster has at most %d members", MEMBERS_MAX);
        return;
    }
    if (!is_new) {
        m = *found;
    } else {
        m.node = f->s.node_next++;
    }
    m.removed = false;
    m.pub.name = c->member.name;
    m.pub.raft_id = c->member.raft_id;
    m.pub.peer_addr = c->member.peer_addr;
    m.pub.gateway_addr = c->member.gateway_addr;
    m.pub.region = c->member.region;
    m.pub.version = c->member.version;
    fsm_member_put(f, &m);
    if (c->member.raft_id >= f->s.raft_id_next) {
        f->s.raft_id_next = c->member.raft_id + 1;
    }
}
