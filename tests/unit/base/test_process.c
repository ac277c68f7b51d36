/* What concerns the whole process: errors, assertions, state machines, the log, metrics. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/sm.h"

/* Runs @body in a child and keeps what it says on stderr. */
static char said[65536];
static int run_child(void (*body)(void))
{
    size_t n = 0;
    ssize_t got;
    int fds[2], status = 0;
    pid_t child;

    assert_int_equal(pipe(fds), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)signal(SIGABRT, SIG_DFL); /* cmocka and sanitizers catch it */
        (void)dup2(fds[1], STDERR_FILENO);
        (void)close(fds[0]);
        body();
        _exit(0);
    }
    (void)close(fds[1]);
    while (n < sizeof said - 1 && (got = read(fds[0], said + n, sizeof said - 1 - n)) > 0) {
        n += (size_t)got;
    }
    said[n] = 0;
    (void)close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

enum { DOOR_CLOSED, DOOR_OPEN, DOOR_GONE };
static const struct sm_state doors[] = {
    [DOOR_CLOSED] = {"closed", SM_BIT(DOOR_OPEN) | SM_BIT(DOOR_GONE)},
    [DOOR_OPEN] = {"open", SM_BIT(DOOR_CLOSED)},
    [DOOR_GONE] = {"gone", 0},
};

static void move_as_not_allowed(void)
{
    struct sm m;

    sm_init(&m, "door", doors, DOOR_CLOSED);
    for (int i = 0; i < 100; i++) {
        sm_move(&m, DOOR_OPEN);
        sm_move(&m, DOOR_CLOSED);
    }
    sm_move(&m, DOOR_OPEN);
    sm_move(&m, DOOR_GONE);
}

static void cast_to_another_type(void)
{
    uint32_t magic = OBJ_MAGIC('a', 'b', 'c', 'd');

    (void)obj_check(&magic, OBJ_MAGIC('a', 'b', 'c', 'e'), __FILE__, __LINE__);
}

static void a_machine_moves_by_its_table(void **state)
{
    struct sm m;

    (void)state;
    sm_init(&m, "door", doors, DOOR_CLOSED);
    sm_move(&m, DOOR_OPEN);
    assert_string_equal(sm_name(&m), "open");
    assert_false(sm_is_final(&m));
    sm_move(&m, DOOR_CLOSED);
    sm_move(&m, DOOR_GONE);
    assert_true(sm_is_final(&m));
}

static void an_illegal_move_dies_and_says_which(void **state)
{
    int status = run_child(move_as_not_allowed), lines = 0;
    const char *last = "";

    (void)state;
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    for (const char *at = said; (at = strstr(at, "trace: ")) != NULL; at++) {
        last = at;
        lines++;
    }
    assert_int_equal(lines, TRACE_EVENTS_MAX);
    assert_true(slice_starts(slice_str(last), SLICE("trace: door: open -> gone\n")));
    assert_non_null(strstr(last, "assertion failed"));
    status = run_child(cast_to_another_type);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void errors_have_a_text_and_a_context(void **state)
{
    struct errmsg e = {{0}};
    char big[2 * ERRMSG_BYTES_MAX];

    (void)state;
    assert_string_equal(err_str(Q_ENOTFOUND), "not found");
    assert_string_equal(err_str(0), "ok");
    assert_string_equal(err_str(12345), "unknown error");
    assert_int_equal(err_from_errno(ENOENT), Q_ENOTFOUND);
    assert_int_equal(err_from_errno(ENOSPC), Q_ENOSPC);
    assert_int_equal(err_from_errno(EXDEV), Q_EIO);
    assert_int_equal(err_from_errno(0), 0);
    errmsg_set(&e, "no such %s", "file");
    errmsg_wrap(&e, "reading %d", 7);
    assert_string_equal(e.text, "reading 7: no such file");
    memset(big, 'x', sizeof big);
    big[sizeof big - 1] = 0;
    errmsg_wrap(&e, "%s", big);
    assert_int_equal(strlen(e.text), ERRMSG_BYTES_MAX - 1);
    errmsg_wrap(&e, "outer");
    assert_true(slice_starts(slice_str(e.text), SLICE("outer: xxx")));
    errmsg_set(NULL, "nobody listens");
    errmsg_wrap(NULL, "nobody listens");
}

static void *log_lines(void *arg)
{
    for (uint64_t i = 0; i < 40; i++) {
        LOG_INFO("line", LOG_STR("who", arg), LOG_U64("i", i));
    }
    return NULL;
}

static void log_from_two_threads(void)
{
    static char big[8192];
    pthread_t t;

    log_setup(LOG_LEVEL_INFO, "n1");
    LOG_DEBUG("not shown");
    LOG_ERROR("quote \" and \xff", LOG_I64("minus", -1), LOG_BOOL("yes", true),
              LOG_SLICE("cut", SLICE("a\nb")));
    memset(big, 'x', sizeof big - 1);
    LOG_WARN("long", LOG_STR("a", big), LOG_STR("b", big), LOG_STR("c", big), LOG_U64("last", 1));
    (void)pthread_create(&t, NULL, log_lines, (void *)(uintptr_t) "one");
    (void)log_lines((void *)(uintptr_t) "two");
    (void)pthread_join(t, NULL);
}

static void every_line_of_the_log_is_json(void **state)
{
    int status = run_child(log_from_two_threads), lines = 0;
    enum log_level level;

    (void)state;
    assert_int_equal(status, 0);
    assert_null(strstr(said, "not shown"));
    assert_non_null(strstr(said, "\"minus\":-1,\"yes\":true,\"cut\":\"a\\nb\"}"));
    assert_non_null(strstr(said, "\"last\":1}")); /* a field that does not fit is left out */
    for (char *at = said, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        yyjson_doc *doc;
        assert_true(end - at < LOG_LINE_BYTES_MAX);
        assert_int_equal(json_parse(slice_of(at, (size_t)(end - at)), &doc, NULL), 0);
        assert_string_equal(yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "node")), "n1");
        yyjson_doc_free(doc);
        lines++;
    }
    assert_int_equal(lines, 82);
    assert_true(log_level_parse(SLICE("warn"), &level) && level == LOG_LEVEL_WARN);
    assert_false(log_level_parse(SLICE("WARN"), &level));
}

static void *count(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10000; i++) {
        metric_inc((enum metric)0);
    }
    metric_add((enum metric)1, -5);
    return NULL;
}

static void metrics_sum_over_threads(void **state)
{
    int64_t before = metric_read((enum metric)0), before1 = metric_read((enum metric)1);
    pthread_t t[4];
    struct buf out;
    size_t n = 0;

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, count, NULL), 0);
    }
    for (int i = 0; i < 4; i++) {
        (void)pthread_join(t[i], NULL);
    }
    assert_int_equal(metric_read((enum metric)0), before + 40000); /* threads that ended count */
    assert_int_equal(metric_read((enum metric)1), before1 - 20);
    assert_ptr_equal(metrics_cells(), metrics_cells());
    buf_init(&out, 1 << 16);
    metrics_print(&out);
    buf_add_u8(&out, 0);
    assert_false(out.full);
    for (const char *at = out.p; (at = strstr(at, "# TYPE quorate_")) != NULL; at++) {
        n++;
    }
    assert_int_equal(n, METRIC_N_);
    assert_non_null(strstr(out.p, " 40000\n"));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_machine_moves_by_its_table),
        cmocka_unit_test(an_illegal_move_dies_and_says_which),
        cmocka_unit_test(errors_have_a_text_and_a_context),
        cmocka_unit_test(every_line_of_the_log_is_json),
        cmocka_unit_test(metrics_sum_over_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
