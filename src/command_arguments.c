#include "command.h"
#include <string.h>
#include <sysexits.h>

static const struct command_text *find_text(const struct command_text *texts, size_t count,
                                            const char *argument, size_t length)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(texts[i].name) == length && strncmp(texts[i].name, argument, length) == 0)
            return &texts[i];
    return NULL;
}

int command_texts(const char *command, const struct command_text *texts, size_t count, int argc,
                  char **argv)
{
    for (int i = 0; i < argc; i++) {
        const char *argument = argv[i], *equals = strchr(argument, '=');
        size_t length = equals != NULL ? (size_t)(equals - argument) : strlen(argument);
        const struct command_text *text = find_text(texts, count, argument, length);
        if (text == NULL)
            return command_fail(EX_USAGE, "%s: unknown option '%.64s'", command, argument);
        if (equals != NULL)
            *text->value = equals + 1;
        else if (++i < argc)
            *text->value = argv[i];
        else
            return command_fail(EX_USAGE, "%s: %s takes a value", command, argument);
    }
    return EX_OK;
}

int command_open_datadir(struct datadir *datadir, const char *path)
{
    enum status status = datadir_open(datadir, path, 0, 0, 0);
    switch (status) {
    case STATUS_OK:
    case STATUS_BUSY:
        return EX_OK;
    case STATUS_NOT_FOUND:
        return command_fail(EX_NOINPUT, "%s is not a data directory", path);
    case STATUS_MISMATCH:
        return command_fail(EX_CONFIG, "data directory %s is of another format version", path);
    case STATUS_CORRUPT:
        return command_fail(EX_DATAERR, "data directory %s is damaged", path);
    default:
        return command_fail(EX_IOERR, "data directory %s: %s", path, status_text(status));
    }
}
