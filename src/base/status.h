#ifndef BOXOFFICE_STATUS_H
#define BOXOFFICE_STATUS_H

/* The one set of result codes. A function that can fail returns one; 0 is success. */
#define STATUS_TABLE(S)                                                                            \
    S(OK, "ok")                                                                                    \
    S(NOT_FOUND, "not found")                                                                      \
    S(EXISTS, "exists already")                                                                    \
    S(FULL, "full")                                                                                \
    S(EMPTY, "empty")                                                                              \
    S(TOO_BIG, "too big")                                                                          \
    S(INVALID, "invalid")                                                                          \
    S(CORRUPT, "corrupt")                                                                          \
    S(STALE, "of an earlier generation")                                                           \
    S(BUSY, "busy")                                                                                \
    S(TIMEOUT, "timed out")                                                                        \
    S(CLOSED, "closed")                                                                            \
    S(IO, "input/output error")                                                                    \
    S(STORAGE_FULL, "storage full")                                                                \
    S(NO_MEMORY, "out of memory")                                                                  \
    S(DENIED, "permission denied")                                                                 \
    S(MISMATCH, "does not match what is stored")

enum status {
#define STATUS_ENUM(name, text) STATUS_##name,
    STATUS_TABLE(STATUS_ENUM)
#undef STATUS_ENUM
};

/* A static string; "unknown status" for a value that is none. */
const char *status_text(enum status status);

#endif
