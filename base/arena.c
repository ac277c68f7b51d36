#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"

#define ARENA_BLOCK_BYTES     8192
#define ARENA_POOL_BLOCKS_MAX 4096

struct arena_block {
    struct arena_block *next;
    size_t cap, used;
    _Alignas(16) char data[];
};

void arena_pool_init(struct arena_pool *p)
{
    *p = (struct arena_pool){0};
}

void arena_pool_deinit(struct arena_pool *p)
{
    while (p->free != NULL) {
        struct arena_block *b = p->free;
        p->free = b->next;
        mem_free(b);
    }
    p->n_free = 0;
}

void arena_init(struct arena *a, struct arena_pool *pool)
{
    *a = (struct arena){.pool = pool};
}

static struct arena_block *arena_block_new(struct arena *a, size_t n)
{
    struct arena_block *b;

    if (n <= ARENA_BLOCK_BYTES && a->pool != NULL && a->pool->free != NULL) {
        b = a->pool->free;
        a->pool->free = b->next;
        a->pool->n_free--;
    } else {
        size_t cap = n > ARENA_BLOCK_BYTES ? n : ARENA_BLOCK_BYTES;
        b = mem_alloc(sizeof *b + cap);
        b->cap = cap;
    }
    b->used = 0;
    return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
    size_t size = (n + 15) & ~(size_t)15;
    struct arena_block *b = a->block;
    void *p;

    ASSERT(size >= n);
    if (b == NULL || b->cap - b->used < size) {
        struct arena_block *fresh = arena_block_new(a, size);
        if (b != NULL &&
            size > ARENA_BLOCK_BYTES / 2) { /* Large: behind, so that b keeps filling. */
            fresh->next = b->next;
            b->next = fresh;
        } else {
            fresh->next = b;
            a->block = fresh;
        }
        b = fresh;
    }
    p = b->data + b->used;
    b->used += size;
    a->used_bytes += size;
    return p;
}

void arena_deinit(struct arena *a)
{
    struct arena_pool *pool = a->pool;
    struct arena_block *b = a->block;

    while (b != NULL) { /* @a may lie inside one of its own blocks: not touched any more. */
        struct arena_block *next = b->next;
        if (pool != NULL && b->cap == ARENA_BLOCK_BYTES && pool->n_free < ARENA_POOL_BLOCKS_MAX) {
            b->next = pool->free;
            pool->free = b;
            pool->n_free++;
        } else {
            mem_free(b);
        }
        b = next;
    }
}

void *arena_zalloc(struct arena *a, size_t n)
{
    return memset(arena_alloc(a, n), 0, n);
}

void *arena_dup(struct arena *a, const void *p, size_t n)
{
    void *copy = arena_alloc(a, n);

    if (n > 0) {
        memcpy(copy, p, n);
    }
    return copy;
}

char *arena_strdup(struct arena *a, struct slice s)
{
    char *copy = arena_alloc(a, s.n + 1);

    if (s.n > 0) {
        memcpy(copy, s.p, s.n);
    }
    copy[s.n] = 0;
    return copy;
}

struct slice arena_slice(struct arena *a, struct slice s)
{
    return slice_of(arena_strdup(a, s), s.n);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    char *text;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    ASSERT(n >= 0);
    text = arena_alloc(a, (size_t)n + 1);
    va_start(ap, fmt);
    (void)vsnprintf(text, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return text;
}
