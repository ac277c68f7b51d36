/* Socket addresses as text and as kinds. */
#ifndef BASE_NET_ADDR_I_H_
#define BASE_NET_ADDR_I_H_

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDR_TEXT_BYTES 64  /* "[ffff:...%scope]:65535" and its end. */
#define ADDR_HOST_BYTES 256 /* A DNS name is at most 253. */

union addr {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage room;
};

/* "192.0.2.1" or "2001:db8::1", without brackets. False: not a literal, @ret untouched. */
bool addr_parse_literal(const char *host, uint16_t port, union addr *ret);
bool addr_is_localhost(const char *host);
/* Private, loopback, link-local, CGNAT, reserved or multicast; v4 inside v6 is looked at as v4. */
bool addr_is_private(const union addr *a);
void addr_set_port(union addr *a, uint16_t port);
socklen_t addr_size(const union addr *a);
/* "203.0.113.7:4711", "[::1]:80". Returns @out. */
const char *addr_text(const union addr *a, char out[ADDR_TEXT_BYTES]);

#endif /* BASE_NET_ADDR_I_H_ */
