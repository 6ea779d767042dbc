#ifndef BOXOFFICE_KEYS_H
#define BOXOFFICE_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Row keys of a state environment, big-endian so that byte order is number order:
 *
 *   table(1) id(8) [tag(1) [sub(8..32)]]
 *
 *   'w' user                wallet_row          's' schedule             schedule_row
 *   'w' user 'x' tx         transaction_row     's' schedule 'l'         layout_row
 *   'w' user 'i' route,hash idempotency_row     's' schedule 'p' index   place_row (none: free)
 *   'w' user 'e' at,hash    (index by expiry)   's' schedule 'i' user,hash hold_key_row
 *   'w' user 'v' reservation verdict_row        'r' reservation          reservation_row
 *   's' schedule 'u' user   buyer_row           's' schedule 'e' …       (index by expiry)
 *   'c' concert             concert_row         'q' room                 room_row
 *   'u' user 'r' at,reservation  user_reservation_row
 *   'd' directory           directory_row       'd' directory 'i' hash   concert_key_row
 *   't' id, kind            timer               'q' room 'n' number      ticket_row
 *   'o' id, kind, number    obligation          'q' room 'k' user        holder_row
 *   'm' …                   (the environment)   'q' room 'd' due, number deadline_row
 *                                               'q' room 'b' block       leavers_row
 */
enum { ROW_KEY_MAX = 47 };
struct row_key {
    uint8_t size;
    uint8_t data[ROW_KEY_MAX];
};

struct row_key row_key_of(char table, uint64_t id);
void row_key_add_tag(struct row_key *key, char tag);
void row_key_add_u64(struct row_key *key, uint64_t value);
void row_key_add_bytes(struct row_key *key, const void *data, size_t size); /* cut at ROW_KEY_MAX */
uint64_t row_key_u64(const struct row_key *key, size_t offset);             /* 0 beyond the end */
bool row_key_equal(const struct row_key *a, const struct row_key *b);
int row_key_compare(const struct row_key *a, const struct row_key *b);

#endif
