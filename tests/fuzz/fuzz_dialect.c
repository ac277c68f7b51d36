/* Chat requests and answers of both dialects, in two pieces. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "node/dialect/dialect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void fuzz_request(enum dialect d, struct block *b, size_t n)
{
    struct chat_change change = {.model = SLICE("m"),
                                 .include_usage = d == DIALECT_OPENAI,
                                 .max_output = 7,
                                 .max_output_field = "max_tokens"};
    struct chat_scan *s = chat_scan_new(d);
    const struct chat_facts *facts;
    struct chunkq body, out;

    chunkq_init(&body);
    chunkq_init(&out);
    chunkq_add(&body, b, b->data, n);
    if (chat_scan_feed(s, b->data, n / 3) == 0 &&
        chat_scan_feed(s, b->data + n / 3, n - n / 3) == 0 && chat_scan_end(s, &facts) == 0) {
        struct chat_scan *again = chat_scan_new(d);
        (void)chat_tools_hosted(s, &body);
        chat_rewrite(s, &change, &body, &out);
        for (const struct chunk *c = out.first; c != NULL; c = c->next) {
            ASSERT(chat_scan_feed(again, c->p, c->n) == 0); /* Still JSON, and what was asked. */
        }
        ASSERT(chat_scan_end(again, &facts) == 0);
        ASSERT(strcmp(facts->model, "m") == 0);
        chat_scan_free(again);
    }
    chunkq_deinit(&body);
    chunkq_deinit(&out);
    chat_scan_free(s);
}

static size_t fuzz_answer(enum dialect d, bool stream, struct block *b, size_t n, size_t cut)
{
    struct chat_answer *a = chat_answer_new(d);
    struct chunkq out;
    size_t sent;
    int rv;

    chunkq_init(&out);
    chat_answer_begin(a, stream, true);
    rv = chat_answer_feed(a, b, b->data, cut, &out);
    if (rv == 0) {
        rv = chat_answer_feed(a, b, b->data + cut, n - cut, &out);
    }
    if (rv == 0) {
        (void)chat_answer_end(a, &out);
    }
    sent = rv == 0 ? out.n_bytes : 0;
    chunkq_deinit(&out);
    chat_answer_free(a);
    return sent;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct block *b = block_new(n + 1);

    memcpy(b->data, data, n);
    for (int d = 0; d < DIALECT_N_; d++) {
        fuzz_request((enum dialect)d, b, n);
        for (int stream = 0; stream < 2; stream++) {
            size_t whole = fuzz_answer((enum dialect)d, stream != 0, b, n, n);
            size_t parts = fuzz_answer((enum dialect)d, stream != 0, b, n, n / 2);
            ASSERT(whole == parts);
        }
    }
    block_unref(b);
    return 0;
}
