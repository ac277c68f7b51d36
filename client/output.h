/* JSON with indents, and YAML, of a parsed value. */
#ifndef CLIENT_OUTPUT_H_
#define CLIENT_OUTPUT_H_

#include "base/buf.h"
#include "base/json.h"
#include "client/args.h"

#define OUTPUT_BYTES_MAX (64u << 20)

void output_add_json(struct buf *out, yyjson_val *val);
/* Block style; strings are quoted where plain ones would be read as something else. */
void output_add_yaml(struct buf *out, yyjson_val *val);
/* A document of a cluster file: "---", kind, name, spec. */
void output_add_resource(struct buf *out, yyjson_val *item);
/* Prints the value as JSON or YAML. */
void output_print(enum output how, yyjson_val *val);
/* Writes to stdout and empties the buffer. */
void output_flush(struct buf *out);

#endif /* CLIENT_OUTPUT_H_ */
