/* Bump allocator: many small things of one lifetime, freed together. Blocks go back to a free list
 * that a
 * thread keeps, so that a request in steady state calls malloc for nothing. Thread: the owner's. */
#ifndef BASE_ARENA_H_
#define BASE_ARENA_H_

#include <stddef.h>

#include "base/slice.h"

struct arena_block;

/* Blocks kept for reuse, one pool a worker. */
struct arena_pool {
    struct arena_block *free;
    size_t n_free;
};

struct arena {
    struct arena_pool *pool; /* NULL: blocks come from and go to the heap. */
    struct arena_block *block;
    size_t used_bytes; /* Sum of what was handed out; callers compare it with their limit. */
};

void arena_pool_init(struct arena_pool *p);
void arena_pool_deinit(struct arena_pool *p);
void arena_init(struct arena *a, struct arena_pool *pool);
void arena_deinit(struct arena *a);
/* Never NULL; 16-byte aligned; uninitialised. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_zalloc(struct arena *a, size_t n);
void *arena_dup(struct arena *a, const void *p, size_t n);
char *arena_strdup(struct arena *a, struct slice s); /* Adds the final 0. */
struct slice arena_slice(struct arena *a, struct slice s);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif /* BASE_ARENA_H_ */
