#include "messages.h"

#define ITEM(tag, FIELDS) FIELDS_CODEC_DEFINE(tag, FIELDS)
REQUEST_ITEMS(ITEM)
#undef ITEM
#define REQUEST(id, NAME, tag, owner, key, flags) FIELDS_CODEC_DEFINE(tag, NAME##_FIELDS)
REQUESTS(REQUEST)
#undef REQUEST
FIELDS_CODEC_DEFINE(transaction, TRANSACTION_FIELDS)
FIELDS_CODEC_DEFINE(seat, SEAT_FIELDS)
FIELDS_CODEC_DEFINE(section_name, SECTION_NAME_FIELDS)
FIELDS_CODEC_DEFINE(reservation_line, RESERVATION_LINE_FIELDS)
#define REPLY(id, NAME, tag) FIELDS_CODEC_DEFINE(tag, NAME##_FIELDS)
REPLIES(REPLY)
#undef REPLY

static const char *const role_names[ROLE_COUNT] = {
    [ROLE_SUPERVISOR] = "supervisor", [ROLE_FRONT] = "front",
    [ROLE_QUEUE] = "queue",           [ROLE_SEAT] = "seat",
    [ROLE_WALLET] = "wallet",         [ROLE_RELAY] = "relay",
};

const char *role_text(enum role role)
{
    return (unsigned)role < ROLE_COUNT ? role_names[role] : "unknown role";
}

static const char *const outcome_names[OUTCOME_COUNT] = {
#define O(name) [OUTCOME_##name] = #name,
    OUTCOMES(O)
#undef O
};

const char *outcome_text(enum outcome outcome)
{
    return (unsigned)outcome < OUTCOME_COUNT ? outcome_names[outcome] : "unknown outcome";
}

/* Indexed by kind; numbers that are none have no name. */
static const struct request_info request_table[] = {
#define REQUEST(id, NAME, tag, owner, key, flags) [id] = {id, #tag, ROLE_##owner, flags},
    REQUESTS(REQUEST)
#undef REQUEST
};

const struct request_info *request_info(uint16_t kind)
{
    if (kind >= sizeof request_table / sizeof request_table[0] || !request_table[kind].name)
        return NULL;
    return &request_table[kind];
}

size_t request_encode(uint16_t kind, const union request *from, void *data, size_t size)
{
    switch (kind) {
#define REQUEST(id, NAME, tag, owner, key, flags)                                                  \
    case id:                                                                                       \
        return tag##_encode(&from->tag, data, size);
        REQUESTS(REQUEST)
#undef REQUEST
    default:
        return 0;
    }
}

bool request_decode(uint16_t kind, union request *to, const void *data, size_t size)
{
    switch (kind) {
#define REQUEST(id, NAME, tag, owner, key, flags)                                                  \
    case id:                                                                                       \
        return tag##_decode(&to->tag, data, size);
        REQUESTS(REQUEST)
#undef REQUEST
    default:
        return false;
    }
}

uint64_t request_key(uint16_t kind, const union request *request)
{
    switch (kind) {
#define REQUEST(id, NAME, tag, owner, key, flags)                                                  \
    case id:                                                                                       \
        return request->tag.key;
        REQUESTS(REQUEST)
#undef REQUEST
    default:
        return 0;
    }
}

size_t reply_encode(uint16_t kind, const union reply *from, void *data, size_t size)
{
    switch (kind) {
#define REPLY(id, NAME, tag)                                                                       \
    case id:                                                                                       \
        return tag##_encode(&from->tag, data, size);
        REPLIES(REPLY)
#undef REPLY
    default:
        return 0;
    }
}

bool reply_decode(uint16_t kind, union reply *to, const void *data, size_t size)
{
    switch (kind) {
#define REPLY(id, NAME, tag)                                                                       \
    case id:                                                                                       \
        return tag##_decode(&to->tag, data, size);
        REPLIES(REPLY)
#undef REPLY
    default:
        return size == 0 && kind == REPLY_NONE;
    }
}
