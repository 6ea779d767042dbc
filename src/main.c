#include "command.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help; /* NULL: not for people */
} commands[] = {
    {"serve", command_serve, "serve [OPTIONS]      run the server"},
    {"audit", command_audit, "audit --data DIR     check every invariant over what is stored"},
    {"backup", command_backup,
     "backup --data DIR --to DIR\n                       copy the data of a server, also of one "
     "that runs"},
    {"health", command_health,
     "health [--url URL]   ask a server whether it is ready; exit 0 when it is"},
    {"worker", command_worker, NULL},
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

int command_fail(int code, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fprintf(stderr, "boxoffice: %s\n", line);
    return code;
}

static void print_help(FILE *to)
{
    fprintf(to, "Usage: boxoffice COMMAND [OPTIONS]\n\nCommands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (commands[i].help != NULL)
            fprintf(to, "  %s\n", commands[i].help);
    fprintf(to, "  --help               this text\n"
                "  --version            the version\n"
                "  --help-markdown      the options as a table\n"
                "\nOptions of serve, each also as BOXOFFICE_<NAME> in the environment:\n");
    config_print_help(to);
}

static bool is_last(const char *argument, int argc, char **argv)
{
    return argc > 0 && strcmp(argv[argc - 1], argument) == 0;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return command_fail(EX_USAGE, "no command given; try `boxoffice --help`");
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0 ||
        is_last("--help", argc, argv)) {
        print_help(stdout);
        return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
    }
    if (strcmp(name, "--version") == 0) {
        printf("boxoffice %s\n", BOXOFFICE_VERSION);
        return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
    }
    if (strcmp(name, "--help-markdown") == 0) {
        config_print_markdown(stdout);
        return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    return command_fail(EX_USAGE, "unknown command '%.64s'; try `boxoffice --help`", name);
}
