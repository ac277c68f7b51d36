/* Buffers, arenas, chunk queues and maps against simple models of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/chunkq.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/strmap.h"

static void a_buffer_stops_at_its_cap(void **state)
{
    struct buf b;
    char *mine;
    size_t n;

    (void)state;
    buf_init(&b, 4);
    buf_add_str(&b, "abc");
    assert_false(b.full);
    buf_add_str(&b, "de"); /* does not fit: nothing of it is added */
    assert_true(b.full);
    assert_true(slice_eq(buf_slice(&b), SLICE("abc")));
    buf_clear(&b);
    buf_printf(&b, "%d", 1234); /* exactly the cap, though printf wants a 0 behind */
    assert_false(b.full);
    assert_int_equal(b.n, 4);
    buf_printf(&b, "%s", "x");
    assert_true(b.full);
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_consume(&b, 1);
    assert_true(slice_eq(buf_slice(&b), SLICE("234")));
    mine = buf_take(&b, &n);
    assert_int_equal(n, 3);
    assert_int_equal(b.n, 0);
    mem_free(mine);
    buf_deinit(&b);
    buf_init(&b, 0);
    buf_add_u8(&b, 1);
    assert_true(b.full);
    buf_deinit(&b);
}

static void a_buffer_writes_bytes_in_order(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    buf_add_u16le(&b, 0x0201);
    buf_add_u32le(&b, 0x06050403);
    buf_add_u64le(&b, 0x0e0d0c0b0a090807);
    buf_add_u64be(&b, 0x0f10111213141516);
    for (size_t i = 0; i < b.n; i++) {
        assert_int_equal(b.p[i], (char)(i + 1));
    }
    assert_int_equal(b.n, 22);
    for (int i = 0; i < 10000; i++) {
        buf_add_str(&b, "0123456789");
    }
    assert_int_equal(b.n, 100022);
    assert_memory_equal(b.p + b.n - 10, "0123456789", 10);
    buf_deinit(&b);
}

static void an_arena_aligns_and_keeps(void **state)
{
    static const size_t sizes[] = {0, 1, 15, 16, 17, 4000, 8192, 8193, 100000};
    struct arena_pool pool;
    struct arena a;

    (void)state;
    arena_pool_init(&pool);
    for (int round = 0; round < 3; round++) {
        char *all[90];
        arena_init(&a, &pool);
        for (size_t i = 0; i < 90; i++) {
            all[i] = arena_alloc(&a, sizes[i % 9]);
            assert_int_equal((uintptr_t)all[i] % 16, 0);
            memset(all[i], (int)i, sizes[i % 9]);
        }
        for (size_t i = 0; i < 90; i++) {
            for (size_t k = 0; k < sizes[i % 9]; k++) {
                assert_int_equal(all[i][k], (char)i);
            }
        }
        assert_string_equal(arena_printf(&a, "%s-%d", "n", 7), "n-7");
        assert_string_equal(arena_strdup(&a, SLICE("abc")), "abc");
        assert_string_equal(arena_strdup(&a, slice_of(NULL, 0)), "");
        for (size_t i = 0; i < 64; i++) { /* reused blocks hold old bytes: zalloc clears them */
            assert_int_equal(((char *)arena_zalloc(&a, 64))[i], 0);
        }
        assert_true(a.used_bytes > 10 * (4000 + 8192 + 8193 + 100000));
        arena_deinit(&a);
        assert_true(pool.n_free > 0);
    }
    arena_pool_deinit(&pool);
    arena_pool_deinit(&pool);
}

/* The whole content, to compare with the model. */
static void queue_is(const struct chunkq *q, const char *model, size_t n)
{
    char *out = mem_alloc(n + 1);

    assert_int_equal(q->n_bytes, n);
    assert_int_equal(chunkq_peek(q, 0, out, n + 1), n);
    assert_memory_equal(out, model, n);
    if (n > 2) {
        assert_int_equal(chunkq_peek(q, n / 2, out, n), n - n / 2);
        assert_memory_equal(out, model + n / 2, n - n / 2);
    }
    mem_free(out);
}

static void a_chunk_queue_is_a_string(void **state)
{
    struct chunkq a, b;
    struct rng r;
    char model_a[8192] = {0}, model_b[8192] = {0};
    size_t na = 0, nb = 0;

    (void)state;
    rng_init_seed(&r, 3);
    chunkq_init(&a);
    chunkq_init(&b);
    for (int i = 0; i < 20000; i++) {
        char text[50];
        size_t n = rng_below(&r, sizeof text + 1);
        switch (rng_below(&r, 3)) {
        case 0:
            memset(text, 'a' + i % 26, sizeof text);
            if (na + n <= 4096) {
                chunkq_add_copy(&a, text, n);
                memcpy(model_a + na, text, n);
                na += n;
            }
            break;
        case 1:
            n = n > na ? na : n;
            if (nb + n <= 4096) {
                chunkq_move_n(&b, &a, n);
                memcpy(model_b + nb, model_a, n);
                nb += n;
                memmove(model_a, model_a + n, na -= n);
            }
            break;
        default:
            n = n > nb ? nb : n;
            chunkq_consume(&b, n);
            memmove(model_b, model_b + n, nb -= n);
            break;
        }
        queue_is(&a, model_a, na);
        queue_is(&b, model_b, nb);
    }
    chunkq_move(&b, &a);
    memcpy(model_b + nb, model_a, na);
    queue_is(&b, model_b, nb + na);
    assert_true(chunkq_empty(&a));
    chunkq_move(&b, &a); /* from an empty one */
    chunkq_deinit(&a);
    chunkq_deinit(&b);
    block_pool_release();
}

static void shared_bytes_live_until_the_last_reader(void **state)
{
    struct block *block = block_new(16384);
    struct chunkq a, b;

    (void)state;
    memcpy(block->data, "hello world", 11);
    chunkq_init(&a);
    chunkq_init(&b);
    chunkq_add(&a, block, block->data, 5);
    chunkq_add(&a, block, block->data + 5, 6); /* adjacent: one chunk, one reference */
    assert_int_equal(block->refs, 2);
    chunkq_add(&a, block, block->data, 0);
    chunkq_share(&b, &a);
    assert_int_equal(block->refs, 3);
    block_unref(block);
    chunkq_consume(&a, 11);
    assert_true(chunkq_empty(&a));
    queue_is(&b, "hello world", 11);
    chunkq_deinit(&b);
    block_unref(NULL);
    block = block_new(16384); /* from the thread's pool; its own again */
    assert_int_equal(block->refs, 1);
    block_unref(block);
    block_pool_release();
}

static void a_map_follows_its_model(void **state)
{
    uintptr_t model[500] = {0};
    struct strmap m;
    struct rng r;
    char key[16];
    size_t live = 0, seen = 0, cursor = 0;
    struct strmap_entry *e;

    (void)state;
    rng_init_seed(&r, 5);
    strmap_init(&m);
    assert_null(strmap_get(&m, SLICE("a")));
    assert_null(strmap_remove(&m, SLICE("a")));
    for (uintptr_t i = 1; i < 100000; i++) {
        size_t k = rng_below(&r, 500);
        struct slice s = slice_of(key, (size_t)snprintf(key, sizeof key, "%zu", k));
        uintptr_t old;
        if (rng_below(&r, 2) == 0) {
            old = (uintptr_t)strmap_put(&m, s, (void *)i);
            assert_int_equal(old, model[k]);
            model[k] = i;
        } else {
            old = (uintptr_t)strmap_remove(&m, s);
            assert_int_equal(old, model[k]);
            model[k] = 0;
        }
        assert_int_equal((uintptr_t)strmap_get(&m, s), model[k]);
    }
    for (size_t k = 0; k < 500; k++) {
        live += model[k] != 0;
    }
    assert_int_equal(m.n_live, live);
    while ((e = strmap_next(&m, &cursor)) != NULL) {
        uint64_t k;
        assert_int_equal(scan_u64(slice_of(e->key, e->key_n), 499, &k), 0);
        assert_int_equal((uintptr_t)e->value, model[k]);
        seen++;
    }
    assert_int_equal(seen, live);
    assert_true(m.alloc < 4096); /* holes are reused */
    strmap_deinit(&m);
}

static void a_map_keeps_the_order_and_the_empty_key(void **state)
{
    static const char *const want[] = {"b", "", "c", "a"};
    struct strmap_entry *e;
    struct strmap m;
    size_t at = 0;

    (void)state;
    strmap_init(&m);
    (void)strmap_put(&m, SLICE("b"), &m);
    (void)strmap_put(&m, SLICE("a"), &m);
    (void)strmap_put(&m, SLICE(""), &m);
    (void)strmap_put(&m, SLICE("c"), &m);
    (void)strmap_remove(&m, SLICE("a"));
    (void)strmap_put(&m, SLICE("a"), &at); /* again: at the end */
    for (size_t i = 0; (e = strmap_next(&m, &i)) != NULL;) {
        assert_string_equal(e->key, want[at++]);
    }
    assert_int_equal(at, 4);
    assert_ptr_equal(strmap_get(&m, SLICE("")), &m);
    strmap_deinit(&m);
}

static void chance_repeats_with_its_seed(void **state)
{
    unsigned seen[10] = {0};
    struct rng a, b, c;

    (void)state;
    rng_init_seed(&a, 42);
    rng_init_seed(&b, 42);
    rng_init_seed(&c, 43);
    for (int i = 0; i < 100; i++) {
        uint64_t v = rng_u64(&a);
        assert_true(v == rng_u64(&b));
        assert_true(v != rng_u64(&c));
    }
    for (int i = 0; i < 10000; i++) {
        seen[rng_below(&a, 10)]++;
    }
    for (int i = 0; i < 10; i++) { /* 1000 expected, sigma 30 */
        assert_in_range(seen[i], 800, 1200);
    }
    assert_int_equal(rng_below(&a, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_stops_at_its_cap),
        cmocka_unit_test(a_buffer_writes_bytes_in_order),
        cmocka_unit_test(an_arena_aligns_and_keeps),
        cmocka_unit_test(a_chunk_queue_is_a_string),
        cmocka_unit_test(shared_bytes_live_until_the_last_reader),
        cmocka_unit_test(a_map_follows_its_model),
        cmocka_unit_test(a_map_keeps_the_order_and_the_empty_key),
        cmocka_unit_test(chance_repeats_with_its_seed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
