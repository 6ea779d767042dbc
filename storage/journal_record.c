#include "journal_internal.h"
#include "bytes.h"
#include "crc32c.h"
#include "records.h"

/* Where the fields of a value are (journal.h). */
enum {
    VALUE_VERSION = 1,
    AT_VERSION = 0,
    AT_CRC = 1,
    AT_KIND = 5,
    AT_AGGREGATE = 7,
    AT_AGGREGATE_VERSION = 15,
    AT_ACTOR_KIND = 23,
    AT_ACTOR = 24,
    AT_TIME = 32,
};
_Static_assert(AT_TIME + 8 == JOURNAL_HEADER_SIZE, "the header ends with the time");

/* Of the key too: a record that is found under another sequence is as wrong as a flipped bit. */
static uint32_t record_crc(uint64_t sequence, const uint8_t *value, size_t size)
{
    uint8_t key[JOURNAL_KEY_SIZE];
    store_be64(key, sequence);
    return crc32c(crc32c(0, key, sizeof key), value + AT_KIND, size - AT_KIND);
}

void journal_record_encode(uint64_t sequence, const struct journal_event *event, uint8_t *value)
{
    value[AT_VERSION] = VALUE_VERSION;
    store_le16(value + AT_KIND, event->kind);
    store_le64(value + AT_AGGREGATE, event->aggregate);
    store_le64(value + AT_AGGREGATE_VERSION, event->aggregate_version);
    value[AT_ACTOR_KIND] = event->actor_kind;
    store_le64(value + AT_ACTOR, event->actor);
    store_le64(value + AT_TIME, event->at_ms);
    if (event->payload_size > 0)
        memcpy(value + JOURNAL_HEADER_SIZE, event->payload, event->payload_size);
    size_t size = JOURNAL_HEADER_SIZE + event->payload_size;
    store_le32(value + AT_CRC, record_crc(sequence, value, size));
}

enum status journal_record_decode(const MDB_val *key, const MDB_val *value,
                                  struct journal_event *event)
{
    const uint8_t *from = value->mv_data;
    if (key->mv_size != JOURNAL_KEY_SIZE || value->mv_size < JOURNAL_HEADER_SIZE)
        return STATUS_CORRUPT;
    uint64_t sequence = load_be64(key->mv_data);
    if (from[AT_VERSION] != VALUE_VERSION)
        return STATUS_CORRUPT;
    if (load_le32(from + AT_CRC) != record_crc(sequence, from, value->mv_size))
        return STATUS_CORRUPT;
    *event = (struct journal_event){
        .sequence = sequence,
        .aggregate = load_le64(from + AT_AGGREGATE),
        .aggregate_version = load_le64(from + AT_AGGREGATE_VERSION),
        .actor = load_le64(from + AT_ACTOR),
        .at_ms = load_le64(from + AT_TIME),
        .kind = load_le16(from + AT_KIND),
        .actor_kind = from[AT_ACTOR_KIND],
        .payload = from + JOURNAL_HEADER_SIZE,
        .payload_size = value->mv_size - JOURNAL_HEADER_SIZE,
    };
    return STATUS_OK;
}

/* A trailer's payload: segment(8) count(4) { producer(8) position(8) }; its clock is the record's
 * time. */
size_t journal_trailer_encode(const struct journal_trailer *trailer,
                              uint8_t payload[JOURNAL_TRAILER_SIZE_MAX])
{
    uint8_t *to = payload + 12;
    store_le64(payload, trailer->segment_id);
    store_le32(payload + 8, trailer->mark_count);
    for (uint32_t i = 0; i < trailer->mark_count; i++, to += 16) {
        store_le64(to, trailer->marks[i].producer);
        store_le64(to + 8, trailer->marks[i].position);
    }
    return (size_t)(to - payload);
}

enum status journal_trailer_decode(const struct journal_event *event,
                                   struct journal_trailer *trailer)
{
    if (event->kind != EVENT_TRAILER || event->payload_size < 12)
        return STATUS_CORRUPT;
    uint32_t count = load_le32(event->payload + 8);
    if (count > JOURNAL_MARKS_MAX || event->payload_size != 12 + (size_t)count * 16)
        return STATUS_CORRUPT;
    *trailer = (struct journal_trailer){
        .clock_ms = event->at_ms,
        .segment_id = load_le64(event->payload),
        .mark_count = count,
    };
    const uint8_t *from = event->payload + 12;
    for (uint32_t i = 0; i < count; i++, from += 16) {
        trailer->marks[i].producer = load_le64(from);
        trailer->marks[i].position = load_le64(from + 8);
    }
    return STATUS_OK;
}
