/* A lazy scan of one JSON object's top level: no tree, no copy, incremental over chunks. It checks
 * the grammar of what it passes (strict JSON, UTF-8 not
 * checked inside skipped strings but control characters refused), finds the values of a few named
 * fields and their byte offsets, and counts. Fuzzed.
 *
 * Feed bytes in any split; offsets are from the first byte of the body. */
#ifndef BASE_HTTP_JSONSCAN_H_
#define BASE_HTTP_JSONSCAN_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

#define JSONSCAN_FIELDS_MAX 32
#define JSONSCAN_SMALL_BYTES \
    512 /* Values up to this are captured; longer ones have offsets only. */

enum jsonscan_kind {
    JSONSCAN_ABSENT,
    JSONSCAN_NULL,
    JSONSCAN_FALSE,
    JSONSCAN_TRUE,
    JSONSCAN_NUMBER,
    JSONSCAN_STRING,
    JSONSCAN_OBJECT,
    JSONSCAN_ARRAY
};

struct jsonscan_value {
    enum jsonscan_kind kind;
    size_t key_at;                  /* Offset of the key's opening quote. */
    size_t at, end;                 /* The raw value is [at, end), quotes and brackets included. */
    size_t n_items;                 /* Direct members of an object or array. */
    bool captured;                  /* @raw holds the bytes. */
    char raw[JSONSCAN_SMALL_BYTES]; /* Raw text (still escaped), n = end - at. */
};

struct jsonscan;
/* @fields: names that are looked for at the top level (borrowed, static). A repeated top-level key
 * that is one of them is Q_EPROTO ("field `model` is given twice"), also when
 * it is written with escapes. @deep_keys: object keys that are counted at any depth, e.g.
 * "image_url", "file_id" (may be NULL; counts by jsonscan_deep()). Also
 * string VALUES of a key "type" can be watched: @deep_types. */
struct jsonscan *jsonscan_new(const char *const *fields, size_t n_fields,
                              const char *const *deep_keys, size_t n_deep,
                              const char *const *deep_types, size_t n_types);
void jsonscan_free(struct jsonscan *s);
void jsonscan_reset(struct jsonscan *s); /* For reuse from a free list. */
/* 0, or Q_EPROTO with jsonscan_error() ("offset 17: expected a comma or }"). */
int jsonscan_feed(struct jsonscan *s, const char *p, size_t n);
/* After the last byte: Q_EPROTO when the object is not complete or not an object. */
int jsonscan_end(struct jsonscan *s);
const char *jsonscan_error(const struct jsonscan *s);
const struct jsonscan_value *jsonscan_get(const struct jsonscan *s, size_t field_no);
unsigned jsonscan_deep(const struct jsonscan *s, size_t key_no);
unsigned jsonscan_deep_type(const struct jsonscan *s, size_t type_no);
size_t jsonscan_object_at(
    const struct jsonscan
        *s); /* Offset of the opening brace: where a first member can be spliced in, after it. */
bool jsonscan_object_empty(const struct jsonscan *s);
/* Unescapes a captured string into @out (final 0 added); Q_EPROTO when not a string, not captured,
 * or too long for @cap. */
int jsonscan_string(const struct jsonscan_value *v, char *out, size_t cap, size_t *ret_n);
/* A captured number that is a non-negative integer, also written as 1.0; Q_EPROTO otherwise or when
 * above @max. */
int jsonscan_u64(const struct jsonscan_value *v, uint64_t max, uint64_t *ret);

#endif /* BASE_HTTP_JSONSCAN_H_ */
