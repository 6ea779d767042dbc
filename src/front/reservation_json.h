#ifndef BOXOFFICE_RESERVATION_JSON_H
#define BOXOFFICE_RESERVATION_JSON_H

#include "json_out.h"
#include "messages.h"

/* One reservation as the API shows it. `line->seat_count` seats follow at `seats`. */
void reservation_render(struct json_out *json, const struct reservation_line *line,
                        const uint64_t *seats);

#endif
