/* Signals as loop events. */
#ifndef BASE_NET_SIGNALS_H_
#define BASE_NET_SIGNALS_H_

#include "base/net/loop.h"

/* @signals ends with 0. For the life of the loop; does not keep it alive. */
void signals_start(struct loop *l, const int *signals, void (*cb)(void *arg, int signo), void *arg);

#endif /* BASE_NET_SIGNALS_H_ */
