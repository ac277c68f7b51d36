/* Mail between threads. A letter is embedded in what it carries and belongs to the receiver from
 * the moment it is sent. Delivery is in sending order per sender, all waiting letters in one
 * wake-up. */
#ifndef BASE_NET_MAILBOX_H_
#define BASE_NET_MAILBOX_H_

#include "base/net/loop.h"

struct letter {
    struct letter *next;
    void (*deliver)(struct letter *l); /* Runs on the receiver's loop; frees or keeps the letter. */
};

struct mailbox;
/* The mailbox keeps its loop alive until closed. Thread: owner of @l. */
struct mailbox *mailbox_new(struct loop *l);
/* Thread: any. Wakes the loop only when the box was empty. Letters sent before mailbox_close()
 * was called on the owner thread are delivered; sending later is a bug of the caller. */
void mailbox_send(struct mailbox *m, struct letter *l);
/* Delivers what is inside, then frees the mailbox once libuv lets go of it. */
void mailbox_close(struct mailbox *m);

#endif /* BASE_NET_MAILBOX_H_ */
