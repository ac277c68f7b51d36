/* Resources: every kind reads every text. The first byte is a part of it. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "raft/consensus.h"
#include "raft/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice s = slice_of((const char *)data, n);
    enum consensus_preset preset;
    struct errmsg err = {{0}};
    struct arena arena;
    struct spec spec;
    struct buf out;
    enum kind kind;

    (void)kind_parse(s, &kind);
    (void)consensus_preset_parse(s, &preset);
    for (int k = 0; k < KIND_N_; k++) {
        arena_init(&arena, NULL);
        buf_init(&out, SPEC_BYTES_MAX * 4);
        if (spec_parse((enum kind)k, SLICE("a/b"), s, &arena, &spec, &err) == 0) {
            spec_show((enum kind)k, s, &out);
        }
        buf_deinit(&out);
        arena_deinit(&arena);
    }
    return 0;
}
