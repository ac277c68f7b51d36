/* Anthropic Messages events. Usage in message_delta is cumulative: fields that it gives replace
 * those of message_start. */
#include "node/dialect/answer.h"

void answer_anthropic_usage(struct chat_answer *a, yyjson_val *usage)
{
    if (!yyjson_is_obj(usage)) {
        return;
    }
    (void)answer_count(a, usage, "input_tokens", &a->in_plain);
    (void)answer_count(a, usage, "cache_read_input_tokens", &a->in_read);
    (void)answer_count(a, usage, "cache_creation_input_tokens", &a->in_write);
    if (answer_count(a, usage, "output_tokens", &a->usage.output_tokens)) {
        a->usage.known = true;
    }
    a->usage.cache_read_tokens = a->in_read;
    a->usage.cache_write_tokens = a->in_write;
    a->usage.input_tokens = a->in_plain + a->in_read + a->in_write;
}

static void anthropic_read(struct chat_answer *a, struct slice type, struct slice data)
{
    yyjson_val *root, *message;
    yyjson_doc *doc;

    if (json_parse(data, &doc, NULL) != 0) {
        return;
    }
    root = yyjson_doc_get_root(doc);
    message = yyjson_obj_get(root, "message");
    if (slice_eq(type, SLICE("error"))) {
        answer_keep_error(a, data);
    } else if (slice_eq(type, SLICE("message_start"))) {
        if (!a->usage.known) { /* Defective upstreams repeat it: the first counts. */
            answer_anthropic_usage(a, yyjson_obj_get(message, "usage"));
            a->start_only = true;
        }
    } else {
        answer_anthropic_usage(a, yyjson_obj_get(root, "usage"));
        a->start_only = false;
        a->finish_seen = true;
    }
    yyjson_doc_free(doc);
}

/* The type is in the event's name; some relays leave that out. */
static struct slice anthropic_type(struct slice event, struct slice data, char *scratch, size_t cap)
{
    struct slice type = {"", 0};
    yyjson_doc *doc;

    if (answer_line(event, SLICE("event"), &type)) {
        return slice_trim(type);
    }
    if (json_parse(data, &doc, NULL) == 0) {
        (void)slice_copy_str(json_slice(yyjson_obj_get(yyjson_doc_get_root(doc), "type")), scratch,
                             cap);
        type = slice_str(scratch);
        yyjson_doc_free(doc);
    }
    return type;
}

enum answer_action answer_anthropic_event(struct chat_answer *a, struct slice event)
{
    char scratch[64] = "";
    struct slice data, type;

    if (!answer_line(event, SLICE("data"), &data)) {
        return ANSWER_FORWARD;
    }
    a->any_data = true;
    type = anthropic_type(event, data, scratch, sizeof scratch);
    if (slice_eq(type, SLICE("content_block_delta")) ||
        slice_eq(type, SLICE("content_block_start"))) {
        a->content_seen = true;
    } else if (slice_eq(type, SLICE("message_stop"))) {
        a->terminal_seen = true;
        a->done_sent = true;
    } else if (slice_eq(type, SLICE("message_start")) || slice_eq(type, SLICE("message_delta")) ||
               slice_eq(type, SLICE("error"))) {
        anthropic_read(a, type, data);
    }
    return ANSWER_FORWARD;
}
