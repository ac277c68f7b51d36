/* HTTP/1.1 requests and responses, whole and in two pieces: the same heads and bodies. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/http/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct seen {
    unsigned heads, ends;
    size_t body;
};

static void fuzz_head(struct h1 *p, struct h1_head *head)
{
    ((struct seen *)h1_owner(p))->heads++;
    for (size_t i = 0; i < head->headers.n; i++) {
        ASSERT(header_name_ok(head->headers.v[i].name));
        ASSERT(header_value_ok(head->headers.v[i].value));
    }
}
static void fuzz_body(struct h1 *p, struct block *block, const char *s, size_t n)
{
    (void)block;
    (void)s;
    ((struct seen *)h1_owner(p))->body += n;
}
static void fuzz_end(struct h1 *p)
{
    ((struct seen *)h1_owner(p))->ends++;
}

static void fuzz_run(bool request, struct block *b, size_t n, size_t cut, struct seen *seen)
{
    static const struct h1_ops ops = {fuzz_head, fuzz_body, fuzz_end};
    static const struct h1_limits limits = {4096, 1024, 20};
    struct h1 *p = h1_new(request, &limits, &ops, seen);
    struct arena arena;
    int64_t took;

    arena_init(&arena, NULL);
    h1_begin(p, &arena, false);
    took = h1_parse(p, b, b->data, cut);
    if (took == (int64_t)cut && cut < n) {
        (void)h1_parse(p, b, b->data + cut, n - cut);
    }
    (void)h1_eof(p);
    h1_free(p);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct block *b = block_new(n + 1);

    memcpy(b->data, data, n);
    for (int request = 0; request < 2; request++) {
        struct seen whole = {0}, parts = {0};
        fuzz_run(request != 0, b, n, n, &whole);
        fuzz_run(request != 0, b, n, n / 2, &parts);
        ASSERT(whole.heads == parts.heads);
        ASSERT(whole.ends == parts.ends);
    }
    block_unref(b);
    return 0;
}
