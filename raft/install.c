/* Snapshots: taken here chunk by chunk, and fetched from the leader when we are too far behind for
 * its log.
 *
 * An InstallSnapshot message carries no content: it waits here while the chunks are asked for one
 * after another and checked into a fresh state machine; then the engine sees it. Whatever fails
 * drops the message; the leader
 * sends another. */
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "raft/consensus_i.h"

#define INSTALL_STALL_MS 5000

static void install_on_timer(struct timer *t)
{
    install_drop(CONTAINER_OF(t, struct consensus, install_timer));
}

void install_init(struct consensus *c)
{
    timer_init(&c->install_timer, c->loop, install_on_timer);
}

void install_take(struct consensus *c)
{
    struct fsm_snapshot *s = fsm_snapshot_new(c->fsm);
    struct buf chunk;

    rlog_chunks_free(&c->fresh);
    buf_init(&chunk, SNAPSHOT_CHUNK_BYTES * 2);
    while (fsm_snapshot_next(s, &chunk)) {
        rlog_chunks_add(&c->fresh, buf_slice(&chunk));
        buf_clear(&chunk);
    }
    buf_deinit(&chunk);
    fsm_snapshot_free(s);
}

void install_drop(struct consensus *c)
{
    timer_stop(&c->install_timer);
    if (c->install != NULL) {
        raft_configuration_close(&c->install->install_snapshot.conf);
        raft_free(c->install->install_snapshot.data.base);
        mem_free(c->install);
        c->install = NULL;
    }
    rlog_chunks_free(&c->install_chunks);
    fsm_free(c->install_fsm);
    c->install_fsm = NULL;
}

static void install_ask(struct consensus *c)
{
    struct buf b;

    buf_init(&b, 4096);
    wire_snapshot_get(&b,
                      &(struct wire_snapshot_get){.index = c->install->install_snapshot.last_index,
                                                  .chunk = (uint32_t)c->install_chunks.n});
    (void)consensus_send_frame(c, c->install_from, buf_slice(&b));
    buf_deinit(&b);
    timer_start(&c->install_timer, INSTALL_STALL_MS);
}

void install_on_message(struct consensus *c, raft_id from, struct raft_message *m)
{
    if (c->install != NULL) { /* One is under way. */
        raft_configuration_close(&m->install_snapshot.conf);
        raft_free(m->install_snapshot.data.base);
        return;
    }
    c->install = mem_dup(m, sizeof *m);
    c->install_from = from;
    c->install_fsm = fsm_new();
    LOG_INFO("fetching a snapshot", LOG_U64("index", m->install_snapshot.last_index));
    install_ask(c);
}

void install_on_get(struct consensus *c, raft_id from, const struct wire_snapshot_get *g)
{
    struct wire_snapshot_chunk k = {.index = g->index, .chunk = g->chunk};
    struct buf b;

    if (c->engine != NULL && engine_snapshot(c->engine)->index == g->index &&
        g->chunk < c->chunks.n) {
        k.found = true;
        k.bytes = c->chunks.v[g->chunk];
        k.last = g->chunk + 1 == c->chunks.n;
    }
    buf_init(&b, WIRE_FRAME_BYTES_MAX + 4096);
    wire_snapshot_chunk(&b, &k);
    (void)consensus_send_frame(c, from, buf_slice(&b));
    buf_deinit(&b);
}

static void install_complete(struct consensus *c)
{
    struct raft_message *m = c->install;
    struct peer *p = peers_find(&c->peers, c->install_from);
    char addr[256] = "";

    timer_stop(&c->install_timer);
    c->install = NULL;
    if (p != NULL) {
        (void)slice_copy_str(slice_str(p->addr), addr, sizeof addr);
    }
    m->server_address = addr;
    consensus_check(c, engine_receive(c->engine, m));
    mem_free(m);
    /* When the library had no use for it (an old message), what was fetched is of no use either. */
    if (c->install_chunks.n > 0) {
        install_drop(c);
    }
}

void install_on_chunk(struct consensus *c, raft_id from, const struct wire_snapshot_chunk *k)
{
    struct errmsg err = {{0}};

    if (c->install == NULL || from != c->install_from ||
        k->index != c->install->install_snapshot.last_index || k->chunk != c->install_chunks.n) {
        return;
    }
    if (!k->found || fsm_restore_chunk(c->install_fsm, k->bytes, &err) != 0 ||
        (k->last && fsm_restore_chunk(c->install_fsm, SLICE(""), &err) != 0)) {
        LOG_WARN("a snapshot was not usable", LOG_STR("why", err.text));
        install_drop(c);
        return;
    }
    rlog_chunks_add(&c->install_chunks, k->bytes);
    if (k->last) {
        install_complete(c);
    } else {
        install_ask(c);
    }
}

/* The snapshot is durable: its state becomes ours. Pointers into the old one end here. */
void install_restored(struct consensus *c)
{
    struct fsm *old = c->fsm;

    ASSERT(c->install_fsm != NULL);
    c->fsm = c->install_fsm;
    c->install_fsm = NULL;
    fsm_free(old);
    LOG_INFO("the snapshot is installed", LOG_U64("index", fsm_applied(c->fsm)));
}
