#ifndef BOXOFFICE_AUDIT_H
#define BOXOFFICE_AUDIT_H

#include "journal.h"
#include "rows.h"
#include "segment.h"
#include <stdio.h>

/* Checks the invariants (docs/ARCHITECTURE.md, "Audit") on what is stored: rows, journals, and that
 * they agree. All workers are seen at one instant, at rest or in a cut (cut.h). A saga that is
 * under way is counted where its money is.
 *
 * Memory is bounded: wallets and rows are streamed; what belongs to reservations, and what journals
 * say about each id, is looked at in several passes when it is much. */
struct audit;

/* A line for each violation, up to a limit, and what was counted go to `to` at the end: as text, or
 * as one JSON object. */
struct audit *audit_create(FILE *to);
void audit_as_json(struct audit *audit);
/* For what a caller finds by itself. */
void audit_violation(struct audit *audit, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- storage: for each worker, before its rows are recovered ---- */

struct audit_source {
    const char *name; /* "wallet-0" */
    enum role role;
    struct journal *journal;
    struct state_reader *reader;
    const struct row_view
        *rows;            /* of state and journal together; later than the first two checks */
    uint64_t records_max; /* of the journal, the newest are looked at; 0: all */
};
/* Every stored row, and every record and how they follow each other. False: what is damaged can not
 * be recovered. */
bool audit_state(struct audit *audit, const struct audit_source *source);
bool audit_journal(struct audit *audit, const struct audit_source *source);
/* That the rows have what the events say. */
void audit_journal_and_rows(struct audit *audit, const struct audit_source *source);
/* That they are, byte for byte, what all events since the first one make (`rebuilt`). */
void audit_rebuilt(struct audit *audit, const struct audit_source *source,
                   const struct row_view *rebuilt);

/* ---- the domain ---- */

/* Call each once for each worker of its role; all wallet workers come before the first seat worker.
 */
void audit_wallets(struct audit *audit, const struct row_view *rows);
void audit_seats(struct audit *audit, const struct row_view *rows);
void audit_queue(struct audit *audit, const struct row_view *rows);
/* True: wallets and seats are to be gone through once more, in the same order. Money that moved for
 * reservations is looked at in parts. */
bool audit_again(struct audit *audit);

/* Checks what is only known at the end, prints, frees. Returns the number of violations. */
uint64_t audit_finish(struct audit *audit);

#endif
