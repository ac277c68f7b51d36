/* The table against a sorted array; clones that stay as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "raft/table.h"

#define KEYS 3000

static const struct table_type type = {"test", 7, 0, NULL};

static struct slice key_of(size_t i, char out[16])
{
    (void)snprintf(out, 16, "%06zu", i);
    return slice_str(out);
}

static void check_equal(const struct table *t, const uint32_t values[KEYS])
{
    const struct table_rec *rec = table_next(t, SLICE(""), true);
    size_t n = 0;
    char key[16];

    for (size_t i = 0; i < KEYS; i++) {
        const struct table_rec *got = table_get(t, key_of(i, key));
        if (values[i] == 0) {
            assert_true(got == NULL);
            continue;
        }
        n++;
        assert_true(got != NULL && got == rec);
        assert_int_equal(table_value(got).n, 4);
        assert_memory_equal(table_value(got).p, &values[i], 4);
        rec = table_next(t, table_key(rec), false);
    }
    assert_true(rec == NULL);
    assert_int_equal(t->n, n);
}

static void change(struct table *t, uint32_t values[KEYS], struct rng *rng, size_t times,
                   unsigned remove_percent)
{
    char key[16];

    for (size_t i = 0; i < times; i++) {
        size_t at = rng_below(rng, KEYS);
        if (rng_below(rng, 100) < remove_percent) {
            assert_int_equal(table_remove(t, key_of(at, key)), values[at] != 0);
            values[at] = 0;
        } else {
            values[at] = (uint32_t)rng_u64(rng) | 1;
            table_put(t, key_of(at, key), slice_of((const char *)&values[at], 4));
        }
    }
}

static void test_behaves_as_a_sorted_array(void **state)
{
    static uint32_t values[KEYS];
    struct table t;
    struct rng rng;

    (void)state;
    rng_init_seed(&rng, 1);
    memset(values, 0, sizeof values);
    table_init(&t, &type);
    for (unsigned percent = 0; percent <= 100; percent += 10) {
        change(&t, values, &rng, 5000, percent);
        check_equal(&t, values);
    }
    for (size_t i = 0; i < KEYS; i++) {
        char key[16];
        (void)table_remove(&t, key_of(i, key));
    }
    assert_true(t.root == NULL && t.n == 0 && t.hash == 0);
    table_deinit(&t);
}

static void test_a_clone_stays_as_it_was(void **state)
{
    static uint32_t values[KEYS], before[KEYS];
    struct table t, clone;
    struct rng rng;

    (void)state;
    rng_init_seed(&rng, 2);
    memset(values, 0, sizeof values);
    table_init(&t, &type);
    change(&t, values, &rng, 4000, 20);
    for (int round = 0; round < 20; round++) {
        clone = table_clone(&t);
        memcpy(before, values, sizeof values);
        change(&t, values, &rng, 500, 50);
        check_equal(&clone, before);
        check_equal(&t, values);
        table_deinit(&clone);
    }
    table_deinit(&t);
}

static void test_the_hash_does_not_depend_on_the_way(void **state)
{
    struct table up, down;
    char key[16];

    (void)state;
    table_init(&up, &type);
    table_init(&down, &type);
    for (size_t i = 0; i < 1000; i++) {
        table_put(&up, key_of(i, key), SLICE("v"));
        table_put(&down, key_of(999 - i, key), i % 3 == 0 ? SLICE("w") : SLICE("v"));
    }
    assert_true(up.hash != down.hash);
    for (size_t i = 0; i < 1000; i++) {
        table_put(&down, key_of(i, key), SLICE("v"));
    }
    assert_true(up.hash == down.hash);
    table_put(&up, SLICE("a"), SLICE("bc"));
    table_put(&down, SLICE("ab"), SLICE("c"));
    assert_true(up.hash != down.hash);
    table_deinit(&up);
    table_deinit(&down);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_behaves_as_a_sorted_array),
        cmocka_unit_test(test_a_clone_stays_as_it_was),
        cmocka_unit_test(test_the_hash_does_not_depend_on_the_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
