/* A listening TCP socket. Several loops may listen on one address (SO_REUSEPORT); each accepts
 * its own share. */
#ifndef BASE_NET_LISTENER_H_
#define BASE_NET_LISTENER_H_

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/net/loop.h"

struct listener;
typedef void (*listener_cb)(struct listener *l, int fd, void *arg); /* @fd is taken. */

/* @addr: "127.0.0.1:8080", "[::1]:80", "0.0.0.0:8080", "localhost:8080" (resolved synchronously
 * only if literal or localhost). Errors say the address and why ("port in use"). Port 0 picks
 * one. Out of file descriptors: accepting pauses 100 ms, no busy loop. */
int listener_start(struct loop *loop, const char *addr, bool reuseport, listener_cb cb, void *arg,
                   struct listener **ret, struct errmsg *err);
uint16_t listener_port(const struct listener *l);
void listener_pause(struct listener *l);
void listener_resume(struct listener *l);
void listener_close(struct listener *l); /* Frees itself; no callback after this returns. */

/* "host:port" -> parts; "[v6]:port" too. @host_cap bytes at @host. */
int addr_split(const char *addr, char *host, size_t host_cap, uint16_t *ret_port);
/* Loopback literal or localhost. */
bool addr_is_loopback(const char *host);

#endif /* BASE_NET_LISTENER_H_ */
