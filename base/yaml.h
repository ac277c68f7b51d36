/* YAML to JSON by libyaml's event parser: several documents, plain YAML 1.2 core scalars, no
 * anchors, no
 * tags, no duplicate keys. The one home of yaml.h. Fuzzed. */
#ifndef BASE_YAML_H_
#define BASE_YAML_H_

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* Called for each document with its JSON text and the line it begins at. Non-zero stops and is
 * returned. */
typedef int (*yaml_doc_cb)(void *arg, struct slice json, unsigned line, struct errmsg *err);

/* Errors: Q_EPROTO with "line N, column M: what was expected". */
int yaml_to_json(struct slice text, yaml_doc_cb cb, void *arg, struct errmsg *err);
/* The line (1-based) of the value at @path ("listen.gateway", "spec.targets.0.model") in document
 * @doc_no (from 0); 0 when there is none. For messages after validation. */
unsigned yaml_line_of(struct slice text, unsigned doc_no, const char *path);

#endif /* BASE_YAML_H_ */
