#include "unit.h"

#include "waiting_room.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* The table of sessions: found, claimed and closed, by several processes at once. */

static int set_up(void **state)
{
    void *memory = mmap(NULL, sizeof(struct waiting_rooms), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -1;
    *state = memory;
    return 0;
}

static int tear_down(void **state)
{
    return munmap(*state, sizeof(struct waiting_rooms));
}

static enum session_state state_of(struct waiting_rooms *rooms, uint64_t room, uint64_t number)
{
    return waiting_session_find(rooms, room, number).state;
}

static void a_session_is_found_until_it_ends(void **state)
{
    struct waiting_rooms *rooms = *state;
    assert_int_equal(state_of(rooms, 0, 1), SESSION_NONE);
    assert_true(waiting_session_admit(rooms, 0, 1, 5000, false) < SESSION_ENTRIES);
    struct session_view view = waiting_session_find(rooms, 0, 1);
    assert_int_equal(view.state, SESSION_ADMITTED);
    assert_int_equal(view.until_ms, 5000);
    assert_int_equal(state_of(rooms, 1, 1), SESSION_NONE);
    assert_int_equal(state_of(rooms, 0, 2), SESSION_NONE);
    waiting_session_end(rooms, 0, 1);
    waiting_session_end(rooms, 0, 1);
    assert_int_equal(state_of(rooms, 0, 1), SESSION_NONE);
}

static void a_claim_is_made_once(void **state)
{
    struct waiting_rooms *rooms = *state;
    waiting_session_admit(rooms, 0, 1, 5000, false);
    struct session_view view = waiting_session_find(rooms, 0, 1);
    assert_true(waiting_session_claim(&view));
    assert_false(waiting_session_claim(&view));
    view = waiting_session_find(rooms, 0, 1);
    assert_int_equal(view.state, SESSION_CLAIMED);
    assert_false(waiting_session_claim(&view));
    assert_false(waiting_session_close(rooms, 0, 1));
    waiting_session_admit(rooms, 0, 1, 5000, false); /* published again: still claimed */
    assert_int_equal(state_of(rooms, 0, 1), SESSION_CLAIMED);
}

static void a_closed_session_cannot_be_claimed(void **state)
{
    struct waiting_rooms *rooms = *state;
    waiting_session_admit(rooms, 0, 1, 5000, false);
    struct session_view view = waiting_session_find(rooms, 0, 1);
    assert_true(waiting_session_close(rooms, 0, 1));
    assert_true(waiting_session_close(rooms, 0, 1));
    assert_false(waiting_session_claim(&view));
    view = waiting_session_find(rooms, 0, 1);
    assert_int_equal(view.state, SESSION_CLOSING);
    assert_false(waiting_session_claim(&view));
    assert_true(waiting_session_close(rooms, 0, 99)); /* not there: nobody can claim it */
}

/* The buyer's front looked, then the entry was given to somebody else. */
static void a_claim_of_an_earlier_session_of_the_entry_fails(void **state)
{
    struct waiting_rooms *rooms = *state;
    uint32_t entry = waiting_session_admit(rooms, 0, 1, 5000, false);
    struct session_view view = waiting_session_find(rooms, 0, 1);
    waiting_session_end(rooms, 0, 1);
    assert_int_equal(waiting_session_admit(rooms, 0, 2, 5000, false), entry);
    assert_false(waiting_session_claim(&view));
    assert_int_equal(state_of(rooms, 0, 2), SESSION_ADMITTED);
}

static void a_hundred_thousand_sessions_of_many_rooms_are_told_apart(void **state)
{
    struct waiting_rooms *rooms = *state;
    enum { ROOMS = 20, EACH = 5000 };
    for (uint64_t room = 0; room < ROOMS; room++)
        for (uint64_t number = 1; number <= EACH; number++)
            assert_true(waiting_session_admit(rooms, room, number, room * EACH + number, false) <
                        SESSION_ENTRIES);
    for (uint64_t room = 0; room < ROOMS; room++)
        for (uint64_t number = 1; number <= EACH; number += 2)
            waiting_session_end(rooms, room, number);
    for (uint64_t room = 0; room < ROOMS; room++)
        for (uint64_t number = 1; number <= EACH; number++) {
            struct session_view view = waiting_session_find(rooms, room, number);
            assert_int_equal(view.state, number % 2 ? SESSION_NONE : SESSION_ADMITTED);
            if (view.state != SESSION_NONE)
                assert_int_equal(view.until_ms, room * EACH + number);
        }
}

static void the_largest_room_fits(void **state)
{
    struct waiting_rooms *rooms = *state;
    for (uint64_t number = 1; number <= ACTIVE_LIMIT_MAX; number++)
        if (waiting_session_admit(rooms, 3, number, 1, false) == SESSION_ENTRIES)
            fail_msg("no place for session %llu", (unsigned long long)number);
}

static void a_full_neighbourhood_refuses(void **state)
{
    struct waiting_rooms *rooms = *state;
    /* Every bucket is full but for those of one room's number 1. */
    for (uint32_t i = 0; i < SESSION_ENTRIES; i++) {
        rooms->sessions[i].room = 99;
        rooms->sessions[i].word = SESSION_CLAIMED;
    }
    memset((void *)rooms->used, 0xff, sizeof rooms->used);
    assert_int_equal(waiting_session_admit(rooms, 0, 1, 1, false), SESSION_ENTRIES);
    assert_int_equal(state_of(rooms, 0, 1), SESSION_NONE);
}

static void a_successor_mends_in_place(void **state)
{
    struct waiting_rooms *rooms = *state;
    static uint64_t live[SESSION_ENTRIES / 64];
    memset(live, 0, sizeof live);
    for (uint64_t number = 1; number <= 40; number++)
        waiting_session_admit(rooms, 0, number, 1, false);
    struct session_view view = waiting_session_find(rooms, 0, 10);
    waiting_session_claim(&view);
    waiting_session_close(rooms, 0, 11); /* and its owner died before that was durable */
    for (uint64_t number = 10; number <= 20; number++) {
        uint32_t entry = waiting_session_admit(rooms, 0, number, 1, number == 15);
        live[entry / 64] |= UINT64_C(1) << (entry % 64);
    }
    waiting_sessions_mend(rooms, live);
    for (uint64_t number = 1; number <= 40; number++) {
        enum session_state expected = number < 10 || number > 20     ? SESSION_NONE
                                      : number == 10 || number == 15 ? SESSION_CLAIMED
                                                                     : SESSION_ADMITTED;
        assert_int_equal(state_of(rooms, 0, number), expected);
    }
}

/* ---- two processes ---- */

enum { ROUNDS = 20000 };

struct race {
    _Atomic uint64_t round; /* the session that both go for */
    _Atomic uint64_t done;  /* by the front */
    _Atomic uint8_t claimed[ROUNDS + 1];
};

/* The child ends with its parent, whose assertion may fail while the child waits for it. */
static pid_t fork_with_parent(void)
{
    pid_t parent = getpid(), child = fork();
    if (child == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent))
        _exit(1);
    return child;
}

static void claim_each(struct waiting_rooms *rooms, struct race *race)
{
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        while (atomic_load(&race->round) < round)
            ;
        struct session_view view = waiting_session_find(rooms, 0, round);
        atomic_store(&race->claimed[round], waiting_session_claim(&view));
        atomic_store(&race->done, round);
    }
    _exit(0);
}

/* Either the front's claim or the end of the claim time wins, never both and never neither. */
static void a_claim_and_the_end_of_its_time_have_one_winner(void **state)
{
    struct waiting_rooms *rooms = *state;
    struct race *race =
        mmap(NULL, sizeof *race, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(race != MAP_FAILED);
    pid_t front = fork_with_parent();
    if (front == 0)
        claim_each(rooms, race);
    unsigned claims = 0, ends = 0;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        waiting_session_admit(rooms, 0, round, 1, false);
        atomic_store(&race->round, round);
        for (volatile unsigned delay = 0; delay < round % 97; delay++)
            ;
        bool closed = waiting_session_close(rooms, 0, round);
        while (atomic_load(&race->done) < round)
            ;
        bool claimed = atomic_load(&race->claimed[round]) != 0;
        assert_true(claimed != closed);
        assert_int_equal(state_of(rooms, 0, round), closed ? SESSION_CLOSING : SESSION_CLAIMED);
        waiting_session_end(rooms, 0, round);
        claims += claimed;
        ends += closed;
    }
    int status;
    assert_int_equal(waitpid(front, &status, 0), front);
    assert_int_equal(status, 0);
    assert_int_equal(claims + ends, ROUNDS);
    munmap(race, sizeof *race);
}

/* Entries are given to other sessions all the time while a reader looks for one that is there: it
 * must be found, with its own end, and no other. */
static void a_reader_never_sees_a_mixture(void **state)
{
    struct waiting_rooms *rooms = *state;
    struct race *race =
        mmap(NULL, sizeof *race, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(race != MAP_FAILED);
    pid_t owner = fork_with_parent();
    if (owner == 0) {
        for (uint64_t number = 1; atomic_load(&race->done) == 0; number = number % 16 + 1) {
            uint64_t ends = (number + 7) % 16 + 1;
            waiting_session_admit(rooms, number % 2, number, number * 1000, false);
            waiting_session_end(rooms, ends % 2, ends);
        }
        _exit(0);
    }
    unsigned found = 0;
    while (found < 500000)
        for (uint64_t number = 1; number <= 16; number++) {
            struct session_view view = waiting_session_find(rooms, number % 2, number);
            if (view.state == SESSION_NONE)
                continue;
            assert_int_equal(view.until_ms, number * 1000);
            found++;
        }
    atomic_store(&race->done, 1);
    int status;
    assert_int_equal(waitpid(owner, &status, 0), owner);
    assert_int_equal(status, 0);
    munmap(race, sizeof *race);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_session_is_found_until_it_ends),
        TEST(a_claim_is_made_once),
        TEST(a_closed_session_cannot_be_claimed),
        TEST(a_claim_of_an_earlier_session_of_the_entry_fails),
        TEST(a_hundred_thousand_sessions_of_many_rooms_are_told_apart),
        TEST(the_largest_room_fits),
        TEST(a_full_neighbourhood_refuses),
        TEST(a_successor_mends_in_place),
        TEST(a_claim_and_the_end_of_its_time_have_one_winner),
        TEST(a_reader_never_sees_a_mixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
