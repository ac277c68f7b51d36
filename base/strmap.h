/* Hash map from short strings to pointers: open addressing, keys copied. For tables of tens to
 * hundreds of
 * thousands of entries that one thread owns. Iteration is in insertion order of live entries. */
#ifndef BASE_STRMAP_H_
#define BASE_STRMAP_H_

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct strmap_entry {
    char *key; /* Owned; NULL when removed. */
    size_t key_n;
    uint64_t hash;
    void *value;
};
struct strmap {
    struct strmap_entry *entries; /* In insertion order, with holes. */
    size_t n_entries, n_live, alloc;
    uint32_t *index; /* Slot -> entry + 1; 0 empty. */
    size_t index_n;  /* Power of two. */
};

void strmap_init(struct strmap *m);
void strmap_deinit(struct strmap *m);                       /* Values are the caller's. */
void *strmap_get(const struct strmap *m, struct slice key); /* NULL when absent. */
/* Sets; returns the previous value or NULL. */
void *strmap_put(struct strmap *m, struct slice key, void *value);
void *strmap_remove(struct strmap *m, struct slice key);
/* for (size_t i = 0; (e = strmap_next(m, &i)) != NULL;) */
struct strmap_entry *strmap_next(const struct strmap *m, size_t *cursor);

#endif /* BASE_STRMAP_H_ */
