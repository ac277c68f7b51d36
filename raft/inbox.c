/* Frames from peers, each to where it belongs. */
#include "base/log.h"
#include "raft/consensus_i.h"

static void inbox_raft(struct consensus *c, struct inbound *from, struct slice body)
{
    struct raft_message m;
    char addr[256] = "";
    struct peer *p = peers_find(&c->peers, from->id);

    if (c->engine == NULL || wire_read_raft(body, NULL, &m) != 0) {
        return;
    }
    if (p != NULL) {
        (void)slice_copy_str(slice_str(p->addr), addr, sizeof addr);
    }
    m.server_id = from->id;
    m.server_address = addr;
    if (m.type == RAFT_INSTALL_SNAPSHOT) {
        install_on_message(c, from->id, &m);
        return;
    }
    consensus_check(c, engine_receive(c->engine, &m));
}

static void inbox_sync(struct consensus *c, struct slice body, struct arena *a)
{
    struct sync_req r;

    if (wire_read_sync(body, a, &r) == 0) {
        leader_on_sync(c, &r);
    }
}

static void inbox_sync_reply(struct consensus *c, struct slice body, struct arena *a)
{
    struct sync_reply r;

    if (wire_read_sync_reply(body, a, &r) == 0) {
        c->cfg.hooks->sync_reply(c->cfg.hooks_arg, &r);
    }
}

void consensus_on_frame(void *ctx, struct inbound *from, const struct wire_frame *f)
{
    struct consensus *c = ctx;
    struct wire_snapshot_chunk chunk;
    struct wire_snapshot_get get;
    struct sync_recall recall;
    struct wire_submit submit;
    struct wire_result result;
    struct wire_join join;
    struct arena a;

    if (c->stopping) {
        return;
    }
    arena_init(&a, loop_arena_pool(c->loop));
    switch (f->type) {
    case WIRE_RAFT:
        inbox_raft(c, from, f->body);
        break;
    case WIRE_SUBMIT:
        if (wire_read_submit(f->body, &a, &submit) == 0) {
            submit_on_remote(c, from->id, &submit);
        }
        break;
    case WIRE_RESULT:
        if (wire_read_result(f->body, &a, &result) == 0) {
            submit_on_result(c, &result);
        }
        break;
    case WIRE_SYNC:
        inbox_sync(c, f->body, &a);
        break;
    case WIRE_SYNC_REPLY:
        inbox_sync_reply(c, f->body, &a);
        break;
    case WIRE_RECALL:
        if (wire_read_recall(f->body, &a, &recall) == 0) {
            c->cfg.hooks->recall(c->cfg.hooks_arg, &recall);
        }
        break;
    case WIRE_SNAPSHOT_GET:
        if (wire_read_snapshot_get(f->body, &a, &get) == 0) {
            install_on_get(c, from->id, &get);
        }
        break;
    case WIRE_SNAPSHOT_CHUNK:
        if (wire_read_snapshot_chunk(f->body, &a, &chunk) == 0) {
            install_on_chunk(c, from->id, &chunk);
        }
        break;
    case WIRE_JOIN:
        if (wire_read_join(f->body, &a, &join) == 0) {
            join_on_request(c, from, &join);
        }
        break;
    case WIRE_HELLO:
    case WIRE_JOIN_REPLY:
        break;
    }
    arena_deinit(&a);
}
