/* A state machine as data: a table of states, each with the set of states it may move to.
 *
 * The table is the documentation, and sm_move() is the only way to change state. It traces before
 * it
 * asserts, so that the report of a crash ends with the illegal move and both its names. */
#ifndef BASE_SM_H_
#define BASE_SM_H_

#include <stdbool.h>
#include <stdint.h>

#define SM_BIT(s) (1u << (s))

struct sm_state {
    const char *name;
    uint32_t to; /* SM_BIT() of every state reachable in one move; 0 means final. */
};

struct sm {
    const char *name;
    const struct sm_state *table;
    int state;
};

void sm_init(struct sm *m, const char *name, const struct sm_state *table, int state);
void sm_move(struct sm *m, int state);
bool sm_is_final(const struct sm *m);
static inline const char *sm_name(const struct sm *m)
{
    return m->table[m->state].name;
}

/* The last TRACE_EVENTS_MAX events of each thread, printed by check_failed(). Strings must be
 * static. */
#define TRACE_EVENTS_MAX 64
void trace_event(const char *what, const char *from, const char *to);

#endif /* BASE_SM_H_ */
