#ifndef BOXOFFICE_AUTH_H
#define BOXOFFICE_AUTH_H

#include "http.h"
#include "problem.h"
#include "segment.h"
#include "ticket.h"

/* Who may do what. */
enum access {
    ACCESS_PUBLIC,
    ACCESS_TICKET,    /* a genuine token of anybody */
    ACCESS_ADMITTED,  /* a genuine token that is admitted to the schedule (admission.h) */
    ACCESS_OWNER,     /* a genuine token of the user in the path */
    ACCESS_CHARGER,   /* with a charge key: that key; otherwise OWNER */
    ACCESS_CONFIRMER, /* with --open-confirm: anybody; otherwise TICKET */
    ACCESS_ADMIN,     /* the admin key */
};

/* PROBLEM_OK, UNAUTHORIZED, NOT_OWNER or FORBIDDEN. `owner` is the path's user. *ticket is the
 * verified ticket, or zero when the call was let in without one. */
enum problem auth_check(const struct segment_header *header, struct ticket_cache *cache,
                        enum access access, struct text authorization, uint64_t owner,
                        uint64_t now_ms, struct queue_ticket *ticket);

/* Whether the caller may have a token of `user`: PROBLEM_OK or UNAUTHORIZED. Without an identity
 * key everybody may; with one, whose JWT says so. */
enum problem auth_identity(const struct segment_header *header, struct text authorization,
                           uint64_t user, uint64_t now_ms);

/* The hash under which a key (admin, charge) stands in the segment: BLAKE2b-256 of its text. */
void auth_key_hash(struct text key, uint8_t hash[SECRET_SIZE]);

#endif
