#ifndef BOXOFFICE_HTTP_ANSWER_H
#define BOXOFFICE_HTTP_ANSWER_H

#include "http.h"

/* The bytes of an answer. */

enum { HTTP_DATE_SIZE = 37 }; /* "Date: Mon, 23 Nov 2026 21:12:00 GMT\r\n" */

/* Not terminated. RFC 9110, 5.6.7. */
void http_date_line(char line[HTTP_DATE_SIZE], uint64_t time_ms);

/* At most how many bytes http_answer_write will write. */
size_t http_answer_size(const struct response *response);
/* Returns how many were written. `date` is a line of http_date_line. */
size_t http_answer_write(char *to, const struct exchange *exchange, const struct response *response,
                         const char *date);

#endif
