#ifndef BOXOFFICE_ETAG_H
#define BOXOFFICE_ETAG_H

#include "http.h"

/* Strong validators. */
enum { ETAG_LINE_SIZE = sizeof "ETag: \"0123456789abcdef\"\r\n" };
struct etag {
    char line[ETAG_LINE_SIZE]; /* the header line */
};

/* Over the bytes of the answer, or over what they follow from. */
struct etag etag_of(const void *data, size_t size);
/* True when If-None-Match names it; the exchange has been answered with 304 then. */
bool etag_answers(struct exchange *exchange, struct text if_none_match, const struct etag *etag);

#endif
