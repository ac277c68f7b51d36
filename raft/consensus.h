/* One node's part of the cluster: raft engine, log, peers, state machine, leader's policy, on the
 * raft loop.
 *
 * When it goes well: consensus_start() loads what is on disk, dials and accepts peers, and takes
 * part; consensus_submit() from any node reaches the leader, comes back applied; consensus_sync()
 * reaches the leader's policy.
 * When it does not: submits wait for a leader until their deadline and then complete with
 * Q_ENOQUORUM (never sent or surely not committed) or Q_EUNKNOWN (may be committed; retried by
 * itself with the same request number until the
 * deadline, so this is rare); damage on disk, a wrong identity or a failed sync stop the node with
 * a sentence (hooks->fatal).
 * Thread: raft (all functions but those marked). */
#ifndef RAFT_CONSENSUS_H_
#define RAFT_CONSENSUS_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/net/loop.h"
#include "raft/cmd.h"
#include "raft/fsm.h"
#include "raft/sync.h"
#include "storage/db.h"

struct consensus;

enum consensus_preset { CONSENSUS_LAN, CONSENSUS_WAN, CONSENSUS_TEST };
int consensus_preset_parse(struct slice name, enum consensus_preset *ret);

struct consensus_hooks {
    /* Entries have been applied (once per loop turn, after all of them) or a snapshot was
     * installed. */
    void (*applied)(void *arg);
    /* The leader we know has changed; NULL: none known. */
    void (*leader)(void *arg, const struct member *leader, bool is_me);
    /* From the leader's policy. Borrowed during the call. */
    void (*sync_reply)(void *arg, const struct sync_reply *r);
    void (*recall)(void *arg, const struct sync_recall *r);
    /* The node must stop: says why. Does not return normally into consensus. */
    void (*fatal)(void *arg, const char *why);
};

struct consensus_cfg {
    struct loop *loop;
    struct db *db;
    const char *name, *region, *version; /* version: of the program. */
    const char *peer_listen;             /* "0.0.0.0:8082" */
    const char *peer_advertise;          /* "gw1.example:8082" */
    const char *gateway_advertise;
    const char *ca_file, *cert_file, *key_file; /* The certificate's DNS SAN must hold @name. */
    bool bootstrap;                             /* Ignored on an initialised disk. */
    const char *const *join; /* Peer addresses of members; not needed on an initialised disk. */
    size_t n_join;
    enum consensus_preset preset;
    uint8_t key_check[32]; /* Derived from the master key: a joiner must have the same. */
    const struct consensus_hooks *hooks;
    void *hooks_arg;
};
/* Everything is copied. @err: which file, what was expected. */
int consensus_start(const struct consensus_cfg *cfg, struct consensus **ret, struct errmsg *err);
/* Stops taking part: on a leader transfers leadership first (bounded, 2 s); then @done; memory is
 * gone after it. */
void consensus_stop(struct consensus *c, void (*done)(void *arg), void *arg);
/* Reads the peer certificates again (SIGHUP); new connections use them. */
int consensus_reload_tls(struct consensus *c, struct errmsg *err);

struct fsm *consensus_fsm(struct consensus *c);

/* --- commands --- */
struct submit {
    struct slice cmd;     /* Encoded by cmd_encode(); copied. */
    uint64_t deadline_ms; /* On the loop's clock; 0: 10 s from now. */
    void (*cb)(struct submit *s);
    struct fsm_result
        /* For cb. result.status: of the command, or Q_ENOQUORUM, Q_EUNKNOWN, Q_EBUSY, Q_ETOOBIG. */
        result;
    uint64_t index;   /* Where it was applied; this node has applied it too before cb. */
    struct list link; /* Internal. */
    uint64_t reqno;   /* Internal. */
    uint64_t internal[4];
};
/* Calls @s->cb exactly once, never before returning. @s stays the caller's and must live until
 * then. */
void consensus_submit(struct consensus *c, struct submit *s);
/* The number for cmd.reqno of a new command of this process life; (origin, origin_inc) come from
 * consensus_origin(). */
uint64_t consensus_reqno(struct consensus *c);
void consensus_origin(struct consensus *c, struct slice *ret_name, uint32_t *ret_inc);

/* Linearizable read: @cb when our state holds everything that was committed anywhere when this was
 * called, or Q_ENOQUORUM. Barriers of a turn share one. */
struct barrier {
    uint64_t deadline_ms; /* 0: 5 s */
    void (*cb)(struct barrier *b, int status);
    struct list link;
    uint64_t internal[2];
};
void consensus_barrier(struct consensus *c, struct barrier *b);

/* Sends to the leader's policy (our own when we lead). No completion: replies come by
 * hooks->sync_reply, lost ones by the caller's timer. Q_ENOTLEADER: no leader known now. */
int consensus_sync(struct consensus *c, const struct sync_req *r);

/* --- status --- */
struct consensus_status {
    bool joined; /* Has an identity and a configuration. */
    bool is_leader;
    const char *leader; /* Name; "" when unknown. Valid until the next turn. */
    uint64_t term, last_index, commit_index, applied_index, snapshot_index;
    uint64_t raft_id;
    const char *role;       /* voter, standby, spare, none */
    uint64_t quorum_ms_ago; /* Leader: since a quorum was last heard; else since the leader was. */
};
void consensus_status(struct consensus *c, struct consensus_status *ret);
struct consensus_peer {
    struct slice name;
    uint64_t raft_id;
    const char *role;
    uint64_t match_index; /* Known to the leader only; 0 elsewhere. */
    int64_t heard_ms;     /* Milliseconds since a frame of it came; -1 never. */
    bool connected;
};
size_t consensus_peers(struct consensus *c, struct consensus_peer *out, size_t max);
/* `cluster status` fan-out: asks the leader for what only it knows. @cb gets JSON. */
void consensus_transfer(struct consensus *c, struct slice to_name); /* "" : to anybody. */
uint64_t consensus_now_ledger_ms(
    struct consensus
        *c); /* Ledger time carried forward by our clock since its last entry; for display. */

/* A snapshot of now in chunks, for `snapshot save`: file format in snapshot_file.h. */

#endif /* RAFT_CONSENSUS_H_ */
