/* The sim in OpenAI's chat format (PROTOCOLS.md A.3, A.4). */
#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "node/provider/sim_i.h"

static void sim_head(const struct sim *s, struct jsonw *w, const char *object)
{
    char id[40];

    (void)snprintf(id, sizeof id, "chatcmpl-sim%016" PRIx64, s->hash);
    jsonw_kstr(w, "id", id);
    jsonw_kstr(w, "object", object);
    jsonw_ki64(w, "created", s->now_s);
    jsonw_kslice(w, "model", s->model);
}

static void sim_usage(const struct sim *s, struct jsonw *w)
{
    jsonw_key(w, "usage");
    jsonw_obj(w);
    jsonw_ki64(w, "prompt_tokens", s->input_tokens);
    jsonw_ki64(w, "completion_tokens", s->output_tokens);
    jsonw_ki64(w, "total_tokens", s->input_tokens + s->output_tokens);
    jsonw_obj_end(w);
}

static const char *sim_finish_reason(const struct sim *s)
{
    return s->tool.n > 0 ? "tool_calls" : s->truncated ? "length" : "stop";
}

static void sim_tool_call(const struct sim *s, struct jsonw *w, bool index, struct slice arguments)
{
    char id[40];

    (void)snprintf(id, sizeof id, "call_sim%016" PRIx64, s->hash);
    jsonw_key(w, "tool_calls");
    jsonw_arr(w);
    jsonw_obj(w);
    if (index) {
        jsonw_ki64(w, "index", 0);
    }
    jsonw_kstr(w, "id", id);
    jsonw_kstr(w, "type", "function");
    jsonw_key(w, "function");
    jsonw_obj(w);
    jsonw_kslice(w, "name", s->tool);
    jsonw_kslice(w, "arguments", arguments);
    jsonw_obj_end(w);
    jsonw_obj_end(w);
    jsonw_arr_end(w);
}

void sim_openai_whole(const struct sim *s, struct buf *out)
{
    struct jsonw w;

    jsonw_init(&w, out);
    jsonw_obj(&w);
    sim_head(s, &w, "chat.completion");
    jsonw_key(&w, "choices");
    jsonw_arr(&w);
    jsonw_obj(&w);
    jsonw_ki64(&w, "index", 0);
    jsonw_key(&w, "message");
    jsonw_obj(&w);
    jsonw_kstr(&w, "role", "assistant");
    jsonw_key(&w, "content");
    if (s->tool.n > 0) {
        jsonw_null(&w);
        sim_tool_call(s, &w, false, s->tool_arguments);
    } else {
        jsonw_slice(&w, s->text);
    }
    jsonw_key(&w, "refusal");
    jsonw_null(&w);
    jsonw_obj_end(&w);
    jsonw_key(&w, "logprobs");
    jsonw_null(&w);
    jsonw_kstr(&w, "finish_reason", sim_finish_reason(s));
    jsonw_obj_end(&w);
    jsonw_arr_end(&w);
    sim_usage(s, &w);
    jsonw_obj_end(&w);
}

enum sim_delta {
    SIM_DELTA_ROLE,
    SIM_DELTA_TOOL,
    SIM_DELTA_TEXT,
    SIM_DELTA_ARGUMENTS,
    SIM_DELTA_END
};

static void sim_delta(const struct sim *s, struct jsonw *w, enum sim_delta kind, struct slice text)
{
    jsonw_key(w, "delta");
    jsonw_obj(w);
    switch (kind) {
    case SIM_DELTA_ROLE:
        jsonw_kstr(w, "role", "assistant");
        jsonw_kstr(w, "content", "");
        break;
    case SIM_DELTA_TOOL:
        sim_tool_call(s, w, true, SLICE(""));
        break;
    case SIM_DELTA_TEXT:
        jsonw_kslice(w, "content", text);
        break;
    case SIM_DELTA_ARGUMENTS:
        jsonw_key(w, "tool_calls");
        jsonw_arr(w);
        jsonw_obj(w);
        jsonw_ki64(w, "index", 0);
        jsonw_key(w, "function");
        jsonw_obj(w);
        jsonw_kslice(w, "arguments", text);
        jsonw_obj_end(w);
        jsonw_obj_end(w);
        jsonw_arr_end(w);
        break;
    case SIM_DELTA_END:
        break;
    }
    jsonw_obj_end(w);
}

static void sim_chunk(const struct sim *s, struct buf *out, enum sim_delta kind, struct slice text)
{
    struct jsonw w;

    buf_add_str(out, "data: ");
    jsonw_init(&w, out);
    jsonw_obj(&w);
    sim_head(s, &w, "chat.completion.chunk");
    jsonw_key(&w, "choices");
    jsonw_arr(&w);
    jsonw_obj(&w);
    jsonw_ki64(&w, "index", 0);
    sim_delta(s, &w, kind, text);
    jsonw_key(&w, "finish_reason");
    if (kind == SIM_DELTA_END) {
        jsonw_str(&w, sim_finish_reason(s));
    } else {
        jsonw_null(&w);
    }
    jsonw_obj_end(&w);
    jsonw_arr_end(&w);
    jsonw_obj_end(&w);
    buf_add_str(out, "\n\n");
}

void sim_openai_begin(const struct sim *s, struct buf *out)
{
    sim_chunk(s, out, SIM_DELTA_ROLE, SLICE(""));
    if (s->tool.n > 0) {
        sim_chunk(s, out, SIM_DELTA_TOOL, SLICE(""));
    }
}

void sim_openai_piece(const struct sim *s, struct slice text, struct buf *out)
{
    if (text.n > 0) {
        sim_chunk(s, out, s->tool.n > 0 ? SIM_DELTA_ARGUMENTS : SIM_DELTA_TEXT, text);
    }
}

void sim_openai_finish(const struct sim *s, struct buf *out)
{
    struct jsonw w;

    sim_chunk(s, out, SIM_DELTA_END, SLICE(""));
    buf_add_str(out, "data: ");
    jsonw_init(&w, out);
    jsonw_obj(&w);
    sim_head(s, &w, "chat.completion.chunk");
    jsonw_key(&w, "choices");
    jsonw_arr(&w);
    jsonw_arr_end(&w);
    sim_usage(s, &w);
    jsonw_obj_end(&w);
    buf_add_str(out, "\n\ndata: [DONE]\n\n");
}
