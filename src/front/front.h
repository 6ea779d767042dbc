#ifndef BOXOFFICE_FRONT_H
#define BOXOFFICE_FRONT_H

#include "segment.h"

/* Runs the front process `self` on a listening, non-blocking socket until it is asked to stop,
 * answers what is in flight, and returns the exit code. */
int front_run(struct segment *segment, unsigned self, int listen_fd);

#endif
