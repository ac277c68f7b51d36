/* OpenAI chat chunks. After the first content an event is only searched for the words that matter;
 * a tree is built for the few that have them. */
#include "node/dialect/answer.h"

void answer_openai_usage(struct chat_answer *a, yyjson_val *usage)
{
    struct chat_usage u = {.known = true};
    yyjson_val *details;
    uint64_t total = 0;

    if (!yyjson_is_obj(usage)) {
        return;
    }
    a->usage.odd = false; /* The last one counts. */
    if (!answer_count(a, usage, "prompt_tokens", &u.input_tokens)) {
        return;
    }
    (void)answer_count(a, usage, "completion_tokens", &u.output_tokens);
    if (answer_count(a, usage, "total_tokens", &total) && total > u.input_tokens &&
        total - u.input_tokens > u.output_tokens) {
        u.output_tokens = total - u.input_tokens; /* Hidden reasoning is paid for too. */
    }
    details = yyjson_obj_get(usage, "prompt_tokens_details");
    (void)answer_count(a, details, "cached_tokens", &u.cache_read_tokens);
    (void)answer_count(a, details, "cache_write_tokens", &u.cache_write_tokens);
    if (u.cache_read_tokens + u.cache_write_tokens > u.input_tokens) {
        a->usage.odd = true;
    }
    u.odd = a->usage.odd;
    a->usage = u;
}

/* Text, a refusal, reasoning or a tool call: what a client can see. */
static bool openai_delta_has_content(yyjson_val *delta)
{
    static const char *const texts[] = {"content", "refusal", "reasoning_content", "reasoning"};

    for (size_t i = 0; i < 4; i++) {
        yyjson_val *v = yyjson_obj_get(delta, texts[i]);
        if ((yyjson_is_str(v) && yyjson_get_len(v) > 0) || yyjson_is_arr(v)) {
            return true;
        }
    }
    return yyjson_is_arr(yyjson_obj_get(delta, "tool_calls")) ||
           yyjson_is_obj(yyjson_obj_get(delta, "function_call")) ||
           yyjson_is_obj(yyjson_obj_get(delta, "audio"));
}

static void openai_choices(struct chat_answer *a, yyjson_val *choices)
{
    yyjson_val *choice;
    size_t i, n;

    yyjson_arr_foreach(choices, i, n, choice)
    {
        yyjson_val *text = yyjson_obj_get(choice, "text"); /* Legacy completions. */
        a->content_seen = a->content_seen || (yyjson_is_str(text) && yyjson_get_len(text) > 0) ||
                          openai_delta_has_content(yyjson_obj_get(choice, "delta"));
        a->finish_seen = a->finish_seen || yyjson_is_str(yyjson_obj_get(choice, "finish_reason"));
    }
}

static enum answer_action openai_read(struct chat_answer *a, struct slice data)
{
    enum answer_action action = ANSWER_FORWARD;
    yyjson_val *root, *usage, *choices;
    yyjson_doc *doc;

    if (json_parse(data, &doc, NULL) != 0) {
        return ANSWER_FORWARD; /* The client's parser judges. */
    }
    root = yyjson_doc_get_root(doc);
    choices = yyjson_obj_get(root, "choices");
    usage = yyjson_obj_get(root, "usage");
    if (yyjson_is_obj(yyjson_obj_get(root, "error"))) {
        answer_keep_error(a, data);
    }
    openai_choices(a, choices);
    if (yyjson_is_obj(usage)) {
        answer_openai_usage(a, usage);
        if (a->hide_usage && yyjson_is_arr(choices) && yyjson_arr_size(choices) == 0) {
            action = ANSWER_DROP;
        }
    }
    yyjson_doc_free(doc);
    return action;
}

/* A word that is worth a look: `"usage"` or `"finish_reason"` with something else than null behind
 * it, or `"error"`. */
static bool openai_is_worth_reading(struct slice data)
{
    static const char *const words[] = {"\"usage\"", "\"finish_reason\"", "\"error\""};

    for (size_t i = 0; i < 3; i++) {
        struct slice word = slice_str(words[i]);
        size_t at = slice_search(data, word);
        if (at < data.n) {
            struct slice rest = slice_of(data.p + at + word.n, data.n - at - word.n);
            size_t k = 0;
            while (k < rest.n && (rest.p[k] == ':' || rest.p[k] == ' ')) {
                k++;
            }
            if (!slice_starts(slice_of(rest.p + k, rest.n - k), SLICE("null"))) {
                return true;
            }
        }
    }
    return false;
}

enum answer_action answer_openai_event(struct chat_answer *a, struct slice event)
{
    struct slice data;

    if (!answer_line(event, SLICE("data"), &data)) {
        return ANSWER_FORWARD; /* A comment: keep-alive. */
    }
    a->any_data = true;
    if (slice_eq(slice_trim(data), SLICE("[DONE]"))) {
        a->terminal_seen = true;
        a->done_sent = true;
        return ANSWER_FORWARD;
    }
    if (a->content_seen && !openai_is_worth_reading(data)) {
        return ANSWER_FORWARD;
    }
    return openai_read(a, data);
}
