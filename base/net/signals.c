#include "base/net/signals.h"

#include <uv.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/net/loop_i.h"

struct watched {
    uv_signal_t uv;
    void (*cb)(void *arg, int signo);
    void *arg;
};

static void signals_on_signal(uv_signal_t *s, int signo)
{
    struct watched *w = s->data;

    w->cb(w->arg, signo);
}

void signals_start(struct loop *l, const int *signals, void (*cb)(void *arg, int signo), void *arg)
{
    for (; *signals != 0; signals++) {
        struct watched *w = mem_zalloc(sizeof *w);
        w->cb = cb;
        w->arg = arg;
        ASSERT(uv_signal_init(&l->uv, &w->uv) == 0);
        w->uv.data = w;
        (void)uv_signal_start(&w->uv, signals_on_signal, *signals);
        uv_unref((uv_handle_t *)&w->uv);
    }
}
