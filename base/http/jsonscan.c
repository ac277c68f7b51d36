/* The scanner: a byte machine over strict JSON. Strings are skipped in runs; only keys and values
 * of the top level, and keys anywhere while deep words are watched, are looked at. */
#include "base/http/jsonscan.h"

#include <stdio.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/check.h"
#include "base/limits.h"
#include "base/mem.h"

#define JSONSCAN_WORDS_MAX 16
#define JSONSCAN_KEY_BYTES 128 /* Longer keys are none of those we look for. */

/* What may come next. */
enum scan_state {
    SCAN_START,     /* The opening brace. */
    SCAN_KEY_FIRST, /* A key or }. */
    SCAN_KEY,       /* A key (after a comma). */
    SCAN_COLON,
    SCAN_VALUE,
    SCAN_VALUE_FIRST, /* A value or ]. */
    SCAN_AFTER,       /* A comma or the end of the container. */
    SCAN_STRING,      /* Inside a string. */
    SCAN_ESCAPE,
    SCAN_HEX, /* n digits of \u are left. */
    SCAN_NUMBER,
    SCAN_WORD, /* true, false, null */
    SCAN_END,  /* Only white space. */
    SCAN_BAD
};

enum number_state { NUM_MINUS, NUM_ZERO, NUM_INT, NUM_DOT, NUM_FRACTION, NUM_E, NUM_SIGN, NUM_EXP };

struct jsonscan {
    const char *const *fields;
    size_t n_fields;
    const char *const *deep_keys, *const *deep_types;
    size_t n_deep, n_types;
    struct jsonscan_value values[JSONSCAN_FIELDS_MAX];
    unsigned deep[JSONSCAN_WORDS_MAX], types[JSONSCAN_WORDS_MAX];
    enum scan_state expect;
    enum number_state number;
    size_t at;      /* Offset of the next byte. */
    unsigned depth; /* 1: in the top-level object. */
    uint64_t is_array[JSON_DEPTH_MAX / 64 + 1];
    bool is_key;     /* The string is a key. */
    bool type_value; /* The next string is the value of a "type" key. */
    unsigned hex_left;
    uint32_t hex, surrogate;
    const char *word;              /* What is left of true, false, null. */
    char text[JSONSCAN_KEY_BYTES]; /* The key, or the value of "type", unescaped. */
    size_t text_n;
    bool text_long, keep_text;
    size_t string_at;
    struct jsonscan_value *value; /* The top-level value being read and wanted; NULL. */
    size_t object_at;
    bool object_empty;
    char error[96];
};

struct jsonscan *jsonscan_new(const char *const *fields, size_t n_fields,
                              const char *const *deep_keys, size_t n_deep,
                              const char *const *deep_types, size_t n_types)
{
    struct jsonscan *s = mem_zalloc(sizeof *s);

    ASSERT(n_fields <= JSONSCAN_FIELDS_MAX);
    ASSERT(n_deep <= JSONSCAN_WORDS_MAX && n_types <= JSONSCAN_WORDS_MAX);
    s->fields = fields;
    s->n_fields = n_fields;
    s->deep_keys = deep_keys;
    s->n_deep = n_deep;
    s->deep_types = deep_types;
    s->n_types = n_types;
    s->object_empty = true;
    return s;
}

void jsonscan_free(struct jsonscan *s)
{
    mem_free(s);
}

void jsonscan_reset(struct jsonscan *s)
{
    for (size_t i = 0; i < s->n_fields; i++) { /* Not the captured text: it is large. */
        s->values[i].kind = JSONSCAN_ABSENT;
        s->values[i].captured = false;
        s->values[i].n_items = 0;
        s->values[i].key_at = s->values[i].at = s->values[i].end = 0;
    }
    memset(s->deep, 0, sizeof s->deep);
    memset(s->types, 0, sizeof s->types);
    s->expect = SCAN_START;
    s->at = 0;
    s->depth = 0;
    memset(s->is_array, 0, sizeof s->is_array);
    s->type_value = false;
    s->surrogate = 0;
    s->value = NULL;
    s->object_empty = true;
    s->error[0] = 0;
}

static int scan_fail(struct jsonscan *s, const char *expected)
{
    s->expect = SCAN_BAD;
    (void)snprintf(s->error, sizeof s->error, "offset %zu: expected %s", s->at, expected);
    return Q_EPROTO;
}

/* --- containers --- */

static bool scan_in_array(const struct jsonscan *s)
{
    return (s->is_array[s->depth / 64] >> (s->depth % 64) & 1) != 0;
}

static int scan_open(struct jsonscan *s, bool array)
{
    if (s->depth == JSON_DEPTH_MAX) {
        return scan_fail(s, "less nesting");
    }
    s->depth++;
    if (array) {
        s->is_array[s->depth / 64] |= 1ull << (s->depth % 64);
    } else {
        s->is_array[s->depth / 64] &= ~(1ull << (s->depth % 64));
    }
    s->expect = array ? SCAN_VALUE_FIRST : SCAN_KEY_FIRST;
    return 0;
}

/* The value that ended just before offset @end was one of ours. */
static void scan_value_done(struct jsonscan *s, size_t end)
{
    struct jsonscan_value *v = s->value;

    if (v != NULL && s->depth == 1) {
        v->end = end;
        v->captured = end - v->at <= JSONSCAN_SMALL_BYTES;
        s->value = NULL;
    }
    s->expect = SCAN_AFTER;
}

static int scan_close(struct jsonscan *s, bool array)
{
    if (scan_in_array(s) != array) {
        return scan_fail(s, array ? "}" : "]");
    }
    s->depth--;
    if (s->depth == 0) {
        s->expect = SCAN_END;
    } else {
        scan_value_done(s, s->at + 1);
    }
    return 0;
}

/* --- strings --- */

static void scan_text_byte(struct jsonscan *s, char c)
{
    if (s->text_n < sizeof s->text) {
        s->text[s->text_n++] = c;
    } else {
        s->text_long = true;
    }
}

static void scan_text_rune(struct jsonscan *s, uint32_t r)
{
    if (r < 0x80) {
        scan_text_byte(s, (char)r);
    } else if (r < 0x800) {
        scan_text_byte(s, (char)(0xc0 | r >> 6));
        scan_text_byte(s, (char)(0x80 | (r & 63)));
    } else if (r < 0x10000) {
        scan_text_byte(s, (char)(0xe0 | r >> 12));
        scan_text_byte(s, (char)(0x80 | (r >> 6 & 63)));
        scan_text_byte(s, (char)(0x80 | (r & 63)));
    } else {
        scan_text_byte(s, (char)(0xf0 | r >> 18));
        scan_text_byte(s, (char)(0x80 | (r >> 12 & 63)));
        scan_text_byte(s, (char)(0x80 | (r >> 6 & 63)));
        scan_text_byte(s, (char)(0x80 | (r & 63)));
    }
}

static void scan_string_begin(struct jsonscan *s, bool is_key)
{
    s->is_key = is_key;
    /* Keys of the top level always; others only while somebody asks. */
    s->keep_text = is_key ? s->depth == 1 || s->n_deep > 0 || s->n_types > 0 : s->type_value;
    s->text_n = 0;
    s->text_long = false;
    s->string_at = s->at;
    s->surrogate = 0;
    s->expect = SCAN_STRING;
}

static bool scan_text_is(const struct jsonscan *s, const char *word)
{
    size_t n = strlen(word);

    return !s->text_long && s->text_n == n && memcmp(s->text, word, n) == 0;
}

static int scan_top_key(struct jsonscan *s)
{
    for (size_t i = 0; i < s->n_fields; i++) {
        struct jsonscan_value *v = &s->values[i];
        if (!scan_text_is(s, s->fields[i])) {
            continue;
        }
        if (v->kind != JSONSCAN_ABSENT) {
            s->expect = SCAN_BAD;
            (void)snprintf(s->error, sizeof s->error, "the field `%s` is given twice",
                           s->fields[i]);
            return Q_EPROTO;
        }
        v->key_at = s->string_at;
        s->value = v;
    }
    return 0;
}

static int scan_string_end(struct jsonscan *s)
{
    if (!s->is_key) {
        for (size_t i = 0; s->type_value && i < s->n_types; i++) {
            s->types[i] += scan_text_is(s, s->deep_types[i]);
        }
        s->type_value = false;
        scan_value_done(s, s->at + 1);
        return 0;
    }
    s->expect = SCAN_COLON;
    for (size_t i = 0; i < s->n_deep; i++) {
        s->deep[i] += scan_text_is(s, s->deep_keys[i]);
    }
    s->type_value = s->n_types > 0 && scan_text_is(s, "type");
    return s->depth == 1 ? scan_top_key(s) : 0;
}

/* How many bytes from @p are neither quote, backslash nor control. */
static size_t scan_plain_run(const char *p, size_t n)
{
    size_t i = 0;

#if defined(__SSE2__)
    for (; i + 16 <= n; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
        __m128i back = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
        __m128i ctl = _mm_cmpeq_epi8(_mm_max_epu8(v, _mm_set1_epi8(0x1f)), _mm_set1_epi8(0x1f));
        int mask = _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, back), ctl));
        if (mask != 0) {
            return i + (size_t)__builtin_ctz((unsigned)mask);
        }
    }
#endif
    while (i < n && p[i] != '"' && p[i] != '\\' && (unsigned char)p[i] >= 0x20) {
        i++;
    }
    return i;
}

static int scan_escape(struct jsonscan *s, char c)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at = c == 0 ? NULL : strchr(from, c);

    if (c == 'u') {
        s->hex_left = 4;
        s->hex = 0;
        s->expect = SCAN_HEX;
        return 0;
    }
    if (at == NULL) {
        return scan_fail(s, "an escape");
    }
    scan_text_byte(s, to[at - from]);
    s->expect = SCAN_STRING;
    return 0;
}

static int scan_hex(struct jsonscan *s, char c)
{
    uint32_t d = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                 : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                 : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                        : 16;

    if (d == 16) {
        return scan_fail(s, "four hexadecimal digits");
    }
    s->hex = s->hex << 4 | d;
    if (--s->hex_left > 0) {
        return 0;
    }
    s->expect = SCAN_STRING;
    if (s->hex >= 0xdc00 && s->hex <= 0xdfff) {
        if (s->surrogate == 0) {
            return scan_fail(s, "a surrogate pair");
        }
        scan_text_rune(s, 0x10000 + ((s->surrogate - 0xd800) << 10) + (s->hex - 0xdc00));
        s->surrogate = 0;
    } else if (s->surrogate != 0) {
        return scan_fail(s, "a surrogate pair");
    } else if (s->hex >= 0xd800 && s->hex <= 0xdbff) {
        s->surrogate = s->hex;
    } else {
        scan_text_rune(s, s->hex);
    }
    return 0;
}

/* Inside a string; consumes a run and what ends it. Returns bytes consumed or a code. */
static int64_t scan_string(struct jsonscan *s, const char *p, size_t n)
{
    size_t run = scan_plain_run(p, n);
    int rv = 0;

    if (run > 0 && s->surrogate != 0) {
        return scan_fail(s, "a surrogate pair");
    }
    for (size_t i = 0; s->keep_text && i < run && !s->text_long; i++) {
        scan_text_byte(s, p[i]);
    }
    s->at += run;
    if (run == n) {
        return (int64_t)run;
    }
    if (p[run] == '\\') {
        s->expect = SCAN_ESCAPE;
    } else if (p[run] != '"') {
        return scan_fail(s, "no control character in a string");
    } else if (s->surrogate != 0) {
        return scan_fail(s, "a surrogate pair");
    } else {
        rv = scan_string_end(s);
    }
    s->at++;
    return rv != 0 ? rv : (int64_t)run + 1;
}

/* --- numbers and words --- */

static bool scan_number_may_end(enum number_state n)
{
    return n == NUM_ZERO || n == NUM_INT || n == NUM_FRACTION || n == NUM_EXP;
}

/* True when @c belongs to the number. */
static bool scan_number_byte(struct jsonscan *s, char c)
{
    bool digit = c >= '0' && c <= '9';

    switch (s->number) {
    case NUM_MINUS:
        s->number = c == '0' ? NUM_ZERO : NUM_INT;
        return digit;
    case NUM_ZERO:
    case NUM_INT:
        if (digit && s->number == NUM_INT) {
            return true;
        }
        if (c == '.' || c == 'e' || c == 'E') {
            s->number = c == '.' ? NUM_DOT : NUM_E;
            return true;
        }
        return false;
    case NUM_DOT:
        s->number = digit ? NUM_FRACTION : NUM_DOT;
        return digit;
    case NUM_FRACTION:
        if (c == 'e' || c == 'E') {
            s->number = NUM_E;
            return true;
        }
        return digit;
    case NUM_E:
        if (c == '+' || c == '-') {
            s->number = NUM_SIGN;
            return true;
        }
        s->number = digit ? NUM_EXP : NUM_E;
        return digit;
    case NUM_SIGN:
        s->number = digit ? NUM_EXP : NUM_SIGN;
        return digit;
    case NUM_EXP:
        return digit;
    }
    UNREACHABLE();
}

/* --- values --- */

static void scan_wanted(struct jsonscan *s, enum jsonscan_kind kind)
{
    if (s->value != NULL && s->depth == 1) {
        s->value->kind = kind;
        s->value->at = s->at;
    } else if (s->value != NULL && s->depth == 2 && scan_in_array(s)) {
        s->value->n_items++;
    }
}

static int scan_value(struct jsonscan *s, char c)
{
    if (c != '"') {
        s->type_value = false;
    }
    switch (c) {
    case '{':
    case '[':
        scan_wanted(s, c == '{' ? JSONSCAN_OBJECT : JSONSCAN_ARRAY);
        return scan_open(s, c == '[');
    case '"':
        scan_wanted(s, JSONSCAN_STRING);
        scan_string_begin(s, false);
        return 0;
    case 't':
        scan_wanted(s, JSONSCAN_TRUE);
        s->word = "rue";
        s->expect = SCAN_WORD;
        return 0;
    case 'f':
        scan_wanted(s, JSONSCAN_FALSE);
        s->word = "alse";
        s->expect = SCAN_WORD;
        return 0;
    case 'n':
        scan_wanted(s, JSONSCAN_NULL);
        s->word = "ull";
        s->expect = SCAN_WORD;
        return 0;
    default:
        if (c != '-' && (c < '0' || c > '9')) {
            return scan_fail(s, "a value");
        }
        scan_wanted(s, JSONSCAN_NUMBER);
        s->number = c == '-' ? NUM_MINUS : c == '0' ? NUM_ZERO : NUM_INT;
        s->expect = SCAN_NUMBER;
        return 0;
    }
}

static int scan_key(struct jsonscan *s, char c)
{
    if (c != '"') {
        return scan_fail(s, "a key in quotes");
    }
    if (s->depth == 1) {
        s->object_empty = false;
    } else if (s->depth == 2 && s->value != NULL) {
        s->value->n_items++;
    }
    scan_string_begin(s, true);
    return 0;
}

static int scan_after(struct jsonscan *s, char c)
{
    if (c == ',') {
        s->expect = scan_in_array(s) ? SCAN_VALUE : SCAN_KEY;
        return 0;
    }
    if (c == '}' || c == ']') {
        return scan_close(s, c == ']');
    }
    return scan_fail(s, scan_in_array(s) ? "a comma or ]" : "a comma or }");
}

/* One byte outside of strings; *ret_again: it was not consumed. */
static int scan_byte(struct jsonscan *s, char c, bool *ret_again)
{
    *ret_again = false;
    if (s->expect == SCAN_NUMBER) {
        if (scan_number_byte(s, c)) {
            return 0;
        }
        if (!scan_number_may_end(s->number)) {
            return scan_fail(s, "a digit");
        }
        scan_value_done(s, s->at);
        *ret_again = true;
        return 0;
    }
    if (s->expect == SCAN_WORD) {
        if (c != s->word[0]) {
            return scan_fail(s, "true, false or null");
        }
        if (*++s->word == 0) {
            scan_value_done(s, s->at + 1);
        }
        return 0;
    }
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        return 0;
    }
    switch (s->expect) {
    case SCAN_START:
        if (c != '{') {
            return scan_fail(s, "an object");
        }
        s->object_at = s->at;
        return scan_open(s, false);
    case SCAN_KEY_FIRST:
        return c == '}' ? scan_close(s, false) : scan_key(s, c);
    case SCAN_KEY:
        return scan_key(s, c);
    case SCAN_COLON:
        s->expect = SCAN_VALUE;
        return c == ':' ? 0 : scan_fail(s, "a colon");
    case SCAN_VALUE_FIRST:
        return c == ']' ? scan_close(s, true) : scan_value(s, c);
    case SCAN_VALUE:
        return scan_value(s, c);
    case SCAN_AFTER:
        return scan_after(s, c);
    case SCAN_END:
        return scan_fail(s, "nothing after the object");
    case SCAN_STRING:
    case SCAN_ESCAPE:
    case SCAN_HEX:
    case SCAN_NUMBER:
    case SCAN_WORD:
    case SCAN_BAD:
        break;
    }
    return Q_EPROTO;
}

static int64_t scan_some(struct jsonscan *s, const char *p, size_t n)
{
    bool again = false;
    int rv;

    if (s->expect == SCAN_STRING) {
        return scan_string(s, p, n);
    }
    if (s->expect == SCAN_ESCAPE) {
        rv = s->surrogate != 0 && p[0] != 'u' ? scan_fail(s, "a surrogate pair")
                                              : scan_escape(s, p[0]);
    } else if (s->expect == SCAN_HEX) {
        rv = scan_hex(s, p[0]);
    } else {
        rv = scan_byte(s, p[0], &again);
    }
    if (rv != 0) {
        return rv;
    }
    s->at += !again;
    return again ? 0 : 1;
}

/* Bytes of the value being read are kept while it is small. */
static void scan_capture(struct jsonscan *s, struct jsonscan_value *v, size_t base, const char *p,
                         size_t from, size_t to)
{
    size_t lo = v->at > from ? v->at : from;
    size_t hi = v->at + JSONSCAN_SMALL_BYTES < to ? v->at + JSONSCAN_SMALL_BYTES : to;

    (void)s;
    if (lo < hi) {
        memcpy(v->raw + (lo - v->at), p + (lo - base), hi - lo);
    }
}

int jsonscan_feed(struct jsonscan *s, const char *p, size_t n)
{
    size_t base = s->at, i = 0;

    if (s->expect == SCAN_BAD) {
        return Q_EPROTO;
    }
    while (i < n) {
        struct jsonscan_value *before = s->value;
        size_t from = s->at;
        int64_t took = scan_some(s, p + i, n - i);
        struct jsonscan_value *v = s->value != NULL ? s->value : before;
        if (took < 0) {
            return (int)took;
        }
        i += (size_t)took;
        if (v != NULL && v->kind != JSONSCAN_ABSENT) {
            scan_capture(s, v, base, p, from, s->at);
        }
    }
    return 0;
}

int jsonscan_end(struct jsonscan *s)
{
    if (s->expect == SCAN_BAD) {
        return Q_EPROTO;
    }
    return s->expect == SCAN_END ? 0 : scan_fail(s, "the rest of the object");
}

const char *jsonscan_error(const struct jsonscan *s)
{
    return s->error;
}

const struct jsonscan_value *jsonscan_get(const struct jsonscan *s, size_t field_no)
{
    ASSERT(field_no < s->n_fields);
    return &s->values[field_no];
}

unsigned jsonscan_deep(const struct jsonscan *s, size_t key_no)
{
    ASSERT(key_no < s->n_deep);
    return s->deep[key_no];
}

unsigned jsonscan_deep_type(const struct jsonscan *s, size_t type_no)
{
    ASSERT(type_no < s->n_types);
    return s->types[type_no];
}

size_t jsonscan_object_at(const struct jsonscan *s)
{
    return s->object_at;
}

bool jsonscan_object_empty(const struct jsonscan *s)
{
    return s->object_empty;
}

/* --- captured values --- */

int jsonscan_string(const struct jsonscan_value *v, char *out, size_t cap, size_t *ret_n)
{
    struct jsonscan reader;
    size_t n = v->end - v->at;

    if (v->kind != JSONSCAN_STRING || !v->captured || n < 2) {
        return Q_EPROTO;
    }
    if (memchr(v->raw, '\\', n) == NULL) {
        if (n - 2 >= cap) {
            return Q_EPROTO;
        }
        memcpy(out, v->raw + 1, n - 2);
        out[n - 2] = 0;
        *ret_n = n - 2;
        return 0;
    }
    /* Escapes are rare: the scanner's own machine takes them, up to its key size. */
    memset(&reader, 0, sizeof reader);
    reader.depth = 1;
    scan_string_begin(&reader, false);
    reader.keep_text = true;
    for (size_t i = 1; i + 1 < n;) {
        int64_t took = scan_some(&reader, v->raw + i, n - 1 - i);
        if (took < 0) {
            return Q_EPROTO;
        }
        i += (size_t)took;
    }
    if (reader.text_long || reader.text_n >= cap || reader.expect != SCAN_STRING) {
        return Q_EPROTO;
    }
    memcpy(out, reader.text, reader.text_n);
    out[reader.text_n] = 0;
    *ret_n = reader.text_n;
    return 0;
}

int jsonscan_u64(const struct jsonscan_value *v, uint64_t max, uint64_t *ret)
{
    struct slice s = slice_of(v->raw, v->end - v->at);

    if (v->kind != JSONSCAN_NUMBER || !v->captured) {
        return Q_EPROTO;
    }
    if (slice_ends(s, SLICE(".0"))) {
        s.n -= 2;
    }
    return scan_u64(s, max, ret);
}
