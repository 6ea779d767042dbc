#ifndef BOXOFFICE_LOSS_H
#define BOXOFFICE_LOSS_H

#include "write_log.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The parts of power_loss.c: what is on the disk for certain, what may be, and whether a server
 * could live with it. */

enum { LOSS_PATH_SIZE = 512, LOSS_SECTOR = 512 };

/* How what is not synced has fared. */
enum loss_variant {
    LOSS_NOTHING, /* all of it arrived: the state of the page cache */
    LOSS_ALL,     /* none of it did */
    LOSS_ONE,     /* one write of each file is missing */
    LOSS_SOME,    /* each write is there or not */
    LOSS_TORN,    /* likewise, and what is there may lack any of its sectors */
    LOSS_VARIANTS
};

/* xorshift64*: the same states for the same seed. */
struct loss_random {
    uint64_t state;
};
uint64_t loss_random(struct loss_random *random);

/* ---- loss_files.c: contents ---- */

struct loss_files;
/* Keeps one file for each inode below `directory`, with what is durable. */
struct loss_files *loss_files_create(const char *directory);
void loss_files_destroy(struct loss_files *files);
/* A new file with that inode number: an earlier one of the same number is another file. */
void loss_files_add(struct loss_files *files, uint64_t inode);
/* `at`: where the record stands in the log. */
void loss_files_change(struct loss_files *files, const struct write_record *record, uint64_t at);
void loss_files_synced(struct loss_files *files, const struct write_record *record);
/* Puts unsynced changes into the files, as the variant says, until loss_files_undo. */
void loss_files_apply(struct loss_files *files, enum loss_variant variant,
                      struct loss_random *random);
void loss_files_undo(struct loss_files *files);
/* Gives the inode's file the name `path` as well. */
bool loss_files_link(const struct loss_files *files, uint64_t serial, const char *path);
/* Which file an inode number means now. */
uint64_t loss_files_serial(const struct loss_files *files, uint64_t inode);

/* ---- loss_names.c: directories ---- */

struct loss_names;
/* Paths in the log begin with `from`; below `to` they are made. */
struct loss_names *loss_names_create(const char *from, const char *to);
void loss_names_destroy(struct loss_names *names);
/* serial: of the file that a WRITE_CREATE made. */
void loss_names_change(struct loss_names *names, const struct write_record *record, uint64_t at,
                       uint64_t serial);
void loss_names_synced(struct loss_names *names, const struct write_record *record);
/* Makes the directory tree with what is durable and what of the rest the variant keeps. */
void loss_names_apply(struct loss_names *names, const struct loss_files *files,
                      enum loss_variant variant, struct loss_random *random);

/* ---- loss_check.c: the verdict ---- */

/* What a client was told: at `at` of the log, before it was sent. */
struct loss_told {
    uint64_t at, kind, a, b, c, d;
};
enum loss_told_kind {
    TOLD_TRANSACTION = 1, /* user, transaction, amount, balance after it */
    TOLD_RESERVATION,     /* reservation, enum told_state */
    TOLD_TICKET,          /* room, number */
};
enum told_state { TOLD_HELD, TOLD_RELEASED, TOLD_CONFIRMED, TOLD_CANCELLED };

struct loss_case {
    const char *path; /* the data directory */
    const struct loss_told *told;
    size_t told_count;
    bool check_all;             /* else the newest and some of the others */
    struct loss_random *random; /* for "some" */
    char *report;               /* what is wrong: text on the heap, the caller's; NULL: nothing */
};
/* Recovers every worker's rows, audits them, and looks for what was told. */
bool loss_check(struct loss_case *state);

#endif
