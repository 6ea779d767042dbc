#include "pool.h"
#include "unit.h"
#include <string.h>

enum { SIZE = 100, COUNT = 2000 }; /* several pieces */

static void test_blocks_are_whole_lines_and_apart(void **state)
{
    (void)state;
    static uint8_t *blocks[COUNT];
    struct pool pool = {0};
    for (unsigned i = 0; i < COUNT; i++) {
        blocks[i] = pool_take(&pool, SIZE);
        assert_int_equal((uintptr_t)blocks[i] % POOL_LINE, 0);
        memset(blocks[i], (int)(i % 251), SIZE);
    }
    for (unsigned i = 0; i < COUNT; i++)
        for (unsigned at = 0; at < SIZE; at++)
            assert_int_equal(blocks[i][at], i % 251);
    for (unsigned i = 0; i < COUNT; i++)
        pool_give(&pool, blocks[i]);
    pool_fini(&pool);
}

#ifndef __SANITIZE_ADDRESS__ /* there, blocks are the allocator's */
static void test_given_blocks_are_taken_again_last_first(void **state)
{
    (void)state;
    struct pool pool = {0};
    void *first = pool_take(&pool, SIZE), *second = pool_take(&pool, SIZE);
    pool_give(&pool, first);
    pool_give(&pool, second);
    assert_ptr_equal(pool_take(&pool, SIZE), second);
    assert_ptr_equal(pool_take(&pool, SIZE), first);
    void *third = pool_take(&pool, SIZE);
    assert_ptr_not_equal(third, first);
    assert_ptr_not_equal(third, second);
    pool_fini(&pool);
    assert_null(pool.pieces);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_are_whole_lines_and_apart),
#ifndef __SANITIZE_ADDRESS__
        cmocka_unit_test(test_given_blocks_are_taken_again_last_first),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
