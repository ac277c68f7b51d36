/* YAML becomes JSON: which scalar becomes what, what is refused, and at which line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/yaml.h"

struct got {
    struct buf json; /* Documents, one a line. */
    unsigned lines[4];
    size_t n;
    int answer;
};

static int take(void *arg, struct slice json, unsigned line, struct errmsg *err)
{
    struct got *g = arg;

    (void)err;
    assert_true(g->n < ARRAY_LEN(g->lines));
    g->lines[g->n++] = line;
    buf_add_slice(&g->json, json);
    buf_add_u8(&g->json, '\n');
    return g->answer;
}

static void becomes(const char *yaml, const char *want)
{
    struct got g = {.n = 0};
    struct errmsg err = {{0}};

    buf_init(&g.json, 1 << 16);
    assert_int_equal(yaml_to_json(slice_str(yaml), take, &g, &err), 0);
    buf_add_u8(&g.json, 0);
    assert_string_equal(g.json.p, want);
    buf_deinit(&g.json);
}

static void refused(const char *yaml, const char *place, const char *why)
{
    struct got g = {.n = 0};
    struct errmsg err = {{0}};

    buf_init(&g.json, 1 << 16);
    assert_int_equal(yaml_to_json(slice_str(yaml), take, &g, &err), Q_EPROTO);
    assert_true(slice_starts(slice_str(err.text), slice_str(place)));
    assert_non_null(strstr(err.text, why));
    buf_deinit(&g.json);
}

static void scalars_follow_the_core_schema(void **state)
{
    (void)state;
    becomes("[null, ~, Null, nil, '']", "[null,null,null,\"nil\",\"\"]\n");
    becomes("{a: , b: true, c: FALSE, d: yes, e: off}",
            "{\"a\":null,\"b\":true,\"c\":false,\"d\":\"yes\",\"e\":\"off\"}\n");
    becomes("[1, -2, 0, 0.15, 1.50, 1e3, -1.5E-7]", "[1,-2,0,0.15,1.50,1e3,-1.5E-7]\n");
    becomes("[12345678901234567890.123456789012]", "[12345678901234567890.123456789012]\n");
    becomes("[01, 1., .5, +1, 0x10, 1e, 1_0, -, 1:30, .inf]",
            "[\"01\",\"1.\",\".5\",\"+1\",\"0x10\",\"1e\",\"1_0\",\"-\",\"1:30\",\".inf\"]\n");
    becomes("['1', \"true\", 'null', \"a\\nb\\x00\"]",
            "[\"1\",\"true\",\"null\",\"a\\nb\\u0000\"]\n");
    becomes("a: |\n  x\n  y\nb: >\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\\n\"}\n");
    becomes("1: a", "{\"1\":\"a\"}\n"); /* a key is text */
}

static void structure_nests(void **state)
{
    (void)state;
    becomes("a:\n- b: 1\n  c: []\n- {}\nd: {e: {f: [1, [2]]}}\n",
            "{\"a\":[{\"b\":1,\"c\":[]},{}],\"d\":{\"e\":{\"f\":[1,[2]]}}}\n");
    becomes("a: {x: 1}\nb: {x: 1}\n", "{\"a\":{\"x\":1},\"b\":{\"x\":1}}\n"); /* no duplicate */
    becomes("", "");
    becomes("# nothing\n---\n---\n", "");
}

static void documents_come_one_by_one(void **state)
{
    struct got g = {.n = 0};
    struct errmsg err = {{0}};

    (void)state;
    buf_init(&g.json, 1 << 16);
    assert_int_equal(yaml_to_json(SLICE("---\na: 1\n---\n---\n# c\nb: 2\n"), take, &g, &err), 0);
    assert_true(slice_eq(buf_slice(&g.json), SLICE("{\"a\":1}\n{\"b\":2}\n")));
    assert_int_equal(g.lines[0], 1);
    assert_int_equal(g.lines[1], 4);
    g.n = 0;
    g.answer = Q_EEXIST; /* the callback stops it */
    assert_int_equal(yaml_to_json(SLICE("a: 1\n---\nb: 2\n"), take, &g, &err), Q_EEXIST);
    assert_int_equal(g.n, 1);
    buf_deinit(&g.json);
}

static void what_is_not_used_is_refused_with_its_place(void **state)
{
    (void)state;
    refused("a: 1\nb: &x 2\n", "line 2, column 4", "anchors");
    refused("a: &x {b: 1}\n", "line 1, column 4", "anchors");
    refused("a: &x [b]\n", "line 1, column 4", "anchors");
    refused("a: 1\nb: *x\n", "line 2, column 4", "aliases");
    refused("a: !!str 1\n", "line 1, column 4", "tags");
    refused("a: !x {b: 1}\n", "line 1, column 4", "tags");
    refused("a: 1\nb: 2\na: 3\n", "line 3, column 1", "twice");
    refused("a: {b: {c: 1}, 'b': 2}\n", "line 1, column 16", "twice");
    refused("{[a]: 1}\n", "line 1, column 2", "plain text");
    refused("a: 1\n\tb: 2\n", "line 2", "");
    refused("a: [1\n", "line 2", "");
    refused("a: \"\xff\"\n", "line", "");
}

static void bombs_are_refused(void **state)
{
    struct errmsg err = {{0}};
    struct got g = {.n = 0};
    struct buf deep;

    (void)state;
    buf_init(&deep, YAML_FILE_BYTES_MAX + 16);
    for (int i = 0; i < 100; i++) {
        buf_add_u8(&deep, '[');
    }
    assert_int_equal(yaml_to_json(buf_slice(&deep), take, &g, &err), Q_EPROTO);
    assert_non_null(strstr(err.text, "too deep"));
    buf_clear(&deep);
    while (deep.n <= YAML_FILE_BYTES_MAX) {
        buf_add_str(&deep, "# a long\n");
    }
    assert_int_equal(yaml_to_json(buf_slice(&deep), take, &g, &err), Q_ETOOBIG);
    assert_int_equal(g.n, 0);
    buf_deinit(&deep);
}

static void a_path_has_its_line(void **state)
{
    struct slice text = SLICE("listen:\n  gateway: :80\n---\nspec:\n  targets:\n"
                              "  - model: a\n  - model: b\n    weight: 2\nx: 1\n");

    (void)state;
    assert_int_equal(yaml_line_of(text, 0, "listen.gateway"), 2);
    assert_int_equal(yaml_line_of(text, 1, "spec.targets.0.model"), 6);
    assert_int_equal(yaml_line_of(text, 1, "spec.targets.1.weight"), 8);
    assert_int_equal(yaml_line_of(text, 1, "x"), 9);
    assert_int_equal(yaml_line_of(text, 0, "x"), 0);
    assert_int_equal(yaml_line_of(text, 1, "spec.targets.2"), 0);
    assert_int_equal(yaml_line_of(text, 7, "x"), 0);
    assert_int_equal(yaml_line_of(SLICE("a: [\n"), 0, "b"), 0);
    text = SLICE("---\n---\na: 1\n---\n# none\n---\na: 2\n"); /* as yaml_to_json() counts them */
    assert_int_equal(yaml_line_of(text, 0, "a"), 3);
    assert_int_equal(yaml_line_of(text, 1, "a"), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_follow_the_core_schema),
        cmocka_unit_test(structure_nests),
        cmocka_unit_test(documents_come_one_by_one),
        cmocka_unit_test(what_is_not_used_is_refused_with_its_place),
        cmocka_unit_test(bombs_are_refused),
        cmocka_unit_test(a_path_has_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
