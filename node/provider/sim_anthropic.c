/* The sim in Anthropic's Messages format (PROTOCOLS.md B.3, B.4). */
#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "node/provider/sim_i.h"

static const char *sim_stop_reason(const struct sim *s)
{
    return s->tool.n > 0 ? "tool_use" : s->truncated ? "max_tokens" : "end_turn";
}

static void sim_usage(const struct sim *s, struct jsonw *w, int64_t output_tokens)
{
    jsonw_key(w, "usage");
    jsonw_obj(w);
    jsonw_ki64(w, "input_tokens", s->input_tokens);
    jsonw_ki64(w, "cache_creation_input_tokens", 0);
    jsonw_ki64(w, "cache_read_input_tokens", 0);
    jsonw_ki64(w, "output_tokens", output_tokens);
    jsonw_obj_end(w);
}

static void sim_head(const struct sim *s, struct jsonw *w)
{
    char id[40];

    (void)snprintf(id, sizeof id, "msg_sim%016" PRIx64, s->hash);
    jsonw_kstr(w, "id", id);
    jsonw_kstr(w, "type", "message");
    jsonw_kstr(w, "role", "assistant");
    jsonw_kslice(w, "model", s->model);
}

static void sim_tool_block(const struct sim *s, struct jsonw *w, struct slice input)
{
    char id[40];

    (void)snprintf(id, sizeof id, "toolu_sim%016" PRIx64, s->hash);
    jsonw_obj(w);
    jsonw_kstr(w, "type", "tool_use");
    jsonw_kstr(w, "id", id);
    jsonw_kslice(w, "name", s->tool);
    jsonw_key(w, "input");
    jsonw_raw(w, input);
    jsonw_obj_end(w);
}

static void sim_text_block(struct jsonw *w, struct slice text)
{
    jsonw_obj(w);
    jsonw_kstr(w, "type", "text");
    jsonw_kslice(w, "text", text);
    jsonw_obj_end(w);
}

void sim_anthropic_whole(const struct sim *s, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_obj(&w);
    sim_head(s, &w);
    jsonw_key(&w, "content");
    jsonw_arr(&w);
    if (s->tool.n > 0) {
        sim_tool_block(s, &w, s->tool_arguments);
    } else {
        sim_text_block(&w, s->text);
    }
    jsonw_arr_end(&w);
    jsonw_kstr(&w, "stop_reason", sim_stop_reason(s));
    jsonw_key(&w, "stop_sequence");
    jsonw_null(&w);
    sim_usage(s, &w, s->output_tokens);
    jsonw_obj_end(&w);
}

static void sim_event_begin(struct jsonw *w, struct buf *out, const char *type)
{
    buf_printf(out, "event: %s\ndata: ", type);
    jsonw_init(w, out);
    jsonw_obj(w);
    jsonw_kstr(w, "type", type);
}

static void sim_event_end(struct jsonw *w, struct buf *out)
{
    jsonw_obj_end(w);
    buf_add_str(out, "\n\n");
}

void sim_anthropic_begin(const struct sim *s, struct buf *out)
{
    struct jsonw w;

    sim_event_begin(&w, out, "message_start");
    jsonw_key(&w, "message");
    jsonw_obj(&w);
    sim_head(s, &w);
    jsonw_key(&w, "content");
    jsonw_arr(&w);
    jsonw_arr_end(&w);
    jsonw_key(&w, "stop_reason");
    jsonw_null(&w);
    jsonw_key(&w, "stop_sequence");
    jsonw_null(&w);
    sim_usage(s, &w, 1);
    jsonw_obj_end(&w);
    sim_event_end(&w, out);
    sim_event_begin(&w, out, "content_block_start");
    jsonw_ki64(&w, "index", 0);
    jsonw_key(&w, "content_block");
    if (s->tool.n > 0) {
        sim_tool_block(s, &w, SLICE("{}"));
    } else {
        sim_text_block(&w, SLICE(""));
    }
    sim_event_end(&w, out);
}

void sim_anthropic_piece(const struct sim *s, struct slice text, struct buf *out)
{
    struct jsonw w;

    sim_event_begin(&w, out, "content_block_delta");
    jsonw_ki64(&w, "index", 0);
    jsonw_key(&w, "delta");
    jsonw_obj(&w);
    jsonw_kstr(&w, "type", s->tool.n > 0 ? "input_json_delta" : "text_delta");
    jsonw_kslice(&w, s->tool.n > 0 ? "partial_json" : "text", text);
    jsonw_obj_end(&w);
    sim_event_end(&w, out);
}

void sim_anthropic_finish(const struct sim *s, struct buf *out)
{
    struct jsonw w;

    sim_event_begin(&w, out, "content_block_stop");
    jsonw_ki64(&w, "index", 0);
    sim_event_end(&w, out);
    sim_event_begin(&w, out, "message_delta");
    jsonw_key(&w, "delta");
    jsonw_obj(&w);
    jsonw_kstr(&w, "stop_reason", sim_stop_reason(s));
    jsonw_key(&w, "stop_sequence");
    jsonw_null(&w);
    jsonw_obj_end(&w);
    jsonw_key(&w, "usage");
    jsonw_obj(&w);
    jsonw_ki64(&w, "output_tokens", s->output_tokens);
    jsonw_obj_end(&w);
    sim_event_end(&w, out);
    sim_event_begin(&w, out, "message_stop");
    sim_event_end(&w, out);
}
