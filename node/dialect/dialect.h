/* Chat formats as bytes: what the gateway reads in passing from requests and answers, and the few
 * bytes it splices in. Pure: no I/O, no clock. Same-dialect traffic is never re-encoded. Fuzzed.
 *
 *   request:  chat_scan_feed()* -> facts -> chat_rewrite() = the same bytes with spliced model /
 *   include_usage / output bound
 *   answer:   chat_answer_feed()* -> bytes to forward (complete events; the hidden usage event left
 *   out) + usage, terminal, error seen
 */
#ifndef NODE_DIALECT_DIALECT_H_
#define NODE_DIALECT_DIALECT_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/chunkq.h"
#include "base/err.h"
#include "base/slice.h"

enum dialect { DIALECT_OPENAI, DIALECT_ANTHROPIC, DIALECT_N_ };
const char *dialect_name(enum dialect d);

/* --- requests --- */
#define CHAT_MODEL_BYTES_MAX 256

struct chat_facts {
    char model[CHAT_MODEL_BYTES_MAX + 1];
    bool stream;
    bool include_usage; /* OpenAI: stream_options.include_usage was true. Anthropic: always true. */
    int64_t
        /* The client's own bound; -1: none. The smaller when several fields are given. */
        max_output;
    int64_t n; /* Choices; 1 when absent. */
    uint64_t body_bytes;
    uint64_t n_messages, n_tools;
    bool
        /* Some part refers to content that is not in the bytes (URL, file id, image, document,
         * audio, previous response): the prompt bound is the model's limit. */
        refers;
    bool
        /* A top-level option that runs a tool at the provider (OpenAI's web_search_options); for
         * `tools` see chat_tools_hosted(). */
        hosted_tools;
    bool
        /* service_tier other than auto, default, standard, standard_only or flex, or speed:
         * fast: dearer than the list price. */
        dear_tier;
};

struct chat_scan;
struct chat_scan *chat_scan_new(enum dialect d);
void chat_scan_free(struct chat_scan *s);
void chat_scan_reset(struct chat_scan *s);
/* Q_EPROTO with chat_scan_error(): not JSON, or a field we read is given twice. */
int chat_scan_feed(struct chat_scan *s, const char *p, size_t n);
/* Q_EINVAL: JSON but a field we read has the wrong type ("`model` must be a non-empty string of at
 * most 256 bytes"); the message names the field. */
int chat_scan_end(struct chat_scan *s, const struct chat_facts **ret);
const char *chat_scan_error(const struct chat_scan *s);
/* The name of the offending field, for OpenAI's `param`; NULL when none. */
const char *chat_scan_param(const struct chat_scan *s);

/* After chat_scan_end(): does `tools` hold one that runs at the provider (web search, code
 * execution ...)? Unknown types count: their cost has no bound. Parses the array, so it is asked
 * under hard budgets only. */
bool chat_tools_hosted(const struct chat_scan *s, const struct chunkq *body);

struct chat_change {
    struct slice model; /* Replaces the model name; "" leaves it. */
    bool include_usage; /* OpenAI streams: force stream_options.include_usage = true. */
    int64_t
        /* >= 0: set the bound in @max_output_field, replacing the client's value of that field;
         * other bound fields of the client are left. */
        max_output;
    const char *max_output_field; /* "max_tokens" or "max_completion_tokens". */
};
/* @body: the request as received (shared, stays). Appends the changed request to @out: slices of
 * the original blocks with small fresh pieces between. */
void chat_rewrite(const struct chat_scan *s, const struct chat_change *c, const struct chunkq *body,
                  struct chunkq *out);
/* An upper bound of the prompt's tokens from its wire size: bytes + overhead per message and tool.
 * Only meaningful without `refers`. */
int64_t chat_prompt_bound(const struct chat_facts *f);

/* --- answers --- */
struct chat_usage {
    bool known;            /* A usage object with numbers was seen (explicit zeros count). */
    bool odd;              /* Negative, fractional or absurd numbers were seen: do not trust. */
    uint64_t input_tokens; /* All prompt tokens, cached and cache-writing ones included. */
    uint64_t cache_read_tokens, cache_write_tokens; /* Parts of input_tokens. */
    uint64_t output_tokens; /* max(completion, total - prompt): hidden reasoning included. */
};
struct chat_answer;
struct chat_answer *chat_answer_new(enum dialect d);
void chat_answer_free(struct chat_answer *a);
/* @stream: the body is SSE, else one JSON document. @hide_usage: OpenAI streams whose client did
 * not ask: the extra usage event (choices empty) is left out. */
void chat_answer_begin(struct chat_answer *a, bool stream, bool hide_usage);
/* Appends what may be forwarded now to @out. Streams: complete events only. Q_EPROTO (not SSE at
 * all), Q_ETOOBIG. */
int chat_answer_feed(struct chat_answer *a, struct block *block, const char *p, size_t n,
                     struct chunkq *out);
/* The upstream has ended. Streams: appends a final `data: [DONE]` for OpenAI when a finish reason
 * was seen but no [DONE]. Returns 0 when the answer is complete, Q_ERESET when it was cut
 * (no terminal event; JSON not complete). */
int chat_answer_end(struct chat_answer *a, struct chunkq *out);
const struct chat_usage *chat_answer_usage(const struct chat_answer *a);
bool chat_answer_content_seen(
    const struct chat_answer *a); /* A first content event has been appended: the commit point. */
bool chat_answer_terminal_seen(
    const struct chat_answer *a); /* [DONE], message_stop, or a finish reason. */
/* An error event or object in place of content: its JSON text (bounded), else "". */
struct slice chat_answer_error(const struct chat_answer *a);
uint64_t chat_answer_text_bytes(
    const struct chat_answer *a); /* Bytes of the events forwarded: a basis for estimates. */

/* --- errors, in the dialect of the client --- */
struct dialect_error {
    int http;
    const char *code; /* CONTRACT.md's vocabulary. */
    const char *message;
    const char *param; /* OpenAI; NULL: null. */
    struct slice
        /* More members as JSON text without braces ("\"resets_at\":\"...\""), put into the error
         * object; "" none. */
        extra;
    const char *request_id;
};
/* A whole body. */
void dialect_error_body(enum dialect d, const struct dialect_error *e, struct buf *out);
/* An error event for a stream that has begun; never followed by [DONE] or message_stop. */
void dialect_error_event(enum dialect d, const struct dialect_error *e, struct buf *out);

#endif /* NODE_DIALECT_DIALECT_H_ */
