#ifndef BOXOFFICE_LAST_WORDS_H
#define BOXOFFICE_LAST_WORDS_H

#include "segment.h"

/* What a process that died has left in shared memory about itself. It is read after waitpid, and
 * made fit for a log line: it may be garbage. */
enum { LAST_WORDS_DOING_SIZE = 128 };
struct last_words {
    char doing[LAST_WORDS_DOING_SIZE]; /* "charge for actor 7, request 123 of front-0"; may be "" */
    char obituary[OBITUARY_SIZE];      /* of a failed check */
};
void last_words_take(struct last_words *words, const struct segment *segment, unsigned process);
/* For the successor. */
void last_words_clear(struct process_entry *entry);

#endif
