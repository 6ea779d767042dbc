#ifndef BOXOFFICE_DEAD_LETTERS_H
#define BOXOFFICE_DEAD_LETTERS_H

#include "segment.h"

/* Requests that were given up on, because a worker died of each SUSPICIONS_MAX times. The
 * supervisor writes them down after waitpid, and nobody else; anybody reads. The last
 * DEAD_LETTERS_MAX are kept, for the life of the segment; the log has all. */

enum {
    SUSPICIONS_MAX = 2, /* deaths of a worker while it decided the same request */
    DEAD_LETTERS_MAX = 128,
};

struct dead_letter {
    uint64_t at_ms; /* clock_now_ms */
    uint64_t request_id, actor;
    uint32_t worker, sender; /* process indices */
    uint32_t kind;           /* enum request_kind */
    uint32_t cause;          /* enum exit_cause, of the last death */
    char obituary[OBITUARY_SIZE];
};
struct dead_letters {
    _Atomic uint64_t count; /* since the start */
    struct dead_letter_place {
        _Alignas(64) _Atomic uint64_t number; /* which of all, from 1; 0: being written */
        struct dead_letter letter;
    } places[DEAD_LETTERS_MAX];
};

void dead_letters_add(struct dead_letters *letters, const struct dead_letter *letter);
/* The number-th of all, from 1. False when it was never written, or is overwritten by now. */
bool dead_letters_read(const struct dead_letters *letters, uint64_t number,
                       struct dead_letter *letter);

#endif
