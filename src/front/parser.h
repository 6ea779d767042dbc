#ifndef BOXOFFICE_PARSER_H
#define BOXOFFICE_PARSER_H

#include "framing.h"

/* The only place where http-parser is used. It is fed one message that the framing rules have found
 * complete and correct, in one piece, and has to agree with them. */

/* Fills `request` from the `framing->total_size` bytes at `data`. Texts point into `data`; a
 * chunked body is put together in place, so `data` is changed. False when http-parser reads the
 * message in another way: `*why` (static) says how. */
bool parser_read(const struct framing *framing, char *data, struct http_request *request,
                 const char **why);

#endif
