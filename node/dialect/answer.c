/* Answers in passing: where events end, what may be forwarded, whether it is complete. An event
 * goes on whole or not at all; its bytes are slices of what was received. */
#include "node/dialect/answer.h"

#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/mem.h"

static const char *const answer_fields[] = {"usage", "error", "choices", "content", "type"};
enum { ANSWER_USAGE, ANSWER_ERROR, ANSWER_CHOICES, ANSWER_CONTENT, ANSWER_TYPE };

/* More tokens than any model can make or take. */
#define TOKENS_MAX (1ull << 40)

struct chat_answer *chat_answer_new(enum dialect d)
{
    struct chat_answer *a = mem_zalloc(sizeof *a);

    a->dialect = d;
    chunkq_init(&a->pending);
    chunkq_init(&a->doc);
    buf_init(&a->scratch, SSE_EVENT_BYTES_MAX);
    buf_init(&a->error, ANSWER_ERROR_BYTES_MAX);
    return a;
}

void chat_answer_free(struct chat_answer *a)
{
    if (a == NULL) {
        return;
    }
    chunkq_deinit(&a->pending);
    chunkq_deinit(&a->doc);
    buf_deinit(&a->scratch);
    buf_deinit(&a->error);
    jsonscan_free(a->json);
    mem_free(a);
}

void chat_answer_begin(struct chat_answer *a, bool stream, bool hide_usage)
{
    a->stream = stream;
    a->hide_usage = hide_usage;
    a->usage = (struct chat_usage){0};
    a->content_seen = a->finish_seen = a->terminal_seen = a->done_sent = false;
    a->text_bytes = 0;
    a->line_empty = true;
    a->after_cr = false;
    a->any_data = false;
    a->in_plain = a->in_read = a->in_write = 0;
    a->start_only = false;
    chunkq_consume(&a->pending, a->pending.n_bytes);
    chunkq_consume(&a->doc, a->doc.n_bytes);
    buf_clear(&a->scratch);
    buf_clear(&a->error);
    if (stream) {
        return;
    }
    if (a->json == NULL) {
        a->json = jsonscan_new(answer_fields, ARRAY_LEN(answer_fields), NULL, 0, NULL, 0);
    } else {
        jsonscan_reset(a->json);
    }
}

/* --- words for the two dialects --- */

bool answer_line(struct slice event, struct slice name, struct slice *ret)
{
    while (event.n > 0) {
        size_t end = 0;
        while (end < event.n && event.p[end] != '\n' && event.p[end] != '\r') {
            end++;
        }
        if (end > name.n && event.p[name.n] == ':' && memcmp(event.p, name.p, name.n) == 0) {
            size_t at = name.n + 1;
            at += at < end && event.p[at] == ' ';
            *ret = slice_of(event.p + at, end - at);
            return true;
        }
        end += end < event.n;
        event = slice_of(event.p + end, event.n - end);
    }
    return false;
}

bool answer_count(struct chat_answer *a, yyjson_val *obj, const char *name, uint64_t *ret)
{
    yyjson_val *v = yyjson_obj_get(obj, name);
    double real;

    if (v == NULL || yyjson_is_null(v)) {
        return false;
    }
    if (yyjson_is_uint(v) && yyjson_get_uint(v) <= TOKENS_MAX) {
        *ret = yyjson_get_uint(v);
        return true;
    }
    real = yyjson_is_real(v) ? yyjson_get_real(v) : -1;
    if (real >= 0 && real <= (double)TOKENS_MAX && real == (double)(uint64_t)real) {
        *ret = (uint64_t)real; /* 12.0 */
        return true;
    }
    a->usage.odd = true;
    return false;
}

void answer_keep_error(struct chat_answer *a, struct slice json)
{
    if (a->error.n == 0) {
        buf_add_slice(&a->error,
                      json.n <= ANSWER_ERROR_BYTES_MAX ? json : SLICE("{\"error\":\"(long)\"}"));
    }
}

/* --- streams --- */

static enum answer_action answer_event(struct chat_answer *a, struct slice event)
{
    if (a->done_sent) {
        return ANSWER_DROP; /* Whatever comes after the end is not for the client. */
    }
    switch (a->dialect) {
    case DIALECT_OPENAI:
        return answer_openai_event(a, event);
    case DIALECT_ANTHROPIC:
        return answer_anthropic_event(a, event);
    case DIALECT_N_:
        break;
    }
    UNREACHABLE();
}

/* The event [p, p+n), perhaps begun in earlier blocks, is complete. */
static int answer_complete(struct chat_answer *a, struct block *block, const char *p, size_t n,
                           struct chunkq *out)
{
    struct slice event = slice_of(p, n);

    if (!chunkq_empty(&a->pending)) {
        size_t before = a->pending.n_bytes;
        char *to;
        buf_clear(&a->scratch);
        to = buf_reserve(&a->scratch, before + n);
        if (to == NULL) {
            return Q_ETOOBIG;
        }
        (void)chunkq_peek(&a->pending, 0, to, before);
        memcpy(to + before, p, n);
        event = slice_of(to, before + n);
    }
    if (answer_event(a, event) == ANSWER_FORWARD) {
        a->text_bytes += event.n;
        chunkq_move(out, &a->pending);
        chunkq_add(out, block, p, n);
    } else {
        chunkq_consume(&a->pending, a->pending.n_bytes);
    }
    return 0;
}

/* Length of the input up to and with the line end that ends an event; 0 when there is none. CR, LF
 * and CRLF end lines; a LF after a CR that ended the last piece belongs to that CR. */
static size_t answer_event_end(struct chat_answer *a, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = p[i];
        if (c == '\n' && a->after_cr) {
            a->after_cr = false; /* Tail of a CRLF: rides along with what follows. */
            continue;
        }
        a->after_cr = c == '\r';
        if (c != '\n' && c != '\r') {
            const char *lf, *cr;
            a->line_empty = false;
            /* The rest of the line in one step. */
            lf = memchr(p + i, '\n', n - i);
            cr = memchr(p + i, '\r', (size_t)((lf != NULL ? lf : p + n) - (p + i)));
            if (lf == NULL && cr == NULL) {
                return 0;
            }
            i = (size_t)((cr != NULL ? cr : lf) - p) - 1;
            continue;
        }
        if (a->line_empty) {
            if (c == '\r' && i + 1 < n && p[i + 1] == '\n') {
                a->after_cr = false;
                i++;
            }
            return i + 1;
        }
        a->line_empty = true;
    }
    return 0;
}

static int answer_feed_stream(struct chat_answer *a, struct block *block, const char *p, size_t n,
                              struct chunkq *out)
{
    while (n > 0) {
        size_t end = answer_event_end(a, p, n);
        int rv;
        if (end == 0) {
            chunkq_add(&a->pending, block, p, n);
            return a->pending.n_bytes > SSE_EVENT_BYTES_MAX ? Q_ETOOBIG : 0;
        }
        rv = answer_complete(a, block, p, end, out);
        if (rv != 0) {
            return rv;
        }
        p += end;
        n -= end;
    }
    return 0;
}

/* --- both --- */

int chat_answer_feed(struct chat_answer *a, struct block *block, const char *p, size_t n,
                     struct chunkq *out)
{
    if (a->stream) {
        return answer_feed_stream(a, block, p, n, out);
    }
    if (a->doc.n_bytes + n > UPSTREAM_JSON_BYTES_MAX) {
        return Q_ETOOBIG;
    }
    if (jsonscan_feed(a->json, p, n) != 0) {
        return Q_EPROTO;
    }
    a->text_bytes += n;
    chunkq_add(&a->doc, block, p, n);
    chunkq_add(out, block, p, n);
    return 0;
}

/* A field of the JSON answer as text of its own; "" when absent. To free. */
static char *answer_doc_value(struct chat_answer *a, unsigned field, size_t *ret_n)
{
    const struct jsonscan_value *v = jsonscan_get(a->json, field);
    size_t n = v->end - v->at;
    char *text;

    if (v->kind != JSONSCAN_OBJECT || n > SSE_EVENT_BYTES_MAX) {
        return NULL;
    }
    text = mem_alloc(n + 1);
    *ret_n = chunkq_peek(&a->doc, v->at, text, n);
    return text;
}

static int answer_end_json(struct chat_answer *a)
{
    yyjson_doc *doc = NULL;
    size_t n = 0;
    char *text;

    if (jsonscan_end(a->json) != 0) {
        return Q_ERESET;
    }
    text = answer_doc_value(a, ANSWER_USAGE, &n);
    if (text != NULL && json_parse(slice_of(text, n), &doc, NULL) == 0) {
        if (a->dialect == DIALECT_OPENAI) {
            answer_openai_usage(a, yyjson_doc_get_root(doc));
        } else {
            answer_anthropic_usage(a, yyjson_doc_get_root(doc));
        }
        yyjson_doc_free(doc);
    }
    mem_free(text);
    text = answer_doc_value(a, ANSWER_ERROR, &n);
    if (text != NULL) {
        answer_keep_error(a, slice_of(text, n));
        mem_free(text);
    }
    a->terminal_seen = true;
    return 0;
}

int chat_answer_end(struct chat_answer *a, struct chunkq *out)
{
    static const char done[] = "data: [DONE]\n\n";

    if (!a->stream) {
        return answer_end_json(a);
    }
    /* A last event without its empty line is forwarded when it ends the stream all the same. */
    if (a->pending.n_bytes > 0 && a->pending.n_bytes <= SSE_EVENT_BYTES_MAX && !a->done_sent) {
        struct block *tail = block_new(2);
        memcpy(tail->data, "\n\n", 2);
        (void)answer_complete(a, tail, tail->data, 2, out);
        block_unref(tail);
    }
    if (a->error.n > 0) {
        return 0; /* The provider has said why it ended. */
    }
    if (a->dialect == DIALECT_OPENAI && a->finish_seen && !a->done_sent) {
        chunkq_add_copy(out, done, sizeof done - 1);
        a->done_sent = true;
        a->terminal_seen = true;
    }
    return a->terminal_seen ? 0 : Q_ERESET;
}

const struct chat_usage *chat_answer_usage(const struct chat_answer *a)
{
    static const struct chat_usage unknown;

    /* A beginning is not a result: a stream cut after message_start has no usage. */
    return a->stream && a->start_only ? &unknown : &a->usage;
}

bool chat_answer_content_seen(const struct chat_answer *a)
{
    return a->content_seen;
}

bool chat_answer_terminal_seen(const struct chat_answer *a)
{
    return a->terminal_seen || a->finish_seen;
}

struct slice chat_answer_error(const struct chat_answer *a)
{
    return a->error.n > 0 ? buf_slice(&a->error) : SLICE("");
}

uint64_t chat_answer_text_bytes(const struct chat_answer *a)
{
    return a->text_bytes;
}
