/* Heap memory. Out of memory aborts: no caller checks for NULL. A size that came from outside has
 * been
 * checked against a named limit before it gets here. Thread: any. */
#ifndef BASE_MEM_H_
#define BASE_MEM_H_

#include <stddef.h>

void *mem_alloc(size_t n);  /* Uninitialised. */
void *mem_zalloc(size_t n); /* Zeroed. */
void *mem_realloc(void *p, size_t n);
void *mem_dup(const void *p, size_t n);
char *mem_strdup(const char *s);
char *mem_strndup(const char *p, size_t n); /* Adds the final 0. */
void mem_free(void *p);                     /* NULL is fine. */
/* Overwrites before freeing; for secrets. */
void mem_free_secret(void *p, size_t n);
/* Overwrites in a way that the compiler keeps. */
void mem_wipe(void *p, size_t n);

#endif /* BASE_MEM_H_ */
