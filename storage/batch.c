#include "storage/batch.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

#define BATCH_BYTES_MAX (1u << 30)

struct batch {
    struct buf ops; /* kind u8 | cf u8 | key length u32 | value length u32 | key | value */
    size_t n;
};

struct batch *batch_new(void)
{
    struct batch *b = mem_zalloc(sizeof *b);

    buf_init(&b->ops, BATCH_BYTES_MAX);
    return b;
}

void batch_free(struct batch *b)
{
    if (b != NULL) {
        buf_deinit(&b->ops);
        mem_free(b);
    }
}

static void batch_add(struct batch *b, enum batch_op_kind kind, enum db_cf cf, struct slice key,
                      struct slice value)
{
    buf_add_u8(&b->ops, (uint8_t)kind);
    buf_add_u8(&b->ops, (uint8_t)cf);
    buf_add_u32le(&b->ops, (uint32_t)key.n);
    buf_add_u32le(&b->ops, (uint32_t)value.n);
    buf_add_slice(&b->ops, key);
    buf_add_slice(&b->ops, value);
    ASSERT(!b->ops.full);
    b->n++;
}

void batch_put(struct batch *b, enum db_cf cf, struct slice key, struct slice value)
{
    batch_add(b, BATCH_PUT, cf, key, value);
}

void batch_delete(struct batch *b, enum db_cf cf, struct slice key)
{
    batch_add(b, BATCH_DELETE, cf, key, SLICE(""));
}

void batch_delete_range(struct batch *b, enum db_cf cf, struct slice from, struct slice to)
{
    batch_add(b, BATCH_DELETE_RANGE, cf, from, to);
}

size_t batch_count(const struct batch *b)
{
    return b->n;
}

size_t batch_bytes(const struct batch *b)
{
    return b->ops.n;
}

bool batch_next(const struct batch *b, size_t *at, struct batch_op *ret)
{
    const unsigned char *p = (const unsigned char *)b->ops.p + *at;
    uint32_t key_n, value_n;

    if (*at == b->ops.n) {
        return false;
    }
    memcpy(&key_n, p + 2, 4);
    memcpy(&value_n, p + 6, 4);
    ret->kind = (enum batch_op_kind)p[0];
    ret->cf = (enum db_cf)p[1];
    ret->key = slice_of((const char *)p + 10, key_n);
    ret->value = slice_of((const char *)p + 10 + key_n, value_n);
    *at += 10 + (size_t)key_n + value_n;
    return true;
}
