#include "application.h"
#include "handlers.h"
#include "text.h"
#include <stdio.h>
#include <string.h>

/* The admin call that makes a concert with its schedules. Each field is checked here, with its path
 * in the answer; the seat worker decides about room. */

enum { PATH_SIZE = 64 };

/* What the call is about while its fields are read. */
struct creation {
    struct exchange *exchange;
    struct concert_create *to;
    char path[PATH_SIZE]; /* of the object at hand, with the dot: "schedules[0]." */
};

static bool refuse(const struct creation *creation, const char *name, const char *detail)
{
    char field[PATH_SIZE * 2];
    snprintf(field, sizeof field, "%s%s", creation->path, name);
    answer_invalid_field(creation->exchange, field, detail);
    return false;
}

static bool found(const struct creation *creation, const char *name, enum body_field field)
{
    return field == BODY_FIELD_OK || refuse(creation, name, body_field_text(field));
}

/* A text for people: not empty, not only blanks, no control characters. */
static bool is_readable(struct text text)
{
    bool blank = true;
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte < ' ' || byte == 0x7f)
            return false;
        blank &= byte == ' ';
    }
    return !blank;
}

static bool input_name(const struct creation *creation, const struct body *body, const char *name,
                       size_t max, struct text *value)
{
    char detail[96];
    if (!found(creation, name, body_text(body, name, value)))
        return false;
    if (value->size <= max && is_readable(*value))
        return true;
    snprintf(detail, sizeof detail, "1 to %zu bytes of text without control characters.", max);
    return refuse(creation, name, detail);
}

static bool input_number(const struct creation *creation, const struct body *body, const char *name,
                         uint64_t max, uint64_t *value)
{
    return found(creation, name, body_integer(body, name, 1, max, value));
}

/* Digits where the pattern has 0, otherwise the pattern's own character. */
static bool has_form(struct text text, const char *pattern)
{
    if (text.size != strlen(pattern))
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (pattern[i] == '0' ? text.data[i] < '0' || text.data[i] > '9'
                              : text.data[i] != pattern[i])
            return false;
    return true;
}

static unsigned digits(struct text text, size_t at, size_t count)
{
    unsigned value = 0;
    for (; count > 0; at++, count--)
        value = value * 10 + (unsigned)(text.data[at] - '0');
    return value;
}

static bool is_date(struct text text)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!has_form(text, "0000-00-00"))
        return false;
    unsigned year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
    if (year == 0 || month == 0 || month > 12 || day == 0)
        return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return day <= days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

static bool is_time(struct text text)
{
    return has_form(text, "00:00") && digits(text, 0, 2) < 24 && digits(text, 3, 2) < 60;
}

static bool input_form(const struct creation *creation, const struct body *body, const char *name,
                       bool (*is_valid)(struct text text), const char *detail, struct text *value)
{
    return found(creation, name, body_text(body, name, value)) &&
           (is_valid(*value) || refuse(creation, name, detail));
}

static bool input_section(const struct creation *creation, const struct body *body,
                          struct new_section *section)
{
    struct text name;
    if (!input_name(creation, body, "name", TEXT_NAME_MAX, &name) ||
        !input_number(creation, body, "rows", SCHEDULE_SEATS_MAX, &section->rows) ||
        !input_number(creation, body, "seatsPerRow", SCHEDULE_SEATS_MAX, &section->seats_per_row) ||
        !input_number(creation, body, "amount", AMOUNT_MAX, &section->amount))
        return false;
    text_set(&section->name, name.data, name.size);
    return true;
}

/* `path` is the schedule's; it is set back after each section. */
static bool input_sections(struct creation *creation, const struct body *body,
                           struct new_schedule *schedule)
{
    struct concert_create *to = creation->to;
    struct body_list list;
    uint64_t seats = 0;
    size_t path_length = strlen(creation->path);
    if (!found(creation, "sections", body_list(body, "sections", &list)))
        return false;
    if (list.count == 0 || list.count > SECTIONS_MAX)
        return refuse(creation, "sections", "A schedule has 1 to 32 sections.");
    if (list.count > CONCERT_SECTIONS_MAX - to->sections.count)
        return refuse(creation, "sections", "A call makes at most 256 sections in all.");
    for (size_t i = 0; i < list.count; i++) {
        struct body item;
        struct new_section *section = &to->sections.items[to->sections.count];
        snprintf(creation->path + path_length, PATH_SIZE - path_length, "sections[%zu]", i);
        if (!body_item(&list, i, &item))
            return refuse(creation, "", "The item is not an object.");
        strncat(creation->path, ".", PATH_SIZE - strlen(creation->path) - 1);
        if (!input_section(creation, &item, section))
            return false;
        seats += section->rows * section->seats_per_row;
        to->sections.count++;
        creation->path[path_length] = '\0';
    }
    schedule->section_count = list.count;
    return seats <= SCHEDULE_SEATS_MAX ||
           refuse(creation, "sections", "A schedule has at most 131071 seats.");
}

static bool input_schedule(struct creation *creation, const struct body *body,
                           struct new_schedule *schedule)
{
    struct text date, start, end;
    if (!input_form(creation, body, "openDate", is_date, "A date YYYY-MM-DD.", &date) ||
        !input_form(creation, body, "startTime", is_time, "A time HH:MM.", &start) ||
        !input_form(creation, body, "endTime", is_time, "A time HH:MM.", &end) ||
        !input_sections(creation, body, schedule))
        return false;
    text_set(&schedule->open_date, date.data, date.size);
    text_set(&schedule->start_time, start.data, start.size);
    text_set(&schedule->end_time, end.data, end.size);
    return true;
}

static bool input_schedules(struct creation *creation, const struct body *body)
{
    struct concert_create *to = creation->to;
    struct body_list list;
    if (!found(creation, "schedules", body_list(body, "schedules", &list)))
        return false;
    if (list.count == 0 || list.count > CONCERT_SCHEDULES_MAX)
        return refuse(creation, "schedules", "A call makes 1 to 128 schedules.");
    for (size_t i = 0; i < list.count; i++) {
        struct body item;
        snprintf(creation->path, PATH_SIZE, "schedules[%zu]", i);
        if (!body_item(&list, i, &item))
            return refuse(creation, "", "The item is not an object.");
        strncat(creation->path, ".", PATH_SIZE - strlen(creation->path) - 1);
        if (!input_schedule(creation, &item, &to->schedules.items[i]))
            return false;
        to->schedules.count++;
    }
    return true;
}

static bool input_creation(struct exchange *exchange, const struct call *call,
                           struct concert_create *to)
{
    struct creation creation = {exchange, to, ""};
    struct text title;
    to->schedules.count = to->sections.count = 0;
    if (!input_name(&creation, &call->body, "title", TEXT_TITLE_MAX, &title) ||
        !input_schedules(&creation, &call->body))
        return false;
    text_set(&to->title, title.data, title.size);
    return true;
}

/* The worker that makes it: by the key, so that a repetition finds the first answer, else in turn.
 */
static uint64_t choose_directory(struct application *application, const struct call *call)
{
    uint64_t chosen = call->idempotency_key.size > 0 ? body_hash(call->idempotency_key)
                                                     : application->creations++;
    return DIRECTORY_BASE + chosen % application->catalogue.table_count;
}

static void made_render(struct json_out *json, const void *context)
{
    const struct concert_made *made = context;
    json_object_open(json);
    json_member_u64(json, "concertId", made->concert);
    json_key(json, "scheduleIds");
    json_array_open(json);
    for (uint32_t i = 0; i < made->schedules.count; i++)
        json_u64(json, made->schedules.items[i]);
    json_array_close(json);
    json_object_close(json);
}

static void concert_made(struct exchange *exchange, const struct dispatch_reply *reply)
{
    if (reply->outcome == OUTCOME_STORAGE_FULL)
        answer_problem(
            exchange, PROBLEM_STORAGE_FULL,
            "There is no room for this: 2,000,000 seats and 50,000 schedules in all, and "
            "what the disk takes.");
    else if (answer_expect(exchange, reply, REPLY_CONCERT_MADE, "schedules"))
        answer_rendered(exchange, 201, made_render, &reply->value->concert_made);
}

void handle_concert_create(struct application *application, struct exchange *exchange,
                           const struct call *call)
{
    union request request;
    struct concert_create *to = &request.concert_create;
    if (!input_creation(exchange, call, to))
        return;
    text_set(&to->idempotency_key, call->idempotency_key.data, call->idempotency_key.size);
    to->body_hash = call->idempotency_key.size > 0 ? body_hash(call->request->body) : 0;
    to->directory = choose_directory(application, call);
    dispatch_ask(&application->dispatch, exchange, REQUEST_CONCERT_CREATE, &request, concert_made);
}
