#include "token.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ticket_tool KEYFILE FIRST COUNT: a line "user token" for each of these users. */
int main(int argc, char **argv)
{
    uint8_t key[TICKET_KEY_SIZE];
    char text[TICKET_TEXT_SIZE];
    if (argc != 4) {
        fprintf(stderr, "usage: %s KEYFILE FIRST COUNT\n", argv[0]);
        return 64;
    }
    if (!token_key_read(argv[1], key))
        return 66;
    uint64_t first = strtoull(argv[2], NULL, 10), count = strtoull(argv[3], NULL, 10);
    for (uint64_t user = first; user < first + count; user++) {
        token_make(user, key, text);
        printf("%" PRIu64 " %s\n", user, text);
    }
    return fflush(stdout) == 0 ? 0 : 74;
}
