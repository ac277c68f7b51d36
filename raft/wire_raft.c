/* Raft's messages as frames. Versions and features inside are libraft's. */
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "raft/wire.h"
#include "raft/wire_i.h"

#define TOKEN_BYTES_MAX 64 /* Of a snapshot: its content travels in chunks. */
#define CONF_BYTES_MAX  65536

static void wire_raft_append(struct packer *k, const struct raft_append_entries *a,
                             struct entry *const *entries)
{
    pack_u64(k, a->version);
    pack_u64(k, a->term);
    pack_u64(k, a->prev_log_index);
    pack_u64(k, a->prev_log_term);
    pack_u64(k, a->leader_commit);
    pack_array(k, a->n_entries * 3);
    for (unsigned i = 0; i < a->n_entries; i++) {
        pack_u64(k, entries[i]->term);
        pack_u64(k, entries[i]->type);
        pack_bin(k, slice_of(entries[i]->data, entries[i]->n));
    }
}

static void wire_raft_install(struct packer *k, const struct raft_install_snapshot *s)
{
    struct raft_buffer conf;

    ASSERT(raft_configuration_encode(&s->conf, &conf) == 0);
    pack_u64(k, s->version);
    pack_u64(k, s->term);
    pack_u64(k, s->last_index);
    pack_u64(k, s->last_term);
    pack_u64(k, s->conf_index);
    pack_bin(k, slice_of(conf.base, conf.len));
    raft_free(conf.base);
}

void wire_raft(struct buf *out, const struct raft_message *m, struct entry *const *entries)
{
    struct packer k;

    pack_begin(&k, out, WIRE_RAFT, 8);
    pack_u64(&k, m->type);
    switch (m->type) {
    case RAFT_REQUEST_VOTE:
        pack_u64(&k, m->request_vote.version);
        pack_u64(&k, m->request_vote.term);
        pack_u64(&k, m->request_vote.candidate_id);
        pack_u64(&k, m->request_vote.last_log_index);
        pack_u64(&k, m->request_vote.last_log_term);
        pack_u64(&k, m->request_vote.disrupt_leader);
        pack_u64(&k, m->request_vote.pre_vote);
        break;
    case RAFT_REQUEST_VOTE_RESULT:
        pack_u64(&k, m->request_vote_result.version);
        pack_u64(&k, m->request_vote_result.term);
        pack_u64(&k, m->request_vote_result.vote_granted);
        pack_u64(&k, m->request_vote_result.pre_vote);
        pack_u64(&k, m->request_vote_result.features);
        pack_u64(&k, m->request_vote_result.capacity);
        pack_u64(&k, 0);
        break;
    case RAFT_APPEND_ENTRIES:
        wire_raft_append(&k, &m->append_entries, entries);
        pack_u64(&k, 0);
        break;
    case RAFT_APPEND_ENTRIES_RESULT:
        pack_u64(&k, m->append_entries_result.version);
        pack_u64(&k, m->append_entries_result.term);
        pack_u64(&k, m->append_entries_result.rejected);
        pack_u64(&k, m->append_entries_result.last_log_index);
        pack_u64(&k, m->append_entries_result.features);
        pack_u64(&k, m->append_entries_result.capacity);
        pack_u64(&k, 0);
        break;
    case RAFT_INSTALL_SNAPSHOT:
        wire_raft_install(&k, &m->install_snapshot);
        pack_u64(&k, 0);
        break;
    case RAFT_TIMEOUT_NOW:
        pack_u64(&k, m->timeout_now.version);
        pack_u64(&k, m->timeout_now.term);
        pack_u64(&k, m->timeout_now.last_log_index);
        pack_u64(&k, m->timeout_now.last_log_term);
        pack_u64(&k, 0);
        pack_u64(&k, 0);
        pack_u64(&k, 0);
        break;
    }
    pack_end(&k);
}

/* --- reading --- */

static void wire_read_append(struct reader *r, struct raft_append_entries *a)
{
    struct reader list;
    size_t total = 0;
    char *batch, *at;

    a->version = (unsigned char)read_u64(r, UINT8_MAX);
    a->term = read_u64(r, UINT64_MAX);
    a->prev_log_index = read_u64(r, UINT64_MAX);
    a->prev_log_term = read_u64(r, UINT64_MAX);
    a->leader_commit = read_u64(r, UINT64_MAX);
    list = read_array(r, WIRE_ENTRIES_MAX * 3);
    if (r->bad || list.n % 3 != 0) {
        r->bad = true;
        return;
    }
    a->n_entries = list.n / 3;
    if (a->n_entries == 0) {
        return;
    }
    a->entries = mem_zalloc(a->n_entries * sizeof *a->entries);
    for (unsigned i = 0; i < a->n_entries; i++) {
        struct slice data;
        a->entries[i].term = read_u64(&list, UINT64_MAX);
        a->entries[i].type = (enum raft_entry_type)read_u64(&list, RAFT_CHANGE);
        data = read_bin(&list, WIRE_FRAME_BYTES_MAX);
        a->entries[i].buf.base = (void *)(uintptr_t)data.p;
        a->entries[i].buf.len = data.n;
        list.bad = list.bad || a->entries[i].type < RAFT_COMMAND;
        total += data.n;
    }
    if (list.bad) {
        mem_free(a->entries);
        a->entries = NULL;
        a->n_entries = 0;
        r->bad = true;
        return;
    }
    batch = raft_malloc(total > 0 ? total : 1);
    ASSERT(batch != NULL);
    at = batch;
    for (unsigned i = 0; i < a->n_entries; i++) {
        memcpy(at, a->entries[i].buf.base, a->entries[i].buf.len);
        a->entries[i].buf.base = at;
        a->entries[i].batch = batch;
        at += a->entries[i].buf.len;
    }
}

static void wire_read_install(struct reader *r, struct raft_install_snapshot *s)
{
    struct raft_buffer conf;
    struct slice text;

    s->version = (unsigned char)read_u64(r, UINT8_MAX);
    s->term = read_u64(r, UINT64_MAX);
    s->last_index = read_u64(r, UINT64_MAX);
    s->last_term = read_u64(r, UINT64_MAX);
    s->conf_index = read_u64(r, UINT64_MAX);
    text = read_bin(r, CONF_BYTES_MAX);
    conf.base = (void *)(uintptr_t)text.p;
    conf.len = text.n;
    if (r->bad || raft_configuration_decode(&conf, &s->conf) != 0) {
        r->bad = true;
        return;
    }
    s->data.len = 8;
    s->data.base = raft_malloc(s->data.len);
    ASSERT(s->data.base != NULL);
    memcpy(s->data.base, &s->last_index, 8);
}

static void wire_read_votes(struct reader *r, struct raft_message *m)
{
    if (m->type == RAFT_REQUEST_VOTE) {
        struct raft_request_vote *v = &m->request_vote;
        v->version = (unsigned char)read_u64(r, UINT8_MAX);
        v->term = read_u64(r, UINT64_MAX);
        v->candidate_id = read_u64(r, UINT64_MAX);
        v->last_log_index = read_u64(r, UINT64_MAX);
        v->last_log_term = read_u64(r, UINT64_MAX);
        v->disrupt_leader = read_u64(r, 1) != 0;
        v->pre_vote = read_u64(r, 1) != 0;
    } else {
        struct raft_request_vote_result *v = &m->request_vote_result;
        v->version = (unsigned char)read_u64(r, UINT8_MAX);
        v->term = read_u64(r, UINT64_MAX);
        v->vote_granted = read_u64(r, 1) != 0;
        v->pre_vote = read_u64(r, 1) != 0;
        v->features = (unsigned short)read_u64(r, UINT16_MAX);
        v->capacity = (unsigned short)read_u64(r, UINT16_MAX);
    }
}

static void wire_read_rest(struct reader *r, struct raft_message *m)
{
    if (m->type == RAFT_APPEND_ENTRIES_RESULT) {
        struct raft_append_entries_result *v = &m->append_entries_result;
        v->version = (unsigned char)read_u64(r, UINT8_MAX);
        v->term = read_u64(r, UINT64_MAX);
        v->rejected = read_u64(r, UINT64_MAX);
        v->last_log_index = read_u64(r, UINT64_MAX);
        v->features = (unsigned short)read_u64(r, UINT16_MAX);
        v->capacity = (unsigned short)read_u64(r, UINT16_MAX);
    } else {
        struct raft_timeout_now *v = &m->timeout_now;
        v->version = (unsigned char)read_u64(r, UINT8_MAX);
        v->term = read_u64(r, UINT64_MAX);
        v->last_log_index = read_u64(r, UINT64_MAX);
        v->last_log_term = read_u64(r, UINT64_MAX);
    }
}

int wire_read_raft(struct slice body, struct arena *a, struct raft_message *ret)
{
    struct raft_message m;
    msgpack_zone zone;
    struct reader r;

    (void)a;
    memset(&m, 0, sizeof m);
    ASSERT(msgpack_zone_init(&zone, 4096));
    if (read_begin(&r, body, &zone)) {
        m.type = (enum raft_message_type)read_u64(&r, RAFT_TIMEOUT_NOW);
        switch (m.type) {
        case RAFT_REQUEST_VOTE:
        case RAFT_REQUEST_VOTE_RESULT:
            wire_read_votes(&r, &m);
            break;
        case RAFT_APPEND_ENTRIES:
            wire_read_append(&r, &m.append_entries);
            break;
        case RAFT_INSTALL_SNAPSHOT:
            wire_read_install(&r, &m.install_snapshot);
            break;
        case RAFT_APPEND_ENTRIES_RESULT:
        case RAFT_TIMEOUT_NOW:
            wire_read_rest(&r, &m);
            break;
        default:
            r.bad = true;
            break;
        }
    }
    msgpack_zone_destroy(&zone);
    if (r.bad) {
        return Q_EPROTO;
    }
    *ret = m;
    return 0;
}
