/* Bodies: queues of slices of shared blocks. What was read from a socket into a block is forwarded
 * as a
 * slice of it, so that a body is copied by nobody but TLS.
 *
 *   block (refs, cap, data...)          chunkq: [block 1: 17..900] [block 2: 0..16384] ...
 *
 * Not thread-safe: a block lives and dies on one loop. */
#ifndef BASE_CHUNKQ_H_
#define BASE_CHUNKQ_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct block {
    uint32_t refs;
    uint32_t cap;
    char data[];
};

struct block *block_new(size_t cap); /* One reference, the caller's. */
struct block *block_ref(struct block *b);
void block_unref(struct block *b); /* NULL is fine. */
/* Frees the blocks that this thread keeps for reuse; before it ends. */
void block_pool_release(void);

struct chunk {
    struct chunk *next;
    struct block *block; /* One reference held. */
    const char *p;       /* Inside block->data. */
    size_t n;
};

struct chunkq {
    struct chunk *first;
    struct chunk **last;
    size_t n_bytes;
};

void chunkq_init(struct chunkq *q);
void chunkq_deinit(struct chunkq *q);
static inline bool chunkq_empty(const struct chunkq *q)
{
    return q->n_bytes == 0;
}
/* Adds a slice of @block and takes a reference of its own. Joins with the last chunk when adjacent.
 */
void chunkq_add(struct chunkq *q, struct block *block, const char *p, size_t n);
/* Copies @n bytes into a fresh block. For what we write ourselves: heads, splices. */
void chunkq_add_copy(struct chunkq *q, const void *p, size_t n);
/* Moves everything of @from to the end of @q. */
void chunkq_move(struct chunkq *q, struct chunkq *from);
/* Moves the first @n bytes of @from (at most all) to the end of @q. */
void chunkq_move_n(struct chunkq *q, struct chunkq *from, size_t n);
/* Adds references to all of @from to the end of @q; @from stays as it is. */
void chunkq_share(struct chunkq *q, const struct chunkq *from);
/* Drops the first @n bytes; n <= n_bytes. */
void chunkq_consume(struct chunkq *q, size_t n);
/* Copies up to @n bytes from offset @at into @out; returns how many. */
size_t chunkq_peek(const struct chunkq *q, size_t at, void *out, size_t n);

#endif /* BASE_CHUNKQ_H_ */
