#ifndef BOXOFFICE_SUSPICION_H
#define BOXOFFICE_SUSPICION_H

#include "segment.h"

/* After waitpid, and only for a death that a request may have brought about: the request that
 * process was deciding becomes suspect, and at the second time a dead letter. Its worker's
 * successor reads that in the slot and answers it without deciding it. What the process left in
 * shared memory may be garbage: where it names no request that is in this process's hands, nothing
 * happens. */
void suspicion_note(const struct segment *segment, unsigned process, enum exit_cause cause,
                    const char *obituary);

#endif
