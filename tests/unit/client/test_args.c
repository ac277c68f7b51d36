/* The command line of quoratectl. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "client/args.h"

#define WORDS_MAX 16

/* Parses @line, cut at spaces in place: it lives as long as @a. */
static int parse(struct args *a, char *line, struct errmsg *err)
{
    static char *words[WORDS_MAX];
    char *save = NULL;
    int n = 1;

    words[0] = (char *)"quoratectl";
    for (char *word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        assert_true(n < WORDS_MAX);
        words[n++] = word;
    }
    return args_init(a, n, words, err);
}

static void test_options_stand_anywhere(void **state)
{
    char line[] = "-o json key --endpoint https://a create --team=research --endpoint http://b:1/";
    struct errmsg err = {0};
    struct args a;

    (void)state;
    assert_int_equal(parse(&a, line, &err), 0);
    assert_int_equal(a.n_words, 2);
    assert_string_equal(a.words[0], "key");
    assert_string_equal(a.words[1], "create");
    assert_int_equal(a.n_endpoints, 2);
    assert_string_equal(a.endpoints[1], "http://b:1/");
    assert_string_equal(a.value[OPT_TEAM], "research");
    assert_int_equal(a.output, OUTPUT_JSON);
    args_deinit(&a);
}

static void test_dash_is_a_value_and_a_word(void **state)
{
    char line[] = "apply -f - -- --odd-name";
    struct errmsg err = {0};
    struct args a;

    (void)state;
    assert_int_equal(parse(&a, line, &err), 0);
    assert_string_equal(a.value[OPT_FILE], "-");
    assert_int_equal(a.n_words, 2);
    assert_string_equal(a.words[1], "--odd-name");
}

static void test_mistakes_are_named(void **state)
{
    static const struct {
        const char *line;
        const char *sentence;
    } cases[] = {
        {"get --bogus", "there is no option '--bogus'"},
        {"get -x", "there is no option '-x'"},
        {"get --team", "--team needs a value"},
        {"get --team=", "--team needs a value"},
        {"get --team a --team b", "--team is given twice"},
        {"budget status --watch=yes", "--watch takes no value"},
        {"get -o xml", "-o is table, json or yaml, not 'xml'"},
        {"get --endpoint n1:8443", "endpoint 'n1:8443' must begin with https:// or http://"},
        {"a b c d e", "'e' is one word too many"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char line[128];
        struct errmsg err = {0};
        struct args a;
        (void)snprintf(line, sizeof(line), "%s", cases[i].line);
        assert_int_equal(parse(&a, line, &err), Q_EINVAL);
        assert_string_equal(err.text, cases[i].sentence);
    }
}

static void test_foreign_options_are_refused(void **state)
{
    char line[] = "usage --by team --node n1 -o yaml";
    struct errmsg err = {0};
    struct args a;

    (void)state;
    assert_int_equal(parse(&a, line, &err), 0);
    assert_int_equal(args_refuse_others(&a, OPT_ANYWHERE | OPT_BIT(BY), &err), Q_EINVAL);
    assert_string_equal(err.text, "--node does not belong to this command");
    assert_int_equal(args_refuse_others(&a, OPT_ANYWHERE | OPT_BIT(BY) | OPT_BIT(NODE), &err), 0);
}

static void test_environment_fills_gaps(void **state)
{
    char bare[] = "get team";
    char given[] = "get team --endpoint https://c --token-file mine";
    struct errmsg err = {0};
    struct args a;

    (void)state;
    assert_int_equal(setenv("QUORATE_ENDPOINT", " https://a  https://b ", 1), 0);
    assert_int_equal(setenv("QUORATE_TOKEN_FILE", "theirs", 1), 0);
    assert_int_equal(parse(&a, bare, &err), 0);
    assert_int_equal(args_env(&a, &err), 0);
    assert_int_equal(a.n_endpoints, 2);
    assert_string_equal(a.endpoints[1], "https://b");
    assert_string_equal(a.value[OPT_TOKEN_FILE], "theirs");
    args_deinit(&a);

    assert_int_equal(parse(&a, given, &err), 0);
    assert_int_equal(args_env(&a, &err), 0);
    assert_int_equal(a.n_endpoints, 1);
    assert_string_equal(a.value[OPT_TOKEN_FILE], "mine");
    args_deinit(&a);

    assert_int_equal(setenv("QUORATE_ENDPOINT", "n1:8443", 1), 0);
    assert_int_equal(parse(&a, bare, &err), 0);
    assert_int_equal(args_env(&a, &err), Q_EINVAL);
    args_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_stand_anywhere),
        cmocka_unit_test(test_dash_is_a_value_and_a_word),
        cmocka_unit_test(test_mistakes_are_named),
        cmocka_unit_test(test_foreign_options_are_refused),
        cmocka_unit_test(test_environment_fills_gaps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
