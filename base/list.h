/* Intrusive doubly linked circular list. A node that is in no list points at itself.
 *
 *   head <-> a <-> b <-> head      empty: head <-> head
 */
#ifndef BASE_LIST_H_
#define BASE_LIST_H_

#include <stdbool.h>

#include "base/check.h"

struct list {
    struct list *prev;
    struct list *next;
};

static inline void list_init(struct list *l)
{
    l->prev = l;
    l->next = l;
}
static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}
/* Adds @n before the head: the last of the list. */
static inline void list_push_back(struct list *head, struct list *n)
{
    n->prev = head->prev;
    n->next = head;
    head->prev->next = n;
    head->prev = n;
}
static inline void list_push_front(struct list *head, struct list *n)
{
    n->prev = head;
    n->next = head->next;
    head->next->prev = n;
    head->next = n;
}
/* Takes @n out of its list; harmless when it is in none. */
static inline void list_remove(struct list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    list_init(n);
}
/* Moves all of @from to the end of @to; @from is empty afterwards. */
static inline void list_splice_back(struct list *to, struct list *from)
{
    if (list_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    from->prev->next = to;
    to->prev->next = from->next;
    to->prev = from->prev;
    list_init(from);
}
#define LIST_ENTRY(node, type, member) CONTAINER_OF(node, type, member)
#define LIST_FIRST(head, type, member) LIST_ENTRY((head)->next, type, member)

/* Every node of the list; the body must not change it. */
/* clang-format off */
#define LIST_EACH(it, head) \
    for (struct list *it = (head)->next; it != (head); it = it->next)
/* clang-format on */
/* @it may be removed (or freed) in the body, others may not. */
#define LIST_EACH_SAFE(it, head)                                              \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head); \
         it = it##_next, it##_next = it->next)

#endif /* BASE_LIST_H_ */
