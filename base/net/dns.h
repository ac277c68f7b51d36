/* Name resolution by c-ares on a loop. */
#ifndef BASE_NET_DNS_H_
#define BASE_NET_DNS_H_

#include <stddef.h>
#include <sys/socket.h>

#include "base/net/loop.h"

#define DNS_ADDRS_MAX 8

struct dns_addr {
    struct sockaddr_storage sa;
    socklen_t n;
};
struct dns_query {
    /* @status 0 with addresses (families alternate), or Q_EDNS. */
    void (*cb)(struct dns_query *q, int status, const struct dns_addr *addrs, size_t n);
    bool canceled; /* Set by dns_cancel(): cb is not called, the query frees itself. */
};
/* @q is allocated by the caller with mem_alloc and freed by dns after cb has returned. May call back before it returns for literal addresses: callers arm nothing before. */
void dns_resolve(struct loop *l, const char *host, uint16_t port, struct dns_query *q);
void dns_cancel(struct dns_query *q);
/* 203.0.113.7, ::1: fills @ret and returns true. */
bool dns_literal(const char *host, uint16_t port, struct dns_addr *ret);
/* Private, loopback, link-local, CGNAT, unspecified, multicast, v4-mapped ones of these. */
bool dns_is_private(const struct dns_addr *a);

#endif /* BASE_NET_DNS_H_ */
