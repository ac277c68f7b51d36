/* Specs from outside. Input: kind (one byte), name, 0, JSON. What is taken is sealed, taken again
 * and shown without a trace of the clear credential. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "raft/spec.h"

static const uint8_t seal_key[32] = {7};

static void fuzz_sealed(enum kind kind, struct slice name, struct slice stored)
{
    struct arena arena;
    struct errmsg err;
    struct spec s;
    struct buf out, again;
    int rv;

    arena_init(&arena, NULL);
    buf_init(&out, 1 << 22);
    buf_init(&again, 1 << 22);
    spec_show(kind, stored, &out);
    if (spec_parse(kind, name, stored, &arena, &s, &err) == 0) {
        /* Applying what is shown changes nothing. */
        rv = spec_seal(kind, name, buf_slice(&out), stored, seal_key, &again, &err);
        ASSERT(rv == 0);
        ASSERT(slice_eq(buf_slice(&again), stored));
        if (kind == KIND_PROVIDER && s.provider.api_key.from == SPEC_SECRET_SEALED) {
            buf_clear(&out);
            rv = spec_unseal(name, &s.provider.api_key, seal_key, &out);
            ASSERT(rv == 0);
        }
    }
    arena_deinit(&arena);
    buf_deinit(&out);
    buf_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = slice_of((const char *)data, size), name, json;
    struct errmsg err;
    struct arena arena;
    struct spec s;
    struct buf out;
    enum kind kind;
    size_t end;

    if (size == 0) {
        return 0;
    }
    (void)kind_parse(all, &kind);
    kind = (enum kind)(data[0] % KIND_N_);
    all = slice_of(all.p + 1, all.n - 1);
    end = slice_find(all, 0);
    name = slice_of(all.p, end);
    json = end < all.n ? slice_of(all.p + end + 1, all.n - end - 1) : SLICE("");
    arena_init(&arena, NULL);
    (void)spec_parse(kind, name, json, &arena, &s, &err);
    arena_deinit(&arena);
    buf_init(&out, 1 << 22);
    if (spec_seal(kind, name, json, SLICE(""), seal_key, &out, &err) == 0) {
        fuzz_sealed(kind, name, buf_slice(&out));
    }
    buf_deinit(&out);
    return 0;
}
