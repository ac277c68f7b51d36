/* A growing byte buffer with a cap. Appending past the cap appends nothing and sets `full`: the
 * writer
 * checks once, at the end. */
#ifndef BASE_BUF_H_
#define BASE_BUF_H_

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct buf {
    char *p;
    size_t n;
    size_t alloc;
    size_t cap; /* Most bytes ever held. */
    bool full;  /* Something did not fit. */
};

void buf_init(struct buf *b, size_t cap);
void buf_deinit(struct buf *b);
/* Empties and clears `full`; keeps the memory. */
void buf_clear(struct buf *b);
/* Space for @n more bytes; NULL (and full) when over the cap. Commit with b->n += written. */
char *buf_reserve(struct buf *b, size_t n);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_slice(struct buf *b, struct slice s);
void buf_add_str(struct buf *b, const char *s);
void buf_add_u8(struct buf *b, uint8_t v);
void buf_add_u16le(struct buf *b, uint16_t v);
void buf_add_u32le(struct buf *b, uint32_t v);
void buf_add_u64le(struct buf *b, uint64_t v);
void buf_add_u64be(struct buf *b, uint64_t v);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Drops the first @n bytes. */
void buf_consume(struct buf *b, size_t n);
static inline struct slice buf_slice(const struct buf *b)
{
    return slice_of(b->p, b->n);
}
/* Gives the memory to the caller (mem_free); the buffer is empty afterwards. */
char *buf_take(struct buf *b, size_t *ret_n);

#endif /* BASE_BUF_H_ */
