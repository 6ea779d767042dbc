#include "command.h"
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* The file of --identity-key. */

int command_identity_key(const char *path, struct identity_key *key)
{
    char bytes[IDENTITY_FILE_MAX + 1];
    memset(key, 0, sizeof *key);
    if (*path == '\0')
        return EX_OK;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return command_fail(EX_NOINPUT, "--identity-key: cannot read %s: %s", path,
                            strerror(errno));
    setvbuf(file, NULL, _IONBF, 0); /* no second copy of a secret */
    size_t size = fread(bytes, 1, sizeof bytes, file);
    int error = ferror(file) ? errno : 0;
    fclose(file);
    if (error != 0)
        return command_fail(EX_NOINPUT, "--identity-key: cannot read %s: %s", path,
                            strerror(error));
    const char *wrong = size > IDENTITY_FILE_MAX
                            ? "longer than any key that is taken"
                            : identity_key_parse(key, (struct text){.data = bytes, .size = size});
    sodium_memzero(bytes, sizeof bytes);
    if (wrong != NULL)
        return command_fail(EX_CONFIG, "--identity-key: %s: %s", path, wrong);
    return EX_OK;
}
