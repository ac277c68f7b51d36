/* A stack that any thread pushes on and the owner takes whole and turns around: senders never
 * wait for each other or for the receiver. Only the sender that found it empty wakes the loop.
 *
 *   sender 1 --push--> [c] -> [b] -> [a]     owner: exchange(head, NULL), reverse, deliver a, b, c
 */
#include "base/net/mailbox.h"

#include <sched.h>
#include <stdatomic.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/net/loop_i.h"

struct mailbox {
    uv_async_t async;
    _Atomic(struct letter *) head; /* The newest letter. */
    /* Threads inside mailbox_send(): a letter may be delivered, and close the box, before its
     * sender has left. */
    atomic_uint n_senders;
    bool delivering, closing; /* Owner's. */
};

static void mailbox_on_closed(uv_handle_t *h)
{
    mem_free(h->data);
}

static void mailbox_take(struct mailbox *m)
{
    struct letter *l = atomic_exchange_explicit(&m->head, NULL, memory_order_acq_rel);
    struct letter *first = NULL;

    while (l != NULL) {
        struct letter *older = l->next;
        l->next = first;
        first = l;
        l = older;
    }
    while (first != NULL) {
        struct letter *next = first->next;
        first->next = NULL;
        first->deliver(first);
        first = next;
    }
}

static void mailbox_deliver(struct mailbox *m)
{
    ASSERT(!m->delivering);
    m->delivering = true;
    mailbox_take(m);
    if (m->closing) {
        while (atomic_load_explicit(&m->n_senders, memory_order_acquire) > 0) {
            (void)sched_yield(); /* A few instructions from done. */
        }
        mailbox_take(m);
        uv_close((uv_handle_t *)&m->async, mailbox_on_closed);
    }
    m->delivering = false;
}

static void mailbox_on_async(uv_async_t *a)
{
    struct mailbox *m = a->data;

    if (!m->closing) {
        mailbox_deliver(m);
    }
}

struct mailbox *mailbox_new(struct loop *l)
{
    struct mailbox *m = mem_zalloc(sizeof *m);
    int rv = uv_async_init(&l->uv, &m->async, mailbox_on_async);

    ASSERT(rv == 0);
    m->async.data = m;
    return m;
}

void mailbox_send(struct mailbox *m, struct letter *l)
{
    struct letter *head;

    ASSERT(l->deliver != NULL);
    (void)atomic_fetch_add_explicit(&m->n_senders, 1, memory_order_acquire);
    head = atomic_load_explicit(&m->head, memory_order_relaxed);
    do {
        l->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&m->head, &head, l, memory_order_release,
                                                    memory_order_relaxed));
    if (head == NULL) {
        (void)uv_async_send(&m->async);
    }
    (void)atomic_fetch_sub_explicit(&m->n_senders, 1, memory_order_release);
}

void mailbox_close(struct mailbox *m)
{
    ASSERT(!m->closing);
    m->closing = true;
    if (!m->delivering) {
        mailbox_deliver(m);
    }
}
