#include "base/http/headers.h"

#include <string.h>

#include "base/check.h"

void headers_init(struct headers *h, struct arena *arena)
{
    *h = (struct headers){.arena = arena};
}

void headers_add_static(struct headers *h, struct slice name, struct slice value)
{
    if (h->n == h->alloc) {
        size_t alloc = h->alloc == 0 ? 16 : h->alloc * 2;
        struct header *v = arena_alloc(h->arena, alloc * sizeof *v);
        if (h->n > 0) {
            memcpy(v, h->v, h->n * sizeof *v);
        }
        h->v = v;
        h->alloc = alloc;
    }
    h->v[h->n++] = (struct header){name, value};
    h->n_bytes += name.n + value.n + 32;
}

void headers_add(struct headers *h, struct slice name, struct slice value)
{
    char *lower = arena_strdup(h->arena, name);

    for (size_t i = 0; i < name.n; i++) {
        lower[i] = lower[i] >= 'A' && lower[i] <= 'Z' ? (char)(lower[i] + 32) : lower[i];
    }
    headers_add_static(h, slice_of(lower, name.n), arena_slice(h->arena, value));
}

void headers_add_str(struct headers *h, const char *name, const char *value)
{
    headers_add_static(h, slice_str(name), arena_slice(h->arena, slice_str(value)));
}

void headers_remove(struct headers *h, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < h->n; i++) {
        if (slice_eq(h->v[i].name, slice_str(name))) {
            h->n_bytes -= h->v[i].name.n + h->v[i].value.n + 32;
        } else {
            h->v[n++] = h->v[i];
        }
    }
    h->n = n;
}

void headers_set(struct headers *h, const char *name, struct slice value)
{
    headers_remove(h, name);
    headers_add(h, slice_str(name), value);
}

struct slice headers_get(const struct headers *h, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < h->n; i++) {
        if (h->v[i].name.n == n && memcmp(h->v[i].name.p, name, n) == 0) {
            return h->v[i].value;
        }
    }
    return (struct slice){NULL, 0};
}

bool headers_has(const struct headers *h, const char *name)
{
    return headers_get(h, name).p != NULL;
}

bool header_name_ok(struct slice name)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!word && (c == 0 || strchr(marks, c) == NULL)) {
            return false;
        }
    }
    return name.n > 0;
}

bool header_value_ok(struct slice value)
{
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return value.n == 0 || slice_trim(value).n == value.n;
}

bool header_is_hop_by_hop(struct slice name)
{
    static const char *const names[] = {"connection",
                                        "keep-alive",
                                        "te",
                                        "transfer-encoding",
                                        "upgrade",
                                        "proxy-connection",
                                        "proxy-authenticate",
                                        "proxy-authorization",
                                        "trailer",
                                        "http2-settings",
                                        "expect"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (slice_eq(name, slice_str(names[i]))) {
            return true;
        }
    }
    return false;
}
