/* State machines, the ring of trace events that a crash report ends with, and the crash report. */
#include "base/sm.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

struct trace {
    const char *what, *from, *to;
};

static _Thread_local struct trace trace_ring[TRACE_EVENTS_MAX];
static _Thread_local unsigned trace_n;

void trace_event(const char *what, const char *from, const char *to)
{
    trace_ring[trace_n++ % TRACE_EVENTS_MAX] = (struct trace){what, from, to};
}

void sm_init(struct sm *m, const char *name, const struct sm_state *table, int state)
{
    *m = (struct sm){name, table, state};
}

void sm_move(struct sm *m, int state)
{
    trace_event(m->name, m->table[m->state].name, m->table[state].name);
    ASSERT(m->table[m->state].to & SM_BIT(state));
    m->state = state;
}

bool sm_is_final(const struct sm *m)
{
    return m->table[m->state].to == 0;
}

_Noreturn void check_failed(const char *file, int line, const char *fact)
{
    unsigned have = trace_n < TRACE_EVENTS_MAX ? trace_n : TRACE_EVENTS_MAX;

    for (unsigned i = 0; i < have; i++) {
        const struct trace *t = &trace_ring[(trace_n - have + i) % TRACE_EVENTS_MAX];
        (void)fprintf(stderr, "trace: %s: %s%s%s\n", t->what, t->from, t->to != NULL ? " -> " : "",
                      t->to != NULL ? t->to : "");
    }
    (void)fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, fact);
    abort();
}
