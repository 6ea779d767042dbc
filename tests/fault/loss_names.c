#include "loss.h"

#include "check.h"
#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names are few and change seldom, so a tree is made by going through all changes from the first
 * one; of those that are not durable the variant keeps, for each directory, a part: the first ones.
 */

enum { CHANGES_MAX = 1024, ENTRIES_MAX = 256 };

struct change {
    const struct write_record *record;
    uint64_t at, serial;
    bool is_durable;
};

struct entry {
    char path[LOSS_PATH_SIZE];
    bool is_file;
    uint64_t serial;
};

struct loss_names {
    char from[LOSS_PATH_SIZE], to[LOSS_PATH_SIZE];
    struct change changes[CHANGES_MAX];
    size_t count;
    bool kept[CHANGES_MAX], made[CHANGES_MAX]; /* of the tree that is wanted, and that is there */
    size_t made_count;
    bool is_made;
    struct entry entries[ENTRIES_MAX];
    size_t entry_count;
};

struct loss_names *loss_names_create(const char *from, const char *to)
{
    struct loss_names *names = calloc(1, sizeof *names);
    check(names != NULL && strlen(from) < LOSS_PATH_SIZE && strlen(to) < LOSS_PATH_SIZE);
    memcpy(names->from, from, strlen(from) + 1);
    memcpy(names->to, to, strlen(to) + 1);
    return names;
}

static int remove_one(const char *path, const struct stat *found, int kind, struct FTW *at)
{
    (void)found;
    (void)kind;
    (void)at;
    return remove(path);
}

static void remove_tree(const char *path)
{
    check(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT);
}

void loss_names_destroy(struct loss_names *names)
{
    remove_tree(names->to);
    free(names);
}

/* The n-th path of a record: a rename has two. */
static void path_of(const struct write_record *record, unsigned number, char path[LOSS_PATH_SIZE])
{
    const char *text = (const char *)(record + 1), *end = text + record->length;
    for (; number > 0; number--)
        text += strnlen(text, (size_t)(end - text)) + 1;
    size_t length = strnlen(text, (size_t)(end - text));
    check(length < LOSS_PATH_SIZE);
    memcpy(path, text, length);
    path[length] = '\0';
}

static void parent_of(const char *path, char parent[LOSS_PATH_SIZE])
{
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    memcpy(parent, path, length);
    parent[length] = '\0';
}

void loss_names_change(struct loss_names *names, const struct write_record *record, uint64_t at,
                       uint64_t serial)
{
    char path[LOSS_PATH_SIZE];
    check(names->count < CHANGES_MAX);
    path_of(record, 0, path);
    /* Who makes the data directory itself, or a place for it, has to see to its durability. */
    bool is_given = strcmp(path, names->from) == 0;
    names->changes[names->count++] = (struct change){record, at, serial, is_given};
}

void loss_names_synced(struct loss_names *names, const struct write_record *record)
{
    char synced[LOSS_PATH_SIZE], path[LOSS_PATH_SIZE], parent[LOSS_PATH_SIZE];
    path_of(record, 0, synced);
    for (size_t i = 0; i < names->count; i++) {
        struct change *change = &names->changes[i];
        path_of(change->record, 0, path);
        parent_of(path, parent);
        if (change->at < record->sync && strcmp(parent, synced) == 0)
            change->is_durable = true;
    }
}

/* ---- the tree ---- */

static struct entry *find(struct loss_names *names, const char *path)
{
    for (size_t i = 0; i < names->entry_count; i++)
        if (strcmp(names->entries[i].path, path) == 0)
            return &names->entries[i];
    return NULL;
}

static void add(struct loss_names *names, const char *path, bool is_file, uint64_t serial)
{
    char parent[LOSS_PATH_SIZE];
    parent_of(path, parent);
    if (strcmp(path, names->from) != 0 && find(names, parent) == NULL)
        return; /* its directory is not there, so neither is it */
    struct entry *entry = find(names, path);
    if (entry == NULL) {
        check(names->entry_count < ENTRIES_MAX);
        entry = &names->entries[names->entry_count++];
        memcpy(entry->path, path, strlen(path) + 1);
    }
    entry->is_file = is_file;
    entry->serial = serial;
}

static bool is_below(const char *path, const char *directory)
{
    size_t length = strlen(directory);
    return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static void take_away(struct loss_names *names, const char *path)
{
    for (size_t i = 0; i < names->entry_count;)
        if (is_below(names->entries[i].path, path))
            names->entries[i] = names->entries[--names->entry_count];
        else
            i++;
}

static void move(struct loss_names *names, const char *from, const char *to)
{
    if (find(names, from) == NULL)
        return;
    take_away(names, to);
    for (size_t i = 0; i < names->entry_count; i++) {
        char *path = names->entries[i].path, rest[LOSS_PATH_SIZE];
        if (!is_below(path, from))
            continue;
        memcpy(rest, path + strlen(from), strlen(path) - strlen(from) + 1);
        int length = snprintf(path, LOSS_PATH_SIZE, "%s%s", to, rest);
        check(length > 0 && length < LOSS_PATH_SIZE);
    }
}

static void go_through(struct loss_names *names)
{
    char path[LOSS_PATH_SIZE], to[LOSS_PATH_SIZE];
    names->entry_count = 0;
    for (size_t i = 0; i < names->count; i++) {
        const struct change *change = &names->changes[i];
        if (!names->kept[i])
            continue;
        path_of(change->record, 0, path);
        switch (change->record->kind) {
        case WRITE_MKDIR:
            add(names, path, false, 0);
            break;
        case WRITE_CREATE:
            add(names, path, true, change->serial);
            break;
        case WRITE_UNLINK:
            take_away(names, path);
            break;
        default:
            path_of(change->record, 1, to);
            move(names, path, to);
        }
    }
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

/* A directory sorts before what is in it. */
static void make_tree(struct loss_names *names, const struct loss_files *files)
{
    remove_tree(names->to);
    qsort(names->entries, names->entry_count, sizeof names->entries[0], by_path);
    for (size_t i = 0; i < names->entry_count; i++) {
        const struct entry *entry = &names->entries[i];
        char path[2 * LOSS_PATH_SIZE];
        snprintf(path, sizeof path, "%s%s", names->to, entry->path + strlen(names->from));
        if (entry->is_file)
            check(loss_files_link(files, entry->serial, path));
        else
            check(mkdir(path, 0700) == 0);
    }
}

/* How many of a directory's changes that are not durable are kept: the same for all of them, by
 * the directory's name. */
static uint64_t share_of(const char *directory, uint64_t salt)
{
    uint64_t mixed = salt | 1;
    for (; *directory != '\0'; directory++)
        mixed = (mixed ^ (uint8_t)*directory) * UINT64_C(1099511628211);
    return mixed >> 32;
}

static void choose(struct loss_names *names, enum loss_variant variant, struct loss_random *random)
{
    char path[LOSS_PATH_SIZE], parent[LOSS_PATH_SIZE], other[LOSS_PATH_SIZE];
    uint64_t salt = loss_random(random);
    for (size_t i = 0; i < names->count; i++) {
        const struct change *change = &names->changes[i];
        names->kept[i] = change->is_durable || variant == LOSS_NOTHING;
        if (names->kept[i] || variant == LOSS_ALL)
            continue;
        unsigned before = 0, all = 0; /* changes of this directory that are not durable */
        path_of(change->record, 0, path);
        parent_of(path, parent);
        for (size_t j = 0; j < names->count; j++) {
            path_of(names->changes[j].record, 0, path);
            parent_of(path, other);
            if (names->changes[j].is_durable || strcmp(other, parent) != 0)
                continue;
            all++;
            before += j < i;
        }
        names->kept[i] = before < share_of(parent, salt) % (all + 1);
    }
}

void loss_names_apply(struct loss_names *names, const struct loss_files *files,
                      enum loss_variant variant, struct loss_random *random)
{
    choose(names, variant, random);
    if (names->is_made && names->made_count == names->count &&
        memcmp(names->made, names->kept, names->count * sizeof names->kept[0]) == 0)
        return;
    go_through(names);
    make_tree(names, files);
    memcpy(names->made, names->kept, sizeof names->made);
    names->made_count = names->count;
    names->is_made = true;
}
