#include "unit.h"

#include "waiting_room.h"
#include <stdlib.h>
#include <string.h>

/* A line of a room, as its owner publishes it and fronts read it. */

enum { ROOM = 7 };

struct line {
    struct waiting_rooms *rooms;
    struct waiting_room *room;
    uint64_t words[3 * LINE_BLOCKS][LEAVERS_WORDS]; /* what the owner knows */
    bool any[3 * LINE_BLOCKS];
};

static int set_up(void **state)
{
    struct line *line = calloc(1, sizeof *line);
    line->rooms = aligned_alloc(64, sizeof *line->rooms);
    memset(line->rooms, 0, sizeof *line->rooms);
    line->room = waiting_room_add(line->rooms, ROOM);
    *state = line;
    return 0;
}

static int tear_down(void **state)
{
    struct line *line = *state;
    free(line->rooms);
    free(line);
    return 0;
}

static const uint64_t *words_of(const void *context, uint64_t block)
{
    const struct line *line = context;
    return line->any[block] ? line->words[block] : NULL;
}

static void leave(struct line *line, uint64_t number)
{
    uint64_t block = number / LEAVERS_BLOCK, word = number % LEAVERS_BLOCK / 64;
    line->any[block] = true;
    line->words[block][word] |= UINT64_C(1) << (number % 64);
    waiting_room_leave(line->room, number, line->words[block][word]);
}

static uint64_t ahead_of(const struct line *line, uint64_t number)
{
    uint64_t ahead;
    assert_int_equal(waiting_room_place(line->room, number, &ahead), LINE_WAITING);
    return ahead;
}

static enum line_place place_of(const struct line *line, uint64_t number)
{
    uint64_t ahead;
    return waiting_room_place(line->room, number, &ahead);
}

static void who_is_ahead_is_counted(void **state)
{
    struct line *line = *state;
    assert_int_equal(ahead_of(line, 1), 0);
    assert_int_equal(ahead_of(line, 1000000), 999999);
    waiting_room_serve(line->room, 10, words_of, line);
    assert_int_equal(place_of(line, 10), LINE_SERVED);
    assert_int_equal(ahead_of(line, 11), 0);
    assert_int_equal(ahead_of(line, 20), 9);
}

static void who_left_is_not_counted_near_or_far(void **state)
{
    struct line *line = *state;
    static const uint64_t left[] = {2, 3, 64, LEAVERS_BLOCK, 3 * LEAVERS_BLOCK + 5};
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++)
        leave(line, left[i]);
    assert_int_equal(place_of(line, 3), LINE_LEFT);
    assert_int_equal(ahead_of(line, 1), 0);
    assert_int_equal(ahead_of(line, 4), 1);
    assert_int_equal(ahead_of(line, 65), 64 - 3);
    assert_int_equal(ahead_of(line, LEAVERS_BLOCK + 1), LEAVERS_BLOCK - 4);
    assert_int_equal(ahead_of(line, 3 * LEAVERS_BLOCK + 5 - 1), 3 * LEAVERS_BLOCK + 3 - 4);
    assert_int_equal(ahead_of(line, 3 * LEAVERS_BLOCK + 6), 3 * LEAVERS_BLOCK + 5 - 5);
    assert_int_equal(ahead_of(line, 900000), 899999 - 5);
}

/* A line that is served and left at random, with every place compared with what it is. */
static void the_place_is_right_and_never_grows(void **state)
{
    struct line *line = *state;
    enum { LAST = 6 * LEAVERS_BLOCK, WATCHED = 61 };
    static uint8_t gone[LAST + 1];
    static const uint64_t step = LAST / WATCHED;
    uint64_t before[WATCHED];
    memset(gone, 0, sizeof gone);
    memset(before, 0xff, sizeof before);
    uint64_t serving = 0;
    srand(4711);
    while (serving < LAST) {
        for (unsigned i = 0; i < 200; i++) {
            uint64_t number = serving + 1 + (uint64_t)rand() % (LAST + 1 - serving);
            if (number > LAST || number == serving + 1 || gone[number])
                continue;
            gone[number] = 1;
            leave(line, number);
        }
        for (unsigned i = 0; i < 1 + (unsigned)rand() % 500 && serving < LAST; i++)
            gone[++serving] = 1;
        while (serving < LAST && gone[serving + 1])
            serving++;
        waiting_room_serve(line->room, serving, words_of, line);
        uint64_t ahead = 0;
        for (uint64_t number = 1; number <= LAST; number++) {
            if (number % step == 0 && number / step - 1 < WATCHED && !gone[number]) {
                uint64_t place = ahead_of(line, number);
                assert_int_equal(place, ahead);
                assert_true(place <= before[number / step - 1]);
                before[number / step - 1] = place;
            }
            ahead += !gone[number];
        }
    }
}

static void beyond_the_known_blocks_leavers_are_learnt_later(void **state)
{
    struct line *line = *state;
    uint64_t far = (uint64_t)LINE_BLOCKS * LEAVERS_BLOCK + 100;
    assert_int_equal(ahead_of(line, far + 1), far);
    leave(line, far);
    assert_int_equal(place_of(line, far), LINE_UNSURE);
    assert_int_equal(place_of(line, far + 1), LINE_UNSURE);
    waiting_room_serve(line->room, LEAVERS_BLOCK, words_of, line);
    assert_int_equal(place_of(line, far), LINE_LEFT);
    assert_int_equal(ahead_of(line, far + 1), far - 1 - LEAVERS_BLOCK);
}

static void a_line_may_jump_over_all_blocks(void **state)
{
    struct line *line = *state;
    leave(line, 5);
    leave(line, 100000);
    waiting_room_serve(line->room, (LINE_BLOCKS + 10) * LEAVERS_BLOCK, words_of, line);
    uint64_t number = (LINE_BLOCKS + 10) * LEAVERS_BLOCK + 200000;
    assert_int_equal(ahead_of(line, number), 199999);
}

static void a_line_that_is_being_mended_says_nothing(void **state)
{
    struct line *line = *state;
    leave(line, 8);
    line->room->shape = 5; /* its owner died in the middle */
    memset(&line->room->words[3], 0xff, sizeof line->room->words[3]); /* and left this behind */
    assert_int_equal(place_of(line, 9), LINE_UNSURE);
    waiting_room_mend(line->room, 0, words_of, line);
    assert_int_equal(ahead_of(line, 9), 7);
    assert_int_equal(ahead_of(line, 4 * LEAVERS_BLOCK), 4 * LEAVERS_BLOCK - 2);
}

static void a_leaver_that_was_half_noted_is_noted_by_the_successor(void **state)
{
    struct line *line = *state;
    line->any[0] = true;
    line->words[0][0] = 1 << 8 | 1 << 9;
    line->room->words[0][0] = 1 << 8; /* and the count does not say so yet */
    waiting_room_mend(line->room, 0, words_of, line);
    assert_int_equal(ahead_of(line, LEAVERS_BLOCK * 2), LEAVERS_BLOCK * 2 - 3);
    assert_int_equal(ahead_of(line, 10), 7);
}

static void rooms_are_found_and_bounded(void **state)
{
    struct line *line = *state;
    assert_null(waiting_room_find(line->rooms, 8));
    for (uint64_t id = 1; id < ROOMS_MAX; id++)
        assert_non_null(waiting_room_add(line->rooms, id * 1000003));
    assert_int_equal(waiting_rooms_count(line->rooms), ROOMS_MAX);
    assert_null(waiting_room_add(line->rooms, 8));
    assert_ptr_equal(waiting_room_add(line->rooms, ROOM), line->room);
    for (uint64_t id = 1; id < ROOMS_MAX; id++)
        assert_int_equal(waiting_room_find(line->rooms, id * 1000003)->room, id * 1000003);
}

/* ---- estimates ---- */

static void set(struct waiting_room *room, uint64_t limit, uint64_t session_s, uint64_t rate,
                uint64_t claim_s)
{
    room->active_limit = limit;
    room->session_ttl_s = session_s;
    room->admit_per_second = rate;
    room->claim_ttl_s = claim_s;
}

static void the_time_left_follows_the_pace(void **state)
{
    struct line *line = *state;
    set(line->room, 600, 600, 0, 30);
    assert_int_equal(waiting_room_eta_s(line->room, 99, 1000), 100); /* one a second is sure */
    for (uint64_t second = 1; second <= 20; second++)
        waiting_room_set_pace(line->room, second * 50, second * 1000);
    assert_in_range(waiting_room_eta_s(line->room, 999, 20000), 20, 21);
    assert_in_range(waiting_room_eta_s(line->room, 999, 40000), 40, 42); /* nobody came lately */
    set(line->room, 600, 600, 10, 30);
    assert_int_equal(waiting_room_eta_s(line->room, 999, 20000), 100); /* the rate bounds it */
}

static void polls_are_rare_far_from_the_front_and_never_miss_a_claim(void **state)
{
    struct line *line = *state;
    static const struct {
        uint64_t claim_s, eta_s, poll_ms;
    } cases[] = {{30, 0, 1000}, {30, 4, 1000}, {30, 20, 5000},      {30, 100, 15000}, {1, 100, 500},
                 {1, 0, 500},   {2, 0, 1000},  {300, 1000, 150000}, {30, 5, 1250}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        set(line->room, 1, 1, 0, cases[i].claim_s);
        assert_int_equal(waiting_room_next_poll_ms(line->room, cases[i].eta_s), cases[i].poll_ms);
    }
    set(line->room, 1, 1, 0, 30);
    line->room->paused = 1;
    assert_int_equal(waiting_room_next_poll_ms(line->room, 0), 15000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(who_is_ahead_is_counted),
        TEST(who_left_is_not_counted_near_or_far),
        TEST(the_place_is_right_and_never_grows),
        TEST(beyond_the_known_blocks_leavers_are_learnt_later),
        TEST(a_line_may_jump_over_all_blocks),
        TEST(a_line_that_is_being_mended_says_nothing),
        TEST(a_leaver_that_was_half_noted_is_noted_by_the_successor),
        TEST(rooms_are_found_and_bounded),
        TEST(the_time_left_follows_the_pace),
        TEST(polls_are_rare_far_from_the_front_and_never_miss_a_claim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
