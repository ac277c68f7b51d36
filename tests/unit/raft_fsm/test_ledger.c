/* The ledger under everything that may go wrong at once, against an oracle.
 *
 * Three nodes obey rule N1 of LEDGER.md 3: what they reserve and settle stays within what they know
 * to be granted minus what they have returned. Messages are lost, repeated, late and out of order;
 * nodes crash with and without their journal, or with an old copy of it; live nodes are fenced;
 * windows roll; limits move; the state machine is swapped for a copy from its snapshot. The oracle
 * counts what providers really bill. After every command:
 *
 *   INV-L (kit_apply), billed <= posted + held + presumed, and posted + held + presumed <= the
 * highest limit
 *
 * Five mutants, those of LEDGER.md 3.1, break one rule each; each must be caught. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/raft_fsm/world.h"

static void test_no_overspend_whatever_happens(void **state)
{
    struct world_counts counts = {0};

    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        const char *broken = world_run(seed, MUTANT_NONE, 4000, &counts);
        if (broken != NULL) {
            fail_msg("seed %llu: %s", (unsigned long long)seed, broken);
        }
    }
    print_message("%llu entries, %llu windows, %llu units billed\n",
                  (unsigned long long)counts.entries, (unsigned long long)counts.windows,
                  (unsigned long long)counts.billed);
    assert_true(counts.entries > 20000);
    assert_true(counts.billed > 10 * counts.windows);
}

static void expect_caught(enum mutant mutant)
{
    struct world_counts counts = {0};
    size_t caught = 0;

    for (uint64_t seed = 1; seed <= 40; seed++) {
        caught += world_run(seed, mutant, 4000, &counts) != NULL;
    }
    print_message("mutant %d: caught by %zu of 40 seeds\n", mutant, caught);
    assert_true(caught > 0);
}

static void test_mutant_expiry_returns_credit(void **state)
{
    (void)state;
    expect_caught(MUTANT_EXPIRE);
}

static void test_mutant_no_incarnation_check(void **state)
{
    (void)state;
    expect_caught(MUTANT_NO_INC);
}

static void test_mutant_returns_as_deltas(void **state)
{
    (void)state;
    expect_caught(MUTANT_DELTA);
}

static void test_mutant_returned_credit_is_used(void **state)
{
    (void)state;
    expect_caught(MUTANT_KEEP);
}

static void test_mutant_lazy_journal(void **state)
{
    (void)state;
    expect_caught(MUTANT_LAZY_DISK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_overspend_whatever_happens),
        cmocka_unit_test(test_mutant_expiry_returns_credit),
        cmocka_unit_test(test_mutant_no_incarnation_check),
        cmocka_unit_test(test_mutant_returns_as_deltas),
        cmocka_unit_test(test_mutant_returned_credit_is_used),
        cmocka_unit_test(test_mutant_lazy_journal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
