/* A small cluster around one ledger, in which everything that may go wrong does: see
 * test_ledger.c. */
#ifndef TESTS_UNIT_RAFT_FSM_WORLD_H_
#define TESTS_UNIT_RAFT_FSM_WORLD_H_

#include <stddef.h>
#include <stdint.h>

enum mutant {
    MUTANT_NONE,
    MUTANT_EXPIRE,    /* Unreported credit of a fenced node goes back to the pool. */
    MUTANT_NO_INC,    /* Reports of an earlier incarnation are taken for the present one's. */
    MUTANT_DELTA,     /* Returns are added up instead of merged by max(). */
    MUTANT_KEEP,      /* A node goes on using credit that it has returned. */
    MUTANT_LAZY_DISK, /* The journal lags behind what is used. */
    MUTANT_N_
};

/* So that a world in which nothing happens does not pass. */
struct world_counts {
    uint64_t entries, windows, billed;
};
/* Gives what was broken, or NULL. @counts grow. */
const char *world_run(uint64_t seed, enum mutant mutant, size_t steps, struct world_counts *counts);

#endif /* TESTS_UNIT_RAFT_FSM_WORLD_H_ */
