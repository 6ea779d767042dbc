#include "cors.h"

#include "text.h"
#include <stdio.h>

_Static_assert(sizeof((struct config *)0)->cors_origin.items /
                       sizeof((struct config *)0)->cors_origin.items[0] ==
                   CORS_ORIGINS_MAX,
               "room for every configured origin");

void cors_init(struct cors *cors, const struct config *config)
{
    cors->count = config->cors_origin.count;
    snprintf(cors->headers[0], CORS_HEADERS_SIZE, "Vary: Origin\r\n");
    for (uint32_t i = 0; i < cors->count; i++) {
        cors->origins[i] = config->cors_origin.items[i];
        snprintf(cors->headers[i + 1], CORS_HEADERS_SIZE,
                 "Vary: Origin\r\nAccess-Control-Allow-Origin: %s\r\n"
                 "Access-Control-Expose-Headers: ETag, Retry-After, Date\r\n",
                 cors->origins[i]);
    }
}

uint32_t cors_find(const struct cors *cors, struct text origin)
{
    for (uint32_t i = 0; i < cors->count && origin.data != NULL; i++)
        if (text_is(origin, cors->origins[i]))
            return i + 1;
    return 0;
}

struct text cors_headers(const struct cors *cors, uint32_t origin)
{
    if (cors->count == 0 || origin > cors->count)
        return (struct text){.data = NULL, .size = 0};
    return text_of(cors->headers[origin]);
}
