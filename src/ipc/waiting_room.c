#include "waiting_room.h"

/* Rooms and their lines. Sessions are in waiting_session.c. */

static const uint64_t GOLDEN = UINT64_C(0x9e3779b97f4a7c15);
enum { PLACE_TRIES = 3, PACE_EVERY_MS = 1000, PACE_FRESH_MS = 10000, POLL_MIN_MS = 1000 };

bool waiting_rooms_ready(const struct waiting_rooms *rooms)
{
    return atomic_load_explicit(&rooms->ready, memory_order_acquire) != 0;
}

void waiting_rooms_set_ready(struct waiting_rooms *rooms)
{
    atomic_store_explicit(&rooms->ready, 1, memory_order_release);
}

uint32_t waiting_rooms_count(const struct waiting_rooms *rooms)
{
    uint32_t count = atomic_load_explicit(&rooms->room_count, memory_order_acquire);
    return count < ROOMS_MAX ? count : ROOMS_MAX;
}

/* The id's place in the index, or the free one where it would be. */
static uint32_t index_find(struct waiting_rooms *rooms, uint64_t room, struct waiting_room **found)
{
    uint32_t at = (uint32_t)(room * GOLDEN >> 52);
    *found = NULL;
    for (uint32_t tries = 0; tries < ROOM_INDEX_SIZE; tries++) {
        uint32_t position = atomic_load_explicit(&rooms->index[at], memory_order_acquire);
        if (position == 0 || position > ROOMS_MAX)
            return at;
        struct waiting_room *candidate = &rooms->rooms[position - 1];
        if (atomic_load_explicit(&candidate->room, memory_order_relaxed) == room) {
            *found = candidate;
            return at;
        }
        at = (at + 1) % ROOM_INDEX_SIZE;
    }
    return at;
}

_Static_assert(ROOM_INDEX_SIZE == 1 << 12, "the bits of the hash that choose a place");

struct waiting_room *waiting_room_find(struct waiting_rooms *rooms, uint64_t room)
{
    struct waiting_room *found;
    index_find(rooms, room, &found);
    return found;
}

struct waiting_room *waiting_room_add(struct waiting_rooms *rooms, uint64_t room)
{
    struct waiting_room *found;
    uint32_t at = index_find(rooms, room, &found);
    uint32_t count = waiting_rooms_count(rooms);
    if (found != NULL || count == ROOMS_MAX)
        return found;
    found = &rooms->rooms[count];
    atomic_store_explicit(&found->room, room, memory_order_relaxed);
    /* Counted before it can be found: a death in between leaves an entry that nobody names. */
    atomic_store_explicit(&rooms->room_count, count + 1, memory_order_release);
    atomic_store_explicit(&rooms->index[at], count + 1, memory_order_release);
    return found;
}

/* ---- the line ---- */

static uint64_t block_of(uint64_t number)
{
    return number / LEAVERS_BLOCK;
}

/* Bits of the block whose offsets are from `first` up to, not including, `end`. */
static uint64_t count_bits(const struct waiting_room *room, uint64_t block, uint64_t first,
                           uint64_t end)
{
    const _Atomic uint64_t *words = room->words[block % LINE_BLOCKS];
    uint64_t count = 0;
    for (uint64_t at = first / 64; at * 64 < end; at++) {
        uint64_t word = atomic_load_explicit(&words[at], memory_order_relaxed);
        if (at == first / 64)
            word &= ~UINT64_C(0) << (first % 64);
        if (end - at * 64 < 64)
            word &= ~(~UINT64_C(0) << (end % 64));
        count += (uint64_t)__builtin_popcountll(word);
    }
    return count;
}

static uint32_t left_of(const struct waiting_room *room, uint64_t block)
{
    return atomic_load_explicit(&room->left[block % LINE_BLOCKS], memory_order_acquire);
}

/* How many of those above `serving` and before `number` have left. Whole blocks are counted by
 * their sum, which follows the bits. */
static uint64_t count_left(const struct waiting_room *room, uint64_t serving, uint64_t number)
{
    uint64_t first = block_of(serving + 1), last = block_of(number), count = 0;
    if (last - first >= LINE_BLOCKS)
        last = first + LINE_BLOCKS; /* nothing is known of what is beyond */
    for (uint64_t block = first; block <= last && block - first < LINE_BLOCKS; block++) {
        uint64_t from = block == first ? (serving + 1) % LEAVERS_BLOCK : 0;
        uint64_t end = block == block_of(number) ? number % LEAVERS_BLOCK : LEAVERS_BLOCK;
        if (block != first && block != block_of(number))
            count += left_of(room, block);
        else
            count += count_bits(room, block, from, end);
    }
    return count;
}

static bool is_within(uint64_t serving, uint64_t number)
{
    return block_of(number) - block_of(serving + 1) < LINE_BLOCKS;
}

static enum line_place place_once(const struct waiting_room *room, uint64_t number, uint64_t *ahead)
{
    uint64_t serving = atomic_load_explicit(&room->serving, memory_order_acquire);
    if (number <= serving)
        return LINE_SERVED;
    if (!is_within(serving, number)) {
        if (atomic_load_explicit(&room->left_beyond, memory_order_relaxed) != 0)
            return LINE_UNSURE;
    } else if (count_bits(room, block_of(number), number % LEAVERS_BLOCK,
                          number % LEAVERS_BLOCK + 1) != 0) {
        return LINE_LEFT;
    }
    uint64_t before = number - serving - 1, left = count_left(room, serving, number);
    *ahead = before > left ? before - left : 0;
    return LINE_WAITING;
}

enum line_place waiting_room_place(const struct waiting_room *room, uint64_t number,
                                   uint64_t *ahead)
{
    *ahead = 0;
    for (unsigned tries = 0; tries < PLACE_TRIES; tries++) {
        uint64_t shape = atomic_load_explicit(&room->shape, memory_order_acquire);
        enum line_place place = place_once(room, number, ahead);
        atomic_thread_fence(memory_order_acquire);
        if (place == LINE_SERVED ||
            (shape % 2 == 0 && atomic_load_explicit(&room->shape, memory_order_relaxed) == shape))
            return place;
    }
    return LINE_UNSURE;
}

void waiting_room_leave(struct waiting_room *room, uint64_t number, uint64_t word)
{
    uint64_t serving = atomic_load_explicit(&room->serving, memory_order_relaxed);
    uint64_t block = block_of(number) % LINE_BLOCKS;
    if (number <= serving)
        return;
    if (!is_within(serving, number)) {
        atomic_store_explicit(&room->left_beyond, 1, memory_order_relaxed);
        return;
    }
    _Atomic uint64_t *bits = &room->words[block][number % LEAVERS_BLOCK / 64];
    uint64_t before = atomic_load_explicit(bits, memory_order_relaxed);
    uint32_t more = (uint32_t)__builtin_popcountll(word & ~before);
    atomic_store_explicit(bits, before | word, memory_order_relaxed);
    atomic_store_explicit(&room->left[block],
                          atomic_load_explicit(&room->left[block], memory_order_relaxed) + more,
                          memory_order_release);
}

/* Gives a block's place to what it stands for now. A place that nobody has left, and whose pages
 * were perhaps never touched, is not written. */
static void set_block(struct waiting_room *room, uint64_t block, const uint64_t *words, bool force)
{
    uint64_t at = block % LINE_BLOCKS;
    uint32_t count = 0;
    if (words == NULL && !force && atomic_load_explicit(&room->left[at], memory_order_relaxed) == 0)
        return;
    for (unsigned i = 0; i < LEAVERS_WORDS; i++) {
        uint64_t word = words != NULL ? words[i] : 0;
        atomic_store_explicit(&room->words[at][i], word, memory_order_relaxed);
        count += (uint32_t)__builtin_popcountll(word);
    }
    atomic_store_explicit(&room->left[at], count, memory_order_relaxed);
}

static void shape_begin(struct waiting_room *room)
{
    uint64_t shape = atomic_load_explicit(&room->shape, memory_order_relaxed);
    atomic_store_explicit(&room->shape, shape | 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

static void shape_end(struct waiting_room *room)
{
    uint64_t shape = atomic_load_explicit(&room->shape, memory_order_relaxed);
    atomic_store_explicit(&room->shape, shape + 1, memory_order_release);
}

void waiting_room_serve(struct waiting_room *room, uint64_t serving, leavers_cb leavers,
                        const void *context)
{
    uint64_t was = block_of(atomic_load_explicit(&room->serving, memory_order_relaxed) + 1);
    uint64_t is = block_of(serving + 1);
    if (was == is) {
        atomic_store_explicit(&room->serving, serving, memory_order_release);
        return;
    }
    shape_begin(room);
    uint64_t first = is - was > LINE_BLOCKS ? is : was + LINE_BLOCKS;
    for (uint64_t block = first; block < is + LINE_BLOCKS; block++)
        set_block(room, block, leavers(context, block), false);
    atomic_store_explicit(&room->serving, serving, memory_order_relaxed);
    shape_end(room);
}

void waiting_room_mend(struct waiting_room *room, uint64_t serving, leavers_cb leavers,
                       const void *context)
{
    bool torn = atomic_load_explicit(&room->shape, memory_order_relaxed) % 2 != 0;
    uint64_t first = block_of(serving + 1);
    shape_begin(room);
    for (uint64_t block = first; block < first + LINE_BLOCKS; block++)
        set_block(room, block, leavers(context, block), torn);
    atomic_store_explicit(&room->serving, serving, memory_order_relaxed);
    shape_end(room);
}

/* ---- estimates ---- */

void waiting_room_set_pace(struct waiting_room *room, uint64_t count, uint64_t now_ms)
{
    uint64_t since_ms = atomic_load_explicit(&room->paced_at_ms, memory_order_relaxed);
    if (now_ms < since_ms + PACE_EVERY_MS)
        return;
    uint64_t passed_ms = now_ms - since_ms;
    uint64_t more = count > room->paced_count ? count - room->paced_count : 0;
    uint64_t pace = atomic_load_explicit(&room->pace, memory_order_relaxed);
    if (since_ms != 0)
        pace = (pace * 2 + more * 1000 * 1000 / passed_ms) / 3;
    room->paced_count = count;
    atomic_store_explicit(&room->pace, pace, memory_order_relaxed);
    atomic_store_explicit(&room->paced_at_ms, now_ms, memory_order_relaxed);
}

static uint64_t value_of(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

uint64_t waiting_room_eta_s(const struct waiting_room *room, uint64_t ahead, uint64_t now_ms)
{
    uint64_t pace = value_of(&room->pace), paced_at_ms = value_of(&room->paced_at_ms);
    uint64_t rate = value_of(&room->admit_per_second) * 1000;
    uint64_t session_ttl_s = value_of(&room->session_ttl_s);
    uint64_t sure = session_ttl_s > 0 ? value_of(&room->active_limit) * 1000 / session_ttl_s : 0;
    if (now_ms > paced_at_ms + PACE_FRESH_MS)
        pace = pace * PACE_FRESH_MS / (now_ms - paced_at_ms);
    if (pace < sure)
        pace = sure;
    if (rate != 0 && pace > rate)
        pace = rate;
    if (pace == 0)
        pace = 1;
    return ((ahead + 1) * 1000 + pace - 1) / pace;
}

uint64_t waiting_room_next_poll_ms(const struct waiting_room *room, uint64_t eta_s)
{
    uint64_t most_ms = value_of(&room->claim_ttl_s) * 1000 / 2;
    uint64_t poll_ms = eta_s * 1000 / 4;
    if (poll_ms < POLL_MIN_MS)
        poll_ms = POLL_MIN_MS;
    if (value_of(&room->paused) != 0 || poll_ms > most_ms)
        poll_ms = most_ms;
    return poll_ms;
}
