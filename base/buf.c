#include "base/buf.h"

#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"

#define BUF_FIRST_BYTES 256

void buf_init(struct buf *b, size_t cap)
{
    *b = (struct buf){.cap = cap};
}

void buf_deinit(struct buf *b)
{
    mem_free(b->p);
    *b = (struct buf){.cap = b->cap};
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->full = false;
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (n > b->cap - b->n) {
        b->full = true;
        return NULL;
    }
    if (b->alloc - b->n < n || b->p == NULL) {
        size_t want = b->alloc == 0 ? BUF_FIRST_BYTES : b->alloc;
        while (want < b->n + n) {
            want *= 2;
        }
        want = want > b->cap ? b->cap : want;
        b->p = mem_realloc(b->p, want);
        b->alloc = want;
    }
    return b->p + b->n;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    char *to;

    if (n == 0) {
        return;
    }
    to = buf_reserve(b, n);
    if (to != NULL) {
        memcpy(to, p, n);
        b->n += n;
    }
}

void buf_add_slice(struct buf *b, struct slice s)
{
    buf_add(b, s.p, s.n);
}

void buf_add_str(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_add_u8(struct buf *b, uint8_t v)
{
    buf_add(b, &v, 1);
}

static void buf_add_le(struct buf *b, uint64_t v, size_t n)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < n; i++) {
        bytes[i] = (uint8_t)(v >> (8 * i));
    }
    buf_add(b, bytes, n);
}

void buf_add_u16le(struct buf *b, uint16_t v)
{
    buf_add_le(b, v, 2);
}

void buf_add_u32le(struct buf *b, uint32_t v)
{
    buf_add_le(b, v, 4);
}

void buf_add_u64le(struct buf *b, uint64_t v)
{
    buf_add_le(b, v, 8);
}

void buf_add_u64be(struct buf *b, uint64_t v)
{
    buf_add_le(b, __builtin_bswap64(v), 8);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    char *to;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    ASSERT(n >= 0);
    if ((size_t)n > b->cap - b->n) {
        b->full = true;
        return;
    }
    /* One more for the 0 that vsnprintf writes; it is not counted. */
    b->cap++;
    to = buf_reserve(b, (size_t)n + 1);
    b->cap--;
    va_start(ap, fmt);
    (void)vsnprintf(to, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
}

void buf_consume(struct buf *b, size_t n)
{
    ASSERT(n <= b->n);
    b->n -= n;
    if (b->n > 0) {
        memmove(b->p, b->p + n, b->n);
    }
}

char *buf_take(struct buf *b, size_t *ret_n)
{
    char *p = b->p;

    *ret_n = b->n;
    *b = (struct buf){.cap = b->cap};
    return p;
}
