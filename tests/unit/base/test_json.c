/* JSON: strict trees, and a writer whose output is read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/json.h"
#include "base/limits.h"

static void refused(struct slice text, const char *why)
{
    struct errmsg err = {{0}};
    yyjson_doc *doc = NULL;

    assert_int_equal(json_parse(text, &doc, &err), Q_EPROTO);
    assert_null(doc);
    assert_non_null(strstr(err.text, why));
    assert_int_equal(json_parse_raw_numbers(text, &doc, NULL), Q_EPROTO);
}

static void only_strict_json_is_read(void **state)
{
    struct errmsg err = {{0}};
    yyjson_doc *doc;

    (void)state;
    assert_int_equal(json_parse(SLICE(" {\"a\":[1,null,\"x\"]} "), &doc, &err), 0);
    yyjson_doc_free(doc);
    refused(SLICE(""), "line 1");
    refused(SLICE("{\"a\":1,}"), "line 1");
    refused(SLICE("{\n\"a\": tru\n}"), "line 2, column 6");
    refused(SLICE("{\"a\":1} x"), "line 1");
    refused(SLICE("{\"a\":1"), "line 1");
    refused(SLICE("[01]"), "line 1");
    refused(SLICE("[NaN]"), "line 1");
    refused(SLICE("// c\n1"), "line 1");
    refused(SLICE("[\"\xff\"]"), "line 1");
    refused(SLICE("[\"\\ud800\"]"), "line 1");
    refused(SLICE("[\"a\nb\"]"), "line 1");
}

static void keys_are_given_once(void **state)
{
    struct buf text;
    yyjson_doc *doc;

    (void)state;
    refused(SLICE("{\"a\":1,\"b\":2,\"a\":1}"), "\"a\" is given twice");
    refused(SLICE("[{\"x\":{\"k\":1,\"k\":2}}]"), "\"k\" is given twice");
    refused(SLICE("{\"a\":1,\"\\u0061\":1}"), "\"a\" is given twice"); /* after unescaping */
    assert_int_equal(
        json_parse(SLICE("{\"a\":{\"a\":1},\"ab\":[{\"a\":1},{\"a\":2}]}"), &doc, NULL), 0);
    yyjson_doc_free(doc);
    buf_init(&text, 4u << 20);
    buf_add_str(&text, "{\"first\":0");
    for (int i = 0; i < 100000; i++) { /* a quadratic search would time out */
        buf_printf(&text, ",\"%d\":1", i);
    }
    buf_add_str(&text, ",\"99\":2}");
    refused(buf_slice(&text), "\"99\" is given twice");
    buf_deinit(&text);
}

static void depth_has_an_end(void **state)
{
    char text[2 * JSON_DEPTH_MAX + 2];
    yyjson_doc *doc;

    (void)state;
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    assert_int_equal(json_parse(slice_of(text, 2 * JSON_DEPTH_MAX), &doc, NULL), 0);
    yyjson_doc_free(doc);
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    refused(slice_of(text, sizeof text), "nested deeper");
    memset(text, '[', sizeof text);
    text[0] = '"'; /* brackets in a string are no depth */
    text[1] = '\\';
    text[2] = '"';
    text[sizeof text - 1] = '"';
    assert_int_equal(json_parse(slice_of(text, sizeof text), &doc, NULL), 0);
    yyjson_doc_free(doc);
}

static void raw_numbers_keep_their_text(void **state)
{
    yyjson_doc *doc;
    yyjson_val *v;

    (void)state;
    assert_int_equal(json_parse_raw_numbers(SLICE("[0.150, 1e400, 3]"), &doc, NULL), 0);
    v = yyjson_arr_get_first(yyjson_doc_get_root(doc));
    assert_true(yyjson_is_raw(v));
    assert_int_equal(yyjson_get_len(v), 5);
    assert_memory_equal(yyjson_get_raw(v), "0.150", 5);
    assert_int_equal(json_slice(v).n, 0); /* no string */
    assert_int_equal(json_slice(NULL).n, 0);
    yyjson_doc_free(doc);
}

static void the_writer_sets_its_commas(void **state)
{
    struct jsonw w;
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    jsonw_init(&w, &out);
    jsonw_obj(&w);
    jsonw_key(&w, "a");
    jsonw_arr(&w);
    jsonw_i64(&w, INT64_MIN);
    jsonw_u64(&w, UINT64_MAX);
    jsonw_obj(&w);
    jsonw_obj_end(&w);
    jsonw_null(&w);
    jsonw_arr_end(&w);
    jsonw_kstr(&w, "b", "x");
    jsonw_kbool(&w, "c", false);
    jsonw_ki64(&w, "d", -1);
    jsonw_key(&w, "e");
    jsonw_raw(&w, SLICE("0.15"));
    jsonw_obj_end(&w);
    assert_true(slice_eq(buf_slice(&out),
                         SLICE("{\"a\":[-9223372036854775808,18446744073709551615,{},null],"
                               "\"b\":\"x\",\"c\":false,\"d\":-1,\"e\":0.15}")));
    buf_deinit(&out);
}

static void writes_text(struct slice text, const char *want)
{
    struct jsonw w;
    struct buf out;

    buf_init(&out, 4096);
    jsonw_init(&w, &out);
    jsonw_slice(&w, text);
    assert_true(slice_eq(buf_slice(&out), slice_str(want)));
    buf_deinit(&out);
}

static void text_is_escaped_and_mended(void **state)
{
    (void)state;
    writes_text(SLICE(""), "\"\"");
    writes_text(SLICE("\"\\/\n\r\t\b\0\x1f\x7f"),
                "\"\\\"\\\\/\\n\\r\\t\\u0008\\u0000\\u001f\x7f\"");
    writes_text(SLICE("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
                "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
    writes_text(SLICE("a\xff"), "\"a\xef\xbf\xbd\"");
    writes_text(SLICE("\xc0\xaf"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");                 /* overlong */
    writes_text(SLICE("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""); /* surrogate */
    writes_text(SLICE("\xe2\x82"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");                 /* cut */
    writes_text(SLICE("\xf4\x90\x80\x80"),
                "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""); /* past U+10FFFF */
}

static void every_byte_pair_reads_back(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 256);
    for (unsigned i = 0; i < 65536; i++) {
        char pair[2] = {(char)(i >> 8), (char)i};
        struct jsonw w;
        yyjson_doc *doc;
        buf_clear(&out);
        jsonw_init(&w, &out);
        jsonw_slice(&w, slice_of(pair, 2));
        assert_int_equal(json_parse(buf_slice(&out), &doc, NULL), 0);
        if (i >> 8 < 0x80 && (i & 0xff) < 0x80) {
            assert_true(slice_eq(json_slice(yyjson_doc_get_root(doc)), slice_of(pair, 2)));
        }
        yyjson_doc_free(doc);
    }
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_strict_json_is_read),   cmocka_unit_test(keys_are_given_once),
        cmocka_unit_test(depth_has_an_end),           cmocka_unit_test(raw_numbers_keep_their_text),
        cmocka_unit_test(the_writer_sets_its_commas), cmocka_unit_test(text_is_escaped_and_mended),
        cmocka_unit_test(every_byte_pair_reads_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
