#include "base/chunkq.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

/* Blocks of the usual reading size are kept per thread. */
#define BLOCK_POOL_CAP 16384
#define BLOCK_POOL_MAX 256

struct block_pool {
    struct block *v[BLOCK_POOL_MAX];
    size_t n;
};
static _Thread_local struct block_pool block_pool;

struct block *block_new(size_t cap)
{
    struct block *b;

    if (cap == BLOCK_POOL_CAP && block_pool.n > 0) {
        b = block_pool.v[--block_pool.n];
    } else {
        ASSERT(cap <= UINT32_MAX);
        b = mem_alloc(sizeof *b + cap);
        b->cap = (uint32_t)cap;
    }
    b->refs = 1;
    return b;
}

struct block *block_ref(struct block *b)
{
    b->refs++;
    return b;
}

void block_unref(struct block *b)
{
    if (b == NULL || --b->refs > 0) {
        return;
    }
    if (b->cap == BLOCK_POOL_CAP && block_pool.n < BLOCK_POOL_MAX) {
        block_pool.v[block_pool.n++] = b;
    } else {
        mem_free(b);
    }
}

void block_pool_release(void)
{
    while (block_pool.n > 0) {
        mem_free(block_pool.v[--block_pool.n]);
    }
}

void chunkq_init(struct chunkq *q)
{
    *q = (struct chunkq){0};
    q->last = NULL;
}

static void chunkq_push(struct chunkq *q, struct chunk *c)
{
    c->next = NULL;
    if (q->first == NULL) {
        q->first = c;
    } else {
        *q->last = c;
    }
    q->last = &c->next;
    q->n_bytes += c->n;
}

static struct chunk *chunkq_pop(struct chunkq *q)
{
    struct chunk *c = q->first;

    q->first = c->next;
    q->n_bytes -= c->n;
    if (q->first == NULL) {
        q->last = NULL;
    }
    return c;
}

static void chunk_free(struct chunk *c)
{
    block_unref(c->block);
    mem_free(c);
}

void chunkq_deinit(struct chunkq *q)
{
    while (q->first != NULL) {
        chunk_free(chunkq_pop(q));
    }
}

static struct chunk *chunkq_last(const struct chunkq *q)
{
    return q->first == NULL ? NULL : CONTAINER_OF(q->last, struct chunk, next);
}

void chunkq_add(struct chunkq *q, struct block *block, const char *p, size_t n)
{
    struct chunk *last = chunkq_last(q);
    struct chunk *c;

    if (n == 0) {
        return;
    }
    ASSERT(p >= block->data && p + n <= block->data + block->cap);
    if (last != NULL && last->block == block && last->p + last->n == p) {
        last->n += n;
        q->n_bytes += n;
        return;
    }
    c = mem_alloc(sizeof *c);
    *c = (struct chunk){.block = block_ref(block), .p = p, .n = n};
    chunkq_push(q, c);
}

void chunkq_add_copy(struct chunkq *q, const void *p, size_t n)
{
    struct block *b;

    if (n == 0) {
        return;
    }
    b = block_new(n);
    memcpy(b->data, p, n);
    chunkq_add(q, b, b->data, n);
    block_unref(b);
}

void chunkq_move(struct chunkq *q, struct chunkq *from)
{
    if (from->first == NULL) {
        return;
    }
    if (q->first == NULL) {
        q->first = from->first;
    } else {
        *q->last = from->first;
    }
    q->last = from->last;
    q->n_bytes += from->n_bytes;
    chunkq_init(from);
}

void chunkq_move_n(struct chunkq *q, struct chunkq *from, size_t n)
{
    while (n > 0 && from->first != NULL) {
        struct chunk *c = from->first;
        if (c->n > n) {
            chunkq_add(q, c->block, c->p, n);
            chunkq_consume(from, n);
            return;
        }
        n -= c->n;
        chunkq_push(q, chunkq_pop(from));
    }
}

void chunkq_share(struct chunkq *q, const struct chunkq *from)
{
    for (const struct chunk *c = from->first; c != NULL; c = c->next) {
        chunkq_add(q, c->block, c->p, c->n);
    }
}

void chunkq_consume(struct chunkq *q, size_t n)
{
    ASSERT(n <= q->n_bytes);
    while (n > 0) {
        struct chunk *c = q->first;
        if (c->n > n) {
            c->p += n;
            c->n -= n;
            q->n_bytes -= n;
            return;
        }
        n -= c->n;
        chunk_free(chunkq_pop(q));
    }
}

size_t chunkq_peek(const struct chunkq *q, size_t at, void *out, size_t n)
{
    char *to = out;
    size_t done = 0;

    for (const struct chunk *c = q->first; c != NULL && done < n; c = c->next) {
        size_t take;
        if (at >= c->n) {
            at -= c->n;
            continue;
        }
        take = c->n - at < n - done ? c->n - at : n - done;
        memcpy(to + done, c->p + at, take);
        done += take;
        at = 0;
    }
    return done;
}
