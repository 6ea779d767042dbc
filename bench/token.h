#ifndef BOXOFFICE_BENCH_TOKEN_H
#define BOXOFFICE_BENCH_TOKEN_H

#include "ticket.h"

/* Queue tokens for load generators: signed with the server's own key, so that millions of users
 * need no call each. */

/* Reads DATA/ticket.key; false and a line on stderr when it cannot. */
bool token_key_read(const char *path, uint8_t key[TICKET_KEY_SIZE]);
/* The token of a user in the default room, issued now. */
void token_make(uint64_t user, const uint8_t key[TICKET_KEY_SIZE], char text[TICKET_TEXT_SIZE]);

#endif
