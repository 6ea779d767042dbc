#include "token.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

bool token_key_read(const char *path, uint8_t key[TICKET_KEY_SIZE])
{
    if (sodium_init() < 0)
        return false;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    bool whole = fread(key, 1, TICKET_KEY_SIZE, file) == TICKET_KEY_SIZE;
    fclose(file);
    if (!whole)
        fprintf(stderr, "%s: not a ticket key\n", path);
    return whole;
}

void token_make(uint64_t user, const uint8_t key[TICKET_KEY_SIZE], char text[TICKET_TEXT_SIZE])
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct queue_ticket ticket = {
        .user = user,
        .number = user,
        .issued_at_ms = (uint64_t)now.tv_sec * 1000,
    };
    ticket_sign(&ticket, key, text);
}
