/* Tables from rows of JSON: the columns are as wide as their widest cell. */
#ifndef CLIENT_TABLE_H_
#define CLIENT_TABLE_H_

#include "base/buf.h"
#include "base/json.h"

#define TABLE_BYTES_MAX   (64u << 20)
#define TABLE_COLUMNS_MAX 24

struct table_column {
    const char *key;   /* "name", or a path: "spec.team". */
    const char *title; /* "NAME" */
    bool right;        /* Numbers stand to the right. */
};

/* The value at "a.b.c" below @obj; NULL when there is none. */
yyjson_val *table_at(yyjson_val *obj, const char *path);
/* One cell: no quotes, no control characters, "-" for nothing, "yes" and "no", lists with
 * commas. */
void table_add_cell(struct buf *out, yyjson_val *val);
/* Title line and one line for each object of the array @rows. */
void table_add(struct buf *out, const struct table_column *columns, unsigned n_columns,
               yyjson_val *rows);
/* "title  value" lines of one object; members that are missing or null are left out. */
void table_add_facts(struct buf *out, const struct table_column *facts, unsigned n_facts,
                     yyjson_val *obj);

#endif /* CLIENT_TABLE_H_ */
