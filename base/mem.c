#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

void *mem_alloc(size_t n)
{
    void *p = malloc(n > 0 ? n : 1);

    ASSERT(p != NULL);
    return p;
}

void *mem_zalloc(size_t n)
{
    void *p = calloc(1, n > 0 ? n : 1);

    ASSERT(p != NULL);
    return p;
}

void *mem_realloc(void *p, size_t n)
{
    void *fresh = realloc(p, n > 0 ? n : 1);

    ASSERT(fresh != NULL);
    return fresh;
}

void *mem_dup(const void *p, size_t n)
{
    void *copy = mem_alloc(n);

    if (n > 0) {
        memcpy(copy, p, n);
    }
    return copy;
}

char *mem_strdup(const char *s)
{
    return mem_dup(s, strlen(s) + 1);
}

char *mem_strndup(const char *p, size_t n)
{
    char *copy = mem_alloc(n + 1);

    if (n > 0) {
        memcpy(copy, p, n);
    }
    copy[n] = 0;
    return copy;
}

void mem_free(void *p)
{
    free(p);
}

void mem_wipe(void *p, size_t n)
{
    if (n > 0) {
        explicit_bzero(p, n);
    }
}

void mem_free_secret(void *p, size_t n)
{
    if (p != NULL) {
        mem_wipe(p, n);
        free(p);
    }
}
