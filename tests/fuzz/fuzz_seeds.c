#include "messages.h"
#include "records.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* Writes one well-formed input of each kind for fuzz_messages: fuzz_seeds DIRECTORY */

static const char *directory;
static unsigned written;

/* The body of an input stands behind its two leading bytes. */
static bool write_seed(unsigned table, unsigned kind, uint8_t *input, size_t body_size)
{
    char path[4096];
    input[0] = (uint8_t)table;
    input[1] = (uint8_t)kind;
    if (body_size == 0)
        return true; /* a kind without a body of its own */
    snprintf(path, sizeof path, "%s/seed-%u", directory, written++);
    FILE *to = fopen(path, "wb");
    if (to == NULL)
        return false;
    bool whole = fwrite(input, 1, body_size + 2, to) == body_size + 2;
    return fclose(to) == 0 && whole;
}

int main(int argc, char **argv)
{
    static union {
        union request request;
        union reply reply;
        union event event;
#define ROW(tag, FIELDS) struct tag tag;
        ROWS(ROW)
#undef ROW
    } zero;
    static uint8_t input[1 << 20];
    uint8_t *body = input + 2;
    size_t size = sizeof input - 2;
    bool good = argc == 2;
    directory = argv[1];
#define REQUEST(id, NAME, tag, owner, key, flags)                                                  \
    good = good && write_seed(0, id, input, request_encode(id, &zero.request, body, size));
    REQUESTS(REQUEST)
#undef REQUEST
#define REPLY(id, NAME, tag)                                                                       \
    good = good && write_seed(1, id, input, reply_encode(id, &zero.reply, body, size));
    REPLIES(REPLY)
#undef REPLY
#define EVENT(id, NAME, tag)                                                                       \
    good = good && write_seed(2, id, input, event_encode(id, &zero.event, body, size));
    EVENTS(EVENT)
#undef EVENT
    unsigned row = 0;
#define ROW(tag, FIELDS)                                                                           \
    good = good && write_seed(3, row++, input, tag##_encode(&zero.tag, body, size));
    ROWS(ROW)
#undef ROW
    return good ? 0 : EX_IOERR;
}
