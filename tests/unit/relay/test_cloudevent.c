#include "cloudevent.h"
#include "messages.h"
#include "records.h"
#include "unit.h"
#include <string.h>

/* What consumers get for a journal event. */

enum { INCARNATION = 4711 };
static uint8_t payload[16 * 1024];
static struct cloudevent event;

static struct journal_event journalled(uint16_t kind, const union event *body, uint64_t aggregate,
                                       uint64_t version)
{
    struct journal_event made = {
        .sequence = 512,
        .aggregate = aggregate,
        .aggregate_version = version,
        .at_ms = 1732480000123,
        .kind = kind,
        .payload = payload,
        .payload_size = event_encode(kind, body, payload, sizeof payload),
    };
    assert_true(made.payload_size > 0);
    return made;
}

static void make(const struct journal_event *from)
{
    assert_int_equal(cloudevent_make(&event, INCARNATION, "seat-0", from), STATUS_OK);
}

static void assert_data(const char *expected)
{
    assert_int_equal(event.data_size, strlen(expected));
    assert_memory_equal(event.data, expected, event.data_size);
}

static union event held(void)
{
    union event body;
    body.reservation_held = (struct reservation_held){
        .reservation = 65,
        .schedule = 1,
        .user = 7,
        .amount = 300,
        .expires_at_ms = 1732480300123,
        .seats = {2, {131073, 131074}},
    };
    return body;
}

static void a_hold_says_all_that_it_holds(void **state)
{
    (void)state;
    union event body = held();
    struct journal_event from = journalled(EVENT_RESERVATION_HELD, &body, 65, 1);
    assert_true(cloudevent_is_public(&from));
    make(&from);
    assert_int_equal(event.topic, TOPIC_RESERVATIONS);
    assert_string_equal(topic_text(event.topic), "boxoffice.reservations");
    assert_string_equal(event.type, "reservation.held");
    assert_string_equal(event.id, "4711-seat-0-512");
    assert_string_equal(event.subject, "reservations/65");
    assert_string_equal(event.key, "65");
    assert_string_equal(event.time, "2024-11-24T20:26:40.123Z");
    assert_data("{\"version\":1,\"reservationId\":65,\"scheduleId\":1,\"userId\":7,"
                "\"seatIds\":[131073,131074],\"amount\":300,"
                "\"expiresAt\":\"2024-11-24T20:31:40.123Z\"}");
}

static void a_hold_that_does_not_expire_says_null(void **state)
{
    (void)state;
    union event body = held();
    body.reservation_held.expires_at_ms = 0;
    struct journal_event from = journalled(EVENT_RESERVATION_HELD, &body, 65, 1);
    make(&from);
    assert_non_null(memmem(event.data, event.data_size, "\"expiresAt\":null", 16));
}

static void an_idempotency_key_goes_with_what_it_was_for(void **state)
{
    (void)state;
    union event body;
    body.wallet_charged = (struct wallet_charged){
        .user = 7, .transaction = 519, .amount = 5, .balance = 9, .body_hash = 0xabc};
    text_set(&body.wallet_charged.idempotency_key, "a\"b", 3);
    struct journal_event from = journalled(EVENT_WALLET_CHARGED, &body, 7, 3);
    make(&from);
    assert_string_equal(event.type, "points.charged");
    assert_data("{\"version\":3,\"userId\":7,\"transactionId\":519,\"amount\":5,\"balance\":9,"
                "\"idempotencyKey\":\"a\\\"b\",\"requestHash\":\"0000000000000abc\"}");
}

static void the_debit_of_a_reservation_is_a_use_that_names_it(void **state)
{
    (void)state;
    union event body;
    body.wallet_debited = (struct wallet_debited){
        .user = 7, .transaction = 519, .amount = 5, .balance = 9, .reservation = 65, .attempt = 2};
    struct journal_event from = journalled(EVENT_WALLET_DEBITED, &body, 7, 4);
    make(&from);
    assert_int_equal(event.topic, TOPIC_POINTS);
    assert_string_equal(event.type, "points.used");
    assert_string_equal(event.subject, "users/7");
    assert_data("{\"version\":4,\"userId\":7,\"transactionId\":519,\"amount\":5,\"balance\":9,"
                "\"reservationId\":65,\"attempt\":2}");
}

static void a_ticket_says_which_and_why_it_ended(void **state)
{
    (void)state;
    union event body;
    body.ticket_expired = (struct ticket_expired){3, 7, 12, TICKET_END_LEFT};
    struct journal_event from = journalled(EVENT_TICKET_EXPIRED, &body, 67, 3);
    make(&from);
    assert_int_equal(event.topic, TOPIC_QUEUE);
    assert_string_equal(event.subject, "tickets/67");
    assert_data("{\"version\":3,\"ticketId\":67,\"room\":3,\"userId\":7,\"number\":12,"
                "\"reason\":\"left\"}");
}

static void the_largest_hold_fits(void **state)
{
    (void)state;
    union event body = held();
    body.reservation_held.seats.count = RESERVATION_SEATS_MAX;
    for (unsigned i = 0; i < RESERVATION_SEATS_MAX; i++)
        body.reservation_held.seats.items[i] = ID_MAX;
    body.reservation_held.idempotency_key.length = IDEMPOTENCY_KEY_MAX;
    memset(body.reservation_held.idempotency_key.data, '"', IDEMPOTENCY_KEY_MAX);
    struct journal_event from = journalled(EVENT_RESERVATION_HELD, &body, ID_MAX, ID_MAX);
    make(&from);
}

static void attempts_and_settlements_are_nobodys_business(void **state)
{
    static const uint16_t kinds[] = {EVENT_RESERVATION_CONFIRMING, EVENT_RESERVATION_CANCELLING,
                                     EVENT_HOLD_REPEATED,          EVENT_WALLET_REFUSED,
                                     EVENT_CONCERT_CREATED,        EVENT_SCHEDULE_CREATED};
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct journal_event from = {.kind = kinds[i], .aggregate_version = 1};
        assert_false(cloudevent_is_public(&from));
    }
    struct journal_event unpublished = {.kind = EVENT_TICKET_ISSUED, .aggregate_version = 0};
    assert_false(cloudevent_is_public(&unpublished));
}

static void the_same_event_is_the_same_bytes(void **state)
{
    static struct cloudevent first;
    (void)state;
    union event body = held();
    struct journal_event from = journalled(EVENT_RESERVATION_HELD, &body, 65, 1);
    memset(&event, 0xaa, sizeof event);
    make(&from);
    first = event;
    make(&from);
    assert_memory_equal(&first, &event, sizeof event);
}

static void what_does_not_decode_is_said(void **state)
{
    (void)state;
    union event body = held();
    struct journal_event from = journalled(EVENT_RESERVATION_HELD, &body, 65, 1);
    from.payload_size--;
    assert_int_equal(cloudevent_make(&event, INCARNATION, "seat-0", &from), STATUS_CORRUPT);
}

static void the_structured_form_is_one_object(void **state)
{
    char text[1024];
    struct json_out json;
    (void)state;
    union event body;
    body.reservation_released = (struct reservation_released){65, 1, 7};
    struct journal_event from = journalled(EVENT_RESERVATION_RELEASED, &body, 65, 2);
    make(&from);
    json_out_init(&json, text, sizeof text);
    cloudevent_render(&json, &event, "here");
    assert_false(json.failed);
    text[json.used] = '\0';
    assert_string_equal(
        text, "{\"specversion\":\"1.0\",\"id\":\"4711-seat-0-512\",\"source\":\"/boxoffice\","
              "\"type\":\"reservation.released\",\"subject\":\"reservations/65\","
              "\"time\":\"2024-11-24T20:26:40.123Z\",\"datacontenttype\":\"application/json\","
              "\"cursor\":\"here\",\"data\":{\"version\":2,\"reservationId\":65,\"scheduleId\":1,"
              "\"userId\":7}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hold_says_all_that_it_holds),
        cmocka_unit_test(a_hold_that_does_not_expire_says_null),
        cmocka_unit_test(an_idempotency_key_goes_with_what_it_was_for),
        cmocka_unit_test(the_debit_of_a_reservation_is_a_use_that_names_it),
        cmocka_unit_test(a_ticket_says_which_and_why_it_ended),
        cmocka_unit_test(the_largest_hold_fits),
        cmocka_unit_test(attempts_and_settlements_are_nobodys_business),
        cmocka_unit_test(the_same_event_is_the_same_bytes),
        cmocka_unit_test(what_does_not_decode_is_said),
        cmocka_unit_test(the_structured_form_is_one_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
