/* A TCP socket of libuv's that changes hands: first a dial owns it, then a stream. Its memory
 * goes when libuv is done with it, whoever owned it. */
#ifndef BASE_NET_TCP_I_H_
#define BASE_NET_TCP_I_H_

#include <uv.h>

#include "base/list.h"
#include "base/net/addr_i.h"

struct loop;

struct tcp {
    uv_tcp_t uv; /* uv.data is this struct. */
    uv_connect_t connect;
    struct list link; /* In dial's tries. */
    union addr peer;
    void *owner;                    /* Not used here. */
    void (*on_closed)(void *owner); /* NULL: nobody waits. */
};

struct tcp *tcp_new(struct loop *l);
/* @on_closed (may be NULL) is called later with @t->owner; then @t is gone. */
void tcp_close(struct tcp *t, void (*on_closed)(void *owner));

#endif /* BASE_NET_TCP_I_H_ */
