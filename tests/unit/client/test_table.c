/* Tables, facts and YAML as quoratectl prints them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "client/output.h"
#include "client/table.h"

static yyjson_doc *parse(const char *text)
{
    struct errmsg err = {0};
    yyjson_doc *doc = NULL;

    assert_int_equal(json_parse_raw_numbers(slice_str(text), &doc, &err), 0);
    return doc;
}

/* Ends the text, compares and empties. */
static void expect(struct buf *out, const char *text)
{
    buf_add_u8(out, 0);
    assert_string_equal(out->p, text);
    buf_deinit(out);
}

static const struct table_column columns[] = {
    {"name", "NAME", false},
    {"spec.limit", "LIMIT", true},
    {"spec.on", "ON", false},
};

static void test_columns_are_as_wide_as_needed(void **state)
{
    yyjson_doc *doc = parse("[{\"name\":\"é\",\"spec\":{\"limit\":1250.50,\"on\":true}},"
                            "{\"name\":\"research\",\"spec\":{}}]");
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    table_add(&out, columns, ARRAY_LEN(columns), yyjson_doc_get_root(doc));
    expect(&out, "NAME        LIMIT  ON\n"
                 "é         1250.50  yes\n"
                 "research        -  -\n");
    yyjson_doc_free(doc);
}

static void test_no_rows_are_a_title(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    table_add(&out, columns, ARRAY_LEN(columns), NULL);
    expect(&out, "NAME  LIMIT  ON\n");
}

static void test_cells_cannot_steer_the_terminal(void **state)
{
    yyjson_doc *doc = parse("[\"a\\u001b[31m\", \"b\\u0000\\u009b\", \"\", [1, true], {}, null]");
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    table_add_cell(&out, yyjson_doc_get_root(doc));
    expect(&out, "a?[31m,b??,-,1,yes,-,-");
    yyjson_doc_free(doc);
}

static void test_facts_leave_out_what_is_missing(void **state)
{
    static const struct table_column facts[] = {
        {"id", "request", false}, {"code", "code", false}, {"why", "why", false}};
    yyjson_doc *doc = parse("{\"id\":\"r1\",\"code\":null,\"why\":\"full\"}");
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    table_add_facts(&out, facts, ARRAY_LEN(facts), yyjson_doc_get_root(doc));
    expect(&out, "request  r1\nwhy      full\n");
    yyjson_doc_free(doc);
}

static void test_yaml_keeps_types(void **state)
{
    yyjson_doc *doc = parse("{\"kind\":\"team\",\"name\":\"a/b\",\"revision\":3,\"spec\":"
                            "{\"n\":1.50,\"s\":\"1.5\",\"no\":\"yes\",\"l\":[[1],{\"k\":[]}],"
                            "\"t\":\"a: b\\n\"}}");
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    output_add_resource(&out, yyjson_doc_get_root(doc));
    expect(&out, "---\nkind: team\nname: a/b\nspec:\n"
                 "  \"n\": 1.50\n  s: \"1.5\"\n  \"no\": \"yes\"\n"
                 "  l:\n    - - 1\n    - k: []\n  t: \"a: b\\n\"\n");
    yyjson_doc_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_are_as_wide_as_needed),
        cmocka_unit_test(test_no_rows_are_a_title),
        cmocka_unit_test(test_cells_cannot_steer_the_terminal),
        cmocka_unit_test(test_facts_leave_out_what_is_missing),
        cmocka_unit_test(test_yaml_keeps_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
