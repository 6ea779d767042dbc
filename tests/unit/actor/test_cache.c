#include "unit.h"
#include "cache.h"

/* Decoded actors stay within a number of bytes, and those in use stay. */

enum { WEIGHT = 1000, ROOM = 8 };

struct thing {
    struct actor_base base;
};

static unsigned loads, unloads;

static enum status thing_load(void *object, const struct row_view *rows)
{
    (void)object;
    (void)rows;
    loads++;
    return STATUS_OK;
}

static void thing_unload(void *object)
{
    (void)object;
    unloads++;
}

static size_t thing_weight(const void *object)
{
    (void)object;
    return WEIGHT;
}

static bool has_grown; /* actor 1 */

static bool thing_keeps(const void *object)
{
    const struct thing *thing = object;
    return thing->base.id >= 1000000 || (thing->base.id == 1 && has_grown);
}

static const struct actor_kind thing_kind = {
    .name = "thing",
    .number = 1,
    .object_size = sizeof(struct thing),
    .load = thing_load,
    .unload = thing_unload,
    .weight = thing_weight,
    .keeps = thing_keeps,
};

static struct row_view rows; /* never called */

static int set_up(void **state)
{
    static struct cache cache;
    loads = unloads = 0;
    has_grown = false;
    assert_int_equal(cache_init(&cache, (size_t)ROOM * (WEIGHT + 200)), STATUS_OK);
    *state = &cache;
    return 0;
}

static int tear_down(void **state)
{
    cache_fini(*state);
    assert_int_equal(loads, unloads);
    return 0;
}

static void an_actor_is_loaded_once(void **state)
{
    struct actor *actor = cache_get(*state, &thing_kind, 7, &rows);
    assert_ptr_equal(cache_get(*state, &thing_kind, 7, &rows), actor);
    assert_int_equal(actor_base(actor)->id, 7);
    assert_int_equal(loads, 1);
}

static void the_cache_keeps_to_its_size(void **state)
{
    struct cache *cache = *state;
    for (uint64_t id = 1; id <= 5000; id++) {
        cache_get(cache, &thing_kind, id, &rows);
        cache_trim(cache);
        assert_true(cache->bytes <= cache->bytes_max);
    }
    assert_int_equal(loads - unloads, cache->count);
    assert_in_range(cache->count, ROOM, ROOM + 1);
}

static void what_is_used_stays(void **state)
{
    struct cache *cache = *state;
    for (uint64_t id = 1; id <= 1000; id++) {
        cache_get(cache, &thing_kind, id, &rows);
        cache_get(cache, &thing_kind, 1, &rows);
        cache_trim(cache);
    }
    assert_int_equal(loads, 1000);
}

static void one_that_is_larger_than_the_cache_stays_alone(void **state)
{
    struct cache *cache = *state;
    cache->bytes_max = 1;
    cache_get(cache, &thing_kind, 1, &rows);
    cache_get(cache, &thing_kind, 2, &rows);
    cache_trim(cache);
    assert_int_equal(cache->count, 1);
}

static void an_actor_that_goes_leaves_no_pointer_behind(void **state)
{
    struct overlay overlay;
    assert_int_equal(overlay_init(&overlay, NULL), STATUS_OK);
    struct actor *actor = cache_get(*state, &thing_kind, 7, &rows);
    struct overlay_owner *owner = overlay_touch(&overlay, 1, 7, 1, &actor->owner);
    assert_ptr_equal(actor->owner, owner);
    cache_drop(*state, actor);
    struct actor *again = cache_get(*state, &thing_kind, 7, &rows);
    assert_null(again->owner);
    assert_ptr_equal(overlay_touch(&overlay, 1, 7, 2, &again->owner), owner);
    assert_true(overlay_round_begin(&overlay));
    assert_ptr_equal(overlay_round_next(&overlay), owner);
    overlay_saving(&overlay, owner);
    size_t budget = 1;
    assert_true(overlay_saved(&overlay, owner, &budget));
    assert_null(again->owner); /* it has nothing unsaved now */
    overlay_fini(&overlay);
}

static void what_its_kind_keeps_stays_and_takes_no_room(void **state)
{
    struct cache *cache = *state;
    for (uint64_t id = 1; id <= 500; id++) {
        cache_get(cache, &thing_kind, 1000000 + id % 20, &rows);
        cache_get(cache, &thing_kind, id, &rows);
        cache_trim(cache);
        assert_true(cache->bytes <= cache->bytes_max);
    }
    assert_int_equal(loads, 500 + 20);
    assert_in_range(cache->count, 20 + ROOM, 20 + ROOM + 1);
}

/* Made while it was in memory, a large schedule, say. */
static void what_becomes_worth_keeping_is_kept_from_then_on(void **state)
{
    struct cache *cache = *state;
    struct actor *actor = cache_get(cache, &thing_kind, 1, &rows);
    has_grown = true;
    cache_weigh(cache, actor);
    assert_int_equal(cache->bytes, 0);
    for (uint64_t id = 2; id <= 100; id++) {
        cache_get(cache, &thing_kind, id, &rows);
        cache_trim(cache);
    }
    assert_ptr_equal(cache_get(cache, &thing_kind, 1, &rows), actor);
    assert_int_equal(loads, 100);
    has_grown = false;
    cache_weigh(cache, actor);
    assert_true(cache->bytes > 0);
    for (uint64_t id = 101; id <= 200; id++) {
        cache_get(cache, &thing_kind, id, &rows);
        cache_trim(cache);
    }
    cache_get(cache, &thing_kind, 1, &rows);
    assert_int_equal(loads, 201);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_actor_is_loaded_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_cache_keeps_to_its_size, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_used_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_larger_than_the_cache_stays_alone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_its_kind_keeps_stays_and_takes_no_room, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_becomes_worth_keeping_is_kept_from_then_on, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_actor_that_goes_leaves_no_pointer_behind, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
