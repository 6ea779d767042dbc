#ifndef BOXOFFICE_AUDIT_H
#define BOXOFFICE_AUDIT_H

#include "rows.h"
#include <stdio.h>

/* Checks the invariants (docs/ARCHITECTURE.md, "Invariants") on the rows of all workers, at rest:
 * nobody writes meanwhile. Sagas that a crash interrupted are counted where their money is.
 *
 * Memory: the transactions that belong to reservations and one chunk of rows; wallets are streamed.
 */
struct audit;

/* `to` gets a line for each violation, up to a limit, and at the end what was counted. */
struct audit *audit_create(FILE *to);
/* Call each once for each worker of its role; all wallet workers come before the first seat worker.
 */
void audit_wallets(struct audit *audit, const struct row_view *rows);
void audit_seats(struct audit *audit, const struct row_view *rows);
void audit_queue(struct audit *audit, const struct row_view *rows);
/* Checks what is only known at the end, prints the counts, frees. Returns the number of violations.
 */
uint64_t audit_finish(struct audit *audit);

#endif
