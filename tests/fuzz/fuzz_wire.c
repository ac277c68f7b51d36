/* Frames between nodes. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/mem.h"
#include "raft/consensus.h"
#include "raft/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void fuzz_raft(struct slice body)
{
    struct raft_message m;

    if (wire_read_raft(body, NULL, &m) != 0) {
        return;
    }
    if (m.type == RAFT_APPEND_ENTRIES && m.append_entries.n_entries > 0) {
        raft_free(m.append_entries.entries[0].batch);
        mem_free(m.append_entries.entries);
    } else if (m.type == RAFT_INSTALL_SNAPSHOT) {
        raft_configuration_close(&m.install_snapshot.conf);
        raft_free(m.install_snapshot.data.base);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice s = slice_of((const char *)data, n);
    enum consensus_preset preset;
    struct wire_snapshot_chunk chunk;
    struct wire_snapshot_get get;
    struct wire_join_reply reply;
    struct sync_reply sync_reply;
    struct sync_recall recall;
    struct wire_submit submit;
    struct wire_result result;
    struct wire_frame frame;
    struct wire_hello hello;
    struct sync_req sync;
    struct wire_join join;
    struct arena a;
    size_t took;

    arena_init(&a, NULL);
    (void)consensus_preset_parse(s, &preset);
    (void)wire_next(s, &frame, &took);
    fuzz_raft(s);
    (void)wire_read_hello(s, &a, &hello);
    (void)wire_read_submit(s, &a, &submit);
    (void)wire_read_result(s, &a, &result);
    (void)wire_read_sync(s, &a, &sync);
    (void)wire_read_sync_reply(s, &a, &sync_reply);
    (void)wire_read_recall(s, &a, &recall);
    (void)wire_read_snapshot_get(s, &a, &get);
    (void)wire_read_snapshot_chunk(s, &a, &chunk);
    (void)wire_read_join(s, &a, &join);
    (void)wire_read_join_reply(s, &a, &reply);
    arena_deinit(&a);
    return 0;
}
