/* What TLS promises: who is on the other side, that the end is the end, and which protocol is
 * spoken. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/net/tls_i.h"
#include "pair.h"

static struct tls_ctx *client_of(const char *ca, const char *identity)
{
    char key[64], cert[64];
    struct tls_ctx_cfg cfg = {.ca_file = pair_cert(ca)};

    if (identity != NULL) {
        (void)snprintf(cert, sizeof cert, "%s.pem", identity);
        (void)snprintf(key, sizeof key, "%s.key", identity);
        cfg.cert_file = pair_cert(cert);
        cfg.key_file = pair_cert(key);
        cfg.tls13_only = true;
    }
    return pair_tls(&cfg);
}

static struct tls_ctx *server_of(const char *identity, bool mutual)
{
    char key[64], cert[64];
    struct tls_ctx_cfg cfg = {.server = true};

    (void)snprintf(cert, sizeof cert, "%s.pem", identity);
    (void)snprintf(key, sizeof key, "%s.key", identity);
    cfg.cert_file = pair_cert(cert);
    cfg.key_file = pair_cert(key);
    cfg.ca_file = mutual ? pair_cert("ca.pem") : NULL;
    cfg.require_peer_cert = mutual;
    cfg.tls13_only = mutual;
    return pair_tls(&cfg);
}

static void say_hello(struct end *e)
{
    stream_write_copy(e->s, "hello", 5);
    stream_close_gently(e->s);
}

static void refused(const char *ca, const char *identity, const char *verify, const char *why)
{
    struct pair p;

    pair_init(&p, server_of(identity, false), client_of(ca, NULL));
    p.dial.verify_name = verify;
    p.client.on_open = say_hello;
    pair_run(&p);
    assert_int_equal(p.client.opens, 0);
    assert_int_equal(p.client.status, Q_ETLS);
    assert_non_null(strstr(p.client.why, why));
    assert_int_equal(p.server.n, 0);
    assert_int_equal(p.server.status, Q_ETLS); /* Our alert has reached it. */
    assert_non_null(strstr(p.server.why, "alert"));
    pair_deinit(&p);
}

/* A certificate of another authority is refused, and the server hears of it by an alert. */
static void wrong_authority_is_refused(void **state)
{
    (void)state;
    refused("other.pem", "server", "server.test", "certificate is refused");
}

/* A good certificate for another name is refused: DNS names, addresses, and the common name. */
static void wrong_name_is_refused(void **state)
{
    (void)state;
    refused("ca.pem", "server", "elsewhere.test", "hostname mismatch");
    refused("ca.pem", "server", "127.0.0.2", "IP address mismatch");
    refused("ca.pem", "nameless", "nameless", "hostname mismatch");
    refused("ca.pem", "n2", NULL, "IP address mismatch"); /* The host is 127.0.0.1. */
}

static void accepted(const char *verify)
{
    struct pair p;

    pair_init(&p, server_of("server", false), client_of("ca.pem", NULL));
    p.dial.verify_name = verify;
    p.client.on_open = say_hello;
    pair_run(&p);
    assert_int_equal(p.client.status, 0);
    assert_int_equal(p.server.n, 5);
    assert_string_equal(p.client.peer_name, "server.test");
    assert_string_equal(p.server.peer_name, "");
    pair_deinit(&p);
}

/* DNS and IP alternative names are both good. */
static void right_name_is_accepted(void **state)
{
    (void)state;
    accepted("server.test");
    accepted("127.0.0.1");
    accepted(NULL);
}

static void check_names(struct end *e)
{
    assert_true(stream_is_tls(e->s));
    assert_true(stream_peer_has_name(e->s, "n1"));
    assert_true(stream_peer_has_name(e->s, "N1"));
    assert_true(stream_peer_has_name(e->s, "127.0.0.1"));
    assert_false(stream_peer_has_name(e->s, "127.0.0.2"));
    assert_false(stream_peer_has_name(e->s, "n"));
    assert_false(stream_peer_has_name(e->s, "n2"));
}

/* Two nodes know each other by their certificates. */
static void mutual_tls(void **state)
{
    struct pair p;

    (void)state;
    pair_init(&p, server_of("n2", true), client_of("ca.pem", "n1"));
    p.dial.verify_name = "n2";
    p.server.on_open = check_names;
    p.client.on_open = say_hello;
    pair_run(&p);
    assert_int_equal(p.server.opens, 1);
    assert_int_equal(p.server.n, 5);
    assert_string_equal(p.server.peer_name, "n1");
    assert_string_equal(p.client.peer_name, "n2");
    pair_deinit(&p);
}

static void stay(struct end *e)
{
    stream_write_copy(e->s, "hello", 5); /* Waits for the server's word. */
}

static void mutual_refused(const char *identity)
{
    struct pair p;

    pair_init(&p, server_of("n2", true), client_of("ca.pem", identity));
    p.dial.verify_name = "n2";
    p.client.on_open = stay;
    pair_run(&p);
    assert_int_equal(p.server.opens, 0);
    assert_int_equal(p.server.n, 0);
    assert_int_equal(p.server.status, Q_ETLS);
    assert_int_equal(p.client.status, Q_ETLS);
    assert_non_null(strstr(p.client.why, "alert")); /* Not lost to a reset. */
    pair_deinit(&p);
}

/* A node without a certificate, or with a stranger's, does not get in. The client learns why. */
static void mutual_tls_refuses_strangers(void **state)
{
    (void)state;
    mutual_refused("stranger");
    mutual_refused(NULL);
}

static void cut(struct end *e, struct block *block, const char *p, size_t n)
{
    struct end *client = &e->pair->client;

    (void)block, (void)p, (void)n;
    /* Unsent bytes are dropped by stream_close(): TCP ends, TLS does not. */
    stream_write_copy(client->s, "the rest", 8);
    stream_close(client->s);
}

static void say_hello_only(struct end *e)
{
    stream_write_copy(e->s, "hello", 5);
}

/* A TLS stream that ends without close_notify was cut: Q_ERESET, and no on_eof. */
static void truncation_is_a_reset(void **state)
{
    struct pair p;

    (void)state;
    pair_init_tls(&p, NULL, NULL);
    p.client.on_open = say_hello_only;
    p.server.on_read = cut;
    pair_run(&p);
    assert_int_equal(p.server.n, 5);
    assert_int_equal(p.server.eofs, 0);
    assert_int_equal(p.server.status, Q_ERESET);
    pair_deinit(&p);
}

static void agreed(const char *server, const char *client, const char *expected)
{
    struct pair p;

    pair_init_tls(&p, server, client);
    p.client.on_open = say_hello;
    pair_run(&p);
    assert_int_equal(p.client.status, 0);
    assert_string_equal(p.client.alpn, expected);
    assert_string_equal(p.server.alpn, expected);
    pair_deinit(&p);
}

/* The server's order of preference decides; without ALPN on one side there is none. */
static void alpn_is_agreed(void **state)
{
    (void)state;
    agreed("h2,http/1.1", "http/1.1,h2", "h2");
    agreed("h2,http/1.1", "http/1.1", "http/1.1");
    agreed("h2,http/1.1", NULL, "");
    agreed(NULL, "h2", "");
}

/* Without a common protocol the handshake fails on both sides. */
static void alpn_without_overlap_fails(void **state)
{
    struct pair p;

    (void)state;
    pair_init_tls(&p, "h2", "http/1.1");
    pair_run(&p);
    assert_int_equal(p.client.status, Q_ETLS);
    assert_int_equal(p.server.status, Q_ETLS);
    assert_int_equal(p.client.opens + p.server.opens, 0);
    pair_deinit(&p);
}

static void answer(struct end *e, struct block *block, const char *p, size_t n)
{
    (void)block, (void)p, (void)n;
    stream_write_copy(e->s, "answer", 6);
}

static void leave(struct end *e, struct block *block, const char *p, size_t n)
{
    (void)block, (void)p, (void)n;
    stream_close_gently(e->s);
}

/* Later connections to the same server resume, and still know who it is. */
static void sessions_are_resumed(void **state)
{
    struct pair p;

    (void)state;
    pair_init_tls(&p, NULL, NULL);
    p.rounds = 3;
    p.client.on_open = say_hello_only;
    p.server.on_read = answer;
    p.client.on_read = leave;
    pair_run(&p);
    assert_int_equal(p.client.opens, 4);
    assert_int_equal(p.client.n, 4 * 6);
    assert_int_equal(SSL_CTX_sess_hits(p.server_tls->ssl), 3);
    assert_string_equal(p.client.peer_name, "server.test");
    pair_deinit(&p);
}

static int plain_fd;

static void plain_on_open(struct stream *s)
{
    (void)s;
    fail();
}

struct plain_result {
    struct loop *loop;
    int status;
    char why[512];
};

static void plain_on_close(struct stream *s, int status)
{
    struct plain_result *r = stream_owner(s);

    r->status = status;
    (void)snprintf(r->why, sizeof r->why, "%s", stream_errmsg(s));
}

/* Bytes that are not TLS fail the handshake with Q_ETLS; a silent end with Q_ERESET. */
static void not_tls_at_all(void **state)
{
    static const struct stream_ops ops = {.on_open = plain_on_open, .on_close = plain_on_close};
    static const char *const said[] = {"GET / HTTP/1.1\r\nhost: x\r\n\r\n", ""};
    static const int expected[] = {Q_ETLS, Q_ERESET};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct plain_result r = {.loop = loop_new(clock_system())};
        struct tls_ctx *tls = server_of("server", false);
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        plain_fd = fds[1];
        assert_int_equal(write(plain_fd, said[i], strlen(said[i])), strlen(said[i]));
        assert_int_equal(shutdown(plain_fd, SHUT_WR), 0);
        (void)stream_accept(r.loop, fds[0], tls, &ops, &r);
        loop_run(r.loop);
        assert_int_equal(r.status, expected[i]);
        (void)close(plain_fd);
        loop_free(r.loop);
        tls_ctx_unref(tls);
    }
}

static void broken(const struct tls_ctx_cfg *cfg, const char *why)
{
    struct errmsg err = {""};
    struct tls_ctx *c = NULL;

    assert_int_equal(tls_ctx_new(cfg, &c, &err), Q_EINVAL);
    assert_null(c);
    if (strstr(err.text, why) == NULL) {
        fail_msg("'%s' does not say '%s'", err.text, why);
    }
}

/* A wrong file is named, with what was expected of it. */
static void context_errors_name_the_file(void **state)
{
    struct tls_ctx_cfg cfg = {.server = true};

    (void)state;
    broken(&cfg, "needs a certificate");
    cfg.cert_file = pair_cert("server.pem");
    broken(&cfg, "server.pem: a certificate and its key come together");
    cfg.key_file = pair_cert("missing.key");
    broken(&cfg, "missing.key: expected the private key");
    cfg.key_file = pair_cert("n1.key");
    broken(&cfg, "n1.key: expected the private key of the certificate");
    cfg.key_file = pair_cert("server.key");
    cfg.require_peer_cert = true;
    broken(&cfg, "trust anchors");
    cfg.ca_file = pair_cert("server.key");
    broken(&cfg, "server.key: expected trust anchors");
    cfg.ca_file = NULL;
    cfg.require_peer_cert = false;
    cfg.alpn = "h2,,x";
    broken(&cfg, "ALPN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_authority_is_refused),
        cmocka_unit_test(wrong_name_is_refused),
        cmocka_unit_test(right_name_is_accepted),
        cmocka_unit_test(mutual_tls),
        cmocka_unit_test(mutual_tls_refuses_strangers),
        cmocka_unit_test(truncation_is_a_reset),
        cmocka_unit_test(alpn_is_agreed),
        cmocka_unit_test(alpn_without_overlap_fails),
        cmocka_unit_test(sessions_are_resumed),
        cmocka_unit_test(not_tls_at_all),
        cmocka_unit_test(context_errors_name_the_file),
    };

    return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
