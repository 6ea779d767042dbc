#ifndef BOXOFFICE_MESSAGES_H
#define BOXOFFICE_MESSAGES_H

#include "fields.h"
#include "limits.h"
#include "messages.def"

enum { MESSAGES_VERSION = 3 };

enum role {
    ROLE_SUPERVISOR,
    ROLE_FRONT,
    ROLE_QUEUE,
    ROLE_SEAT,
    ROLE_WALLET,
    ROLE_RELAY,
    ROLE_COUNT
};
const char *role_text(enum role role);

enum {
    REQUEST_WRITES = 1,     /* may change state: refused when nothing can be written */
    REQUEST_OPENS_SAGA = 2, /* decided only with a reserved slot towards the wallet */
    REQUEST_SAGA = 4,       /* continues a saga: never refused by throttles or breakers */
    REQUEST_LARGE = 8,      /* its reply needs a large slot */
};

/* Values on the wire; never renumbered. */
enum transaction_type { TRANSACTION_CHARGE = 1, TRANSACTION_USE = 2, TRANSACTION_REFUND = 3 };
enum events_format {
    EVENTS_JSON = 1,
    EVENTS_STREAM = 2
}; /* items of an array; server-sent events */
enum seat_state { SEAT_AVAILABLE = 0, SEAT_TEMP_RESERVED = 1, SEAT_RESERVED = 2 };
enum reservation_state {
    RESERVATION_HELD = 1,
    RESERVATION_CONFIRMING = 2,
    RESERVATION_CONFIRMED = 3,
    RESERVATION_RELEASED = 4,
    RESERVATION_EXPIRED = 5,
    RESERVATION_CANCELLING = 6,
    RESERVATION_CANCELLED = 7,
};
enum ticket_state {
    TICKET_WAITING = 1,
    TICKET_ADMITTED = 2, /* not used yet */
    TICKET_CLAIMED = 3,
    TICKET_EXPIRED = 4,
    TICKET_DONE = 5,
};
enum ticket_end { /* why a ticket expired */
                  TICKET_END_CLAIM = 1,
                  TICKET_END_SESSION = 2,
                  TICKET_END_LEFT = 3,
                  TICKET_END_AGE = 4, /* of the token itself */
};
enum room_setting { /* bits */
                    ROOM_ACTIVE_LIMIT = 1,
                    ROOM_ADMIT_RATE = 2,
                    ROOM_PAUSED = 4,
                    ROOM_SESSION_TTL = 8,
                    ROOM_CLAIM_TTL = 16,
};

enum outcome {
#define O(name) OUTCOME_##name,
    OUTCOMES(O)
#undef O
        OUTCOME_COUNT
};
const char *outcome_text(enum outcome outcome);

enum request_kind {
#define REQUEST(id, NAME, tag, owner, key, flags) REQUEST_##NAME = id,
    REQUESTS(REQUEST)
#undef REQUEST
};
enum reply_kind {
    REPLY_NONE = 0,
#define REPLY(id, NAME, tag) REPLY_##NAME = id,
    REPLIES(REPLY)
#undef REPLY
};

#define ITEM(tag, FIELDS) FIELDS_STRUCT(tag, FIELDS) FIELDS_CODEC_DECLARE(tag)
REQUEST_ITEMS(ITEM)
#undef ITEM
#define REQUEST(id, NAME, tag, owner, key, flags)                                                  \
    FIELDS_STRUCT(tag, NAME##_FIELDS) FIELDS_CODEC_DECLARE(tag)
REQUESTS(REQUEST)
#undef REQUEST
FIELDS_STRUCT(transaction, TRANSACTION_FIELDS)
FIELDS_CODEC_DECLARE(transaction)
FIELDS_STRUCT(seat, SEAT_FIELDS)
FIELDS_CODEC_DECLARE(seat)
FIELDS_STRUCT(section_name, SECTION_NAME_FIELDS)
FIELDS_CODEC_DECLARE(section_name)
FIELDS_STRUCT(reservation_line, RESERVATION_LINE_FIELDS)
FIELDS_CODEC_DECLARE(reservation_line)
#define REPLY(id, NAME, tag) FIELDS_STRUCT(tag, NAME##_FIELDS) FIELDS_CODEC_DECLARE(tag)
REPLIES(REPLY)
#undef REPLY

union request {
#define REQUEST(id, NAME, tag, owner, key, flags) struct tag tag;
    REQUESTS(REQUEST)
#undef REQUEST
};
union reply {
#define REPLY(id, NAME, tag) struct tag tag;
    REPLIES(REPLY)
#undef REPLY
};

/* What the table says of a request kind; NULL for a number that is none. */
struct request_info {
    uint16_t kind;
    const char *name; /* "charge" */
    enum role owner;
    unsigned flags;
};
const struct request_info *request_info(uint16_t kind);

/* encode: the size, 0 when it did not fit. decode: false on anything but one well-formed value that
 * fills the buffer; `to` is then undefined. */
size_t request_encode(uint16_t kind, const union request *from, void *data, size_t size);
bool request_decode(uint16_t kind, union request *to, const void *data, size_t size);
uint64_t request_key(uint16_t kind, const union request *request); /* the key field */
size_t reply_encode(uint16_t kind, const union reply *from, void *data, size_t size);
bool reply_decode(uint16_t kind, union reply *to, const void *data, size_t size);

#endif
