#include "unit.h"

#include "messages.h"
#include "slot.h"

#include <stdlib.h>
#include <string.h>

/* Values that fill a struct by its table: random ones, or the largest that the codec takes. */
static uint64_t seed = 0x5eed;

static uint64_t number(bool largest)
{
    return largest ? UINT64_MAX : unit_random(&seed) >> (unit_random(&seed) % 64);
}

static uint32_t count(uint32_t max, bool largest)
{
    return largest ? max : (uint32_t)(unit_random(&seed) % (max + 1));
}

#define FILL_U64(name) to->name = number(largest);
#define FILL_TEXT(name, max)                                                                       \
    to->name.length = count(max, largest);                                                         \
    memset(to->name.data, 'x', to->name.length);
#define FILL_IDS(name, max)                                                                        \
    to->name.count = count(max, largest);                                                          \
    for (uint32_t i = 0; i < to->name.count; i++)                                                  \
        to->name.items[i] = number(largest);
#define FILL_LIST(name, item, max)                                                                 \
    to->name.count = count(max, largest);                                                          \
    for (uint32_t i = 0; i < to->name.count; i++)                                                  \
        item##_fill(&to->name.items[i], largest);
#define FILL(kind, ...) FILL_##kind(__VA_ARGS__)

#define SAME_U64(name) assert_int_equal(a->name, b->name);
#define SAME_TEXT(name, max)                                                                       \
    assert_int_equal(a->name.length, b->name.length);                                              \
    assert_memory_equal(a->name.data, b->name.data, a->name.length);
#define SAME_IDS(name, max)                                                                        \
    assert_int_equal(a->name.count, b->name.count);                                                \
    for (uint32_t i = 0; i < a->name.count; i++)                                                   \
        assert_int_equal(a->name.items[i], b->name.items[i]);
#define SAME_LIST(name, item, max)                                                                 \
    assert_int_equal(a->name.count, b->name.count);                                                \
    for (uint32_t i = 0; i < a->name.count; i++)                                                   \
        item##_same(&a->name.items[i], &b->name.items[i]);
#define SAME(kind, ...) SAME_##kind(__VA_ARGS__)

#define FILL_AND_SAME(tag, TABLE)                                                                  \
    static void tag##_fill(struct tag *to, bool largest)                                           \
    {                                                                                              \
        TABLE(FILL)                                                                                \
    }                                                                                              \
    static void tag##_same(const struct tag *a, const struct tag *b)                               \
    {                                                                                              \
        TABLE(SAME)                                                                                \
    }

FILL_AND_SAME(transaction, TRANSACTION_FIELDS)
FILL_AND_SAME(seat, SEAT_FIELDS)
FILL_AND_SAME(section_name, SECTION_NAME_FIELDS)
FILL_AND_SAME(reservation_line, RESERVATION_LINE_FIELDS)
REQUEST_ITEMS(FILL_AND_SAME)
#define REQUEST(id, NAME, tag, owner, key, flags) FILL_AND_SAME(tag, NAME##_FIELDS)
REQUESTS(REQUEST)
#undef REQUEST
#define REPLY(id, NAME, tag) FILL_AND_SAME(tag, NAME##_FIELDS)
REPLIES(REPLY)
#undef REPLY

/* One message kind, whichever table it is of. */
struct kind_test {
    uint16_t kind;
    bool is_request;
    const char *name;
};

static const struct kind_test kinds[] = {
#define REQUEST(id, NAME, tag, owner, key, flags) {id, true, #tag},
    REQUESTS(REQUEST)
#undef REQUEST
#define REPLY(id, NAME, tag) {id, false, #tag},
        REPLIES(REPLY)
#undef REPLY
};
enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

union message {
    union request request;
    union reply reply;
};

static void fill(const struct kind_test *test, union message *to, bool largest)
{
    if (test->is_request) {
        switch (test->kind) {
#define REQUEST(id, NAME, tag, owner, key, flags)                                                  \
    case id:                                                                                       \
        tag##_fill(&to->request.tag, largest);                                                     \
        break;
            REQUESTS(REQUEST)
#undef REQUEST
        }
        return;
    }
    switch (test->kind) {
#define REPLY(id, NAME, tag)                                                                       \
    case id:                                                                                       \
        tag##_fill(&to->reply.tag, largest);                                                       \
        break;
        REPLIES(REPLY)
#undef REPLY
    }
}

static void same(const struct kind_test *test, const union message *a, const union message *b)
{
    if (test->is_request) {
        switch (test->kind) {
#define REQUEST(id, NAME, tag, owner, key, flags)                                                  \
    case id:                                                                                       \
        tag##_same(&a->request.tag, &b->request.tag);                                              \
        break;
            REQUESTS(REQUEST)
#undef REQUEST
        }
        return;
    }
    switch (test->kind) {
#define REPLY(id, NAME, tag)                                                                       \
    case id:                                                                                       \
        tag##_same(&a->reply.tag, &b->reply.tag);                                                  \
        break;
        REPLIES(REPLY)
#undef REPLY
    }
}

static size_t encode(const struct kind_test *test, const union message *from, void *data,
                     size_t size)
{
    return test->is_request ? request_encode(test->kind, &from->request, data, size)
                            : reply_encode(test->kind, &from->reply, data, size);
}

static bool decode(const struct kind_test *test, union message *to, const void *data, size_t size)
{
    return test->is_request ? request_decode(test->kind, &to->request, data, size)
                            : reply_decode(test->kind, &to->reply, data, size);
}

/* Decodes from a heap block of exactly this size, so that a read beyond it is found. */
static bool decode_exact(const struct kind_test *test, union message *to, const uint8_t *data,
                         size_t size)
{
    uint8_t *exact = malloc(size > 0 ? size : 1);
    bool decoded;

    assert_non_null(exact);
    memcpy(exact, data, size);
    decoded = decode(test, to, exact, size);
    free(exact);
    return decoded;
}

static union message *message_new(void)
{
    union message *message = calloc(1, sizeof *message);

    assert_non_null(message);
    return message;
}

static uint8_t buffer[SLOT_LARGE_REPLY_SIZE];

static void every_kind_comes_back_as_it_was(void **state)
{
    union message *from = message_new(), *to = message_new();
    (void)state;

    for (unsigned k = 0; k < KIND_COUNT; k++)
        for (unsigned round = 0; round < 50; round++) {
            size_t size;

            fill(&kinds[k], from, false);
            size = encode(&kinds[k], from, buffer, sizeof buffer);
            assert_true(size > 0);
            memset(to, 0xa5, sizeof *to);
            assert_true(decode(&kinds[k], to, buffer, size));
            same(&kinds[k], from, to);
        }
    free(from);
    free(to);
}

static void the_largest_message_fits_the_slot_that_its_kind_uses(void **state)
{
    union message *from = message_new(), *to = message_new();
    (void)state;

    for (unsigned k = 0; k < KIND_COUNT; k++) {
        bool large = kinds[k].is_request
                         ? (request_info(kinds[k].kind)->flags & REQUEST_LARGE) != 0
                         : kinds[k].kind == REPLY_TRANSACTIONS || kinds[k].kind == REPLY_SEATS ||
                               kinds[k].kind == REPLY_CONCERT_MADE ||
                               kinds[k].kind == REPLY_RESERVATIONS ||
                               kinds[k].kind == REPLY_EVENT_PAGE;
        size_t room = kinds[k].is_request
                          ? (large ? SLOT_LARGE_REQUEST_SIZE : SLOT_SMALL_REQUEST_SIZE)
                          : (large ? SLOT_LARGE_REPLY_SIZE : SLOT_SMALL_REPLY_SIZE);
        size_t size;

        fill(&kinds[k], from, true);
        size = encode(&kinds[k], from, buffer, room);
        if (size == 0)
            fail_msg("%s does not fit %zu bytes", kinds[k].name, room);
        assert_true(decode(&kinds[k], to, buffer, size));
        same(&kinds[k], from, to);
    }
    free(from);
    free(to);
}

static void a_buffer_that_is_one_byte_short_takes_nothing(void **state)
{
    union message *from = message_new();
    (void)state;

    for (unsigned k = 0; k < KIND_COUNT; k++) {
        size_t size;

        fill(&kinds[k], from, false);
        size = encode(&kinds[k], from, buffer, sizeof buffer);
        assert_int_equal(encode(&kinds[k], from, buffer, size - 1), 0);
    }
    free(from);
}

static void every_truncation_and_a_trailing_byte_are_refused(void **state)
{
    union message *from = message_new(), *to = message_new();
    (void)state;

    for (unsigned k = 0; k < KIND_COUNT; k++) {
        size_t size;

        do { /* long ones are cut at as many places, but seldom */
            fill(&kinds[k], from, false);
            size = encode(&kinds[k], from, buffer, sizeof buffer);
        } while (size > 4096);
        for (size_t cut = 0; cut < size; cut++)
            assert_false(decode_exact(&kinds[k], to, buffer, cut));
        assert_true(decode_exact(&kinds[k], to, buffer, size));
        buffer[size] = 0;
        assert_false(decode_exact(&kinds[k], to, buffer, size + 1));
    }
    free(from);
    free(to);
}

/* Whatever decodes must be within the struct's bounds: encoding it again is safe and gives no more
 * than the largest message. */
static void hostile_bytes_are_refused_or_harmless(void **state)
{
    static uint8_t again[SLOT_LARGE_REPLY_SIZE];
    union message *from = message_new(), *to = message_new();
    (void)state;

    for (unsigned k = 0; k < KIND_COUNT; k++)
        for (unsigned round = 0; round < 400; round++) {
            size_t size;

            fill(&kinds[k], from, false);
            size = encode(&kinds[k], from, buffer, sizeof buffer);
            size = size < 300 ? size : 300;
            for (unsigned flips = 1 + round % 3; flips > 0; flips--)
                buffer[unit_random(&seed) % size] =
                    (uint8_t)(round % 2 ? 0xdd + flips % 3 : unit_random(&seed));
            if (decode_exact(&kinds[k], to, buffer, size))
                assert_true(encode(&kinds[k], to, again, sizeof again) > 0);
        }
    free(from);
    free(to);
}

static void a_count_beyond_the_table_is_refused(void **state)
{
    static const uint8_t many_seats[] = {0x97, 1, 2, 0xdd, 0xff, 0xff, 0xff, 0xff, 1, 2, 3};
    union request request;
    struct hold hold = {.seats.count = 1};
    uint8_t data[SLOT_SMALL_REQUEST_SIZE * 2];
    struct pack_writer writer;
    (void)state;

    assert_false(request_decode(REQUEST_HOLD, &request, many_seats, sizeof many_seats));
    assert_int_equal(sizeof hold.seats.items / sizeof hold.seats.items[0], RESERVATION_SEATS_MAX);
    for (uint32_t seats = RESERVATION_SEATS_MAX; seats <= RESERVATION_SEATS_MAX + 1; seats++) {
        pack_writer_init(&writer, data, sizeof data);
        pack_array(&writer, 7);
        pack_u64(&writer, 1);
        pack_u64(&writer, 2);
        pack_array(&writer, seats);
        for (uint32_t i = 0; i < seats; i++)
            pack_u64(&writer, i);
        pack_text(&writer, "key", 3);
        pack_u64(&writer, 4);
        pack_u64(&writer, 0);
        pack_u64(&writer, 5);
        assert_false(writer.failed);
        assert_int_equal(request_decode(REQUEST_HOLD, &request, data, writer.used),
                         seats <= RESERVATION_SEATS_MAX);
    }
}

static void a_kind_that_is_none_has_no_codec_and_no_info(void **state)
{
    union request request = {0};
    union reply reply = {0};
    const uint8_t empty_array = 0x90;
    (void)state;

    for (uint32_t kind = 0; kind <= UINT16_MAX; kind++) {
        bool known = false;

        for (unsigned k = 0; k < KIND_COUNT; k++)
            known |= kinds[k].is_request && kinds[k].kind == kind;
        assert_int_equal(request_info((uint16_t)kind) != NULL, known);
        if (known)
            continue;
        assert_false(request_decode((uint16_t)kind, &request, &empty_array, 1));
        assert_int_equal(request_encode((uint16_t)kind, &request, buffer, sizeof buffer), 0);
        assert_int_equal(request_key((uint16_t)kind, &request), 0);
    }
    assert_false(reply_decode(9999, &reply, &empty_array, 1));
    assert_true(reply_decode(REPLY_NONE, &reply, NULL, 0));
    assert_false(reply_decode(REPLY_NONE, &reply, &empty_array, 1));
    assert_int_equal(reply_encode(9999, &reply, buffer, sizeof buffer), 0);
}

static void the_table_says_who_owns_a_request_and_by_which_key(void **state)
{
    union request request = {0};
    const struct request_info *info = request_info(REQUEST_DEBIT);
    (void)state;

    assert_string_equal(info->name, "debit");
    assert_int_equal(info->kind, REQUEST_DEBIT);
    assert_int_equal(info->owner, ROLE_WALLET);
    assert_int_equal(info->flags, REQUEST_WRITES | REQUEST_SAGA);
    request.confirm.reservation = 77;
    assert_int_equal(request_key(REQUEST_CONFIRM, &request), 77);
    assert_int_equal(request_info(REQUEST_CONFIRM)->owner, ROLE_SEAT);
    request.hold.schedule = 12;
    assert_int_equal(request_key(REQUEST_HOLD, &request), 12);
}

static void names_are_bounded(void **state)
{
    (void)state;
    assert_string_equal(role_text(ROLE_WALLET), "wallet");
    assert_string_equal(role_text(ROLE_COUNT), "unknown role");
    assert_string_equal(outcome_text(OUTCOME_SEAT_TAKEN), "SEAT_TAKEN");
    assert_string_equal(outcome_text((enum outcome)60000), "unknown outcome");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_back_as_it_was),
        cmocka_unit_test(the_largest_message_fits_the_slot_that_its_kind_uses),
        cmocka_unit_test(a_buffer_that_is_one_byte_short_takes_nothing),
        cmocka_unit_test(every_truncation_and_a_trailing_byte_are_refused),
        cmocka_unit_test(hostile_bytes_are_refused_or_harmless),
        cmocka_unit_test(a_count_beyond_the_table_is_refused),
        cmocka_unit_test(a_kind_that_is_none_has_no_codec_and_no_info),
        cmocka_unit_test(the_table_says_who_owns_a_request_and_by_which_key),
        cmocka_unit_test(names_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
