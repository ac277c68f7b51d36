/* A turn: timers, tasks, sleep, sockets, tasks, closed handles. Tasks therefore run twice a turn
 * of libuv, and always before it sleeps:
 *
 *   uv timers -> prepare: tasks; the turn ends -> poll: sockets, letters -> check: tasks
 *       ^------------------------- close callbacks <-------------------------------'
 */
#include "base/net/loop.h"

#include <signal.h>

#include "base/check.h"
#include "base/chunkq.h"
#include "base/mem.h"
#include "base/net/dns_i.h"
#include "base/net/iobuf_i.h"
#include "base/net/loop_i.h"
#include "base/net/tls_i.h"

static void loop_run_tasks(struct loop *l)
{
    while (!list_empty(&l->tasks)) {
        struct loop_task *t = LIST_FIRST(&l->tasks, struct loop_task, link);
        list_remove(&t->link);
        t->run(t);
    }
}

static void loop_on_prepare(uv_prepare_t *h)
{
    struct loop *l = h->data;

    loop_run_tasks(l);
    l->turn++;
    loop_time_expire(l); /* The next callback comes after sleeping. */
}

static void loop_on_check(uv_check_t *h)
{
    struct loop *l = h->data;

    list_splice_back(&l->tasks, &l->next_tasks);
    loop_run_tasks(l);
    if (list_empty(&l->next_tasks)) {
        (void)uv_idle_stop(&l->idle);
    }
}

static void loop_on_idle(uv_idle_t *h)
{
    (void)h; /* Being active is its work: libuv does not sleep. */
}

struct loop *loop_new(struct clock *clock)
{
    struct loop *l = mem_zalloc(sizeof *l);
    int rv = uv_loop_init(&l->uv);

    ASSERT(rv == 0);
    (void)signal(SIGPIPE, SIG_IGN); /* A write to a closed socket is an error code, not a death. */
    l->clock = clock;
    arena_pool_init(&l->arena_pool);
    list_init(&l->tasks);
    list_init(&l->next_tasks);
    (void)uv_prepare_init(&l->uv, &l->prepare);
    (void)uv_check_init(&l->uv, &l->check);
    (void)uv_idle_init(&l->uv, &l->idle);
    l->prepare.data = l;
    l->check.data = l;
    l->idle.data = l;
    (void)uv_prepare_start(&l->prepare, loop_on_prepare);
    (void)uv_check_start(&l->check, loop_on_check);
    uv_unref((uv_handle_t *)&l->prepare);
    uv_unref((uv_handle_t *)&l->check);
    timer_wheel_init(l);
    return l;
}

void loop_run(struct loop *l)
{
    l->stopping = false;
    do {
        loop_run_tasks(l);
        (void)uv_run(&l->uv, UV_RUN_DEFAULT);
        loop_time_expire(l);
    } while (!l->stopping && (!list_empty(&l->tasks) || uv_loop_alive(&l->uv)));
}

void loop_stop(struct loop *l)
{
    l->stopping = true;
    uv_stop(&l->uv);
}

void loop_free(struct loop *l)
{
    int rv;

    if (l == NULL) {
        return;
    }
    dns_free(l->dns);
    l->dns = NULL;
    uv_unref((uv_handle_t *)&l->wheel.uv); /* A forgotten timer does not hold us. */
    while (!list_empty(&l->tasks) || uv_loop_alive(&l->uv)) {
        loop_run_tasks(l);
        (void)uv_run(&l->uv, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&l->prepare, NULL);
    uv_close((uv_handle_t *)&l->check, NULL);
    uv_close((uv_handle_t *)&l->idle, NULL);
    timer_wheel_close(l);
    (void)uv_run(&l->uv, UV_RUN_DEFAULT);
    rv = uv_loop_close(&l->uv);
    ASSERT(rv == 0);
    sessions_free(l->sessions);
    iobuf_free(l->iobuf);
    arena_pool_deinit(&l->arena_pool);
    block_pool_release();
    mem_free(l);
}

uint64_t loop_now_ms(struct loop *l)
{
    if (!l->now_valid) {
        l->now_ms = clock_mono_ms(l->clock);
        l->now_valid = true;
    }
    return l->now_ms;
}

uint64_t loop_now_us(struct loop *l)
{
    return clock_mono_us(l->clock);
}

int64_t loop_wall_ms(struct loop *l)
{
    if (!l->wall_valid) {
        l->wall_ms = clock_wall_ms(l->clock);
        l->wall_valid = true;
    }
    return l->wall_ms;
}

void loop_time_expire(struct loop *l)
{
    l->now_valid = false;
    l->wall_valid = false;
}

struct clock *loop_clock(struct loop *l)
{
    return l->clock;
}

struct arena_pool *loop_arena_pool(struct loop *l)
{
    return &l->arena_pool;
}

void loop_task_init(struct loop_task *t, void (*run)(struct loop_task *t))
{
    list_init(&t->link);
    t->run = run;
}

void loop_at_turn_end(struct loop *l, struct loop_task *t)
{
    if (list_empty(&t->link)) {
        list_push_back(&l->tasks, &t->link);
    }
}

void loop_at_next_turn(struct loop *l, struct loop_task *t)
{
    if (list_empty(&t->link)) {
        list_push_back(&l->next_tasks, &t->link);
        (void)uv_idle_start(&l->idle, loop_on_idle);
    }
}

void loop_task_cancel(struct loop_task *t)
{
    list_remove(&t->link);
}
