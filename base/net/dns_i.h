/* Names to addresses, one c-ares channel a loop. ares.h ends here. */
#ifndef BASE_NET_DNS_I_H_
#define BASE_NET_DNS_I_H_

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/net/addr_i.h"
#include "base/net/loop.h"

#define DNS_ADDRS_MAX 16 /* More are not tried. */

struct dns;
struct dns_query;
/* @addrs is borrowed for the call; @n > 0 when @status is 0. */
typedef void (*dns_cb)(void *arg, int status, const union addr *addrs, size_t n, const char *why);

/* May call @cb before it returns (hosts file, localhost); then the result is NULL. */
struct dns_query *dns_lookup(struct loop *l, const char *host, uint16_t port, dns_cb cb, void *arg);
/* @cb is not called any more. */
void dns_cancel(struct dns_query *q);
/* All queries must be over or cancelled. NULL is fine. */
void dns_free(struct dns *d);

#endif /* BASE_NET_DNS_I_H_ */
