/* Inside consensus: one struct, several files.
 *
 *   consensus.c   life: what is on disk, the engine's wishes (persist, send, apply), timers
 *   inbox.c       frames from peers
 *   submit.c      commands from here and from other nodes on their way to the log and back;
 *   barriers
 *   leader.c      what only the leader does: stamps, members, promotion, ticks, the policy
 *   join.c        a node without an identity becomes a member
 *   install.c     snapshots: taken here, fetched from the leader in chunks */
#ifndef RAFT_CONSENSUS_I_H_
#define RAFT_CONSENSUS_I_H_

#include "base/net/mailbox.h"
#include "raft/consensus.h"
#include "raft/peer.h"
#include "raft/policy.h"
#include "raft/rlog.h"

#define CONSENSUS_SUBMIT_MS        10000
#define CONSENSUS_BARRIER_MS       5000
#define CONSENSUS_SWEEP_MS         100
#define CONSENSUS_SNAPSHOT_ENTRIES 20000
#define CONSENSUS_TRAILING         4096
#define CONSENSUS_VOTERS_MIN       3

struct disk_write { /* What one turn wants persisted. */
    struct db_write write;
    struct consensus *c;
    uint64_t seq; /* engine_durable() up to here; 0: nothing of the engine's log. */
    bool has_meta;
    struct list link;
};

struct held_frame { /* A message that must not leave before a term or vote is durable. */
    struct list link;
    raft_id to;
    size_t n;
    char bytes[];
};

enum submit_where { SUBMIT_WAITING = 1, SUBMIT_SENT, SUBMIT_PROPOSED, SUBMIT_APPLYING };

struct proposal { /* In the log of us as leader, not applied yet. In the order of index. */
    struct list link;
    raft_index index;
    struct submit *local; /* Or: */
    raft_id remote;
    uint64_t remote_seq;
};

struct remote_submit { /* Received from another node, to be proposed at the end of the turn. */
    struct list link;
    raft_id from;
    uint64_t seq;
    size_t n;
    char cmd[];
};

struct consensus {
    struct consensus_cfg cfg; /* Strings are copies. */
    struct arena arena;       /* Of these copies. */
    struct loop *loop;
    struct db *db;
    struct mailbox *mailbox;
    struct fsm *fsm;
    struct engine *engine; /* NULL before the node has an identity. */
    struct rlog rlog;
    struct peers peers;
    raft_id id;
    uint8_t uuid[16];
    bool has_uuid;
    unsigned election_ms, heartbeat_ms;
    struct timer raft_timer, sweep, lost_timer;
    struct errmsg fatal;
    bool stopping;
    void (*stop_cb)(void *arg);
    void *stop_arg;
    uint64_t stop_at_ms;

    /* disk */
    struct disk_write *open_write; /* Filled in this turn. */
    struct loop_task flush;
    struct list writes;   /* Under way, oldest first. */
    size_t n_meta_writes; /* With a term or vote among them (or in open_write). */
    struct list held;
    struct rlog_chunks chunks; /* Of the latest snapshot. */
    struct rlog_chunks fresh;  /* Of one being written. */

    /* applied */
    struct loop_task applied_task;
    bool applied_dirty;
    struct arena apply_arena;

    /* submits */
    struct list submits; /* struct submit.link */
    struct list proposals, remotes;
    struct loop_task pump;
    uint64_t submit_seq, reqno;
    uint32_t origin_inc;
    struct list barriers, barriers_running;
    struct submit barrier_submit;
    bool barrier_busy;
    struct buf barrier_cmd;

    /* leader */
    bool was_leader, term_stamped;
    int64_t last_stamp_ms;
    struct policy *policy;
    struct timer policy_timer;
    uint64_t next_tick_ms, next_duty_ms;
    bool change_busy;
    struct list own_submits; /* Fire and forget. */
    raft_id told_leader;

    /* local sync traffic, delivered at the end of the turn */
    struct list mail;
    struct loop_task mail_task;

    /* join */
    struct stream *join_stream;
    struct buf join_in;
    size_t join_at;
    char join_addr[256];
    struct timer join_timer;
    struct list join_waiting; /* On the leader: joiners whose member command is under way. */

    /* install */
    struct raft_message *install; /* Waits for its chunks. */
    raft_id install_from;
    struct rlog_chunks install_chunks;
    struct fsm *install_fsm;
    struct timer install_timer;
};

/* consensus.c */
struct batch *consensus_batch(struct consensus *c); /* Of this turn. */
void consensus_rearm(struct consensus *c);
void consensus_fatal(struct consensus *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int consensus_begin(struct consensus *c,
                    struct rlog_state *s); /* The node has an identity: starts the engine. */
void consensus_check(struct consensus *c, int raft_rv);
bool consensus_send_frame(struct consensus *c, raft_id to, struct slice frame);
raft_id consensus_leader_id(struct consensus *c);
uint64_t consensus_now(struct consensus *c);
/* inbox.c */
void consensus_on_frame(void *ctx, struct inbound *from, const struct wire_frame *f);
/* submit.c */
void submit_init(struct consensus *c);
void submit_pump_soon(struct consensus *c);
void submit_on_remote(struct consensus *c, raft_id from, const struct wire_submit *m);
void submit_on_result(struct consensus *c, const struct wire_result *m);
void submit_applied(struct consensus *c, raft_index index, const struct fsm_result *r);
void submit_lost_leadership(struct consensus *c);
void submit_leader_changed(struct consensus *c);
void submit_sweep(struct consensus *c);
void submit_fail_all(struct consensus *c, int status);
void submit_own(struct consensus *c, const struct cmd *cmd); /* Ours, fire and forget. */
void submit_own_encoded(struct consensus *c, struct slice cmd);
/* leader.c */
void leader_init(struct consensus *c);
void leader_stamp(struct consensus *c, char *cmd, size_t n);
void leader_changed(struct consensus *c);
void leader_sweep(struct consensus *c);
void leader_applied(struct consensus *c, raft_index index, const struct cmd *cmd);
void leader_on_sync(struct consensus *c, const struct sync_req *r);
void leader_tell(struct consensus *c);
void leader_deinit(struct consensus *c);
/* join.c */
void join_begin(struct consensus *c);
void join_on_request(struct consensus *c, struct inbound *from, const struct wire_join *j);
void join_member_applied(struct consensus *c);
void join_inbound_lost(struct consensus *c);
void join_close(struct consensus *c);
int join_bootstrap(struct consensus *c);
/* install.c */
void install_init(struct consensus *c);
void install_take(struct consensus *c);
void install_on_message(struct consensus *c, raft_id from, struct raft_message *m);
void install_on_get(struct consensus *c, raft_id from, const struct wire_snapshot_get *g);
void install_on_chunk(struct consensus *c, raft_id from, const struct wire_snapshot_chunk *k);
void install_restored(struct consensus *c);
void install_drop(struct consensus *c);

#endif /* RAFT_CONSENSUS_I_H_ */
