#ifndef BOXOFFICE_POSITION_H
#define BOXOFFICE_POSITION_H

#include "source.h"

/* Where a follower of all events stands: for each journal the last sequence that it has seen. The
 * journals have no order among each other that could not change (a worker may commit late what it
 * decided early), so no single number would do; with one for each, a follower that goes on from a
 * position misses nothing and sees nothing twice.
 *
 * As text it is opaque and URL-safe: base64 of version, incarnation's low half, count, the
 * sequences as variable-length integers, and 16 bits of CRC-32C. */
enum { POSITION_TEXT_SIZE = EVENT_CURSOR_MAX };

struct position {
    unsigned count;
    uint64_t sequences[SOURCES_MAX];
};

void position_write(const struct position *position, uint64_t incarnation,
                    char text[POSITION_TEXT_SIZE]);
/* False: it is none of this data directory's with `count` journals. */
bool position_read(struct position *position, uint64_t incarnation, unsigned count,
                   const char *text, size_t size);

#endif
