#ifndef BOXOFFICE_COMMAND_H
#define BOXOFFICE_COMMAND_H

#include "config.h"
#include "datadir.h"
#include "identity.h"
#include "listener.h"

/* The commands of the program. argv[0] is the first argument after the command's name; the result
 * is the exit code (sysexits). */
int command_serve(int argc, char **argv);
int command_audit(int argc, char **argv);
int command_backup(int argc, char **argv);
int command_health(int argc, char **argv);
int command_worker(int argc, char **argv); /* started by serve only */

/* `boxoffice: ` and one line on stderr; returns `code`. */
int command_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For commands with a few options that take a text: `--name value` or `--name=value`. 0, or
 * EX_USAGE after a line on stderr. Values of options that are not given stay as they were. */
struct command_text {
    const char *name; /* with its dashes */
    const char **value;
};
int command_texts(const char *command, const struct command_text *texts, size_t count, int argc,
                  char **argv);

/* Opens the directory of a server, to be closed by the caller; while it is in use without locking
 * it (lock_fd -1). 0, or the exit code after a line on stderr. */
int command_open_datadir(struct datadir *datadir, const char *path);

/* What config_parse cannot know: checks addresses, files and words, and fills `listen`. 0, or the
 * exit code after a line on stderr. */
int command_check_options(const struct config *config, struct listen_address *listen);

/* Whether --kafka and --kafka-conf make a producer. 0, or the exit code after a line on stderr.
 * Forks: to be called before anything is opened. */
int command_check_kafka(const struct config *config);

/* With less memory than the defaults are made for: lowers those of them that bound memory. */
void command_plan_memory(struct config *config);

/* Reads --identity-key's file; IDENTITY_NONE when path is empty. 0, or the exit code after a line
 * on stderr: EX_NOINPUT when it cannot be read, EX_CONFIG when it is no key. */
int command_identity_key(const char *path, struct identity_key *key);

#endif
