#include "seat.h"
#include "demo.h"
#include "directory.h"
#include "schedule.h"

static void schedule_decide(struct decision *decision, const void *object,
                            const struct message *message)
{
    const struct schedule *schedule = object;
    const union request *request = message->request;
    if (message->origin == MESSAGE_TIMER) {
        seat_decide_expiry(decision, schedule);
        return;
    }
    if (message->origin == MESSAGE_REPLY) {
        seat_decide_reply(decision, schedule, message);
        return;
    }
    switch (message->kind) {
    case REQUEST_HOLD:
        seat_decide_hold(decision, schedule, &request->hold);
        break;
    case REQUEST_RESERVATION_GET:
        seat_decide_get(decision, schedule, &request->reservation_get);
        break;
    case REQUEST_CONFIRM:
        seat_decide_confirm(decision, schedule, &request->confirm);
        break;
    case REQUEST_RELEASE:
        seat_decide_release(decision, schedule, &request->release);
        break;
    case REQUEST_CANCEL:
        seat_decide_cancel(decision, schedule, &request->cancel);
        break;
    case REQUEST_SEATS_GET:
        seat_decide_map(decision, schedule, &request->seats_get);
        break;
    default:
        decision_reply(decision, OUTCOME_INTERNAL, REPLY_NONE);
    }
}

static enum status concert_load(void *object, const struct row_view *rows)
{
    struct concert *concert = object;
    struct row_key key = concert_key(concert->base.id);
    if (!concert_row_read(rows, &key, &concert->row))
        return STATUS_NOT_FOUND;
    concert->base.last_sequence = concert->row.last_sequence;
    return STATUS_OK;
}

/* Concerts are only made; nothing is asked of them. */
static void concert_decide(struct decision *decision, const void *object,
                           const struct message *message)
{
    (void)object;
    (void)message;
    decision_reply(decision, OUTCOME_INTERNAL, REPLY_NONE);
}

/* The schedule of a reservation, its row's first field; deciding reads the rest. */
static bool reservation_schedule(const struct row_view *rows, uint64_t reservation,
                                 uint64_t *schedule)
{
    struct row_bytes value;
    struct pack_reader reader;
    struct row_key key = reservation_key(reservation);
    if (row_get(rows, &key, &value) != STATUS_OK)
        return false;
    pack_reader_init(&reader, value.data, value.size);
    (void)unpack_array(&reader, UINT32_MAX);
    *schedule = unpack_u64(&reader);
    check(!reader.failed);
    return true;
}

static struct expectation seat_expect(uint16_t request_kind)
{
    switch (request_kind) {
    case REQUEST_HOLD:
    case REQUEST_SEATS_GET:
        return (struct expectation){.kind = &schedule_kind};
    case REQUEST_CONFIRM:
    case REQUEST_CANCEL:
    case REQUEST_RELEASE:
    case REQUEST_RESERVATION_GET:
        return (struct expectation){.table = RESERVATION_TABLE};
    default:
        return (struct expectation){0};
    }
}

static enum status seat_route(const struct message *message, const struct row_view *rows,
                              const struct actor_kind **kind, uint64_t *id)
{
    uint64_t key_id = request_key(message->kind, message->request);
    *kind = &schedule_kind;
    if (key_id == 0 || key_id > ID_MAX)
        return STATUS_NOT_FOUND;
    if (message->kind == REQUEST_CONCERT_CREATE || message->kind == REQUEST_RESERVATIONS_GET) {
        *kind = &directory_kind;
        *id = key_id;
        return STATUS_OK;
    }
    if (message->kind == REQUEST_HOLD || message->kind == REQUEST_SEATS_GET) {
        *id = key_id;
        return STATUS_OK;
    }
    return reservation_schedule(rows, key_id, id) ? STATUS_OK : STATUS_NOT_FOUND;
}

/* ---- demo data: directories, concerts, schedules, holds ---- */

static void seed_directory(const struct config *config, uint64_t worker, struct seed_event *event)
{
    struct catalogue_grown *grown = &event->body.catalogue_grown;
    event->kind = &directory_kind;
    event->actor = DIRECTORY_BASE + worker;
    event->event_kind = EVENT_CATALOGUE_GROWN;
    event->aggregate = event->actor;
    event->aggregate_version = VERSION_INTERNAL;
    *grown = (struct catalogue_grown){.directory = event->actor};
    grown->schedules = demo_schedules_of(config->demo_holds, worker, config->seat_workers);
    grown->seats = grown->schedules * DEMO_SEATS;
    grown->sections = grown->schedules * DEMO_SECTIONS;
}

static void seed_concert(uint64_t concert, struct seed_event *event)
{
    event->kind = &concert_kind;
    event->actor = concert;
    event->event_kind = EVENT_CONCERT_CREATED;
    event->aggregate = concert;
    event->aggregate_version = VERSION_INTERNAL;
    demo_concert(concert, &event->body.concert_created);
}

static void seed_schedule(uint64_t schedule, uint64_t now_ms, struct seed_event *event)
{
    event->kind = &schedule_kind;
    event->actor = schedule;
    event->event_kind = EVENT_SCHEDULE_CREATED;
    event->aggregate = schedule;
    event->aggregate_version = VERSION_INTERNAL;
    demo_schedule(schedule, now_ms, &event->body.schedule_created);
}

static void seed_hold(uint64_t reservation, struct seed_event *event)
{
    uint64_t schedule = demo_hold_schedule(reservation);
    event->kind = &schedule_kind;
    event->actor = schedule;
    event->event_kind = EVENT_RESERVATION_HELD;
    event->aggregate = reservation;
    event->aggregate_version = 1;
    event->body.reservation_held = (struct reservation_held){
        .reservation = reservation,
        .schedule = schedule,
        .user = demo_hold_user(reservation),
        .amount = demo_hold_price(reservation),
        .seats = {1, {seat_id(schedule, demo_hold_seat_index(reservation))}},
    };
}

static bool seat_seed(const struct config *config, uint64_t index, uint64_t now_ms,
                      uint64_t next_sequence, struct seed_event *event)
{
    uint64_t directories = config->seat_workers;
    uint64_t concerts = directories + demo_concert_count(config->demo_holds);
    uint64_t schedules = concerts + demo_schedule_count(config->demo_holds);
    uint64_t holds = schedules + config->demo_holds;
    (void)next_sequence;
    if (index < directories)
        seed_directory(config, index, event);
    else if (index < concerts)
        seed_concert(index - directories + 1, event);
    else if (index < schedules)
        seed_schedule(index - concerts + 1, now_ms, event);
    else if (index < holds)
        seed_hold(index - schedules + 1, event);
    else
        return false;
    return true;
}

const struct actor_kind concert_kind = {
    .name = "concert",
    .number = CONCERT_KIND,
    .object_size = sizeof(struct concert),
    .load = concert_load,
    .decide = concert_decide,
    .apply = concert_apply,
    .publish = concert_publish,
};

const struct actor_kind schedule_kind = {
    .name = "schedule",
    .number = SCHEDULE_KIND,
    .object_size = sizeof(struct schedule),
    .load = schedule_load,
    .unload = schedule_unload,
    .weight = schedule_weight,
    .keeps = schedule_keeps,
    .decide = schedule_decide,
    .apply = seat_apply,
    .publish = schedule_publish,
};

const struct actor_kind directory_kind = {
    .name = "directory",
    .number = DIRECTORY_KIND,
    .object_size = sizeof(struct directory),
    .load = directory_load,
    .decide = directory_decide,
    .apply = directory_apply,
    .publish = directory_publish,
};

static const struct actor_kind *const kinds[] = {&concert_kind, &schedule_kind, &directory_kind,
                                                 NULL};

const struct behaviour seat_behaviour = {
    .role = ROLE_SEAT,
    .kinds = kinds,
    .route = seat_route,
    .expect = seat_expect,
    .start = seat_start,
    .seed = seat_seed,
};
