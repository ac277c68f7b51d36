/* Streams between two ends of one connection. Most tests run twice: plain, and under TLS. */
#include <string.h>

#include "pair.h"

#define MIB (1u << 20)

static void test_init(struct pair *p, void **state)
{
    if (*state != NULL) {
        pair_init_tls(p, NULL, NULL);
    } else {
        pair_init(p, NULL, NULL);
    }
}

static void echo_back(struct end *e, struct block *block, const char *p, size_t n)
{
    struct chunkq q;

    chunkq_init(&q);
    chunkq_add(&q, block, p, n);
    e->in_call = true;
    stream_write(e->s, &q);
    e->in_call = false;
}

static void say_hello(struct end *e)
{
    e->in_call = true;
    stream_write_copy(e->s, "hel", 3);
    stream_write_copy(e->s, "lo", 2);
    e->in_call = false;
}

static void shut_after_five(struct end *e, struct block *block, const char *p, size_t n)
{
    (void)block, (void)p, (void)n;
    if (e->n == 5) {
        stream_shutdown(e->s);
    }
}

/* Bytes go there and back; both ends see a clean end; a turn's writes arrive together. */
static void echo(void **state)
{
    struct pair p;

    test_init(&p, state);
    p.server.on_read = echo_back;
    p.client.on_open = say_hello;
    p.client.on_read = shut_after_five;
    pair_run(&p);
    assert_int_equal(p.server.n, 5);
    assert_int_equal(p.server.reads, 1);
    assert_int_equal(p.client.n, 5);
    assert_int_equal(p.client.sum, pair_hash(0, "hello", 5));
    assert_int_equal(p.server.eofs, 1);
    assert_int_equal(p.client.eofs, 1);
    assert_int_equal(p.server.status, 0);
    assert_int_equal(p.client.status, 0);
    assert_true(p.client.drains >= 1);
    pair_deinit(&p);
}

static size_t test_chunk;

static void send_8_mib_and_leave(struct end *e)
{
    struct chunkq q;

    chunkq_init(&q);
    pair_fill(&q, 8 * MIB, test_chunk);
    e->in_call = true;
    stream_write(e->s, &q);
    stream_close_gently(e->s);
    e->in_call = false;
}

/* A gentle close delivers everything, however the bytes were cut into chunks. */
static void gentle_close_delivers_everything(void **state)
{
    static const size_t chunks[] = {3001, 9000, 16384, 1000000};

    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        struct pair p;
        test_chunk = chunks[i];
        test_init(&p, state);
        p.client.on_open = send_8_mib_and_leave;
        pair_run(&p);
        assert_int_equal(p.server.n, 8 * MIB);
        assert_int_equal(p.server.sum, pair_fill_hash(8 * MIB));
        assert_int_equal(p.server.eofs, 1);
        assert_int_equal(p.client.status, 0);
        pair_deinit(&p);
    }
}

static void answer_and_leave(struct end *e, struct block *block, const char *p, size_t n)
{
    (void)block, (void)p, (void)n;
    if (e->reads == 1) {
        stream_write_copy(e->s, "413", 3);
        stream_close_gently(e->s);
    }
}

static void send_8_mib(struct end *e)
{
    struct chunkq q;

    chunkq_init(&q);
    pair_fill(&q, 8 * MIB, 16384);
    stream_write(e->s, &q);
}

/* An answer given in the middle of a body that is still coming is not lost to a reset. */
static void early_answer_reaches_a_sender(void **state)
{
    struct pair p;

    test_init(&p, state);
    p.client.on_open = send_8_mib;
    p.server.on_read = answer_and_leave;
    pair_run(&p);
    assert_int_equal(p.client.sum, pair_hash(0, "413", 3));
    pair_deinit(&p);
}

struct pauser {
    struct timer timer;
    struct end *end;
    uint64_t n_at_pause;
    int pauses;
};
static struct pauser pauser;

static void pauser_on_timer(struct timer *t)
{
    struct end *client = &pauser.end->pair->client;

    (void)t;
    assert_int_equal(pauser.end->n, pauser.n_at_pause); /* Nothing came while paused. */
    if (pauser.pauses == 1) {
        assert_true(stream_unsent(client->s) > 0); /* The sender feels it. */
        assert_int_equal(client->drains, 0);
    }
    stream_resume(pauser.end->s);
}

static void pause_every_mib(struct end *e, struct block *block, const char *p, size_t n)
{
    (void)block, (void)p, (void)n;
    if (e->n / MIB > (uint64_t)pauser.pauses && e->n < 8 * MIB) {
        pauser.pauses++;
        pauser.n_at_pause = e->n;
        e->in_call = true;
        stream_pause(e->s);
        e->in_call = false;
        timer_start(&pauser.timer, 30);
    }
}

static void close_when_drained(struct end *e)
{
    stream_close_gently(e->s);
}

/* A reader that pauses stops the sender, through the socket; nothing is lost when it resumes. */
static void pause_is_felt_by_the_sender(void **state)
{
    struct pair p;

    test_init(&p, state);
    pauser = (struct pauser){.end = &p.server};
    timer_init(&pauser.timer, p.loop, pauser_on_timer);
    p.client.on_open = send_8_mib;
    p.client.on_drain = close_when_drained;
    p.server.on_read = pause_every_mib;
    pair_run(&p);
    assert_int_equal(pauser.pauses, 7);
    assert_int_equal(p.server.n, 8 * MIB);
    assert_int_equal(p.server.sum, pair_fill_hash(8 * MIB));
    assert_int_equal(p.client.drains, 1);
    pair_deinit(&p);
}

static struct block *kept_block;
static const char *kept_p;

static void keep_first(struct end *e, struct block *block, const char *p, size_t n)
{
    (void)n;
    if (kept_block == NULL) {
        kept_block = block_ref(block);
        kept_p = p;
    }
    echo_back(e, block, p, n);
}

static void send_again(struct end *e, struct block *block, const char *p, size_t n)
{
    (void)block, (void)p, (void)n;
    if (e->n < 50) {
        stream_write_copy(e->s, "HELLO", 5);
    } else {
        stream_close_gently(e->s);
    }
}

/* A block that was kept is not written over by later reads. */
static void kept_block_stays_as_it_was(void **state)
{
    struct pair p;

    kept_block = NULL;
    test_init(&p, state);
    p.client.on_open = say_hello;
    p.client.on_read = send_again;
    p.server.on_read = keep_first;
    pair_run(&p);
    assert_int_equal(p.client.n, 50);
    assert_memory_equal(kept_p, "hello", 5);
    block_unref(kept_block);
    pair_deinit(&p);
}

static void close_both_ways(struct end *e)
{
    e->in_call = true;
    stream_write_copy(e->s, "never sent", 10);
    stream_close(e->s);
    stream_close(e->s);
    stream_write_copy(e->s, "ignored", 7);
    stream_close_gently(e->s);
    stream_pause(e->s);
    stream_resume(e->s);
    stream_shutdown(e->s);
    stream_flush(e->s);
    e->in_call = false;
}

/* stream_close() in a callback: on_close comes once, later, with 0; calls after it do nothing. */
static void close_is_idempotent(void **state)
{
    struct pair p;

    test_init(&p, state);
    p.client.on_open = close_both_ways;
    pair_run(&p);
    assert_int_equal(p.client.status, 0);
    assert_int_equal(p.client.opens, 1);
    assert_int_equal(p.server.n, 0);
    /* Unsent bytes were dropped: under TLS that is a truncation, and must look like one. */
    assert_int_equal(p.server.status, *state != NULL ? Q_ERESET : 0);
    pair_deinit(&p);
}

static void flush_then_close(struct end *e, struct block *block, const char *p, size_t n)
{
    (void)block, (void)p, (void)n;
    e->in_call = true;
    stream_write_copy(e->s, "bye", 3);
    stream_flush(e->s);
    assert_int_equal(stream_unsent(e->s), 0);
    stream_close(e->s);
    e->in_call = false;
}

static void echo_first(struct end *e, struct block *block, const char *p, size_t n)
{
    if (e->reads == 1) {
        echo_back(e, block, p, n);
    }
}

/* What was flushed is out, and a close without unsent bytes is a clean end, TLS or not. */
static void flush_sends_at_once(void **state)
{
    struct pair p;

    test_init(&p, state);
    p.client.on_open = say_hello;
    p.server.on_read = echo_first;
    p.client.on_read = flush_then_close;
    pair_run(&p);
    assert_int_equal(p.server.n, 8);
    assert_int_equal(p.server.eofs, 1);
    assert_int_equal(p.server.status, 0);
    pair_deinit(&p);
}

static void half_close(struct end *e)
{
    stream_write_copy(e->s, "hello", 5);
    stream_shutdown(e->s);
}

static void answer_after_eof(struct end *e)
{
    stream_write_copy(e->s, "bye", 3);
    stream_shutdown(e->s);
    stream_close_gently(e->s);
}

/* After stream_shutdown() reading goes on: an answer that comes after our end is read. */
static void half_closed_stream_still_reads(void **state)
{
    struct pair p;

    test_init(&p, state);
    p.client.on_open = half_close;
    p.server.on_eof = answer_after_eof;
    pair_run(&p);
    assert_int_equal(p.server.n, 5);
    assert_int_equal(p.client.sum, pair_hash(0, "bye", 3));
    assert_int_equal(p.client.status, 0);
    assert_int_equal(p.server.status, 0);
    pair_deinit(&p);
}

#define BOTH(f)                                        \
    {#f "_plain", f, NULL, NULL, NULL},                \
    {                                                  \
#f "_tls", f, NULL, NULL, (void *)(uintptr_t)1 \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(echo),
        BOTH(gentle_close_delivers_everything),
        BOTH(early_answer_reaches_a_sender),
        BOTH(pause_is_felt_by_the_sender),
        BOTH(kept_block_stays_as_it_was),
        BOTH(close_is_idempotent),
        BOTH(flush_sends_at_once),
        BOTH(half_closed_stream_still_reads),
    };

    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
