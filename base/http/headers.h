/* HTTP headers as a small array in an arena; names lower case. */
#ifndef BASE_HTTP_HEADERS_H_
#define BASE_HTTP_HEADERS_H_

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/slice.h"

struct header {
    struct slice name; /* Lower case. */
    struct slice value;
};

struct headers {
    struct arena *arena; /* Where names and values live. */
    struct header *v;
    size_t n, alloc;
    size_t n_bytes; /* Names + values + 32 each, as HTTP/2 counts. */
};

void headers_init(struct headers *h, struct arena *arena);
/* Copies; lower-cases the name. The caller has checked the limits. */
void headers_add(struct headers *h, struct slice name, struct slice value);
void headers_add_str(struct headers *h, const char *name, const char *value);
/* Borrows both for the life of the arena; @name must be lower case. */
void headers_add_static(struct headers *h, struct slice name, struct slice value);
void headers_set(struct headers *h, const char *name,
                 struct slice value); /* Replaces all of that name. */
void headers_remove(struct headers *h, const char *name);
/* The first value; NULL pointer in the slice when absent. */
struct slice headers_get(const struct headers *h, const char *name);
bool headers_has(const struct headers *h, const char *name);
/* Valid per RFC 9110: token characters / no CTL but HTAB, no leading or trailing space. */
bool header_name_ok(struct slice name);
bool header_value_ok(struct slice value);
/* connection, keep-alive, te, transfer-encoding, upgrade, proxy-*, trailer, http2-settings, expect.
 */
bool header_is_hop_by_hop(struct slice name);

#endif /* BASE_HTTP_HEADERS_H_ */
