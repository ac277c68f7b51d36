/* Snapshot chunks of a peer: refused, or a state in which INV-L holds and which goes on working. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "raft/ledger.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cmd tick = {.type = CMD_TICK, .jump_ok = true};
    struct fsm *f = fsm_new();
    struct errmsg err = {{0}};
    struct fsm_result res;
    size_t half = size / 2;
    struct buf b;
    int rv = 0;

    if (half > 0) {
        rv = fsm_restore_chunk(f, slice_of((const char *)data, half), &err);
    }
    if (rv == 0 && size > half) {
        rv = fsm_restore_chunk(f, slice_of((const char *)data + half, size - half), &err);
    }
    if (rv == 0 && fsm_restore_chunk(f, SLICE(""), &err) == 0) {
        buf_init(&b, 4096);
        rv = cmd_encode(&tick, &b);
        ASSERT(rv == 0);
        cmd_stamp(b.p, b.n, fsm_now_ms(f) + 400000000000, true);
        fsm_apply(f, fsm_applied(f) + 1, buf_slice(&b), &res);
        rv = ledger_check(f, &err);
        ASSERT(rv == 0);
        buf_deinit(&b);
    }
    fsm_free(f);
    return 0;
}
