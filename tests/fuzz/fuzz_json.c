/* JSON trees, and YAML that becomes JSON. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/json.h"
#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int fuzz_document(void *arg, struct slice json, unsigned line, struct errmsg *err)
{
    yyjson_doc *doc;

    (void)arg;
    (void)line;
    ASSERT(json_parse_raw_numbers(json, &doc, err) == 0); /* What yaml_to_json writes is JSON. */
    yyjson_doc_free(doc);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice s = slice_of((const char *)data, n);
    struct errmsg err = {{0}};
    yyjson_doc *doc;

    if (json_parse(s, &doc, &err) == 0) {
        yyjson_doc_free(doc);
    }
    if (json_parse_raw_numbers(s, &doc, &err) == 0) {
        yyjson_doc_free(doc);
    }
    (void)yaml_to_json(s, fuzz_document, NULL, &err);
    (void)yaml_line_of(s, 0, "a.b");
    return 0;
}
