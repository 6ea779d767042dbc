#include "bytes.h"
#include "crc32c.h"
#include "journal_internal.h"
#include "records.h"

/* Where the fields of a record are (journal.h). */
enum {
    AT_CRC = 0,
    AT_SIZE = 4,
    AT_KIND = 8,
    AT_AGGREGATE = 10,
    AT_AGGREGATE_VERSION = 18,
    AT_ACTOR_KIND = 26,
    AT_ACTOR = 27,
    AT_TIME = 35,
};
_Static_assert(AT_TIME + 8 == JOURNAL_HEADER_SIZE, "the header ends with the time");

/* Of the sequence too: a record that is found under another is as wrong as a flipped bit. */
static uint32_t record_crc(uint64_t sequence, const uint8_t *record, size_t size)
{
    uint8_t key[8];
    store_be64(key, sequence);
    return crc32c(crc32c(0, key, sizeof key), record + AT_SIZE, size - AT_SIZE);
}

size_t journal_record_size(const struct journal_event *event)
{
    return JOURNAL_HEADER_SIZE + event->payload_size;
}

void journal_record_encode(uint64_t sequence, const struct journal_event *event, uint8_t *record)
{
    size_t size = journal_record_size(event);
    store_le32(record + AT_SIZE, (uint32_t)size);
    store_le16(record + AT_KIND, event->kind);
    store_le64(record + AT_AGGREGATE, event->aggregate);
    store_le64(record + AT_AGGREGATE_VERSION, event->aggregate_version);
    record[AT_ACTOR_KIND] = event->actor_kind;
    store_le64(record + AT_ACTOR, event->actor);
    store_le64(record + AT_TIME, event->at_ms);
    if (event->payload_size > 0)
        memcpy(record + JOURNAL_HEADER_SIZE, event->payload, event->payload_size);
    store_le32(record + AT_CRC, record_crc(sequence, record, size));
}

size_t journal_record_size_at(const uint8_t *bytes, size_t left)
{
    if (left < JOURNAL_HEADER_SIZE)
        return 0;
    size_t size = load_le32(bytes + AT_SIZE);
    size_t most = JOURNAL_HEADER_SIZE + JOURNAL_PAYLOAD_MAX;
    return size >= JOURNAL_HEADER_SIZE && size <= most && size <= left ? size : 0;
}

enum status journal_record_decode(const uint8_t *bytes, size_t left, uint64_t sequence,
                                  struct journal_event *event)
{
    size_t size = journal_record_size_at(bytes, left);
    *event = (struct journal_event){.sequence = sequence};
    if (size == 0 || load_le32(bytes + AT_CRC) != record_crc(sequence, bytes, size))
        return STATUS_CORRUPT;
    event->aggregate = load_le64(bytes + AT_AGGREGATE);
    event->aggregate_version = load_le64(bytes + AT_AGGREGATE_VERSION);
    event->actor = load_le64(bytes + AT_ACTOR);
    event->at_ms = load_le64(bytes + AT_TIME);
    event->kind = load_le16(bytes + AT_KIND);
    event->actor_kind = bytes[AT_ACTOR_KIND];
    event->payload = bytes + JOURNAL_HEADER_SIZE;
    event->payload_size = size - JOURNAL_HEADER_SIZE;
    return STATUS_OK;
}

/* ---- trailers ---- */

/* A trailer's payload: magic(4) count(4) segment(8) sequence(8) previous(8) first(8) { producer(8)
 * position(8) }; its clock is the record's time. */
enum {
    AT_MAGIC = 0,
    AT_COUNT = 4,
    AT_SEGMENT = 8,
    AT_SEQUENCE = 16,
    AT_PREVIOUS = 24,
    AT_FIRST = 32,
};
_Static_assert(AT_FIRST + 8 == JOURNAL_TRAILER_HEAD_SIZE, "the marks follow the first sequence");

static const uint8_t trailer_magic[4] = {0xb0, 0x0f, 0xf1, 0xce};

size_t journal_trailer_encode(const struct journal_trailer *trailer,
                              const struct journal_links *links,
                              uint8_t payload[JOURNAL_TRAILER_SIZE_MAX])
{
    uint8_t *to = payload + JOURNAL_TRAILER_HEAD_SIZE;
    memcpy(payload + AT_MAGIC, trailer_magic, sizeof trailer_magic);
    store_le32(payload + AT_COUNT, trailer->mark_count);
    store_le64(payload + AT_SEGMENT, trailer->segment_id);
    store_le64(payload + AT_SEQUENCE, links->sequence);
    store_le64(payload + AT_PREVIOUS, links->previous);
    store_le64(payload + AT_FIRST, links->first);
    for (uint32_t i = 0; i < trailer->mark_count; i++, to += 16) {
        store_le64(to, trailer->marks[i].producer);
        store_le64(to + 8, trailer->marks[i].position);
    }
    return (size_t)(to - payload);
}

static bool links_decode(const struct journal_event *event, struct journal_links *links)
{
    const uint8_t *payload = event->payload;
    if (event->kind != EVENT_TRAILER || event->payload_size < JOURNAL_TRAILER_HEAD_SIZE ||
        memcmp(payload + AT_MAGIC, trailer_magic, sizeof trailer_magic) != 0)
        return false;
    *links = (struct journal_links){
        .sequence = load_le64(payload + AT_SEQUENCE),
        .previous = load_le64(payload + AT_PREVIOUS),
        .first = load_le64(payload + AT_FIRST),
    };
    return links->sequence == event->sequence;
}

enum status journal_trailer_decode(const struct journal_event *event,
                                   struct journal_trailer *trailer, struct journal_links *links)
{
    if (!links_decode(event, links))
        return STATUS_CORRUPT;
    uint32_t count = load_le32(event->payload + AT_COUNT);
    if (count > JOURNAL_MARKS_MAX ||
        event->payload_size != JOURNAL_TRAILER_HEAD_SIZE + (size_t)count * 16)
        return STATUS_CORRUPT;
    *trailer = (struct journal_trailer){
        .clock_ms = event->at_ms,
        .segment_id = load_le64(event->payload + AT_SEGMENT),
        .mark_count = count,
    };
    const uint8_t *from = event->payload + JOURNAL_TRAILER_HEAD_SIZE;
    for (uint32_t i = 0; i < count; i++, from += 16) {
        trailer->marks[i].producer = load_le64(from);
        trailer->marks[i].position = load_le64(from + 8);
    }
    return STATUS_OK;
}

/* A trailer carries its sequence, so it can be told wherever it lies. */
static bool trailer_at(const uint8_t *bytes, size_t size, size_t offset,
                       struct journal_links *links)
{
    struct journal_event event;
    size_t left = size - offset;
    if (left < JOURNAL_HEADER_SIZE + JOURNAL_TRAILER_HEAD_SIZE)
        return false;
    uint64_t sequence = load_le64(bytes + offset + JOURNAL_HEADER_SIZE + AT_SEQUENCE);
    return journal_record_decode(bytes + offset, left, sequence, &event) == STATUS_OK &&
           links_decode(&event, links);
}

bool journal_trailer_find(const uint8_t *bytes, size_t size, size_t offset, uint64_t above,
                          uint64_t previous, size_t *at, struct journal_links *links)
{
    for (size_t from = offset + JOURNAL_HEADER_SIZE; from < size; from++) {
        const uint8_t *found =
            memmem(bytes + from, size - from, trailer_magic, sizeof trailer_magic);
        if (found == NULL)
            return false;
        from = (size_t)(found - bytes);
        *at = from - JOURNAL_HEADER_SIZE;
        if (trailer_at(bytes, size, *at, links) && links->sequence > above &&
            links->previous >= previous)
            return true;
    }
    return false;
}
