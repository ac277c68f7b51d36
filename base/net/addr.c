#include "base/net/addr_i.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/err.h"
#include "base/net/listener.h"
#include "base/slice.h"

int addr_split(const char *addr, char *host, size_t host_cap, uint16_t *ret_port)
{
    const char *colon = strrchr(addr, ':');
    struct slice name;
    uint64_t port;

    if (colon == NULL) {
        return Q_EINVAL;
    }
    name = slice_of(addr, (size_t)(colon - addr));
    if (name.n >= 2 && name.p[0] == '[' && name.p[name.n - 1] == ']') {
        name = slice_of(name.p + 1, name.n - 2);
    } else if (slice_find(name, ':') != name.n) {
        return Q_EINVAL; /* An IPv6 address without brackets: where does it end? */
    }
    if (name.n == 0 || slice_find(name, '[') != name.n || slice_find(name, ']') != name.n ||
        scan_u64(slice_str(colon + 1), UINT16_MAX, &port) != 0 ||
        !slice_copy_str(name, host, host_cap)) {
        return Q_EINVAL;
    }
    *ret_port = (uint16_t)port;
    return 0;
}

bool addr_parse_literal(const char *host, uint16_t port, union addr *ret)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, host, &v4) == 1) {
        *ret = (union addr){.v4 = {.sin_family = AF_INET, .sin_addr = v4}};
    } else if (inet_pton(AF_INET6, host, &v6) == 1) {
        *ret = (union addr){.v6 = {.sin6_family = AF_INET6, .sin6_addr = v6}};
    } else {
        return false;
    }
    addr_set_port(ret, port);
    return true;
}

bool addr_is_localhost(const char *host)
{
    return strcasecmp(host, "localhost") == 0 || strcasecmp(host, "localhost.") == 0;
}

bool addr_is_loopback(const char *host)
{
    union addr a;

    if (addr_is_localhost(host)) {
        return true;
    }
    if (!addr_parse_literal(host, 0, &a)) {
        return false;
    }
    if (a.any.sa_family == AF_INET) {
        return ntohl(a.v4.sin_addr.s_addr) >> 24 == 127;
    }
    return IN6_IS_ADDR_LOOPBACK(&a.v6.sin6_addr);
}

/* RFC 6890 and its successors: what is no ordinary address of the public internet. */
static bool addr_v4_is_private(uint32_t a)
{
    static const struct {
        uint32_t net;
        int bits;
    } nets[] = {
        {0x00000000, 8},  /* 0.0.0.0/8, this host */
        {0x0a000000, 8},  /* 10.0.0.0/8 */
        {0x64400000, 10}, /* 100.64.0.0/10, CGNAT */
        {0x7f000000, 8},  /* 127.0.0.0/8 */
        {0xa9fe0000, 16}, /* 169.254.0.0/16, link-local and cloud metadata */
        {0xac100000, 12}, /* 172.16.0.0/12 */
        {0xc0000000, 24}, /* 192.0.0.0/24 */
        {0xc0a80000, 16}, /* 192.168.0.0/16 */
        {0xc6120000, 15}, /* 198.18.0.0/15, benchmarks */
        {0xe0000000, 3},  /* multicast and reserved */
    };

    for (size_t i = 0; i < ARRAY_LEN(nets); i++) {
        if ((a ^ nets[i].net) >> (32 - nets[i].bits) == 0) {
            return true;
        }
    }
    return false;
}

static uint32_t addr_v4_at(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

bool addr_is_private(const union addr *a)
{
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    const uint8_t *b = a->v6.sin6_addr.s6_addr;

    if (a->any.sa_family == AF_INET) {
        return addr_v4_is_private(ntohl(a->v4.sin_addr.s_addr));
    }
    if (IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr) || memcmp(b, nat64, sizeof nat64) == 0) {
        return addr_v4_is_private(addr_v4_at(b + 12));
    }
    if (b[0] == 0x20 && b[1] == 0x02) {
        return addr_v4_is_private(addr_v4_at(b + 2)); /* 6to4 */
    }
    return (b[0] & 0xe0) != 0x20 || /* Only 2000::/3 is public: not ::1, fc00::/7, fe80::/10. */
           (b[0] == 0x20 && b[1] == 0x01 && b[2] == 0 && b[3] == 0); /* Teredo */
}

void addr_set_port(union addr *a, uint16_t port)
{
    if (a->any.sa_family == AF_INET) {
        a->v4.sin_port = htons(port);
    } else {
        a->v6.sin6_port = htons(port);
    }
}

socklen_t addr_size(const union addr *a)
{
    return a->any.sa_family == AF_INET ? sizeof a->v4 : sizeof a->v6;
}

const char *addr_text(const union addr *a, char out[ADDR_TEXT_BYTES])
{
    char ip[INET6_ADDRSTRLEN] = "?";

    if (a->any.sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &a->v4.sin_addr, ip, sizeof ip);
        (void)snprintf(out, ADDR_TEXT_BYTES, "%s:%u", ip, ntohs(a->v4.sin_port));
    } else if (IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr)) {
        (void)inet_ntop(AF_INET, &a->v6.sin6_addr.s6_addr[12], ip, sizeof ip);
        (void)snprintf(out, ADDR_TEXT_BYTES, "%s:%u", ip, ntohs(a->v6.sin6_port));
    } else {
        (void)inet_ntop(AF_INET6, &a->v6.sin6_addr, ip, sizeof ip);
        (void)snprintf(out, ADDR_TEXT_BYTES, "[%s]:%u", ip, ntohs(a->v6.sin6_port));
    }
    return out;
}
