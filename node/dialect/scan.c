/* What the gateway reads of a chat request: a few top-level fields, counts, and whether something
 * in it has no size of its own. */
#include <string.h>

#include "base/check.h"
#include "base/http/jsonscan.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "node/dialect/scan.h"

const char *const chat_fields[FIELD_N_] = {
#define X(id, name) [FIELD_##id] = name,
    CHAT_FIELDS(X)
#undef X
};

/* Keys and types of parts whose tokens are not bounded by their bytes. */
static const char *const chat_deep_keys[] = {"image_url", "file_id", "input_audio", "file_data",
                                             "audio"};
static const char *const chat_deep_types_openai[] = {"image_url", "input_image", "input_audio",
                                                     "file",      "input_file",  "video_url"};
static const char *const chat_deep_types_anthropic[] = {
    "image", "document", "container_upload", "search_result", "url", "file", "video"};

const char *dialect_name(enum dialect d)
{
    switch (d) {
    case DIALECT_OPENAI:
        return "OpenAI";
    case DIALECT_ANTHROPIC:
        return "Anthropic";
    case DIALECT_N_:
        break;
    }
    UNREACHABLE();
}

struct chat_scan *chat_scan_new(enum dialect d)
{
    struct chat_scan *s = mem_zalloc(sizeof *s);
    bool openai = d == DIALECT_OPENAI;

    s->dialect = d;
    s->n_deep_types =
        openai ? ARRAY_LEN(chat_deep_types_openai) : ARRAY_LEN(chat_deep_types_anthropic);
    s->json =
        jsonscan_new(chat_fields, FIELD_N_, chat_deep_keys, ARRAY_LEN(chat_deep_keys),
                     openai ? chat_deep_types_openai : chat_deep_types_anthropic, s->n_deep_types);
    return s;
}

void chat_scan_free(struct chat_scan *s)
{
    if (s != NULL) {
        jsonscan_free(s->json);
        mem_free(s);
    }
}

void chat_scan_reset(struct chat_scan *s)
{
    jsonscan_reset(s->json);
    s->facts = (struct chat_facts){0};
    s->error[0] = 0;
    s->param = NULL;
}

int chat_scan_feed(struct chat_scan *s, const char *p, size_t n)
{
    s->facts.body_bytes += n;
    return jsonscan_feed(s->json, p, n);
}

const char *chat_scan_error(const struct chat_scan *s)
{
    return s->error[0] != 0 ? s->error : jsonscan_error(s->json);
}

const char *chat_scan_param(const struct chat_scan *s)
{
    return s->param;
}

static int chat_bad(struct chat_scan *s, enum chat_field f, const char *expected)
{
    (void)snprintf(s->error, sizeof s->error, "`%s` must be %s", chat_fields[f], expected);
    s->param = chat_fields[f];
    return Q_EINVAL;
}

static const struct jsonscan_value *chat_get(const struct chat_scan *s, enum chat_field f)
{
    return jsonscan_get(s->json, f);
}

/* Absent and null are the same: not given. */
static bool chat_given(const struct chat_scan *s, enum chat_field f)
{
    enum jsonscan_kind k = chat_get(s, f)->kind;

    return k != JSONSCAN_ABSENT && k != JSONSCAN_NULL;
}

static int chat_scan_model(struct chat_scan *s)
{
    size_t n;

    if (jsonscan_string(chat_get(s, FIELD_MODEL), s->facts.model, sizeof s->facts.model, &n) != 0 ||
        n == 0 || strlen(s->facts.model) != n) {
        return chat_bad(s, FIELD_MODEL, "a string of 1 to 256 bytes");
    }
    return 0;
}

static int chat_scan_count(struct chat_scan *s, enum chat_field f, uint64_t max, int64_t *ret)
{
    uint64_t v;

    if (!chat_given(s, f)) {
        return 0;
    }
    if (jsonscan_u64(chat_get(s, f), max, &v) != 0) {
        return chat_bad(s, f, "a whole number, not negative");
    }
    if (*ret < 0 || (int64_t)v < *ret) {
        *ret = (int64_t)v;
    }
    return 0;
}

static int chat_scan_bounds(struct chat_scan *s)
{
    struct chat_facts *f = &s->facts;
    int rv = chat_scan_count(s, FIELD_MAX_TOKENS, 1ull << 40, &f->max_output);

    if (rv == 0 && s->dialect == DIALECT_OPENAI) {
        rv = chat_scan_count(s, FIELD_MAX_COMPLETION_TOKENS, 1ull << 40, &f->max_output);
    }
    f->n = -1;
    if (rv == 0 && s->dialect == DIALECT_OPENAI) {
        rv = chat_scan_count(s, FIELD_N, 1u << 20, &f->n);
    }
    f->n = f->n < 0 ? 1 : f->n;
    return rv;
}

/* {"include_usage": true, ...}; everything else of it is the provider's business. */
static int chat_scan_stream_options(struct chat_scan *s)
{
    const struct jsonscan_value *v = chat_get(s, FIELD_STREAM_OPTIONS);
    yyjson_doc *doc;

    if (s->dialect == DIALECT_ANTHROPIC) {
        s->facts.include_usage = true;
        return 0;
    }
    if (!chat_given(s, FIELD_STREAM_OPTIONS)) {
        return 0;
    }
    if (v->kind != JSONSCAN_OBJECT || !v->captured ||
        json_parse(slice_of(v->raw, v->end - v->at), &doc, NULL) != 0) {
        return chat_bad(s, FIELD_STREAM_OPTIONS, "an object of at most 512 bytes");
    }
    s->facts.include_usage =
        yyjson_is_true(yyjson_obj_get(yyjson_doc_get_root(doc), "include_usage"));
    yyjson_doc_free(doc);
    return 0;
}

static bool chat_is_one_of(const struct jsonscan_value *v, const char *const *names, size_t n)
{
    char text[64];
    size_t len;

    if (jsonscan_string(v, text, sizeof text, &len) != 0) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(text, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void chat_scan_tier(struct chat_scan *s)
{
    static const char *const tiers[] = {"auto", "default", "standard", "standard_only", "flex"};
    static const char *const speeds[] = {"standard"};

    s->facts.dear_tier =
        (chat_given(s, FIELD_SERVICE_TIER) &&
         !chat_is_one_of(chat_get(s, FIELD_SERVICE_TIER), tiers, ARRAY_LEN(tiers))) ||
        (chat_given(s, FIELD_SPEED) &&
         !chat_is_one_of(chat_get(s, FIELD_SPEED), speeds, ARRAY_LEN(speeds)));
}

static void chat_scan_references(struct chat_scan *s)
{
    bool refers = chat_given(s, FIELD_PREVIOUS_RESPONSE_ID) || chat_given(s, FIELD_CONTAINER) ||
                  chat_given(s, FIELD_MCP_SERVERS);

    for (size_t i = 0; i < ARRAY_LEN(chat_deep_keys); i++) {
        refers = refers || jsonscan_deep(s->json, i) > 0;
    }
    for (size_t i = 0; i < s->n_deep_types; i++) {
        refers = refers || jsonscan_deep_type(s->json, i) > 0;
    }
    s->facts.refers = refers;
    s->facts.hosted_tools =
        chat_given(s, FIELD_WEB_SEARCH_OPTIONS) || chat_given(s, FIELD_MCP_SERVERS);
}

int chat_scan_end(struct chat_scan *s, const struct chat_facts **ret)
{
    struct chat_facts *f = &s->facts;
    const struct jsonscan_value *stream = chat_get(s, FIELD_STREAM);
    int rv = jsonscan_end(s->json);

    f->max_output = -1;
    if (rv == 0) {
        rv = chat_scan_model(s);
    }
    if (rv == 0 && chat_given(s, FIELD_STREAM) && stream->kind != JSONSCAN_TRUE &&
        stream->kind != JSONSCAN_FALSE) {
        rv = chat_bad(s, FIELD_STREAM, "true or false");
    }
    if (rv == 0 && chat_get(s, FIELD_MESSAGES)->kind != JSONSCAN_ARRAY) {
        rv = chat_bad(s, FIELD_MESSAGES, "an array");
    }
    if (rv == 0) {
        rv = chat_scan_bounds(s);
    }
    if (rv == 0) {
        rv = chat_scan_stream_options(s);
    }
    if (rv != 0) {
        return rv;
    }
    f->stream = stream->kind == JSONSCAN_TRUE;
    f->n_messages = chat_get(s, FIELD_MESSAGES)->n_items;
    f->n_tools = chat_get(s, FIELD_TOOLS)->n_items + chat_get(s, FIELD_FUNCTIONS)->n_items;
    chat_scan_tier(s);
    chat_scan_references(s);
    *ret = f;
    return 0;
}

/* Every token stands for at least one byte of the text that is tokenised; what the provider adds
 * around messages and tools is small and counted generously. */
int64_t chat_prompt_bound(const struct chat_facts *f)
{
    int64_t bound = (int64_t)f->body_bytes + 32 + 16 * (int64_t)f->n_messages;

    return f->n_tools > 0 ? bound + 1024 + 64 * (int64_t)f->n_tools : bound;
}

/* Tools that run at the client: their results come back as messages and are paid for as such. */
static bool chat_tool_is_local(enum dialect d, struct slice type)
{
    static const char *const openai[] = {"function", "custom"};
    static const char *const prefixes[] = {"bash_", "text_editor_", "memory_", "computer_"};

    if (d == DIALECT_OPENAI) {
        return slice_eq(type, slice_str(openai[0])) || slice_eq(type, slice_str(openai[1]));
    }
    if (slice_eq(type, SLICE("custom"))) {
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        if (slice_starts(type, slice_str(prefixes[i]))) {
            return true;
        }
    }
    return false;
}

bool chat_tools_hosted(const struct chat_scan *s, const struct chunkq *body)
{
    const struct jsonscan_value *v = chat_get(s, FIELD_TOOLS);
    bool hosted = false;
    yyjson_doc *doc = NULL;
    yyjson_val *tool;
    size_t i, n;
    char *text;

    if (!chat_given(s, FIELD_TOOLS)) {
        return false;
    }
    if (v->kind != JSONSCAN_ARRAY) {
        return true;
    }
    text = mem_alloc(v->end - v->at + 1);
    if (chunkq_peek(body, v->at, text, v->end - v->at) != v->end - v->at ||
        json_parse(slice_of(text, v->end - v->at), &doc, NULL) != 0) {
        mem_free(text);
        return true;
    }
    yyjson_arr_foreach(yyjson_doc_get_root(doc), i, n, tool)
    {
        yyjson_val *type = yyjson_obj_get(tool, "type");
        bool plain = type == NULL && s->dialect == DIALECT_ANTHROPIC && yyjson_is_obj(tool);
        hosted = hosted || (!plain && !chat_tool_is_local(s->dialect, json_slice(type)));
    }
    yyjson_doc_free(doc);
    mem_free(text);
    return hosted;
}
