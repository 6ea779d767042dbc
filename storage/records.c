#include "records.h"

#define EVENT(id, NAME, tag) FIELDS_CODEC_DEFINE(tag, NAME##_EVENT_FIELDS)
#define ROW(tag, FIELDS) FIELDS_CODEC_DEFINE(tag, FIELDS)
RECORD_ITEMS(ROW)
EVENTS(EVENT)
ROWS(ROW)
#undef EVENT
#undef ROW

const char *event_text(uint16_t kind)
{
    switch (kind) {
#define EVENT(id, NAME, tag)                                                                       \
    case id:                                                                                       \
        return #tag;
        EVENTS(EVENT)
#undef EVENT
    default:
        return NULL;
    }
}

size_t event_encode(uint16_t kind, const union event *from, void *data, size_t size)
{
    switch (kind) {
#define EVENT(id, NAME, tag)                                                                       \
    case id:                                                                                       \
        return tag##_encode(&from->tag, data, size);
        EVENTS(EVENT)
#undef EVENT
    default:
        return 0;
    }
}

bool event_decode(uint16_t kind, union event *to, const void *data, size_t size)
{
    switch (kind) {
#define EVENT(id, NAME, tag)                                                                       \
    case id:                                                                                       \
        return tag##_decode(&to->tag, data, size);
        EVENTS(EVENT)
#undef EVENT
    default:
        return false;
    }
}
