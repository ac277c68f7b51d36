/* HTTP/1.1 as bytes, by llhttp in strict mode: request and response parsers that own no socket.
 * Fuzzed.
 *
 * Strict: conflicting or duplicate lengths, CL with TE, obs-fold, bare LF/CR, spaces before colons,
 * unknown codings, HTTP/0.9, lengths over 2^53 are all Q_EPROTO.
 * After Q_EPROTO the connection must be closed. h1_parse() stops after one message: the rest of the
 * bytes belongs to the next (pipelining safe). */
#ifndef BASE_HTTP_H1_H_
#define BASE_HTTP_H1_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/chunkq.h"
#include "base/err.h"
#include "base/http/headers.h"

struct h1;

struct h1_limits {
    size_t head_bytes, url_bytes;
    unsigned headers;
};

struct h1_head {
    struct slice method; /* Requests. */
    struct slice target; /* Requests: as sent, "/v1/x?y". */
    int status;          /* Responses. */
    int version_minor;   /* 0 or 1. */
    bool keep_alive;
    bool has_body; /* A body (maybe empty) follows. */
    bool upgrade;
    bool expect_continue;
    int64_t content_length; /* -1 when not given. */
    struct headers headers;
};

struct h1_ops {
    /* @head is valid until the message ends (it lives in the arena given to h1_begin). */
    void (*on_head)(struct h1 *p, struct h1_head *head);
    void (*on_body)(struct h1 *p, struct block *block, const char *s, size_t n);
    void (*on_end)(struct h1 *p); /* The message is complete; trailers are dropped. */
};

struct h1 *h1_new(bool is_request, const struct h1_limits *limits, const struct h1_ops *ops,
                  void *owner);
void h1_free(struct h1 *p);
void *h1_owner(struct h1 *p);
/* Prepares for the next message, whose head will be put into @arena. For responses: @no_body for
 * HEAD. */
void h1_begin(struct h1 *p, struct arena *arena, bool no_body);
/* Parses @s[0..n) inside @block. Returns how many bytes were consumed (stops at the end of a
 * message, or after on_head when h1_pause() was called in a
 * callback) or a code: Q_EPROTO malformed, Q_ETOOBIG head too large; h1_error() says what was
 * expected. */
int64_t h1_parse(struct h1 *p, struct block *block, const char *s, size_t n);
/* The connection has ended: 0 when that ends the message properly (close-delimited response) or
 * nothing was begun; else Q_EPROTO (truncated). */
int h1_eof(struct h1 *p);
bool h1_idle(const struct h1 *p); /* No byte of a message has been seen since h1_begin(). */
void h1_pause(struct h1 *p);
const char *h1_error(const struct h1 *p);

/* Writers. The caller's headers must be valid; framing headers (content-length, transfer-encoding,
 * connection) are added here and skipped in @h. */
enum h1_framing { H1_NO_BODY, H1_LENGTH, H1_CHUNKED };
void h1_write_request(struct chunkq *out, struct slice method, struct slice target,
                      const struct headers *h, enum h1_framing f, uint64_t length);
void h1_write_response(struct chunkq *out, int status, const struct headers *h, enum h1_framing f,
                       uint64_t length, bool keep_alive);
/* One chunk around @body (moved); nothing when empty. */
void h1_write_chunk(struct chunkq *out, struct chunkq *body);
/* The last chunk, with optional trailers. */
void h1_write_last_chunk(struct chunkq *out, const struct headers *trailers);
const char *http_reason(int status);

#endif /* BASE_HTTP_H1_H_ */
