#include "base/strmap.h"

#include "base/check.h"
#include "base/mem.h"

#define STRMAP_SEED  0x51f0a7e5u
#define STRMAP_FIRST 16

void strmap_init(struct strmap *m)
{
    *m = (struct strmap){0};
}

void strmap_deinit(struct strmap *m)
{
    for (size_t i = 0; i < m->n_entries; i++) {
        mem_free(m->entries[i].key);
    }
    mem_free(m->entries);
    mem_free(m->index);
    strmap_init(m);
}

/* The slot of the key, or the free one where it would go. */
static size_t strmap_slot(const struct strmap *m, struct slice key, uint64_t hash)
{
    size_t i = (size_t)hash & (m->index_n - 1);

    while (m->index[i] != 0) {
        const struct strmap_entry *e = &m->entries[m->index[i] - 1];
        if (e->hash == hash && e->key != NULL && slice_eq(slice_of(e->key, e->key_n), key)) {
            return i;
        }
        i = (i + 1) & (m->index_n - 1);
    }
    return i;
}

/* Drops the holes and makes room. A removed entry keeps its slot until here. */
static void strmap_rebuild(struct strmap *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->n_entries; i++) {
        if (m->entries[i].key != NULL) {
            m->entries[n++] = m->entries[i];
        }
    }
    m->n_entries = n;
    m->alloc = n * 2 < STRMAP_FIRST ? STRMAP_FIRST : n * 2;
    m->entries = mem_realloc(m->entries, m->alloc * sizeof *m->entries);
    for (m->index_n = STRMAP_FIRST; m->index_n < m->alloc * 2;) {
        m->index_n *= 2;
    }
    mem_free(m->index);
    m->index = mem_zalloc(m->index_n * sizeof *m->index);
    for (size_t i = 0; i < n; i++) {
        size_t at = (size_t)m->entries[i].hash & (m->index_n - 1);
        while (m->index[at] != 0) {
            at = (at + 1) & (m->index_n - 1);
        }
        m->index[at] = (uint32_t)i + 1;
    }
}

void *strmap_get(const struct strmap *m, struct slice key)
{
    size_t slot;

    if (m->n_live == 0) {
        return NULL;
    }
    slot = strmap_slot(m, key, slice_hash(key, STRMAP_SEED));
    return m->index[slot] == 0 ? NULL : m->entries[m->index[slot] - 1].value;
}

void *strmap_put(struct strmap *m, struct slice key, void *value)
{
    uint64_t hash = slice_hash(key, STRMAP_SEED);
    struct strmap_entry *e;
    size_t slot;

    if (m->n_entries == m->alloc) {
        strmap_rebuild(m);
    }
    slot = strmap_slot(m, key, hash);
    if (m->index[slot] != 0) {
        void *old = m->entries[m->index[slot] - 1].value;
        m->entries[m->index[slot] - 1].value = value;
        return old;
    }
    e = &m->entries[m->n_entries++];
    *e = (struct strmap_entry){mem_strndup(key.p, key.n), key.n, hash, value};
    m->index[slot] = (uint32_t)m->n_entries;
    m->n_live++;
    return NULL;
}

void *strmap_remove(struct strmap *m, struct slice key)
{
    struct strmap_entry *e;
    size_t slot;
    char *old_key;

    if (m->n_live == 0) {
        return NULL;
    }
    slot = strmap_slot(m, key, slice_hash(key, STRMAP_SEED));
    if (m->index[slot] == 0) {
        return NULL;
    }
    e = &m->entries[m->index[slot] - 1];
    old_key = e->key; /* @key may point into it. */
    e->key = NULL;
    mem_free(old_key);
    m->n_live--;
    return e->value;
}

struct strmap_entry *strmap_next(const struct strmap *m, size_t *cursor)
{
    while (*cursor < m->n_entries) {
        struct strmap_entry *e = &m->entries[(*cursor)++];
        if (e->key != NULL) {
            return e;
        }
    }
    return NULL;
}
