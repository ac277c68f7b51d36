#include "raft/table.h"

#include <string.h>

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"

#define TABLE_PAGE_MAX 64
#define TABLE_PAGE_MIN 16 /* Below it a page is joined with a neighbour when both fit in one. */

struct table_page {
    _Atomic uint32_t refs;
    bool is_leaf;
    uint32_t n;
    /* Leaf: the records (each holds a reference). Inner: the smallest record of each child. */
    struct table_rec *recs[TABLE_PAGE_MAX];
    struct table_page *children[]; /* TABLE_PAGE_MAX of them when inner. */
};

/* --- records --- */

static size_t table_head_bytes(const struct table_type *type)
{
    return (type->head_n + 15) & ~(size_t)15;
}

struct slice table_key(const struct table_rec *r)
{
    return slice_of(r->head + table_head_bytes(r->type), r->key_n);
}

struct slice table_value(const struct table_rec *r)
{
    return slice_of(r->head + table_head_bytes(r->type) + r->key_n, r->value_n);
}

static struct table_rec *table_rec_new(const struct table_type *type, struct slice key,
                                       struct slice value)
{
    size_t head_n = table_head_bytes(type);
    struct table_rec *r = mem_alloc(sizeof *r + head_n + key.n + value.n + 1);

    atomic_init(&r->refs, 1);
    r->key_n = (uint32_t)key.n;
    r->value_n = (uint32_t)value.n;
    r->type = type;
    memset(r->head, 0, head_n);
    if (key.n > 0) {
        memcpy(r->head + head_n, key.p, key.n);
    }
    if (value.n > 0) {
        memcpy(r->head + head_n + key.n, value.p, value.n);
    }
    r->hash = slice_hash(value, slice_hash(key, type->seed) + key.n);
    return r;
}

static void table_rec_unref(struct table_rec *r)
{
    if (atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) == 1) {
        mem_free(r);
    }
}

/* --- pages --- */

static struct table_page *table_page_new(bool is_leaf)
{
    size_t inner = is_leaf ? 0 : TABLE_PAGE_MAX * sizeof(struct table_page *);
    struct table_page *p = mem_alloc(sizeof *p + inner);

    atomic_init(&p->refs, 1);
    p->is_leaf = is_leaf;
    p->n = 0;
    return p;
}

/* Recursion is bounded by the depth of the tree: 16^depth records. */
static void table_page_unref(struct table_page *p)
{
    if (p == NULL || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (uint32_t i = 0; i < p->n; i++) {
        if (p->is_leaf) {
            table_rec_unref(p->recs[i]);
        } else {
            table_page_unref(p->children[i]);
        }
    }
    mem_free(p);
}

/* @p itself when nobody else points at it, else a copy; the caller's reference moves over. */
static struct table_page *table_page_own(struct table_page *p)
{
    struct table_page *c;

    if (atomic_load_explicit(&p->refs, memory_order_acquire) == 1) {
        return p;
    }
    c = table_page_new(p->is_leaf);
    c->n = p->n;
    memcpy(c->recs, p->recs, p->n * sizeof p->recs[0]);
    if (!p->is_leaf) {
        memcpy(c->children, p->children, p->n * sizeof p->children[0]);
    }
    for (uint32_t i = 0; i < p->n; i++) {
        if (p->is_leaf) {
            atomic_fetch_add_explicit(&p->recs[i]->refs, 1, memory_order_relaxed);
        } else {
            atomic_fetch_add_explicit(&p->children[i]->refs, 1, memory_order_relaxed);
        }
    }
    table_page_unref(p);
    return c;
}

/* The number of records (or first records of children) that are below @key; *@ret_equal: whether
 * the next one is @key itself. */
static uint32_t table_page_find(const struct table_page *p, struct slice key, bool *ret_equal)
{
    uint32_t low = 0, high = p->n;

    *ret_equal = false;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        int order = slice_cmp(table_key(p->recs[mid]), key);
        if (order == 0) {
            *ret_equal = true;
            return mid;
        }
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

/* The child that @key belongs to. */
static uint32_t table_page_child(const struct table_page *p, struct slice key)
{
    bool equal;
    uint32_t at = table_page_find(p, key, &equal);

    return equal || at == 0 ? at : at - 1;
}

static void table_page_insert(struct table_page *p, uint32_t at, struct table_rec *r,
                              struct table_page *child)
{
    memmove(p->recs + at + 1, p->recs + at, (p->n - at) * sizeof p->recs[0]);
    p->recs[at] = r;
    if (!p->is_leaf) {
        memmove(p->children + at + 1, p->children + at, (p->n - at) * sizeof p->children[0]);
        p->children[at] = child;
    }
    p->n++;
}

static void table_page_cut(struct table_page *p, uint32_t at)
{
    p->n--;
    memmove(p->recs + at, p->recs + at + 1, (p->n - at) * sizeof p->recs[0]);
    if (!p->is_leaf) {
        memmove(p->children + at, p->children + at + 1, (p->n - at) * sizeof p->children[0]);
    }
}

/* Moves the records from @from on of @p to the end of @to. */
static void table_page_move(struct table_page *p, uint32_t from, struct table_page *to)
{
    uint32_t n = p->n - from;

    memcpy(to->recs + to->n, p->recs + from, n * sizeof p->recs[0]);
    if (!p->is_leaf) {
        memcpy(to->children + to->n, p->children + from, n * sizeof p->children[0]);
    }
    to->n += n;
    p->n = from;
}

/* Splits a full page; gives the upper half. Keys often come in rising order: then the lower one
 * stays nearly full. */
static struct table_page *table_page_split(struct table_page *p, uint32_t at)
{
    struct table_page *upper = table_page_new(p->is_leaf);

    table_page_move(p, at == p->n ? p->n - TABLE_PAGE_MIN : p->n / 2, upper);
    return upper;
}

/* Puts @r below @p, which is ours alone. Gives a new page to put after @p, or NULL. *@ret_old is
 * the record that was replaced, its reference given to the caller. */
static struct table_page *table_page_put(struct table_page *p, struct table_rec *r,
                                         struct table_rec **ret_old)
{
    struct table_page *upper = NULL, *split, *into = p;
    bool equal;
    uint32_t at;

    if (p->is_leaf) {
        at = table_page_find(p, table_key(r), &equal);
        if (equal) {
            *ret_old = p->recs[at];
            p->recs[at] = r;
            return NULL;
        }
        if (p->n == TABLE_PAGE_MAX) {
            upper = table_page_split(p, at);
        }
        if (upper != NULL && at > p->n) {
            at -= p->n;
            into = upper;
        }
        table_page_insert(into, at, r, NULL);
        return upper;
    }
    at = table_page_child(p, table_key(r));
    p->children[at] = table_page_own(p->children[at]);
    split = table_page_put(p->children[at], r, ret_old);
    p->recs[at] = p->children[at]->recs[0];
    if (split == NULL) {
        return NULL;
    }
    at++;
    if (p->n == TABLE_PAGE_MAX) {
        upper = table_page_split(p, at);
    }
    if (upper != NULL && at > p->n) {
        at -= p->n;
        into = upper;
    }
    table_page_insert(into, at, split->recs[0], split);
    return upper;
}

/* Joins child @at with a neighbour when it has become small; drops it when it is empty. */
static void table_page_shrink(struct table_page *p, uint32_t at)
{
    struct table_page *low, *high;

    if (p->children[at]->n == 0) {
        table_page_unref(p->children[at]);
        table_page_cut(p, at);
        return;
    }
    p->recs[at] = p->children[at]->recs[0];
    if (p->children[at]->n >= TABLE_PAGE_MIN || p->n < 2) {
        return;
    }
    at = at == 0 ? 0 : at - 1;
    if (p->children[at]->n + p->children[at + 1]->n > TABLE_PAGE_MAX) {
        return;
    }
    low = p->children[at] = table_page_own(p->children[at]);
    high = p->children[at + 1] = table_page_own(p->children[at + 1]);
    p->recs[at] = low->recs[0];
    table_page_move(high, 0, low);
    table_page_unref(high);
    table_page_cut(p, at + 1);
}

/* Takes the record of @key out; it is there. @p is ours alone. */
static struct table_rec *table_page_remove(struct table_page *p, struct slice key)
{
    struct table_rec *old;
    bool equal;
    uint32_t at;

    if (p->is_leaf) {
        at = table_page_find(p, key, &equal);
        ASSERT(equal);
        old = p->recs[at];
        table_page_cut(p, at);
        return old;
    }
    at = table_page_child(p, key);
    p->children[at] = table_page_own(p->children[at]);
    old = table_page_remove(p->children[at], key);
    table_page_shrink(p, at);
    return old;
}

/* --- tables --- */

void table_init(struct table *t, const struct table_type *type)
{
    *t = (struct table){.type = type};
}

void table_deinit(struct table *t)
{
    table_page_unref(t->root);
    t->root = NULL;
    t->n = 0;
    t->hash = 0;
}

struct table table_clone(const struct table *t)
{
    if (t->root != NULL) {
        atomic_fetch_add_explicit(&t->root->refs, 1, memory_order_relaxed);
    }
    return *t;
}

static void table_put_rec(struct table *t, struct table_rec *r)
{
    struct table_rec *old = NULL;
    struct table_page *upper, *root;

    t->root = t->root == NULL ? table_page_new(true) : table_page_own(t->root);
    upper = table_page_put(t->root, r, &old);
    if (upper != NULL) {
        root = table_page_new(false);
        table_page_insert(root, 0, t->root->recs[0], t->root);
        table_page_insert(root, 1, upper->recs[0], upper);
        t->root = root;
    }
    t->hash += r->hash;
    t->n++;
    if (old != NULL) {
        t->hash -= old->hash;
        t->n--;
        table_rec_unref(old);
    }
}

void table_put(struct table *t, struct slice key, struct slice value)
{
    struct table_rec *r = table_rec_new(t->type, key, value);

    if (t->type->bind != NULL) {
        int rv = t->type->bind(r->head, table_key(r), table_value(r));
        ASSERT(rv == 0);
    }
    table_put_rec(t, r);
}

int table_load(struct table *t, struct slice key, struct slice value)
{
    struct table_rec *r;

    if (table_get(t, key) != NULL) {
        return Q_EPROTO;
    }
    r = table_rec_new(t->type, key, value);
    if (t->type->bind != NULL && t->type->bind(r->head, table_key(r), table_value(r)) != 0) {
        table_rec_unref(r);
        return Q_EPROTO;
    }
    table_put_rec(t, r);
    return 0;
}

bool table_remove(struct table *t, struct slice key)
{
    struct table_page *child;
    struct table_rec *old;

    if (table_get(t, key) == NULL) {
        return false;
    }
    t->root = table_page_own(t->root);
    old = table_page_remove(t->root, key);
    t->hash -= old->hash;
    t->n--;
    table_rec_unref(old);
    while (t->root != NULL && !t->root->is_leaf && t->root->n == 1) {
        child = t->root->children[0];
        atomic_fetch_add_explicit(&child->refs, 1, memory_order_relaxed);
        table_page_unref(t->root);
        t->root = child;
    }
    if (t->root->n == 0) {
        table_page_unref(t->root);
        t->root = NULL;
    }
    return true;
}

const struct table_rec *table_get(const struct table *t, struct slice key)
{
    const struct table_page *p = t->root;
    bool equal;
    uint32_t at;

    while (p != NULL && !p->is_leaf) {
        p = p->children[table_page_child(p, key)];
    }
    if (p == NULL) {
        return NULL;
    }
    at = table_page_find(p, key, &equal);
    return equal ? p->recs[at] : NULL;
}

const struct table_rec *table_next(const struct table *t, struct slice key, bool at_or_above)
{
    const struct table_page *p = t->root;
    const struct table_rec *above = NULL; /* The first record right of the way down. */
    bool equal;
    uint32_t at;

    while (p != NULL && !p->is_leaf) {
        at = table_page_child(p, key);
        if (at + 1 < p->n) {
            above = p->recs[at + 1];
        }
        p = p->children[at];
    }
    if (p == NULL) {
        return NULL;
    }
    at = table_page_find(p, key, &equal);
    if (equal && !at_or_above) {
        at++;
    }
    return at < p->n ? p->recs[at] : above;
}
