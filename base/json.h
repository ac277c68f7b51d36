/* JSON trees by yyjson, for small bodies, the admin API and resources. The one home of yyjson.h.
 * Pass-through traffic is scanned (base/http/jsonscan.h), never parsed into a tree. */
#ifndef BASE_JSON_H_
#define BASE_JSON_H_

#include <yyjson.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* Parses strict JSON; refuses depth over JSON_DEPTH_MAX and duplicate keys in any object.
 * Gives a document to free with yyjson_doc_free(). Q_EPROTO with line and column in @err. */
int json_parse(struct slice text, yyjson_doc **ret, struct errmsg *err);
struct slice json_slice(const yyjson_val *str); /* Of a string value; empty otherwise. */
/* The exact text of a number as a slice needs the raw flag: parses with numbers kept as raw text,
 * so that
 * decimal amounts stay exact. Numbers are then yyjson_is_raw(). */
int json_parse_raw_numbers(struct slice text, yyjson_doc **ret, struct errmsg *err);

/* Writer: appends compact JSON to a buffer. Commas are its business. */
struct jsonw {
    struct buf *out;
    uint64_t has_item; /* Bit per depth: a comma is due. */
    unsigned depth;    /* At most 63. */
};
void jsonw_init(struct jsonw *w, struct buf *out);
void jsonw_obj(struct jsonw *w); /* '{' */
void jsonw_obj_end(struct jsonw *w);
void jsonw_arr(struct jsonw *w);
void jsonw_arr_end(struct jsonw *w);
void jsonw_key(struct jsonw *w, const char *key);
void jsonw_key_slice(struct jsonw *w, struct slice key);
void jsonw_str(struct jsonw *w, const char *v);
void jsonw_slice(struct jsonw *w, struct slice v); /* Escaped; invalid UTF-8 becomes U+FFFD. */
void jsonw_i64(struct jsonw *w, int64_t v);
void jsonw_u64(struct jsonw *w, uint64_t v);
void jsonw_bool(struct jsonw *w, bool v);
void jsonw_null(struct jsonw *w);
void jsonw_raw(struct jsonw *w, struct slice json); /* A value that is JSON already. */
void jsonw_kstr(struct jsonw *w, const char *key, const char *v);
void jsonw_kslice(struct jsonw *w, const char *key, struct slice v);
void jsonw_ki64(struct jsonw *w, const char *key, int64_t v);
void jsonw_ku64(struct jsonw *w, const char *key, uint64_t v);
void jsonw_kbool(struct jsonw *w, const char *key, bool v);

#endif /* BASE_JSON_H_ */
