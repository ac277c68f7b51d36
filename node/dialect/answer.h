/* The inside of a chat_answer: framing in answer.c, meaning in answer_openai.c and
 * answer_anthropic.c. */
#ifndef NODE_DIALECT_ANSWER_H_
#define NODE_DIALECT_ANSWER_H_

#include "base/http/jsonscan.h"
#include "base/json.h"
#include "node/dialect/dialect.h"

#define ANSWER_ERROR_BYTES_MAX 4096

struct chat_answer {
    enum dialect dialect;
    bool stream, hide_usage;
    struct chat_usage usage;
    bool content_seen, finish_seen, terminal_seen, done_sent;
    uint64_t text_bytes;
    struct buf error; /* JSON text of an error event or object. */
    /* Streams: the event that is not complete yet. */
    struct chunkq pending;
    struct buf scratch; /* Such an event in one piece, for reading. */
    bool
        /* Nothing but line ends since the last one: the next line end ends the event. */
        line_empty;
    bool after_cr; /* The last byte was CR: a LF belongs to it. */
    bool any_data; /* Something that looks like SSE was seen. */
    /* JSON answers. */
    struct jsonscan *json;
    struct chunkq doc; /* Shared with what was forwarded. */
    /* Anthropic: usage grows from message_start by what message_delta gives. */
    uint64_t in_plain, in_read, in_write;
    bool start_only; /* No message_delta yet: its output count is a beginning, not a result. */
};

enum answer_action { ANSWER_FORWARD, ANSWER_DROP };
/* @event: one complete event with its line ends. */
enum answer_action answer_openai_event(struct chat_answer *a, struct slice event);
enum answer_action answer_anthropic_event(struct chat_answer *a, struct slice event);
/* The usage object of a JSON answer. */
void answer_openai_usage(struct chat_answer *a, yyjson_val *usage);
void answer_anthropic_usage(struct chat_answer *a, yyjson_val *usage);

/* Finds the value of the line "<name>:"; false when there is none. Only the first. */
bool answer_line(struct slice event, struct slice name, struct slice *ret);
/* A count that may be trusted; sets usage.odd otherwise. False when absent or null. */
bool answer_count(struct chat_answer *a, yyjson_val *obj, const char *name, uint64_t *ret);
void answer_keep_error(struct chat_answer *a, struct slice json);

#endif /* NODE_DIALECT_ANSWER_H_ */
