#ifndef BOXOFFICE_OVERLAY_INTERNAL_H
#define BOXOFFICE_OVERLAY_INTERNAL_H

#include "overlay.h"

/* For the overlay's own files: overlay.c (owners, writing, checkpoints), overlay_groups.c (where
 * rows are found), overlay_view.c (reading). */

enum { OVERLAY_BUCKETS_MIN = 1024 };

void *overlay_alloc(size_t size); /* or the process ends */
void overlay_row_free(struct overlay *overlay, struct overlay_row *row);

struct overlay_row *overlay_row_find(const struct overlay *overlay, const struct row_key *key);
bool overlay_row_is_at(const struct overlay_row *row, const struct row_key *key); /* row: or NULL */

enum { OVERLAY_GROUP_KEY_SIZE = 9 }; /* table and id */
/* Where the group of this key is or would be; good until a group comes or goes. */
struct overlay_group *overlay_group_at(const struct overlay *overlay, const struct row_key *key);
/* The same, with room for one more. */
struct overlay_group *overlay_group_for(struct overlay *overlay, const struct row_key *key);
/* The group's row of this key, which would be in it, or NULL. */
struct overlay_row *overlay_group_search(const struct overlay_group *group,
                                         const struct row_key *key);
/* `group`: of overlay_group_for. No row of its key is there. */
void overlay_group_insert(struct overlay *overlay, struct overlay_group *group,
                          struct overlay_row *row);
/* The row is removed soon: fetches what that touches, and the row after it. */
void overlay_remove_expect(const struct overlay *overlay, const struct overlay_row *row);
/* The group goes with its last row. */
void overlay_group_remove(struct overlay *overlay, struct overlay_row *row);
/* The first row >= from, or the last row < from when descending; from NULL: the end of the group.
 */
struct overlay_row *overlay_group_seek(struct overlay_group *group, const struct row_key *from,
                                       bool descending);
struct overlay_row *overlay_row_step(struct overlay_row *row, bool descending);
void overlay_groups_fini(struct overlay *overlay);

#endif
