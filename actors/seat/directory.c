#include "directory.h"
#include "idempotency.h"
#include "seat.h"

/* One creation is one transaction: the directory's event, the concert's, and one for each schedule.
 * All are in partitions of this worker, so there is nothing to coordinate. */

uint64_t directory_id(uint64_t worker, uint64_t workers, uint64_t number)
{
    uint64_t partitions = (PARTITION_COUNT - worker + workers - 1) / workers;
    return DIRECTORY_FIRST_ID + number / partitions * PARTITION_COUNT + worker +
           workers * (number % partitions);
}

enum status directory_load(void *object, const struct row_view *rows)
{
    struct directory *directory = object;
    struct row_key key = directory_key(directory->base.id);
    if (!directory_row_read(rows, &key, &directory->row))
        return STATUS_NOT_FOUND;
    directory->base.last_sequence = directory->row.last_sequence;
    directory->oldest_key_ms = idempotency_oldest_ms(rows, 'd', directory->base.id);
    return STATUS_OK;
}

/* ---- decide ---- */

static uint64_t own_id(const struct decision *decision, const struct directory *directory,
                       uint64_t number)
{
    return directory_id(directory->base.id - DIRECTORY_BASE, decision->config->seat_workers,
                        number);
}

static void reply_made(struct decision *decision, const struct directory *directory,
                       uint64_t concert, uint64_t first_schedule, uint64_t count)
{
    struct concert_made *made = &decision->reply->concert_made;
    made->concert = own_id(decision, directory, concert);
    made->schedules.count = (uint32_t)count;
    for (uint32_t i = 0; i < count; i++)
        made->schedules.items[i] = own_id(decision, directory, first_schedule + i);
    decision_reply(decision, OUTCOME_OK, REPLY_CONCERT_MADE);
}

static struct idempotency_name key_name(const char *text, uint32_t length)
{
    return idempotency_name(REQUEST_CONCERT_CREATE, text, length);
}

/* True when the key has settled the request. */
static bool key_replies(struct decision *decision, const struct directory *directory,
                        const struct concert_create *request)
{
    if (request->idempotency_key.length == 0)
        return false;
    struct idempotency_name name =
        key_name(request->idempotency_key.data, request->idempotency_key.length);
    struct row_key key = idempotency_key('d', directory->base.id, &name);
    struct concert_key_row answer;
    if (!concert_key_row_read(decision->rows, &key, &answer) ||
        answer.expires_at_ms <= decision->now_ms)
        return false;
    if (answer.body_hash != request->body_hash)
        decision_reply(decision, OUTCOME_IDEMPOTENCY_KEY_REUSED, REPLY_NONE);
    else
        reply_made(decision, directory, answer.concert, answer.first_schedule, answer.schedules);
    return true;
}

static uint64_t keys_due(const struct decision *decision, const struct directory *directory)
{
    if (directory->oldest_key_ms == 0 || directory->oldest_key_ms > decision->now_ms)
        return 0;
    return idempotency_due(decision->rows, 'd', directory->base.id, decision->now_ms);
}

static bool section_valid(const struct new_section *section)
{
    return section->name.length > 0 && section->rows > 0 && section->rows <= SCHEDULE_SEATS_MAX &&
           section->seats_per_row > 0 && section->seats_per_row <= SCHEDULE_SEATS_MAX &&
           section->amount > 0 && section->amount <= AMOUNT_MAX;
}

/* What a call wants to make. The front has checked each field; this is about what a schedule can
 * hold at all. */
static bool request_valid(const struct concert_create *request, uint64_t *seats)
{
    uint32_t section = 0;
    *seats = 0;
    for (uint32_t i = 0; i < request->schedules.count; i++) {
        uint64_t count = request->schedules.items[i].section_count, in_schedule = 0;
        if (count == 0 || count > SECTIONS_MAX || count > request->sections.count - section)
            return false;
        for (uint64_t j = 0; j < count; j++, section++) {
            const struct new_section *at = &request->sections.items[section];
            if (!section_valid(at))
                return false;
            in_schedule += at->rows * at->seats_per_row;
        }
        if (in_schedule > SCHEDULE_SEATS_MAX)
            return false;
        *seats += in_schedule;
    }
    return request->title.length > 0 && request->schedules.count > 0 &&
           section == request->sections.count;
}

static bool has_room(const struct decision *decision, const struct directory *directory,
                     const struct concert_create *request, uint64_t seats)
{
    const struct directory_row *row = &directory->row;
    const struct capacity_gate *gate = decision->capacity_gate;
    uint64_t schedules = row->schedules + request->schedules.count;
    seats += row->seats;
    return schedules <= CATALOGUE_SCHEDULES_MAX && seats <= CATALOGUE_SEATS_MAX &&
           row->sections + request->sections.count <= CATALOGUE_SECTIONS_MAX &&
           (gate == NULL || gate->take(gate->context, schedules, seats));
}

static void emit_schedule(struct decision *decision, uint64_t id, uint64_t concert,
                          const struct concert_create *request, uint32_t number,
                          const struct new_section *sections)
{
    union event body;
    const struct new_schedule *from = &request->schedules.items[number];
    struct schedule_created *to = &body.schedule_created;
    to->schedule = id;
    to->concert = concert;
    text_set(&to->title, request->title.data, request->title.length);
    text_set(&to->open_date, from->open_date.data, from->open_date.length);
    text_set(&to->start_time, from->start_time.data, from->start_time.length);
    text_set(&to->end_time, from->end_time.data, from->end_time.length);
    to->sections.count = (uint32_t)from->section_count;
    for (uint32_t i = 0; i < to->sections.count; i++) {
        struct section *section = &to->sections.items[i];
        text_set(&section->name, sections[i].name.data, sections[i].name.length);
        section->rows = sections[i].rows;
        section->seats_per_row = sections[i].seats_per_row;
        section->amount = sections[i].amount;
    }
    decision_emit_to(decision, &schedule_kind, id, EVENT_SCHEDULE_CREATED, id, VERSION_INTERNAL,
                     &body);
}

static void emit_creation(struct decision *decision, const struct directory *directory,
                          const struct concert_create *request, uint64_t seats)
{
    const struct directory_row *row = &directory->row;
    uint64_t concert = own_id(decision, directory, row->concerts_numbered);
    union event body;
    body.catalogue_grown = (struct catalogue_grown){
        .directory = directory->base.id,
        .concert = concert,
        .schedules = request->schedules.count,
        .seats = seats,
        .sections = request->sections.count,
        .body_hash = request->body_hash,
        .keys_dropped = keys_due(decision, directory),
    };
    text_set(&body.catalogue_grown.idempotency_key, request->idempotency_key.data,
             request->idempotency_key.length);
    decision_emit(decision, EVENT_CATALOGUE_GROWN, directory->base.id, VERSION_INTERNAL, &body);
    body.concert_created = (struct concert_created){.concert = concert};
    text_set(&body.concert_created.title, request->title.data, request->title.length);
    decision_emit_to(decision, &concert_kind, concert, EVENT_CONCERT_CREATED, concert,
                     VERSION_INTERNAL, &body);
    const struct new_section *sections = request->sections.items;
    for (uint32_t i = 0; i < request->schedules.count; i++) {
        emit_schedule(decision, own_id(decision, directory, row->schedules_numbered + i), concert,
                      request, i, sections);
        sections += request->schedules.items[i].section_count;
    }
}

static void decide_create(struct decision *decision, const struct directory *directory,
                          const struct concert_create *request)
{
    uint64_t seats;
    if (key_replies(decision, directory, request))
        return;
    if (!request_valid(request, &seats)) {
        decision_reply(decision, OUTCOME_INVALID_FIELD, REPLY_NONE);
    } else if (request->idempotency_key.length > 0 &&
               directory->row.live_keys >= IDEMPOTENCY_KEYS_PER_USER_MAX) {
        decision_reply(decision, OUTCOME_RATE_LIMITED, REPLY_NONE);
    } else if (!has_room(decision, directory, request, seats)) {
        decision_reply(decision, OUTCOME_STORAGE_FULL, REPLY_NONE);
    } else {
        emit_creation(decision, directory, request, seats);
        reply_made(decision, directory, directory->row.concerts_numbered,
                   directory->row.schedules_numbered, request->schedules.count);
    }
}

void directory_decide(struct decision *decision, const void *object, const struct message *message)
{
    const struct directory *directory = object;
    if (message->origin == MESSAGE_REQUEST && message->kind == REQUEST_CONCERT_CREATE)
        decide_create(decision, directory, &message->request->concert_create);
    else if (message->origin == MESSAGE_REQUEST && message->kind == REQUEST_RESERVATIONS_GET)
        seat_decide_list(decision, &message->request->reservations_get);
    else
        decision_reply(decision, OUTCOME_INTERNAL, REPLY_NONE);
}

/* ---- apply ---- */

static void store_key(struct directory *directory, const struct event_view *event,
                      struct row_sink *sink)
{
    const struct catalogue_grown *body = &event->body->catalogue_grown;
    uint64_t id = directory->base.id;
    struct idempotency_name dropped[IDEMPOTENCY_DROPS_MAX];
    check(body->keys_dropped <= directory->row.live_keys);
    idempotency_drop(sink, 'd', id, (unsigned)body->keys_dropped, dropped);
    directory->row.live_keys -= body->keys_dropped;
    if (body->idempotency_key.length > 0) {
        struct idempotency_name name =
            key_name(body->idempotency_key.data, body->idempotency_key.length);
        struct row_key key = idempotency_key('d', id, &name);
        struct concert_key_row old = {0}, answer = {
                                              .expires_at_ms = event->at_ms + IDEMPOTENCY_TTL_MS,
                                              .body_hash = body->body_hash,
                                              .concert = directory->row.concerts_numbered,
                                              .first_schedule = directory->row.schedules_numbered,
                                              .schedules = body->schedules,
                                          };
        if (!concert_key_row_read(&sink->view, &key, &old))
            directory->row.live_keys++;
        uint8_t data[ROW_SIZE_MAX(concert_key_row)];
        size_t size = concert_key_row_encode(&answer, data, sizeof data);
        check(size > 0);
        idempotency_put(sink, 'd', id, &name, old.expires_at_ms, answer.expires_at_ms, data, size);
    }
    directory->oldest_key_ms =
        directory->row.live_keys > 0 ? idempotency_oldest_ms(&sink->view, 'd', id) : 0;
}

void directory_apply(void *object, const struct event_view *event, struct row_sink *sink)
{
    struct directory *directory = object;
    struct directory_row *row = &directory->row;
    const struct catalogue_grown *body = &event->body->catalogue_grown;
    check(event->kind == EVENT_CATALOGUE_GROWN);
    store_key(directory, event, sink);
    row->schedules += body->schedules;
    row->seats += body->seats;
    row->sections += body->sections;
    if (body->concert != 0) {
        row->concerts_numbered++;
        row->schedules_numbered += body->schedules;
    }
    row->last_sequence = event->sequence;
    struct row_key key = directory_key(directory->base.id);
    directory_row_write(sink, &key, row);
}
