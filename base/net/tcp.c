#include "base/net/tcp_i.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/net/loop_i.h"

struct tcp *tcp_new(struct loop *l)
{
    struct tcp *t = mem_zalloc(sizeof *t);
    int rv = uv_tcp_init(&l->uv, &t->uv);

    ASSERT(rv == 0); /* Makes no socket yet: nothing can fail. */
    t->uv.data = t;
    t->connect.data = t;
    list_init(&t->link);
    return t;
}

static void tcp_on_closed(uv_handle_t *h)
{
    struct tcp *t = h->data;
    void (*on_closed)(void *owner) = t->on_closed;
    void *owner = t->owner;

    mem_free(t);
    if (on_closed != NULL) {
        on_closed(owner);
    }
}

void tcp_close(struct tcp *t, void (*on_closed)(void *owner))
{
    list_remove(&t->link);
    t->on_closed = on_closed;
    uv_close((uv_handle_t *)&t->uv, tcp_on_closed);
}
