#ifndef BOXOFFICE_JOURNAL_RANGE_H
#define BOXOFFICE_JOURNAL_RANGE_H

#include <stdatomic.h>
#include <stdint.h>

/* What a journal holds, as its writer tells processes that read it (storage/journal.h). Where it is
 * kept is not storage's business: in shared memory, all zero at first. */
struct journal_range {
    _Atomic uint64_t first, last; /* sequences; last is stored last. 0: nothing told yet */
    _Atomic uint64_t bytes;       /* journal_bytes_used */
};

#endif
