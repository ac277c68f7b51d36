/* Commands of the log: what is decoded is encoded to something that decodes again. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "raft/cmd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct errmsg err = {{0}};
    struct arena arena;
    struct cmd c, again;
    struct buf out;

    arena_init(&arena, NULL);
    buf_init(&out, CMD_BYTES_MAX * 2);
    if (cmd_decode(slice_of((const char *)data, n), &arena, &c, &err) == 0 &&
        cmd_encode(&c, &out) == 0) {
        ASSERT(cmd_decode(buf_slice(&out), &arena, &again, &err) == 0);
        ASSERT(again.type == c.type);
    }
    buf_deinit(&out);
    arena_deinit(&arena);
    return 0;
}
