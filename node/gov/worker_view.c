/* The worker's lifecycle and its view: letters from the raft loop. */
#include "base/check.h"
#include "base/mem.h"
#include "node/gov/gov_i.h"
#include "node/gov/mail.h"

struct view *gov_view(struct gov_worker *w)
{
    return w->view;
}

bool gov_ready(const struct gov_worker *w)
{
    return w->view != NULL && atomic_load(&w->shared->inc) != GOV_NO_INC;
}

bool gov_is_hard_usd(const struct view_key *k)
{
    for (size_t i = 0; i < k->n_budgets; i++) {
        if (k->budgets[i]->spec.unit == UNIT_USD) {
            return true;
        }
    }
    return false;
}

bool gov_usd_left(struct gov_worker *w, const struct view_key *k, i128 *ret)
{
    bool found = false;
    i128 least = 0;

    (void)w;
    for (size_t i = 0; i < k->n_budgets; i++) {
        const struct view_budget *b = k->budgets[i];
        struct slot *s = atomic_load_explicit(&view_budget_acct(b)->cur, memory_order_acquire);
        i128 left = b->spec.limit;
        if (b->spec.unit != UNIT_USD) {
            continue;
        }
        if (s != NULL) {
            left = atomic_load_explicit(&s->left, memory_order_relaxed);
        }
        least = !found || left < least ? left : least;
        found = true;
    }
    if (found) {
        *ret = least;
    }
    return found;
}

void gov_deliver_view(struct letter *l)
{
    struct gov_view_letter *v = CONTAINER_OF(l, struct gov_view_letter, letter);
    struct gov_worker *w = v->worker;
    bool first = w->view == NULL;

    view_unref(w->view);
    w->view = v->view;
    mem_free(v);
    if (first && w->on_ready != NULL) {
        w->on_ready(w, w->on_ready_arg);
    }
}

void gov_deliver_retry(struct letter *l)
{
    struct gov_ping *p = CONTAINER_OF(l, struct gov_ping, letter);
    struct gov_worker *w = p->worker;

    mem_free(p);
    worker_retry_parked(w);
}

void gov_deliver_ping(struct letter *l)
{
    struct gov_ping *p = CONTAINER_OF(l, struct gov_ping, letter);

    p->letter.deliver = gov_deliver_pong;
    mailbox_send(p->worker->shared->mailbox, &p->letter);
}

struct gov_worker *gov_worker_new(struct gov *g, struct loop *l, unsigned no,
                                  void (*on_ready)(struct gov_worker *w, void *arg), void *arg)
{
    struct gov_worker *w = mem_zalloc(sizeof *w);
    struct gov_ping *hello = mem_zalloc(sizeof *hello);

    ASSERT(no < GOV_WORKERS_MAX);
    w->shared = gov_shared_of(g);
    w->gov = g;
    w->loop = l;
    w->mailbox = mailbox_new(l);
    w->no = no;
    w->on_ready = on_ready;
    w->on_ready_arg = arg;
    list_init(&w->parked);
    list_init(&w->free);
    list_init(&w->link);
    worker_write_init(w);
    worker_cells_init(w);
    hello->worker = w;
    hello->letter.deliver = gov_deliver_hello;
    mailbox_send(w->shared->mailbox, &hello->letter);
    return w;
}

/* The manager has forgotten us: nothing more arrives. */
void gov_deliver_bye(struct letter *l)
{
    struct gov_ping *p = CONTAINER_OF(l, struct gov_ping, letter);
    struct gov_worker *w = p->worker;
    void (*cb)(void *arg) = w->close_cb;
    void *arg = w->close_arg;

    mem_free(p);
    while (!list_empty(&w->free)) {
        struct list *n = w->free.next;
        list_remove(n);
        mem_free(LIST_ENTRY(n, struct reservation, link));
    }
    worker_cells_deinit(w);
    view_unref(w->view);
    mailbox_close(w->mailbox);
    mem_free(w);
    cb(arg);
}

void worker_maybe_closed(struct gov_worker *w)
{
    struct gov_ping *bye;

    if (!w->closing || w->n_writes > 0 || w->close_sent) {
        return;
    }
    w->close_sent = true;
    bye = mem_zalloc(sizeof *bye);
    bye->worker = w;
    bye->letter.deliver = gov_deliver_leave;
    mailbox_send(w->shared->mailbox, &bye->letter);
}

void gov_worker_close(struct gov_worker *w, void (*done)(void *arg), void *arg)
{
    ASSERT(w->n_parked == 0);
    w->closing = true;
    w->close_cb = done;
    w->close_arg = arg;
    worker_cells_send(w); /* The last counts. */
    worker_maybe_closed(w);
}
