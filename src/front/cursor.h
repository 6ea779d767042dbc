#ifndef BOXOFFICE_CURSOR_H
#define BOXOFFICE_CURSOR_H

#include "http.h"

/* A cursor is where the next page of a list begins: opaque to clients, URL-safe, and refused when
 * it belongs to another list or was made up. */
enum cursor_kind { CURSOR_TRANSACTIONS = 1, CURSOR_SEATS = 2, CURSOR_RESERVATIONS = 3 };
enum { CURSOR_TEXT_SIZE = 16 + 1, CURSOR_PAIR_TEXT_SIZE = 27 + 1 };

void cursor_write(enum cursor_kind kind, uint64_t position, char text[CURSOR_TEXT_SIZE]);
bool cursor_read(struct text text, enum cursor_kind kind, uint64_t *position);

/* For lists whose order has two parts. */
struct cursor_pair {
    uint64_t major, minor;
};
void cursor_pair_write(enum cursor_kind kind, struct cursor_pair position,
                       char text[CURSOR_PAIR_TEXT_SIZE]);
bool cursor_pair_read(struct text text, enum cursor_kind kind, struct cursor_pair *position);

#endif
