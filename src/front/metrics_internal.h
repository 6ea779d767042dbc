#ifndef BOXOFFICE_METRICS_INTERNAL_H
#define BOXOFFICE_METRICS_INTERNAL_H

#include "segment.h"
#include <stdio.h>

/* Shared by the metrics' files. */

void family_open(FILE *out, const char *name, const char *type, const char *help);
/* `role="…",instance="…"` of a process. */
void labels_of(const struct segment *segment, unsigned index, char *labels, size_t size);
/* A file of /proc/PID, NUL-terminated; false when it can't be read. */
bool proc_read(int32_t pid, const char *file, char *text, size_t size);

/* A value below zero means that the process has none. */
typedef double (*process_value_cb)(const struct segment *segment, unsigned index);
void processes_print(FILE *out, const struct segment *segment, const char *name, const char *type,
                     const char *help, process_value_cb value_of);

/* ---- metrics_rooms.c: waiting rooms ---- */

void metrics_rooms_print(FILE *out, const struct segment *segment);

/* ---- metrics_system.c: what the kernel and the settings say ---- */

void metrics_system_print(FILE *out, const struct segment *segment);

/* ---- metrics_breakers.c ---- */

void metrics_breakers_print(FILE *out, const struct segment *segment);

#endif
