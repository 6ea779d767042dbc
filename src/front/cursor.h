#ifndef BOXOFFICE_CURSOR_H
#define BOXOFFICE_CURSOR_H

#include "http.h"

/* A cursor is where the next page of a list begins: opaque to clients, URL-safe, and refused when
 * it belongs to another list or was made up. */
enum cursor_kind { CURSOR_TRANSACTIONS = 1, CURSOR_SEATS = 2 };
enum { CURSOR_TEXT_SIZE = 16 + 1 };

void cursor_write(enum cursor_kind kind, uint64_t position, char text[CURSOR_TEXT_SIZE]);
bool cursor_read(struct text text, enum cursor_kind kind, uint64_t *position);

#endif
