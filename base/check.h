/* Assertions and checked casts.
 *
 * An assertion states something we have proved; it stays in release builds. Bytes of a peer must
 * never
 * reach one: parsers return Q_EPROTO instead. */
#ifndef BASE_CHECK_H_
#define BASE_CHECK_H_

#include <stddef.h>
#include <stdint.h>

/* Prints the failed fact and the last trace events to stderr, then aborts. Thread: any. */
_Noreturn void check_failed(const char *file, int line, const char *fact);

#define ASSERT(fact)  ((fact) ? (void)0 : check_failed(__FILE__, __LINE__, #fact))
#define UNREACHABLE() check_failed(__FILE__, __LINE__, "unreachable")

/* The struct that embeds @ptr as its @member. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* A struct that travels through a library's `void *` begins with a `uint32_t magic` of its type. */
#define OBJ_MAGIC(a, b, c, d) \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))
static inline void *obj_check(void *obj, uint32_t magic, const char *file, int line)
{
    if (obj == NULL || *(const uint32_t *)obj != magic) {
        check_failed(file, line, "object carries the magic number of its type");
    }
    return obj;
}
/* `OBJ_CAST(h2_session, h->data)` needs `#define h2_session_MAGIC OBJ_MAGIC(...)`. */
#define OBJ_CAST(type, obj) ((struct type *)obj_check((obj), type##_MAGIC, __FILE__, __LINE__))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif /* BASE_CHECK_H_ */
