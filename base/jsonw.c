/* The JSON writer. */
#include <inttypes.h>

#include "base/check.h"
#include "base/json.h"

void jsonw_init(struct jsonw *w, struct buf *out)
{
    *w = (struct jsonw){.out = out};
}

/* A comma before all but the first item of a level. */
static void jsonw_item(struct jsonw *w)
{
    uint64_t bit = 1ull << w->depth;

    if ((w->has_item & bit) != 0) {
        buf_add_u8(w->out, ',');
    }
    w->has_item |= bit;
}

static void jsonw_open(struct jsonw *w, char c)
{
    jsonw_item(w);
    buf_add_u8(w->out, (uint8_t)c);
    w->depth++;
    ASSERT(w->depth < 64);
    w->has_item &= ~(1ull << w->depth);
}

static void jsonw_close(struct jsonw *w, char c)
{
    ASSERT(w->depth > 0);
    w->depth--;
    buf_add_u8(w->out, (uint8_t)c);
}

void jsonw_obj(struct jsonw *w)
{
    jsonw_open(w, '{');
}

void jsonw_obj_end(struct jsonw *w)
{
    jsonw_close(w, '}');
}

void jsonw_arr(struct jsonw *w)
{
    jsonw_open(w, '[');
}

void jsonw_arr_end(struct jsonw *w)
{
    jsonw_close(w, ']');
}

/* Bytes of the UTF-8 sequence at @p; 0 when it is not valid. */
static size_t jsonw_utf8(const unsigned char *p, size_t n)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    uint32_t v;

    if (len == 1) {
        return 1;
    }
    if (p[0] < 0xc2 || p[0] > 0xf4 || len > n) {
        return 0;
    }
    v = p[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
        v = v << 6 | (p[i] & 0x3fu);
    }
    return v < least[len] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff) ? 0 : len;
}

static void jsonw_escape(struct buf *out, unsigned char c)
{
    switch (c) {
    case '"':
        buf_add_str(out, "\\\"");
        break;
    case '\\':
        buf_add_str(out, "\\\\");
        break;
    case '\n':
        buf_add_str(out, "\\n");
        break;
    case '\r':
        buf_add_str(out, "\\r");
        break;
    case '\t':
        buf_add_str(out, "\\t");
        break;
    default:
        buf_printf(out, "\\u%04x", c);
        break;
    }
}

static void jsonw_text(struct buf *out, struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t from = 0, i = 0;

    buf_add_u8(out, '"');
    while (i < s.n) {
        size_t len = jsonw_utf8(p + i, s.n - i);
        bool plain = len > 1 || (len == 1 && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\');
        if (plain) {
            i += len;
            continue;
        }
        buf_add(out, p + from, i - from);
        if (len == 0) {
            buf_add_str(out, "\xef\xbf\xbd");
        } else {
            jsonw_escape(out, p[i]);
        }
        from = ++i;
    }
    buf_add(out, p + from, i - from);
    buf_add_u8(out, '"');
}

void jsonw_key_slice(struct jsonw *w, struct slice key)
{
    jsonw_item(w);
    jsonw_text(w->out, key);
    buf_add_u8(w->out, ':');
    w->has_item &= ~(1ull << w->depth); /* The value is not another item. */
}

void jsonw_key(struct jsonw *w, const char *key)
{
    jsonw_key_slice(w, slice_str(key));
}

void jsonw_slice(struct jsonw *w, struct slice v)
{
    jsonw_item(w);
    jsonw_text(w->out, v);
}

void jsonw_str(struct jsonw *w, const char *v)
{
    jsonw_slice(w, slice_str(v));
}

void jsonw_i64(struct jsonw *w, int64_t v)
{
    jsonw_item(w);
    buf_printf(w->out, "%" PRId64, v);
}

void jsonw_u64(struct jsonw *w, uint64_t v)
{
    jsonw_item(w);
    buf_printf(w->out, "%" PRIu64, v);
}

void jsonw_bool(struct jsonw *w, bool v)
{
    jsonw_item(w);
    buf_add_str(w->out, v ? "true" : "false");
}

void jsonw_null(struct jsonw *w)
{
    jsonw_item(w);
    buf_add_str(w->out, "null");
}

void jsonw_raw(struct jsonw *w, struct slice json)
{
    jsonw_item(w);
    buf_add_slice(w->out, json);
}

void jsonw_kstr(struct jsonw *w, const char *key, const char *v)
{
    jsonw_key(w, key);
    jsonw_str(w, v);
}

void jsonw_kslice(struct jsonw *w, const char *key, struct slice v)
{
    jsonw_key(w, key);
    jsonw_slice(w, v);
}

void jsonw_ki64(struct jsonw *w, const char *key, int64_t v)
{
    jsonw_key(w, key);
    jsonw_i64(w, v);
}

void jsonw_ku64(struct jsonw *w, const char *key, uint64_t v)
{
    jsonw_key(w, key);
    jsonw_u64(w, v);
}

void jsonw_kbool(struct jsonw *w, const char *key, bool v)
{
    jsonw_key(w, key);
    jsonw_bool(w, v);
}
