#ifndef BOXOFFICE_CORS_H
#define BOXOFFICE_CORS_H

#include "config.h"
#include "http.h"

/* Which browser origins may call, from --cors-origin; off without one. The header lines of each
 * origin are written once, at the start. */
enum { CORS_HEADERS_SIZE = 384, CORS_ORIGINS_MAX = 16 };
struct cors {
    uint32_t count;
    const char *origins[CORS_ORIGINS_MAX];
    char headers[CORS_ORIGINS_MAX + 1][CORS_HEADERS_SIZE]; /* [0]: for an origin not allowed */
};

void cors_init(struct cors *cors, const struct config *config);
/* 1-based number of an allowed origin, 0 otherwise. */
uint32_t cors_find(const struct cors *cors, struct text origin);
/* The lines for every answer to that origin; empty when CORS is off. */
struct text cors_headers(const struct cors *cors, uint32_t origin);

#endif
