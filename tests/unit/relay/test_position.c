#include "position.h"
#include "unit.h"
#include <string.h>

/* Where a follower stands, as text. */

enum { INCARNATION = 123456789 };

static struct position position_of(unsigned count, uint64_t step)
{
    struct position position = {.count = count};
    for (unsigned i = 0; i < count; i++)
        position.sequences[i] = i * step;
    return position;
}

static bool read(struct position *position, unsigned count, const char *text)
{
    return position_read(position, INCARNATION, count, text, strlen(text));
}

static void what_is_written_is_read(void **state)
{
    const uint64_t steps[] = {0, 1, 127, 128, 16384, UINT64_C(1) << 40};
    (void)state;
    for (unsigned count = 1; count <= 34; count += 11)
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
            char text[POSITION_TEXT_SIZE];
            struct position position = position_of(count, steps[i]), again;
            position_write(&position, INCARNATION, text);
            assert_true(read(&again, count, text));
            assert_int_equal(again.count, count);
            assert_memory_equal(again.sequences, position.sequences, count * sizeof(uint64_t));
            assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                          "0123456789-_"),
                             strlen(text));
        }
}

static void another_directorys_is_refused(void **state)
{
    char text[POSITION_TEXT_SIZE];
    struct position position = position_of(3, 1000);
    (void)state;
    position_write(&position, INCARNATION + 1, text);
    assert_false(read(&position, 3, text));
    position_write(&position, INCARNATION, text);
    assert_false(read(&position, 4, text));
    assert_false(read(&position, 2, text));
}

static void any_change_is_noticed(void **state)
{
    char text[POSITION_TEXT_SIZE], changed[POSITION_TEXT_SIZE];
    struct position position = position_of(3, 1000);
    (void)state;
    position_write(&position, INCARNATION, text);
    for (size_t at = 0; at < strlen(text); at++)
        for (const char *other = "A_z-0"; *other != '\0'; other++) {
            strcpy(changed, text);
            changed[at] = *other;
            if (strcmp(changed, text) != 0)
                assert_false(read(&position, 3, changed));
        }
    for (size_t length = 0; length < strlen(text); length++)
        assert_false(position_read(&position, INCARNATION, 3, text, length));
    strcat(text, "A");
    assert_false(read(&position, 3, text));
    memset(changed, 'A', sizeof changed - 1);
    changed[sizeof changed - 1] = '\0';
    assert_false(read(&position, 3, changed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(another_directorys_is_refused),
        cmocka_unit_test(any_change_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
