#ifndef BOXOFFICE_STATE_H
#define BOXOFFICE_STATE_H

#include "keys.h"
#include "status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A worker's state environment: rows by key, in LMDB, written by checkpoints only. Value on disk:
 * version(1) crc32c(4, little-endian, of key and payload) payload; callers see payloads. Rows of
 * the table 'm' are the environment's own: callers neither write nor meet them.
 *
 * Threads: one thread writes (state_begin … state_commit, state_probe), others may read through a
 * state_reader of their own at the same time; a reader and its cursors belong to one thread. An
 * environment is opened once in a process, and not before a fork. */
enum { STATE_PAYLOAD_MAX = 64 * 1024 };
struct state;
struct state_reader;

struct row_bytes {
    const uint8_t *data;
    size_t size;
};

/* As journal_open. map_size is address space, not disk. Readers are closed before the state. */
enum status state_open(struct state **state, const char *directory, uint64_t map_size,
                       bool read_only);
void state_close(struct state *state); /* NULL is fine */

/* Writing: one transaction; its result is sticky. Put and delete in key order: then each page is
 * changed once (slices of at most 2,000 pages; above that LMDB spills). `covered`: every event up
 * to this sequence is in the rows; stored with them. 0 leaves it as it was. STATUS_STORAGE_FULL or
 * STATUS_IO from commit: what is on disk is unknown until the next open; rows may be written again.
 * STATUS_TOO_BIG: a payload above STATE_PAYLOAD_MAX. */
enum status state_begin(struct state *state);
void state_put(struct state *state, const struct row_key *key, const void *payload, size_t size);
void state_delete(struct state *state, const struct row_key *key); /* absent is fine */
enum status state_commit(struct state *state, uint64_t covered);
void state_abort(struct state *state);
/* As committed, from any thread; with read_only as of now. */
uint64_t state_covered(struct state *state);
/* A small synced write that proves that the environment takes writes. On the writer's thread, with
 * no transaction open. After a failure it may be tried again; STATUS_IO stays until the next open.
 */
enum status state_probe(struct state *state);
/* Forgets readers of processes that died without closing. Now and then; open does it too. */
void state_clear_readers(struct state *state);

/* Reading: a snapshot that stays short. refresh moves it to the newest commit and invalidates what
 * get and scan returned. */
enum status state_reader_open(struct state_reader **reader, struct state *state);
void state_reader_close(struct state_reader *reader);
enum status state_reader_refresh(struct state_reader *reader);
void state_reader_reset(
    struct state_reader *reader); /* ends the snapshot; the next use begins one */
/* STATUS_NOT_FOUND, STATUS_CORRUPT. `value` points into the snapshot. */
enum status state_get(struct state_reader *reader, const struct row_key *key,
                      struct row_bytes *value);
/* The covered mark that belongs to the rows of this snapshot; 0: none yet. */
enum status state_reader_covered(struct state_reader *reader, uint64_t *covered);
/* A cursor for merging with rows in memory: seek to the first key >= from (or the last key < from
 * when descending); next moves on in the same direction. STATUS_NOT_FOUND at the end. An empty
 * `from` is below all keys. After a refresh or reset a cursor is still good, but must seek first.
 */
struct state_cursor;
enum status state_cursor_open(struct state_cursor **cursor, struct state_reader *reader);
void state_cursor_close(struct state_cursor *cursor);
enum status state_cursor_seek(struct state_cursor *cursor, const struct row_key *from,
                              bool descending, struct row_key *key, struct row_bytes *value);
enum status state_cursor_next(struct state_cursor *cursor, bool descending, struct row_key *key,
                              struct row_bytes *value);

/* Space left for the file system that holds the environment, bytes; UINT64_MAX when unknown. */
uint64_t state_free_space(const struct state *state);

#endif
