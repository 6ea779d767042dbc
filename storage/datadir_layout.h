#ifndef BOXOFFICE_DATADIR_LAYOUT_H
#define BOXOFFICE_DATADIR_LAYOUT_H

#include "status.h"
#include <stddef.h>
#include <stdint.h>

/* The text of the `layout` file: one `name number` a line, in the order of the table. Within
 * storage/ only. */

/* format: of the directory; records: of what is in journals and states (RECORDS_VERSION). */
#define DATADIR_LAYOUT_FIELDS(F)                                                                   \
    F(format, "format")                                                                            \
    F(records, "records")                                                                          \
    F(incarnation, "incarnation")                                                                  \
    F(seat_workers, "seat-workers")                                                                \
    F(wallet_workers, "wallet-workers")

enum { DATADIR_FORMAT = 1, DATADIR_LAYOUT_SIZE_MAX = 512 };

struct datadir_layout {
#define DATADIR_LAYOUT_FIELD(field, name) uint64_t field;
    DATADIR_LAYOUT_FIELDS(DATADIR_LAYOUT_FIELD)
#undef DATADIR_LAYOUT_FIELD
};

/* As snprintf: the length that was needed, without the NUL. */
int datadir_layout_format(const struct datadir_layout *layout, char *text, size_t size);
/* STATUS_CORRUPT: anything but exactly these lines. STATUS_MISMATCH: another format, whose lines
 * are not known here. */
enum status datadir_layout_parse(struct datadir_layout *layout, const char *text, size_t length);

#endif
