#ifndef BOXOFFICE_GRAMMAR_H
#define BOXOFFICE_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The characters and small words of HTTP's grammar (RFC 9110, 5.6; RFC 3986, 3.2.2). */

enum {
    CLASS_TOKEN = 1,   /* RFC 9110, 5.6.2 */
    CLASS_VISIBLE = 2, /* in a target: 0x21 to 0x7e but '#' */
    CLASS_HOST = 4,    /* unreserved, sub-delims, '%' (RFC 3986) */
    CLASS_HEX = 8,
};

bool grammar_is(char byte, unsigned class);
/* How many bytes at the beginning are of the class. */
size_t grammar_span(const char *data, size_t size, unsigned class);
/* Equal without regard to case; `lower_case` is terminated. */
bool grammar_equals(const char *data, size_t size, const char *lower_case);
/* The first byte in [from, to) that is a control character other than TAB, else `to`. */
size_t grammar_find_control(const char *data, size_t from, size_t to);
/* host[:port]: a registered name, IPv4 address or bracketed IPv6 address; a port has digits. */
bool grammar_host_valid(const char *data, size_t size);

#endif
