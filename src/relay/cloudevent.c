#include "cloudevent.h"
#include "messages.h"
#include "records.h"
#include <stdio.h>

/* ---- what public.def says ---- */

static void ids_member(struct json_out *json, const char *name, const uint64_t *ids, uint32_t count)
{
    json_key(json, name);
    json_array_open(json);
    for (uint32_t i = 0; i < count; i++)
        json_u64(json, ids[i]);
    json_array_close(json);
}

static void request_key_members(struct json_out *json, const char *key, uint32_t length,
                                uint64_t hash)
{
    char hex[17];
    if (length == 0)
        return;
    json_key(json, "idempotencyKey");
    json_text(json, key, length);
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)hash);
    json_member_text(json, "requestHash", hex);
}

static const char *reason_text(uint64_t reason)
{
    static const char *const texts[] = {[TICKET_END_CLAIM] = "unclaimed",
                                        [TICKET_END_SESSION] = "session-over",
                                        [TICKET_END_LEFT] = "left",
                                        [TICKET_END_AGE] = "too-old"};
    bool is_known = reason < sizeof texts / sizeof texts[0] && texts[reason] != NULL;
    return is_known ? texts[reason] : "other";
}

#define TOPIC(name, topic, collection)
#define KEY(name) json_member_u64(json, name, event->aggregate);
#define REASON(name, field) json_member_text(json, name, reason_text(from->field));
#define NUMBER(name, field) json_member_u64(json, name, from->field);
#define TIME(name, field) json_member_time(json, name, from->field);
#define IDS(name, field) ids_member(json, name, from->field.items, from->field.count);
#define REQUEST_KEY()                                                                              \
    request_key_members(json, from->idempotency_key.data, from->idempotency_key.length,            \
                        from->body_hash);
#define PUBLIC(kind, tag, topic, type, members)                                                    \
    static void tag##_data(struct json_out *json, const struct journal_event *event,               \
                           const union event *body)                                                \
    {                                                                                              \
        (void)event;                                                                               \
        const struct tag *from = &body->tag;                                                       \
        members                                                                                    \
    }
#include "public.def"
#undef TOPIC
#undef PUBLIC

struct public_type {
    uint16_t kind;
    enum topic topic;
    const char *type;
    void (*data)(struct json_out *json, const struct journal_event *event, const union event *body);
};

static const struct public_type types[] = {
#define TOPIC(name, topic, collection)
#define PUBLIC(kind, tag, topic, type, members) {EVENT_##kind, TOPIC_##topic, type, tag##_data},
#include "public.def"
#undef TOPIC
#undef PUBLIC
};

static const struct topic_names {
    const char *topic, *collection;
} topics[] = {
#define TOPIC(name, topic, collection) {topic, collection},
#define PUBLIC(kind, tag, topic, type, members)
#include "public.def"
#undef TOPIC
#undef PUBLIC
};

const char *topic_text(enum topic topic)
{
    return topics[topic].topic;
}

static const struct public_type *type_of(uint16_t kind)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].kind == kind)
            return &types[i];
    return NULL;
}

/* ---- events ---- */

bool cloudevent_is_public(const struct journal_event *event)
{
    return event->aggregate_version != 0 && type_of(event->kind) != NULL;
}

enum status cloudevent_make(struct cloudevent *to, uint64_t incarnation, const char *worker,
                            const struct journal_event *from)
{
    union event body;
    struct json_out json;
    const struct public_type *type = type_of(from->kind);
    if (type == NULL || !event_decode(from->kind, &body, from->payload, from->payload_size))
        return STATUS_CORRUPT;
    to->topic = type->topic;
    to->type = type->type;
    snprintf(to->id, sizeof to->id, "%llu-%s-%llu", (unsigned long long)incarnation, worker,
             (unsigned long long)from->sequence);
    snprintf(to->subject, sizeof to->subject, "%s/%llu", topics[type->topic].collection,
             (unsigned long long)from->aggregate);
    snprintf(to->key, sizeof to->key, "%llu", (unsigned long long)from->aggregate);
    clock_format(from->at_ms, to->time);
    json_out_init(&json, to->data, sizeof to->data);
    json_object_open(&json);
    json_member_u64(&json, "version", from->aggregate_version);
    type->data(&json, from, &body);
    json_object_close(&json);
    to->data_size = json.used;
    return json.failed ? STATUS_CORRUPT : STATUS_OK;
}

void cloudevent_render(struct json_out *json, const struct cloudevent *event, const char *cursor)
{
    json_object_open(json);
    json_member_text(json, "specversion", "1.0");
    json_member_text(json, "id", event->id);
    json_member_text(json, "source", CLOUDEVENT_SOURCE);
    json_member_text(json, "type", event->type);
    json_member_text(json, "subject", event->subject);
    json_member_text(json, "time", event->time);
    json_member_text(json, "datacontenttype", "application/json");
    json_member_text(json, "cursor", cursor);
    json_key(json, "data");
    json_raw(json, event->data, event->data_size);
    json_object_close(json);
}
