#include "fixture.h"

#include "dead_letters.h"

/* The table of requests that were given up on. */

static void add(struct dead_letters *letters, uint64_t request_id)
{
    struct dead_letter letter = {.request_id = request_id, .actor = request_id * 2};

    memset(letter.obituary, 'x', sizeof letter.obituary); /* without an end */
    dead_letters_add(letters, &letter);
}

static void the_last_ones_are_kept(void **state)
{
    struct fixture f;
    struct dead_letters *letters;
    struct dead_letter letter;
    uint64_t total = 3 * DEAD_LETTERS_MAX + 5;
    (void)state;

    fixture_open(&f);
    letters = segment_dead_letters(&f.segment);
    assert_false(dead_letters_read(letters, 0, &letter));
    assert_false(dead_letters_read(letters, 1, &letter));
    for (uint64_t id = 1; id <= total; id++) {
        add(letters, 1000 + id);
        assert_int_equal(atomic_load(&letters->count), id);
        assert_true(dead_letters_read(letters, id, &letter));
        assert_int_equal(letter.request_id, 1000 + id);
        assert_int_equal(letter.actor, 2 * (1000 + id));
        assert_int_equal(strlen(letter.obituary), OBITUARY_SIZE - 1);
    }
    for (uint64_t id = 1; id <= total; id++)
        assert_int_equal(dead_letters_read(letters, id, &letter), id > total - DEAD_LETTERS_MAX);
    fixture_close(&f);
}

static void one_that_is_being_written_is_not_read(void **state)
{
    struct fixture f;
    struct dead_letters *letters;
    struct dead_letter letter;
    (void)state;

    fixture_open(&f);
    letters = segment_dead_letters(&f.segment);
    add(letters, 7);
    atomic_store(&letters->places[1].number, 0);
    assert_false(dead_letters_read(letters, 1, &letter));
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_ones_are_kept),
        cmocka_unit_test(one_that_is_being_written_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
