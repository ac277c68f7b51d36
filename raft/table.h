/* An ordered table of the state machine: byte-string keys, immutable records, copy-on-write pages.
 *
 *            [ page ]             A page holds up to 64 records or 64 pages and a count of the
 *           /   |    \            trees that point at it. table_clone() takes one reference to
 *       [page][page][page]        the root; from then on a write copies the few pages on its
 *        recs  recs  recs         way down that are shared, and nothing else.
 *
 * A record is its key, its value (the encoded bytes that snapshots carry and hashes cover) and a
 * head: the decoded form that readers look at, made once by the type's bind(). Records never
 * change; put replaces them. The hash of a table is the sum of the hashes of its records: kept up
 * to date by every write, independent of order and of the shape of the tree.
 *
 * Thread: a table has one owner; a clone may be read and freed on another thread. */
#ifndef RAFT_TABLE_H_
#define RAFT_TABLE_H_

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct table_type {
    const char *name;
    uint64_t seed; /* Of the hash; another for each table. */
    size_t head_n; /* Bytes of the decoded form. */
    /* Fills @head from @key and @value; what it points at is in them. Q_EPROTO when they are not
     * well formed, which only a damaged snapshot can cause. NULL: no head. */
    int (*bind)(void *head, struct slice key, struct slice value);
};

struct table_rec {
    _Atomic uint32_t refs;
    uint32_t key_n, value_n;
    uint64_t hash;
    const struct table_type *type;
    alignas(16) char head[]; /* Then the key, then the value. */
};

struct table_page;
struct table {
    const struct table_type *type;
    struct table_page *root; /* NULL when empty. */
    size_t n;
    uint64_t hash;
};

void table_init(struct table *t, const struct table_type *type);
void table_deinit(struct table *t);
/* A copy that costs nothing until one of the two is written. */
struct table table_clone(const struct table *t);

struct slice table_key(const struct table_rec *r);
struct slice table_value(const struct table_rec *r);

/* Sets. The bytes are copied and well formed (asserted). */
void table_put(struct table *t, struct slice key, struct slice value);
/* The same with bytes of a snapshot: Q_EPROTO when malformed or there already. */
int table_load(struct table *t, struct slice key, struct slice value);
bool table_remove(struct table *t, struct slice key);
/* NULL when absent. Valid until the next write to this table. */
const struct table_rec *table_get(const struct table *t, struct slice key);
/* The first record above @key (@at_or_above: or equal). */
const struct table_rec *table_next(const struct table *t, struct slice key, bool at_or_above);

/* The head of a record, or NULL of none. */
static inline const void *table_head(const struct table_rec *r)
{
    return r == NULL ? NULL : r->head;
}
/* The record that a head belongs to. */
static inline const struct table_rec *table_of_head(const void *head)
{
    return (const struct table_rec *)(const void *)((const char *)head -
                                                    offsetof(struct table_rec, head));
}

#endif /* RAFT_TABLE_H_ */
