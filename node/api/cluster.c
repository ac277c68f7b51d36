/* The cluster as this node sees it, a backup of its state, and one request's record. */
#include <string.h>

#include "base/crypto.h"
#include "base/limits.h"
#include "node/api/api_i.h"

static void cluster_member(struct call *c, struct jsonw *w, const struct consensus_peer *p)
{
    const struct member *m =
        fsm_member_by_raft_id(consensus_fsm(c->api->cfg.consensus), p->raft_id);

    jsonw_obj(w);
    jsonw_kslice(w, "name", p->name);
    jsonw_kstr(w, "role", p->role);
    if (m != NULL) {
        jsonw_kslice(w, "region", m->region);
        jsonw_kslice(w, "gateway", m->gateway_addr);
        jsonw_kslice(w, "peer", m->peer_addr);
        jsonw_kslice(w, "version", m->version);
        jsonw_ku64(w, "incarnation", m->inc);
        jsonw_kbool(w, "fenced", m->fenced);
    }
    jsonw_ku64(w, "raft_id", p->raft_id);
    jsonw_ku64(w, "match_index", p->match_index);
    jsonw_ki64(w, "heard_ms", p->heard_ms);
    jsonw_kbool(w, "connected", p->connected);
    jsonw_obj_end(w);
}

static void cluster_run(struct call *c)
{
    struct consensus_peer peers[MEMBERS_MAX];
    struct consensus_status s;
    struct jsonw w;
    size_t n;

    consensus_status(c->api->cfg.consensus, &s);
    n = consensus_peers(c->api->cfg.consensus, peers, MEMBERS_MAX);
    jsonw_init(&w, &c->out);
    jsonw_obj(&w);
    jsonw_kstr(&w, "node", c->api->cfg.node_name);
    jsonw_kstr(&w, "leader", s.leader);
    jsonw_ku64(&w, "term", s.term);
    jsonw_ku64(&w, "last_index", s.last_index);
    jsonw_ku64(&w, "commit_index", s.commit_index);
    jsonw_ku64(&w, "applied_index", s.applied_index);
    jsonw_ku64(&w, "snapshot_index", s.snapshot_index);
    jsonw_key(&w, "members");
    jsonw_arr(&w);
    for (size_t i = 0; i < n; i++) {
        cluster_member(c, &w, &peers[i]);
    }
    jsonw_arr_end(&w);
    jsonw_obj_end(&w);
    call_answer(c, 200);
}

void cluster_get(struct call *c)
{
    call_to_raft(c, cluster_run, false);
}

/* File: "QSNP" | version u32 | (length u32 | crc32c u32 | chunk)* | 0 u32. Little endian. */
#define SNAPSHOT_FILE_VERSION 1

static void snapshot_run(struct call *c)
{
    struct fsm_snapshot *s = fsm_snapshot_new(consensus_fsm(c->api->cfg.consensus));
    struct buf chunk;

    buf_init(&chunk, SNAPSHOT_CHUNK_BYTES * 2);
    buf_add_str(&c->out, "QSNP");
    buf_add_u32le(&c->out, SNAPSHOT_FILE_VERSION);
    while (fsm_snapshot_next(s, &chunk)) {
        buf_add_u32le(&c->out, (uint32_t)chunk.n);
        buf_add_u32le(&c->out, crypto_crc32c(0, chunk.p, chunk.n));
        buf_add_slice(&c->out, buf_slice(&chunk));
        buf_clear(&chunk);
    }
    buf_add_u32le(&c->out, 0);
    buf_deinit(&chunk);
    fsm_snapshot_free(s);
    if (c->out.full) {
        call_error(c, 413, "request_too_large", "The state is larger than one answer may be.");
        return;
    }
    c->content_type = "application/octet-stream";
    call_answer(c, 200);
}

void cluster_snapshot(struct call *c)
{
    call_to_raft(c, snapshot_run, true);
}

/* --- explain --- */

static void records_found(void *owner, struct slice json)
{
    struct call *c = owner;

    if (json.n == 0) {
        call_error(c, 404, "not_found",
                   "This node does not know that request; ask the node that served it.");
        return;
    }
    buf_add_slice(&c->out, json);
    call_answer(c, 200);
}

void records_get(struct call *c, struct slice id)
{
    c->api->cfg.find_record(c->api->cfg.arg, call_decode(c, id), records_found, c);
}
