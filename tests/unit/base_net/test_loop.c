/* Timers by a clock that the test moves, tasks, the listener, and mail from four threads. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/net/addr_i.h"
#include "base/net/mailbox.h"
#include "base/rng.h"
#include "pair.h"

struct fake_clock {
    struct clock clock;
    uint64_t us, step_us;
};

/* Every look at it takes time: that is how it moves. */
static uint64_t fake_mono_us(struct clock *c)
{
    struct fake_clock *f = CONTAINER_OF(c, struct fake_clock, clock);

    f->us += f->step_us;
    return f->us;
}

static int64_t fake_wall_ms(struct clock *c)
{
    (void)c;
    return 0;
}

static const struct clock_ops fake_ops = {fake_mono_us, fake_wall_ms};

/* A loop on a fake clock, which turns until everything has fired. */
struct world {
    struct fake_clock fake;
    struct loop *loop;
    struct timer driver; /* Keeps the loop turning: due at every tick. */
    size_t n_left, n_fired;
    uint64_t last_at_ms;
};
static struct world world;

static void world_on_drive(struct timer *t)
{
    if (world.n_left > 0) {
        timer_start(t, 0);
    }
}

static void world_init(uint64_t step_us)
{
    world = (struct world){.fake = {.clock = {&fake_ops}, .us = 1000000, .step_us = step_us}};
    world.loop = loop_new(&world.fake.clock);
    timer_init(&world.driver, world.loop, world_on_drive);
}

static void world_run(void)
{
    timer_start(&world.driver, 0);
    loop_run(world.loop);
    loop_free(world.loop);
}

struct alarm {
    struct timer timer;
    uint64_t due_ms;
    bool fired;
};

static void alarm_on_fire(struct timer *t)
{
    struct alarm *a = CONTAINER_OF(t, struct alarm, timer);
    uint64_t now_ms = loop_now_ms(world.loop);

    assert_false(timer_is_running(t));
    assert_false(a->fired);
    a->fired = true;
    assert_true(now_ms >= a->due_ms); /* Never early. */
    assert_true(now_ms <= a->due_ms + LOOP_TICK_MS +
                              4 * world.fake.step_us / 1000); /* A tick late at most. */
    assert_true(a->due_ms >= world.last_at_ms);               /* In the order of the deadlines. */
    world.last_at_ms = a->due_ms;
    world.n_fired++;
    world.n_left--;
}

static void fire_all(uint64_t step_us, uint64_t longest_ms, size_t n)
{
    struct alarm *alarms = mem_zalloc(n * sizeof *alarms);
    struct rng rng;

    world_init(step_us);
    rng_init_seed(&rng, 7);
    for (size_t i = 0; i < n; i++) {
        uint64_t after_ms = rng_below(&rng, longest_ms);
        alarms[i].due_ms = loop_now_ms(world.loop) + after_ms;
        timer_init(&alarms[i].timer, world.loop, alarm_on_fire);
        timer_start(&alarms[i].timer, rng_below(&rng, longest_ms));
        timer_start(&alarms[i].timer, after_ms); /* Restarting forgets the first deadline. */
        world.n_left++;
    }
    world_run();
    assert_int_equal(world.n_fired, n);
    mem_free(alarms);
}

/* Timers fire in order, never early, at most a tick late: within one turn of the wheel, and over
 * many. */
static void timers_fire_in_order(void **state)
{
    (void)state;
    fire_all(1000, 50, 200);
    fire_all(7000, 2000, 2000);
    fire_all(60000000, 5ull * 3600 * 1000, 500);     /* Five hours, a minute a turn. */
    fire_all(3600000000, 20ull * 86400 * 1000, 100); /* Twenty days, an hour a turn. */
}

static struct alarm stopped[8];

static void alarm_on_stop_others(struct timer *t)
{
    (void)t;
    for (size_t i = 0; i < 8; i++) {
        timer_stop(&stopped[i].timer);
        timer_stop(&stopped[i].timer);
    }
    timer_start(&stopped[0].timer, 0);
    stopped[0].due_ms = loop_now_ms(world.loop);
    world.last_at_ms = 0;
    world.n_left = 1;
}

/* A callback stops timers that are due in the same tick: they do not fire; one that it starts
 * does, later. */
static void callback_stops_and_starts(void **state)
{
    struct timer first;

    (void)state;
    memset(stopped, 0, sizeof stopped);
    world_init(1000);
    timer_init(&first, world.loop, alarm_on_stop_others);
    timer_start(&first, 20);
    for (size_t i = 0; i < 8; i++) {
        timer_init(&stopped[i].timer, world.loop, alarm_on_fire);
        timer_start(&stopped[i].timer, 20 + i % 2);
    }
    world.n_left = 8;
    world_run();
    assert_int_equal(world.n_fired, 1);
    assert_true(stopped[0].fired);
}

struct count_task {
    struct loop_task task, second;
    struct loop *loop;
    int runs, second_runs;
};

static void count_on_second(struct loop_task *t)
{
    struct count_task *c = CONTAINER_OF(t, struct count_task, second);

    c->second_runs++;
}

static void count_on_run(struct loop_task *t)
{
    struct count_task *c = CONTAINER_OF(t, struct count_task, task);

    c->runs++;
    loop_at_turn_end(c->loop, &c->second);
}

/* A task that is added twice runs once; what it adds runs too; a cancelled one does not. */
static void tasks_run_once(void **state)
{
    struct loop *l = loop_new(clock_system());
    struct count_task a = {.loop = l}, b = {.loop = l};

    (void)state;
    loop_task_init(&a.task, count_on_run);
    loop_task_init(&a.second, count_on_second);
    loop_task_init(&b.task, count_on_run);
    loop_at_turn_end(l, &a.task);
    loop_at_turn_end(l, &a.task);
    loop_at_turn_end(l, &b.task);
    loop_task_cancel(&b.task);
    loop_run(l);
    assert_int_equal(a.runs, 1);
    assert_int_equal(a.second_runs, 1);
    assert_int_equal(b.runs, 0);
    loop_free(l);
}

#define SENDERS      4
#define LETTERS_EACH 20000

struct note {
    struct letter letter;
    unsigned sender, number;
};
struct office {
    struct loop *loop;
    struct mailbox *box;
    unsigned next[SENDERS], n;
    pthread_t threads[SENDERS];
    unsigned ids[SENDERS];
};
static struct office office;

static void note_on_deliver(struct letter *l)
{
    struct note *n = CONTAINER_OF(l, struct note, letter);

    assert_int_equal(n->number, office.next[n->sender]); /* In sending order, none lost. */
    office.next[n->sender]++;
    mem_free(n);
    if (++office.n == SENDERS * LETTERS_EACH) {
        mailbox_close(office.box); /* The sender of this letter may still be inside of its call. */
    }
}

static void *sender_main(void *arg)
{
    unsigned id = *(unsigned *)arg;

    for (unsigned i = 0; i < LETTERS_EACH; i++) {
        struct note *n = mem_zalloc(sizeof *n);
        n->letter.deliver = note_on_deliver;
        n->sender = id;
        n->number = i;
        mailbox_send(office.box, &n->letter);
    }
    return NULL;
}

/* Four threads send at once: every letter arrives once, each sender's in order, and the loop
 * then ends. */
static void mail_from_four_threads(void **state)
{
    (void)state;
    office = (struct office){.loop = loop_new(clock_system())};
    office.box = mailbox_new(office.loop);
    for (unsigned i = 0; i < SENDERS; i++) {
        office.ids[i] = i;
        assert_int_equal(pthread_create(&office.threads[i], NULL, sender_main, &office.ids[i]), 0);
    }
    loop_run(office.loop);
    for (unsigned i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_join(office.threads[i], NULL), 0);
        assert_int_equal(office.next[i], LETTERS_EACH);
    }
    loop_free(office.loop);
}

static int n_delivered;

static void letter_on_count(struct letter *l)
{
    (void)l;
    n_delivered++;
}

/* What is inside when the box is closed is delivered, though the loop never ran. */
static void close_delivers_what_is_inside(void **state)
{
    struct loop *l = loop_new(clock_system());
    struct mailbox *m = mailbox_new(l);
    struct letter letters[3] = {
        {NULL, letter_on_count}, {NULL, letter_on_count}, {NULL, letter_on_count}};

    (void)state;
    n_delivered = 0;
    for (size_t i = 0; i < 3; i++) {
        mailbox_send(m, &letters[i]);
    }
    mailbox_close(m);
    assert_int_equal(n_delivered, 3);
    loop_run(l);
    loop_free(l);
}

static void never_accept(struct listener *l, int fd, void *arg)
{
    (void)l, (void)arg;
    (void)close(fd);
    fail();
}

/* Errors of a listener name the address and the reason; SO_REUSEPORT shares a port. */
static void listener_errors_say_why(void **state)
{
    struct loop *l = loop_new(clock_system());
    struct listener *a = NULL, *b = NULL;
    struct errmsg err = {""};
    char addr[64];

    (void)state;
    assert_int_equal(listener_start(l, "nowhere", false, never_accept, NULL, &a, &err), Q_EINVAL);
    assert_non_null(strstr(err.text, "nowhere"));
    assert_int_equal(listener_start(l, "example.org:1", false, never_accept, NULL, &a, &err),
                     Q_EINVAL);
    assert_int_equal(listener_start(l, "localhost:0", true, never_accept, NULL, &a, &err), 0);
    assert_true(listener_port(a) != 0);
    (void)snprintf(addr, sizeof addr, "127.0.0.1:%u", listener_port(a));
    assert_int_equal(listener_start(l, addr, false, never_accept, NULL, &b, &err), Q_EEXIST);
    assert_non_null(strstr(err.text, addr));
    assert_non_null(strstr(err.text, "port in use"));
    assert_int_equal(listener_start(l, addr, true, never_accept, NULL, &b, &err), 0);
    listener_close(a);
    listener_close(b);
    loop_run(l);
    loop_free(l);
}

struct starved {
    struct loop *loop;
    struct listener *listener;
    struct timer later;
    struct rlimit limit;
    int fds[4], accepted;
    unsigned n_turns;
};

static void starved_on_accept(struct listener *l, int fd, void *arg)
{
    struct starved *s = arg;

    (void)l;
    (void)close(fd);
    s->accepted++;
    if (s->accepted == 3) { /* One of the four was given up for the reserve. */
        listener_close(s->listener);
    }
}

static void starved_on_later(struct timer *t)
{
    struct starved *s = CONTAINER_OF(t, struct starved, later);

    assert_int_equal(s->accepted, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &s->limit), 0);
}

/* Out of descriptors: nothing is accepted, the loop does not spin, and it recovers by itself. */
static void listener_survives_without_descriptors(void **state)
{
    struct starved s = {.loop = loop_new(clock_system())};
    struct errmsg err = {""};
    struct rlimit none;
    union addr a;
    struct rusage before, after;
    int64_t cpu_us;

    (void)state;
    assert_int_equal(
        listener_start(s.loop, "127.0.0.1:0", false, starved_on_accept, &s, &s.listener, &err), 0);
    assert_true(addr_parse_literal("127.0.0.1", listener_port(s.listener), &a));
    for (size_t i = 0; i < 4; i++) {
        s.fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(s.fds[i], &a.any, addr_size(&a)), 0);
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &s.limit), 0);
    none = s.limit;
    none.rlim_cur = 3; /* Everything above is taken or forbidden. */
    timer_init(&s.later, s.loop, starved_on_later);
    timer_start(&s.later, 60);
    (void)getrusage(RUSAGE_SELF, &before);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    loop_run(s.loop);
    (void)getrusage(RUSAGE_SELF, &after);
    cpu_us = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 +
             (after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000000 +
             (after.ru_utime.tv_usec - before.ru_utime.tv_usec) +
             (after.ru_stime.tv_usec - before.ru_stime.tv_usec);
    assert_true(cpu_us < 50000); /* It waited more than 60 ms, and hardly worked. */
    assert_true(s.accepted >= 3);
    for (size_t i = 0; i < 4; i++) {
        (void)close(s.fds[i]);
    }
    loop_free(s.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_order),
        cmocka_unit_test(callback_stops_and_starts),
        cmocka_unit_test(tasks_run_once),
        cmocka_unit_test(mail_from_four_threads),
        cmocka_unit_test(close_delivers_what_is_inside),
        cmocka_unit_test(listener_errors_say_why),
        cmocka_unit_test(listener_survives_without_descriptors),
    };

    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
