/* Connecting out: refusals, deadlines, names. And the listener, where these need one. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/net/addr_i.h"
#include "pair.h"

struct caller {
    struct loop *loop;
    struct stream *s;
    struct timer timer;
    int opens, closes, status;
    char why[512];
};

static void caller_on_open(struct stream *s)
{
    struct caller *c = stream_owner(s);

    c->opens++;
    stream_close(s);
}

static void caller_on_close(struct stream *s, int status)
{
    struct caller *c = stream_owner(s);

    c->closes++;
    c->status = status;
    c->s = NULL;
    (void)snprintf(c->why, sizeof c->why, "%s", stream_errmsg(s));
}

static const struct stream_ops caller_ops = {.on_open = caller_on_open,
                                             .on_close = caller_on_close};

/* Dials and runs until it is over; returns the status of on_close. */
static int caller_run(struct caller *c, const struct stream_dial *d)
{
    *c = (struct caller){.loop = loop_new(clock_system())};
    c->s = stream_connect(c->loop, d, &caller_ops, c);
    assert_int_equal(c->closes, 0); /* Never before it returns. */
    loop_run(c->loop);
    assert_int_equal(c->closes, 1);
    loop_free(c->loop);
    return c->status;
}

/* A bound socket that listens with @backlog, or not at all when it is negative. */
static int bound_socket(int backlog, uint16_t *ret_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    if (backlog >= 0) {
        assert_int_equal(listen(fd, backlog), 0);
    }
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

/* Nobody listens: Q_EREFUSED, and the sentence names the address. */
static void refused_says_where(void **state)
{
    struct stream_dial d = {.host = "127.0.0.1", .timeout_ms = 5000};
    struct caller c;
    char where[64];
    int fd = bound_socket(-1, &d.port);

    (void)state;
    assert_int_equal(caller_run(&c, &d), Q_EREFUSED);
    (void)snprintf(where, sizeof where, "127.0.0.1:%u", d.port);
    assert_non_null(strstr(c.why, where));
    (void)close(fd);
}

/* A listener whose backlog is full swallows the SYN: only the deadline ends that. */
static void full_backlog_times_out(void **state)
{
    struct stream_dial d = {.host = "127.0.0.1", .timeout_ms = 200};
    struct caller c;
    int fd = bound_socket(0, &d.port), fillers[8];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    uint64_t began_ms;

    (void)state;
    a.sin_port = htons(d.port);
    for (size_t i = 0; i < 8; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], (struct sockaddr *)&a, sizeof a);
    }
    began_ms = clock_mono_ms(clock_system());
    assert_int_equal(caller_run(&c, &d), Q_ETIMEDOUT);
    assert_true(clock_mono_ms(clock_system()) - began_ms >= 200);
    assert_int_equal(c.opens, 0);
    for (size_t i = 0; i < 8; i++) {
        (void)close(fillers[i]);
    }
    (void)close(fd);
}

/* A server that accepts and says nothing: the TLS handshake is bounded too. */
static void silent_tls_server_times_out(void **state)
{
    struct tls_ctx_cfg cfg = {.ca_file = pair_cert("ca.pem")};
    struct stream_dial d = {.host = "127.0.0.1", .timeout_ms = 100, .tls = pair_tls(&cfg)};
    struct caller c;
    int fd = bound_socket(16, &d.port);

    (void)state;
    assert_int_equal(caller_run(&c, &d), Q_ETIMEDOUT);
    assert_non_null(strstr(c.why, "TLS handshake"));
    tls_ctx_unref(d.tls);
    (void)close(fd);
}

/* `localhost` needs no DNS, and falls through to the family on which somebody listens. */
static void localhost_connects(void **state)
{
    struct stream_dial d = {.host = "LocalHost", .timeout_ms = 5000, .deny_private = true};
    struct caller c;
    int fd = bound_socket(16, &d.port);

    (void)state;
    assert_int_equal(caller_run(&c, &d), 0);
    assert_int_equal(c.opens, 1);
    (void)close(fd);
}

/* A name that the hosts file gives a loopback address, and that is not `localhost`; skips
 * without. */
static const char *hosts_name(void)
{
    static char name[128];
    char line[512], addr[64];
    FILE *f = fopen("/etc/hosts", "re");
    bool found = false;

    while (f != NULL && !found && fgets(line, sizeof line, f) != NULL) {
        for (char *save, *p = strtok_r(line, " \t\n", &save), *w = p; w != NULL && !found;
             w = strtok_r(NULL, " \t\n", &save)) {
            (void)snprintf(addr, sizeof addr, "%s", p);
            found = w != p && addr_is_loopback(addr) && !addr_is_localhost(w);
            (void)snprintf(name, sizeof name, "%s", w);
        }
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    if (!found) {
        skip();
    }
    return name;
}

/* deny_private: literals pass; what a name resolves to must be public. */
static void private_addresses_are_denied(void **state)
{
    struct stream_dial d = {.host = "127.0.0.1", .timeout_ms = 5000, .deny_private = true};
    struct caller c;
    int fd = bound_socket(16, &d.port);

    (void)state;
    assert_int_equal(caller_run(&c, &d), 0);
    d.host = hosts_name();
    assert_int_equal(caller_run(&c, &d), Q_EPERM);
    assert_non_null(strstr(c.why, "private"));
    assert_int_equal(c.opens, 0);
    (void)close(fd);
}

/* Without deny_private a name of the hosts file is resolved and dialled. */
static void hosts_file_is_honoured(void **state)
{
    struct stream_dial d = {.host = hosts_name(), .port = 1, .timeout_ms = 5000};
    struct caller c;

    (void)state;
    assert_int_equal(caller_run(&c, &d), Q_EREFUSED);
    assert_non_null(strstr(c.why, "connect to "));
}

/* A name that cannot exist, and names that are none. */
static void bad_names_fail(void **state)
{
    char longer[400];
    struct stream_dial d = {.host = "", .port = 1, .timeout_ms = 5000};
    struct caller c;

    (void)state;
    assert_int_equal(caller_run(&c, &d), Q_EDNS);
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    d.host = longer;
    assert_int_equal(caller_run(&c, &d), Q_EDNS);
    d.host = "no..name";
    assert_int_equal(caller_run(&c, &d), Q_EDNS);
}

static void close_now(struct timer *t)
{
    struct caller *c = CONTAINER_OF(t, struct caller, timer);

    stream_close(c->s);
}

/* Closing at once, and while the connection is being made: on_close(0), no on_open. */
static void close_while_connecting(void **state)
{
    struct stream_dial d = {.host = "127.0.0.1", .timeout_ms = 5000};
    struct caller c = {.loop = loop_new(clock_system())};
    int fd = bound_socket(0, &d.port), fillers[8];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};

    (void)state;
    c.s = stream_connect(c.loop, &d, &caller_ops, &c);
    stream_close(c.s);
    assert_int_equal(c.closes, 0);
    loop_run(c.loop);
    assert_int_equal(c.closes, 1);

    a.sin_port = htons(d.port);
    for (size_t i = 0; i < 8; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], (struct sockaddr *)&a, sizeof a);
    }
    timer_init(&c.timer, c.loop, close_now);
    timer_start(&c.timer, 20);
    c.s = stream_connect(c.loop, &d, &caller_ops, &c);
    loop_run(c.loop);
    assert_int_equal(c.closes, 2);
    assert_int_equal(c.status, 0);
    assert_int_equal(c.opens, 0);
    for (size_t i = 0; i < 8; i++) {
        (void)close(fillers[i]);
    }
    (void)close(fd);
    loop_free(c.loop);
}

/* Every kind of address that is not the public internet, and some that are. */
static void private_addresses_are_known(void **state)
{
    static const char *const private[] = {"0.0.0.0",
                                          "10.1.2.3",
                                          "100.64.0.1",
                                          "100.127.255.255",
                                          "127.0.0.1",
                                          "169.254.169.254",
                                          "172.16.0.1",
                                          "172.31.9.9",
                                          "192.168.1.1",
                                          "192.0.0.1",
                                          "198.18.0.1",
                                          "224.0.0.1",
                                          "255.255.255.255",
                                          "::1",
                                          "::",
                                          "fe80::1",
                                          "fd00::1",
                                          "fc00::1",
                                          "ff02::1",
                                          "::ffff:10.0.0.1",
                                          "64:ff9b::7f00:1",
                                          "2002:a00:1::",
                                          "::127.0.0.1",
                                          "2001:0:1::1"};
    static const char *const public[] = {"1.1.1.1",      "100.63.255.255", "100.128.0.0",
                                         "172.15.0.1",   "172.32.0.1",     "192.0.1.1",
                                         "11.0.0.1",     "198.20.0.1",     "223.255.255.255",
                                         "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808"};
    union addr a;

    (void)state;
    for (size_t i = 0; i < sizeof private / sizeof private[0]; i++) {
        assert_true(addr_parse_literal(private[i], 1, &a));
        assert_true(addr_is_private(&a));
    }
    for (size_t i = 0; i < sizeof public / sizeof public[0]; i++) {
        assert_true(addr_parse_literal(public[i], 1, &a));
        assert_false(addr_is_private(&a));
    }
}

/* Addresses are cut into host and port, and nothing else passes. */
static void addresses_are_split(void **state)
{
    static const char *const bad[] = {"",         ":80",     "host",   "host:",    "host:65536",
                                      "::1:80",   "[::1]80", "[::1",   "[]:80",    "host:-1",
                                      "host:8 0", "a[b]:80", "[::1]:", "host:0x50"};
    char host[64], text[ADDR_TEXT_BYTES], tiny[4];
    union addr a;
    uint16_t port;

    (void)state;
    assert_int_equal(addr_split("example.org:443", host, sizeof host, &port), 0);
    assert_string_equal(host, "example.org");
    assert_int_equal(port, 443);
    assert_int_equal(addr_split("[2001:db8::1]:8080", host, sizeof host, &port), 0);
    assert_string_equal(host, "2001:db8::1");
    assert_int_equal(addr_split("example.org:443", tiny, sizeof tiny, &port), Q_EINVAL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(addr_split(bad[i], host, sizeof host, &port), Q_EINVAL);
    }
    assert_true(addr_is_loopback("localhost"));
    assert_true(addr_is_loopback("127.8.8.8"));
    assert_true(addr_is_loopback("::1"));
    assert_false(addr_is_loopback("localhost.example.org"));
    assert_false(addr_is_loopback("128.0.0.1"));
    assert_true(addr_parse_literal("2001:db8::1", 80, &a));
    assert_string_equal(addr_text(&a, text), "[2001:db8::1]:80");
    assert_true(addr_parse_literal("::ffff:192.0.2.1", 80, &a));
    assert_string_equal(addr_text(&a, text), "192.0.2.1:80");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_says_where),
        cmocka_unit_test(full_backlog_times_out),
        cmocka_unit_test(silent_tls_server_times_out),
        cmocka_unit_test(localhost_connects),
        cmocka_unit_test(private_addresses_are_denied),
        cmocka_unit_test(hosts_file_is_honoured),
        cmocka_unit_test(bad_names_fail),
        cmocka_unit_test(close_while_connecting),
        cmocka_unit_test(private_addresses_are_known),
        cmocka_unit_test(addresses_are_split),
    };

    return cmocka_run_group_tests_name("dial", tests, NULL, NULL);
}
