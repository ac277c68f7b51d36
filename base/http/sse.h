/* Server-sent events per the WHATWG rules: LF, CRLF, CR, BOM, multi-line data, comments.
 * Incremental, one event at a time; any split of the
 * input gives the same events. Fuzzed. */
#ifndef BASE_HTTP_SSE_H_
#define BASE_HTTP_SSE_H_

#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"

struct sse {
    struct buf line;  /* An unfinished line. */
    struct buf data;  /* Lines of `data:` joined by LF. */
    struct buf event; /* The `event:` name. */
    size_t max;       /* SSE_EVENT_BYTES_MAX. */
    unsigned flags;
};

struct sse_event {
    struct slice event; /* "" when not given. */
    struct slice data;
    bool is_comment; /* A comment line; data is its text. */
};

typedef void (*sse_cb)(void *arg, const struct sse_event *ev);

void sse_init(struct sse *s, size_t max_event_bytes);
void sse_deinit(struct sse *s);
/* Calls @cb for each event that is complete; slices are valid during the call. Q_ETOOBIG when an
 * event passes the maximum. */
int sse_feed(struct sse *s, const char *p, size_t n, sse_cb cb, void *arg);
/* The input has ended: an unfinished event is dropped, as the standard says; returns true when
 * there was one. */
bool sse_end(struct sse *s);

#endif /* BASE_HTTP_SSE_H_ */
