#include "journal_internal.h"
#include "bytes.h"
#include "crc32c.h"
#include "records.h"

/* Where the fields of a record are (journal.h). */
enum {
    BLOCK_VERSION = 2,
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
    uint8_t key[JOURNAL_KEY_SIZE];
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

void journal_block_begin(uint8_t *block)
{
    block[0] = BLOCK_VERSION;
}

struct journal_block journal_block_of(const MDB_val *key, const MDB_val *value)
{
    struct journal_block block = {0};
    const uint8_t *from = value->mv_data;
    if (key->mv_size == JOURNAL_KEY_SIZE)
        block.sequence = load_be64(key->mv_data);
    block.is_sound = key->mv_size == JOURNAL_KEY_SIZE &&
                     value->mv_size > JOURNAL_BLOCK_HEADER_SIZE && from[0] == BLOCK_VERSION;
    block.at = from + (block.is_sound ? JOURNAL_BLOCK_HEADER_SIZE : 0);
    block.left =
        block.is_sound ? value->mv_size - JOURNAL_BLOCK_HEADER_SIZE : 1; /* a damaged one */
    return block;
}

/* The size of the next record; 0 when it makes no sense: the rest of the block can't be read. */
static size_t next_size(const struct journal_block *block)
{
    if (!block->is_sound || block->left < JOURNAL_HEADER_SIZE)
        return 0;
    size_t size = load_le32(block->at + AT_SIZE);
    return size >= JOURNAL_HEADER_SIZE && size <= block->left ? size : 0;
}

static void skip(struct journal_block *block, size_t size)
{
    block->at += size;
    block->left -= size;
    block->sequence++;
}

enum status journal_block_next(struct journal_block *block, struct journal_event *event)
{
    if (block->left == 0)
        return STATUS_NOT_FOUND;
    const uint8_t *record = block->at;
    size_t size = next_size(block);
    *event = (struct journal_event){.sequence = block->sequence};
    if (size == 0) {
        block->left = 0;
        return STATUS_CORRUPT;
    }
    skip(block, size);
    if (load_le32(record + AT_CRC) != record_crc(event->sequence, record, size))
        return STATUS_CORRUPT;
    event->aggregate = load_le64(record + AT_AGGREGATE);
    event->aggregate_version = load_le64(record + AT_AGGREGATE_VERSION);
    event->actor = load_le64(record + AT_ACTOR);
    event->at_ms = load_le64(record + AT_TIME);
    event->kind = load_le16(record + AT_KIND);
    event->actor_kind = record[AT_ACTOR_KIND];
    event->payload = record + JOURNAL_HEADER_SIZE;
    event->payload_size = size - JOURNAL_HEADER_SIZE;
    return STATUS_OK;
}

enum status journal_block_verify(struct journal_block block, struct journal_event *last)
{
    struct journal_event event;
    enum status status;
    while ((status = journal_block_next(&block, &event)) == STATUS_OK)
        *last = event;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

void journal_block_skip_to(struct journal_block *block, uint64_t sequence)
{
    size_t size;
    while (block->sequence < sequence && (size = next_size(block)) > 0)
        skip(block, size);
}

uint64_t journal_block_last(struct journal_block block)
{
    uint64_t last = block.sequence;
    journal_block_skip_to(&block, UINT64_MAX);
    return block.sequence > last ? block.sequence - 1 : last;
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
