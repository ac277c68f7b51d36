/* From a name and a port to a connected socket: resolve, then try the addresses 250 ms apart, v6
 * and v4 in turn (RFC 8305). The first that connects wins. */
#ifndef BASE_NET_DIAL_I_H_
#define BASE_NET_DIAL_I_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/net/loop.h"
#include "base/net/tcp_i.h"

#define DIAL_NEXT_MS 250

struct dial;
/* @status 0: @tcp is taken by the callee. Otherwise @tcp is NULL and @err says why. The dial is
 * gone. */
typedef void (*dial_cb)(void *arg, int status, struct tcp *tcp, const struct errmsg *err);

/* @cb comes later, once. @host is copied. */
struct dial *dial_start(struct loop *l, const char *host, uint16_t port, bool deny_private,
                        dial_cb cb, void *arg);
/* @cb is not called any more; @d is gone. */
void dial_cancel(struct dial *d);

#endif /* BASE_NET_DIAL_I_H_ */
