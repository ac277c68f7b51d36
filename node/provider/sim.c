/* The deterministic provider: a request is read once, turned into a script of pieces, and the
 * pieces are written one by one. */
#include "node/provider/sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/json.h"
#include "base/mem.h"
#include "node/provider/sim_i.h"

#define SIM_TEXT_BYTES_MAX (1u << 20)
#define SIM_CHUNKS_MAX     10000
#define SIM_DELAY_MS_MAX   600000
#define SIM_WORDS_DEFAULT  64

static const char *const sim_words[] = {
    "lorem",  "ipsum", "dolor",  "sit",     "amet",   "consectetur", "adipiscing",
    "elit",   "sed",   "do",     "eiusmod", "tempor", "incididunt",  "ut",
    "labore", "et",    "dolore", "magna",   "aliqua", "enim"};

/* --- the request --- */

static void sim_text_add(struct sim *s, struct buf *text, yyjson_val *content)
{
    yyjson_val *part;
    size_t i, n;

    if (yyjson_is_str(content)) {
        buf_add_slice(text, json_slice(content));
        s->input_bytes += yyjson_get_len(content);
        return;
    }
    yyjson_arr_foreach(content, i, n, part)
    {
        yyjson_val *t = yyjson_obj_get(part, "text");
        if (yyjson_is_str(t)) {
            buf_add_slice(text, json_slice(t));
            s->input_bytes += yyjson_get_len(t);
        }
    }
}

/* Counts all text and keeps that of the last user message. */
static void sim_read_messages(struct sim *s, yyjson_val *root)
{
    yyjson_val *message;
    struct buf text;
    size_t i, n;

    buf_init(&text, SIM_TEXT_BYTES_MAX);
    sim_text_add(s, &text, yyjson_obj_get(root, "system"));
    yyjson_arr_foreach(yyjson_obj_get(root, "messages"), i, n, message)
    {
        bool user = yyjson_equals_str(yyjson_obj_get(message, "role"), "user");
        buf_clear(&text);
        sim_text_add(s, &text, yyjson_obj_get(message, "content"));
        if (user && text.n > 0) {
            s->user_text = arena_slice(&s->arena, buf_slice(&text));
        }
    }
    buf_deinit(&text);
}

/* Arguments that satisfy the required string properties of the schema. */
static struct slice sim_arguments(struct sim *s, yyjson_val *schema)
{
    yyjson_val *properties = yyjson_obj_get(schema, "properties"), *name;
    struct slice text;
    struct jsonw w;
    struct buf b;
    size_t i, n;

    buf_init(&b, 65536);
    jsonw_init(&w, &b);
    jsonw_obj(&w);
    yyjson_arr_foreach(yyjson_obj_get(schema, "required"), i, n, name)
    {
        yyjson_val *p = yyjson_obj_getn(properties, yyjson_get_str(name), yyjson_get_len(name));
        if (yyjson_is_str(name) && yyjson_equals_str(yyjson_obj_get(p, "type"), "string")) {
            jsonw_key_slice(&w, json_slice(name));
            jsonw_str(&w, "sim");
        }
    }
    jsonw_obj_end(&w);
    text = arena_slice(&s->arena, buf_slice(&b));
    buf_deinit(&b);
    return text;
}

static void sim_read_tools(struct sim *s, yyjson_val *root)
{
    yyjson_val *tool = yyjson_arr_get_first(yyjson_obj_get(root, "tools"));
    yyjson_val *function = yyjson_obj_get(tool, "function");
    bool openai = s->dialect == DIALECT_OPENAI;
    yyjson_val *name = yyjson_obj_get(openai ? function : tool, "name");

    if (!yyjson_is_str(name) ||
        (slice_search(s->user_text, SLICE("use tool")) == s->user_text.n &&
         slice_search(s->user_text, SLICE("call the tool")) == s->user_text.n)) {
        return;
    }
    s->tool = arena_slice(&s->arena, json_slice(name));
    s->tool_arguments = sim_arguments(
        s, yyjson_obj_get(openai ? function : tool, openai ? "parameters" : "input_schema"));
}

static int64_t sim_number(yyjson_val *obj, const char *name, int64_t max, int64_t otherwise)
{
    yyjson_val *v = yyjson_obj_get(obj, name);
    uint64_t n;

    if (yyjson_is_uint(v)) {
        n = yyjson_get_uint(v);
    } else if (!yyjson_is_str(v) || scan_u64(json_slice(v), UINT64_MAX, &n) != 0) {
        return otherwise;
    }
    return n > (uint64_t)max ? max : (int64_t)n;
}

static void sim_read_metadata(struct sim *s, struct slice metadata)
{
    yyjson_doc *doc = NULL;
    yyjson_val *m;

    if (metadata.n == 0 || json_parse(metadata, &doc, NULL) != 0) {
        return;
    }
    m = yyjson_doc_get_root(doc);
    s->delay_ms = (uint64_t)sim_number(m, "sim_delay_ms", SIM_DELAY_MS_MAX, 0);
    s->chunk_ms = (uint64_t)sim_number(m, "sim_chunk_ms", SIM_DELAY_MS_MAX, 0);
    s->n_chunks = (unsigned)sim_number(m, "sim_chunks", SIM_CHUNKS_MAX, 0);
    s->status = (int)sim_number(m, "sim_error", 599, s->status);
    s->error_after = sim_number(m, "sim_error_after", SIM_CHUNKS_MAX, -1);
    s->cut_after = sim_number(m, "sim_cut_after", SIM_CHUNKS_MAX, -1);
    s->output_tokens = sim_number(m, "sim_output_tokens", 1 << 30, -1);
    s->input_tokens = sim_number(m, "sim_input_tokens", 1 << 30, -1);
    yyjson_doc_free(doc);
}

/* --- the answer's text --- */

static void sim_lorem(struct sim *s, int64_t words)
{
    struct buf b;

    buf_init(&b, SIM_TEXT_BYTES_MAX);
    for (int64_t i = 0; i < words && b.n + 16 < SIM_TEXT_BYTES_MAX; i++) {
        buf_printf(&b, "%s%s", i > 0 ? " " : "", sim_words[(size_t)i % ARRAY_LEN(sim_words)]);
    }
    s->text = arena_slice(&s->arena, buf_slice(&b));
    buf_deinit(&b);
}

static int64_t sim_tokens(size_t bytes)
{
    return (int64_t)((bytes + 3) / 4);
}

static void sim_compose(struct sim *s, yyjson_val *root)
{
    int64_t limit = sim_number(root, "max_completion_tokens", 1 << 20,
                               sim_number(root, "max_tokens", 1 << 20, -1));
    size_t bytes;

    if (s->tool.n > 0) {
        s->text = s->tool_arguments;
    } else if (slice_eq(s->model, SLICE("lorem"))) {
        int64_t words = s->output_tokens >= 0 ? s->output_tokens
                        : limit >= 0          ? limit
                                              : SIM_WORDS_DEFAULT;
        sim_lorem(s, words);
    } else {
        s->text = s->user_text;
    }
    bytes = s->text.n;
    if (limit >= 0 && s->tool.n == 0 && sim_tokens(bytes) > limit) {
        bytes =
            (size_t)limit * 4; /* Cut like a model that reaches its bound, at a character's edge. */
        while (bytes > 0 && (s->text.p[bytes] & 0xc0) == 0x80) {
            bytes--;
        }
        s->text.n = bytes;
        s->truncated = true;
    }
    if (s->output_tokens < 0) {
        s->output_tokens = sim_tokens(s->text.n);
    }
    if (limit >= 0 && s->output_tokens > limit) {
        s->output_tokens = limit;
    }
    if (s->input_tokens < 0) {
        s->input_tokens = sim_tokens(s->input_bytes);
    }
}

static bool sim_read(struct sim *s, struct slice body, struct slice metadata)
{
    yyjson_doc *doc = NULL;
    yyjson_val *root;

    if (json_parse(body, &doc, NULL) != 0) {
        return false;
    }
    root = yyjson_doc_get_root(doc);
    s->stream = yyjson_is_true(yyjson_obj_get(root, "stream"));
    s->include_usage = s->dialect == DIALECT_ANTHROPIC || s->stream;
    sim_read_messages(s, root);
    sim_read_tools(s, root);
    sim_read_metadata(s, metadata);
    sim_compose(s, root);
    yyjson_doc_free(doc);
    return true;
}

struct sim *sim_new(enum dialect d, struct slice body, struct slice model, struct slice metadata,
                    int64_t now_s)
{
    struct sim *s = mem_zalloc(sizeof *s);

    arena_init(&s->arena, NULL);
    s->dialect = d;
    s->now_s = now_s;
    s->status = 200;
    s->error_after = s->cut_after = s->output_tokens = s->input_tokens = -1;
    s->hash = slice_hash(body, 7);
    s->user_text = SLICE("");
    s->text = SLICE("");
    s->model = arena_slice(&s->arena, model);
    if (!sim_read(s, body, metadata)) {
        s->status = 400;
    }
    if (s->status == 200 && !slice_eq(model, SLICE("echo")) && !slice_eq(model, SLICE("lorem"))) {
        s->status = 404;
    }
    if (s->n_chunks == 0) { /* About four tokens a piece. */
        s->n_chunks = (unsigned)(s->text.n / 16 + 1);
        s->n_chunks = s->n_chunks > SIM_CHUNKS_MAX ? SIM_CHUNKS_MAX : s->n_chunks;
    }
    return s;
}

void sim_free(struct sim *s)
{
    if (s != NULL) {
        arena_deinit(&s->arena);
        mem_free(s);
    }
}

int sim_status(const struct sim *s)
{
    return s->status;
}

bool sim_is_stream(const struct sim *s)
{
    return s->stream && s->status == 200;
}

const char *sim_content_type(const struct sim *s)
{
    return sim_is_stream(s) ? "text/event-stream; charset=utf-8" : "application/json";
}

uint64_t sim_delay_ms(const struct sim *s)
{
    return s->step == 0 ? s->delay_ms : s->chunk_ms;
}

/* --- the script --- */

static void sim_error_text(const struct sim *s, struct buf *out, bool event)
{
    const char *code = s->status == 404   ? "model_not_found"
                       : s->status == 400 ? "invalid_request"
                       : s->status == 429 ? "rate_limit_exceeded"
                                          : "server_error";
    const struct dialect_error e = {.http = s->status == 200 ? 500 : s->status,
                                    .code = code,
                                    .message = "The sim was asked to fail, or cannot read this "
                                               "request; its models are sim/echo and sim/lorem."};

    if (event) {
        dialect_error_event(s->dialect, &e, out);
    } else {
        dialect_error_body(s->dialect, &e, out);
    }
}

/* Part i of n, cut between characters. */
static struct slice sim_piece(const struct sim *s, unsigned i)
{
    size_t from = s->text.n * i / s->n_chunks, to = s->text.n * (i + 1) / s->n_chunks;

    while (from > 0 && from < s->text.n && (s->text.p[from] & 0xc0) == 0x80) {
        from--;
    }
    while (to > 0 && to < s->text.n && (s->text.p[to] & 0xc0) == 0x80) {
        to--;
    }
    return slice_of(s->text.p + from, to - from);
}

enum sim_step sim_next(struct sim *s, struct buf *out)
{
    unsigned step = s->step++;

    if (s->status != 200) {
        sim_error_text(s, out, false);
        return SIM_END;
    }
    if (!s->stream) {
        if (s->dialect == DIALECT_OPENAI) {
            sim_openai_whole(s, out);
        } else {
            sim_anthropic_whole(s, out);
        }
        return SIM_END;
    }
    if (step == 0) {
        if (s->dialect == DIALECT_OPENAI) {
            sim_openai_begin(s, out);
        } else {
            sim_anthropic_begin(s, out);
        }
    }
    if (s->cut_after >= 0 && step >= (unsigned)s->cut_after) {
        return SIM_CUT;
    }
    if (s->error_after >= 0 && step >= (unsigned)s->error_after) {
        sim_error_text(s, out, true);
        return SIM_END;
    }
    if (step < s->n_chunks) {
        if (s->dialect == DIALECT_OPENAI) {
            sim_openai_piece(s, sim_piece(s, step), out);
        } else {
            sim_anthropic_piece(s, sim_piece(s, step), out);
        }
    }
    if (step + 1 < s->n_chunks) {
        return SIM_MORE;
    }
    if (s->dialect == DIALECT_OPENAI) {
        sim_openai_finish(s, out);
    } else {
        sim_anthropic_finish(s, out);
    }
    return SIM_END;
}
