#ifndef BOXOFFICE_TEST_SCRATCH_H
#define BOXOFFICE_TEST_SCRATCH_H

#include <ftw.h>
#include <stdio.h>

static inline int scratch_remove_one(const char *path, const struct stat *found, int kind,
                                     struct FTW *walk)
{
    (void)found;
    (void)kind;
    (void)walk;
    return remove(path);
}

/* A directory and all that is in it. 0, or as remove(3). */
static inline int scratch_remove(const char *path)
{
    return nftw(path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
