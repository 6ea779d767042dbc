#ifndef BOXOFFICE_FRAMING_H
#define BOXOFFICE_FRAMING_H

#include "http.h"

/* Where one HTTP/1.x request begins and ends, by a grammar of our own that is stricter than
 * http-parser's: lines end in CRLF, field names are tokens directly followed by a colon, nothing is
 * folded, Host stands exactly once on 1.1, a body is framed by one Content-Length of digits or by
 * one `Transfer-Encoding: chunked` on 1.1, never both, chunks have no extensions. Whatever two
 * readers could understand differently is a fault.
 *
 * Pure and incremental: nothing is allocated or copied, no byte is judged twice, and the verdict on
 * a stream of bytes doesn't depend on how it was cut. */

enum {
    REQUEST_LINE_SIZE_MAX = 8000, /* without its CRLF; beyond it 414 */
    HEAD_SIZE_MAX = 16384,        /* request line to empty line; beyond it 431 */
    FIELD_COUNT_MAX = 64,         /* head and trailers together; beyond it 431 */
    BODY_SIZE_MAX = 16384,        /* decoded; beyond it 413 */
    /* A chunked body as sent: room for BODY_SIZE_MAX chunks of one byte; beyond it 413. */
    CHUNKED_SIZE_MAX = 131072,
    /* An empty line, head, chunks with the last data's CRLF, trailers. */
    MESSAGE_SIZE_MAX = 2 + HEAD_SIZE_MAX + CHUNKED_SIZE_MAX + 2 + HEAD_SIZE_MAX,
};

enum framing_verdict { FRAMING_MORE, FRAMING_COMPLETE, FRAMING_FAULT };

enum framing_phase {
    FRAMING_START, /* an empty line or a request line */
    FRAMING_REQUEST_LINE,
    FRAMING_FIELDS,
    FRAMING_BODY, /* Content-Length */
    FRAMING_CHUNK_SIZE,
    FRAMING_CHUNK_DATA,
    FRAMING_TRAILERS,
    FRAMING_ENDED,
    FRAMING_FAULTED,
};

struct framing {
    enum framing_phase phase;
    enum http_method method;
    unsigned minor;       /* of HTTP/1.minor */
    uint32_t start;       /* the request line; 2 after an empty line, else 0 */
    uint32_t line;        /* where the current line, or chunk data, begins */
    uint32_t scan;        /* every byte below has been looked at */
    uint32_t method_size; /* the method stands at `start` */
    uint32_t target, target_size;
    uint32_t path;        /* of the target: after scheme and authority, if it has them */
    uint32_t field_count; /* of the head */
    uint32_t trailer_count;
    uint32_t trailers;   /* where they begin */
    uint32_t head_size;  /* from 0 to the end of the empty line */
    uint32_t total_size; /* of a complete message; with Content-Length known after the head */
    uint32_t body_size;  /* decoded */
    uint64_t chunk_size; /* or the Content-Length while the head is read */
    bool has_length, chunked, has_host, close, keep_alive, expect_continue;
    unsigned status;    /* of a fault: 400, 413, 414, 431, 501 or 505 */
    const char *detail; /* static text */
};

/* Before the first byte of every message. */
void framing_init(struct framing *framing);

/* `data` is all that has come of the message so far (it may move, but its first bytes don't
 * change), perhaps with bytes of the next. To be called again with more after FRAMING_MORE; a
 * verdict of COMPLETE or FAULT is final. */
enum framing_verdict framing_check(struct framing *framing, const char *data, size_t size);

/* True when no byte of a request has come, an empty line apart. */
static inline bool framing_idle(const struct framing *framing, size_t size)
{
    return size == 0 || (framing->start == size && framing->phase == FRAMING_REQUEST_LINE);
}

/* True when the head is complete and the body is not. */
static inline bool framing_in_body(const struct framing *framing)
{
    return framing->phase >= FRAMING_BODY && framing->phase <= FRAMING_TRAILERS;
}

/* Whether the connection stays open after this complete message (RFC 9112, 9.3). */
static inline bool framing_keeps_alive(const struct framing *framing)
{
    return !framing->close && (framing->minor == 1 || framing->keep_alive);
}

#endif
