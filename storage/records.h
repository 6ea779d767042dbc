#ifndef BOXOFFICE_RECORDS_H
#define BOXOFFICE_RECORDS_H

#include "fields.h"
#include "limits.h"
#include "records.def"

/* What is written to disk, as structs: events (journal) and rows (state). The tables are in
 * records.def. */

enum { RECORDS_VERSION = 4 };

enum event_kind {
    EVENT_TRAILER = 0, /* ends each journal transaction; the journal's own (journal.h) */
#define EVENT(id, NAME, tag) EVENT_##NAME = id,
    EVENTS(EVENT)
#undef EVENT
};

#define EVENT(id, NAME, tag) FIELDS_STRUCT(tag, NAME##_EVENT_FIELDS) FIELDS_CODEC_DECLARE(tag)
#define ROW(tag, FIELDS) FIELDS_STRUCT(tag, FIELDS) FIELDS_CODEC_DECLARE(tag)
RECORD_ITEMS(ROW) /* list items, used by the tables below */
EVENTS(EVENT)
ROWS(ROW)
#undef EVENT
#undef ROW

union event {
#define EVENT(id, NAME, tag) struct tag tag;
    EVENTS(EVENT)
#undef EVENT
};

const char *event_text(uint16_t kind); /* "wallet_charged"; NULL for a number that is none */
size_t event_encode(uint16_t kind, const union event *from, void *data, size_t size);
bool event_decode(uint16_t kind, union event *to, const void *data, size_t size);

#endif
