/* Becoming a member.
 *
 * Bootstrap: the first node writes an identity and a log whose first entry is a configuration of
 * itself alone. Join: a node without an identity asks the addresses it was given; whoever is asked
 * names the leader; the leader checks the
 * certificate's name and the master key, gives a raft id, and adds the node as a standby; the
 * joiner writes its identity and waits for the log. Promotion to voter is the leader's (leader.c).
 */
#include <string.h>

#include "base/check.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/mem.h"
#include "raft/consensus_i.h"

#define JOIN_RETRY_MS 300
#define JOIN_DIAL_MS  3000

int join_bootstrap(struct consensus *c)
{
    struct rlog_state s = {.found = true, .id = 1, .term = 1, .first = 1, .n = 1};
    static const uint8_t no_uuid[16];
    struct raft_configuration conf;
    struct raft_buffer text;
    struct entry *first;
    struct batch *b = consensus_batch(c);
    char *address = arena_printf(&c->arena, "%s@%s", c->cfg.name, c->cfg.peer_advertise);

    raft_configuration_init(&conf);
    ASSERT(raft_configuration_add(&conf, 1, address, RAFT_VOTER) == 0);
    ASSERT(raft_configuration_encode(&conf, &text) == 0);
    raft_configuration_close(&conf);
    first = entry_new(1, RAFT_CHANGE, text.base, text.len);
    raft_free(text.base);
    rlog_put_node(b, 1, no_uuid);
    rlog_put_meta(b, 1, 0);
    rlog_put_entries(&c->rlog, b, 1, &first, 1);
    s.entries = &first;
    LOG_INFO("a new cluster begins here");
    return consensus_begin(c, &s);
}

/* --- the joiner --- */

static void join_dial(struct consensus *c);

static void join_again(struct consensus *c)
{
    if (c->engine == NULL && !c->stopping) {
        timer_start(&c->join_timer, JOIN_RETRY_MS);
    }
}

static void join_accepted(struct consensus *c, const struct wire_join_reply *r)
{
    struct rlog_state s = {.found = true, .id = r->raft_id, .first = 1};

    memcpy(c->uuid, r->uuid.p, sizeof c->uuid);
    c->has_uuid = true;
    rlog_put_node(consensus_batch(c), r->raft_id, c->uuid);
    LOG_INFO("joined the cluster", LOG_U64("raft_id", r->raft_id));
    (void)consensus_begin(c, &s);
}

static void join_on_reply(struct consensus *c, const struct wire_join_reply *r)
{
    if (r->status == 0 && r->raft_id != 0 && r->uuid.n == 16) {
        join_accepted(c, r);
    } else if (r->status == Q_ENOTLEADER) {
        (void)slice_copy_str(r->leader_addr, c->join_addr, sizeof c->join_addr);
    } else if (r->status == Q_EPERM || r->status == Q_EEXIST) {
        consensus_fatal(c, "the cluster refuses this node: %.*s", SLICE_FMT(r->err));
    }
}

static void join_on_read(struct stream *s, struct block *block, const char *p, size_t n)
{
    struct consensus *c = stream_owner(s);
    struct wire_join_reply r;
    struct wire_frame f;
    size_t took;

    (void)block;
    buf_add(&c->join_in, p, n);
    if (wire_next(buf_slice(&c->join_in), &f, &took) == 1) {
        if (f.type == WIRE_JOIN_REPLY && wire_read_join_reply(f.body, NULL, &r) == 0) {
            join_on_reply(c, &r);
        }
        stream_close(s);
    }
}

static void join_on_open(struct stream *s)
{
    struct consensus *c = stream_owner(s);
    const struct wire_join j = {.name = slice_str(c->cfg.name),
                                .peer_addr = slice_str(c->cfg.peer_advertise),
                                .gateway_addr = slice_str(c->cfg.gateway_advertise),
                                .region = slice_str(c->cfg.region),
                                .version = slice_str(c->cfg.version),
                                .key_check = slice_of((const char *)c->cfg.key_check, 32)};
    struct buf b;

    buf_init(&b, 4096);
    wire_join(&b, &j);
    stream_write_copy(s, b.p, b.n);
    buf_deinit(&b);
}

static void join_on_eof(struct stream *s)
{
    stream_close(s);
}

static void join_on_close(struct stream *s, int status)
{
    struct consensus *c = stream_owner(s);

    if (status != 0) {
        LOG_INFO("cannot join yet", LOG_STR("why", stream_errmsg(s)));
        c->join_addr[0] = 0;
    }
    c->join_stream = NULL;
    buf_clear(&c->join_in);
    join_again(c);
}

static const struct stream_ops join_stream_ops = {.on_open = join_on_open,
                                                  .on_read = join_on_read,
                                                  .on_eof = join_on_eof,
                                                  .on_close = join_on_close};

static void join_on_timer(struct timer *t)
{
    join_dial(CONTAINER_OF(t, struct consensus, join_timer));
}

/* Any member will do: its certificate must be of our authority, whoever it is. */
static void join_dial(struct consensus *c)
{
    char host[256];
    struct stream_dial d = {
        .host = host, .tls = c->peers.client, .verify_name = "", .timeout_ms = JOIN_DIAL_MS};
    const char *addr = c->join_addr;

    if (c->join_stream != NULL || c->engine != NULL || c->stopping) {
        return;
    }
    if (addr[0] == 0 && c->cfg.n_join > 0) {
        addr = c->cfg.join[c->join_at++ % c->cfg.n_join];
    }
    if (addr_split(addr, host, sizeof host, &d.port) != 0) {
        consensus_fatal(c, "cluster.join: \"%s\" is not HOST:PORT", addr);
        return;
    }
    c->join_stream = stream_connect(c->loop, &d, &join_stream_ops, c);
    c->join_addr[0] = 0;
}

void join_begin(struct consensus *c)
{
    if (c->cfg.n_join == 0) {
        consensus_fatal(c, "the data folder is empty: cluster.bootstrap or cluster.join is needed");
        return;
    }
    timer_init(&c->join_timer, c->loop, join_on_timer);
    timer_start(&c->join_timer, 1);
}

void join_close(struct consensus *c)
{
    timer_stop(&c->join_timer);
    if (c->join_stream != NULL) {
        stream_close(c->join_stream);
    }
}

/* --- the member that is asked --- */

struct joiner { /* Its member command is on its way. */
    struct list link;
    struct consensus *c;
    struct inbound *inbound; /* NULL: it has gone. */
    raft_id id;
    struct submit submit;
    struct buf cmd;
};

static void join_answer(struct inbound *to, const struct wire_join_reply *r)
{
    struct buf b;

    buf_init(&b, 4096);
    wire_join_reply(&b, r);
    inbound_reply(to, buf_slice(&b));
    buf_deinit(&b);
}

static void join_member_done(struct submit *s)
{
    struct joiner *j = CONTAINER_OF(s, struct joiner, submit);
    struct consensus *c = j->c;
    struct wire_join_reply r = {
        .status = s->result.status, .raft_id = j->id, .err = slice_str(s->result.err.text)};
    uint8_t uuid[16], check[32];

    list_remove(&j->link);
    if (j->inbound != NULL) {
        r.status = fsm_cluster(c->fsm, uuid, check) ? r.status : Q_EAGAIN;
        r.uuid = slice_of((const char *)uuid, 16);
        join_answer(j->inbound, &r);
    }
    buf_deinit(&j->cmd);
    mem_free(j);
}

static void join_refuse(struct inbound *to, int status, const char *why)
{
    LOG_WARN("a node that wants to join is refused", LOG_STR("why", why));
    join_answer(to, &(struct wire_join_reply){.status = status, .err = slice_str(why)});
}

static void join_redirect(struct consensus *c, struct inbound *to)
{
    const struct member *m = fsm_member_by_raft_id(c->fsm, consensus_leader_id(c));

    join_answer(to, &(struct wire_join_reply){.status = Q_ENOTLEADER,
                                              .leader_addr = m != NULL ? m->peer_addr : SLICE("")});
}

static void join_propose(struct consensus *c, struct inbound *from, const struct wire_join *w)
{
    struct joiner *j = mem_zalloc(sizeof *j);
    struct cmd cmd = {.type = CMD_MEMBER};

    j->c = c;
    j->inbound = from;
    /* A raft id belongs to a disk: an empty one gets a new id, whatever its name was before. */
    j->id = fsm_raft_id_next(c->fsm);
    LIST_EACH (it, &c->join_waiting) {
        struct joiner *other = LIST_ENTRY(it, struct joiner, link);
        j->id = other->id >= j->id ? other->id + 1 : j->id;
    }
    list_push_back(&c->join_waiting, &j->link);
    cmd.member.name = w->name;
    cmd.member.raft_id = j->id;
    cmd.member.peer_addr = w->peer_addr;
    cmd.member.gateway_addr = w->gateway_addr;
    cmd.member.region = w->region;
    cmd.member.version = w->version;
    consensus_origin(c, &cmd.origin, &cmd.origin_inc);
    cmd.reqno = consensus_reqno(c);
    buf_init(&j->cmd, CMD_BYTES_MAX);
    if (cmd_encode(&cmd, &j->cmd) != 0) {
        list_remove(&j->link);
        join_refuse(from, Q_EPERM, "its name or addresses are too long");
        buf_deinit(&j->cmd);
        mem_free(j);
        return;
    }
    j->submit = (struct submit){.cmd = buf_slice(&j->cmd), .cb = join_member_done};
    consensus_submit(c, &j->submit);
}

void join_on_request(struct consensus *c, struct inbound *from, const struct wire_join *w)
{
    char name[NAME_BYTES_MAX + 1];
    uint8_t uuid[16], check[32];

    if (w->name.n == 0 || !slice_copy_str(w->name, name, sizeof name) ||
        !stream_peer_has_name(from->stream, name)) {
        join_refuse(from, Q_EPERM, "its certificate does not carry its name");
        return;
    }
    if (c->engine == NULL || !engine_is_leader(c->engine) || !fsm_cluster(c->fsm, uuid, check)) {
        join_redirect(c, from);
        return;
    }
    if (w->key_check.n != 32 || !crypto_equal(w->key_check.p, check, 32)) {
        join_refuse(from, Q_EPERM, "its master key is not this cluster's");
        return;
    }
    LIST_EACH (it, &c->join_waiting) {
        if (LIST_ENTRY(it, struct joiner, link)->inbound == from) {
            return;
        }
    }
    from->joining = true;
    join_propose(c, from, w);
}

/* Joiners whose link has gone are not answered. */
void join_inbound_lost(struct consensus *c)
{
    LIST_EACH (it, &c->join_waiting) {
        struct joiner *j = LIST_ENTRY(it, struct joiner, link);
        bool here = false;
        LIST_EACH (i, &c->peers.inbounds) {
            here = here || LIST_ENTRY(i, struct inbound, link) == j->inbound;
        }
        j->inbound = here ? j->inbound : NULL;
    }
}
