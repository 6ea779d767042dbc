#include "waiting_room.h"

/* The table of sessions: buckets, open addressing by whole buckets. A session stands in the first
 * bucket of its probe sequence that had room, so nothing is beyond one that was never written. */

enum { NEIGHBOURS = 8, STATE_BITS = 8, STATE_MASK = 0xff };

static uint32_t home_of(uint64_t room, uint64_t number)
{
    uint64_t mixed =
        (room * UINT64_C(0xff51afd7ed558ccd) + number / NEIGHBOURS) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(mixed >> 47);
}

_Static_assert(SESSION_BUCKETS == 1 << 17, "the bits of the hash that choose a bucket");

static bool is_used(const struct waiting_rooms *rooms, uint32_t bucket)
{
    uint64_t word = atomic_load_explicit(&rooms->used[bucket / 64], memory_order_acquire);
    return word >> (bucket % 64) & 1;
}

static void set_used(struct waiting_rooms *rooms, uint32_t bucket)
{
    if (!is_used(rooms, bucket))
        atomic_fetch_or_explicit(&rooms->used[bucket / 64], UINT64_C(1) << (bucket % 64),
                                 memory_order_release);
}

static enum session_state state_of(uint64_t word)
{
    unsigned state = word & STATE_MASK;
    return state <= SESSION_CLOSING ? (enum session_state)state : SESSION_NONE;
}

static uint64_t with_state(uint64_t word, enum session_state state)
{
    return (word & ~(uint64_t)STATE_MASK) | state;
}

/* True when the entry is of this session; the view is then of one moment. */
static bool entry_view(struct waiting_session *entry, uint64_t room, uint64_t number,
                       struct session_view *view)
{
    uint64_t before = atomic_load_explicit(&entry->word, memory_order_acquire);
    if (state_of(before) == SESSION_NONE ||
        atomic_load_explicit(&entry->number, memory_order_relaxed) != number ||
        atomic_load_explicit(&entry->room, memory_order_relaxed) != room)
        return false;
    uint64_t until_ms = atomic_load_explicit(&entry->until_ms, memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    uint64_t word = atomic_load_explicit(&entry->word, memory_order_relaxed);
    if (word >> STATE_BITS != before >> STATE_BITS || state_of(word) == SESSION_NONE)
        return false; /* it ended meanwhile */
    *view = (struct session_view){state_of(word), until_ms, entry, word};
    return true;
}

struct session_view waiting_session_find(struct waiting_rooms *rooms, uint64_t room,
                                         uint64_t number)
{
    struct session_view view = {.state = SESSION_NONE};
    uint32_t home = home_of(room, number);
    for (uint32_t probe = 0; probe < SESSION_PROBES; probe++) {
        uint32_t bucket = (home + probe) % SESSION_BUCKETS;
        if (!is_used(rooms, bucket))
            break;
        for (uint32_t i = 0; i < SESSION_BUCKET; i++)
            if (entry_view(&rooms->sessions[bucket * SESSION_BUCKET + i], room, number, &view))
                return view;
    }
    return view;
}

bool waiting_session_claim(const struct session_view *view)
{
    uint64_t word = view->word;
    return state_of(word) == SESSION_ADMITTED &&
           atomic_compare_exchange_strong_explicit(&view->entry->word, &word,
                                                   with_state(word, SESSION_CLAIMED),
                                                   memory_order_acq_rel, memory_order_relaxed);
}

/* ---- owner ---- */

static struct waiting_session *free_entry(struct waiting_rooms *rooms, uint64_t room,
                                          uint64_t number)
{
    uint32_t home = home_of(room, number);
    for (uint32_t probe = 0; probe < SESSION_PROBES; probe++) {
        uint32_t bucket = (home + probe) % SESSION_BUCKETS;
        for (uint32_t i = 0; i < SESSION_BUCKET; i++) {
            struct waiting_session *entry = &rooms->sessions[bucket * SESSION_BUCKET + i];
            if (state_of(atomic_load_explicit(&entry->word, memory_order_relaxed)) ==
                SESSION_NONE) {
                set_used(rooms, bucket);
                return entry;
            }
        }
    }
    return NULL;
}

static uint32_t entry_number(const struct waiting_rooms *rooms, const struct waiting_session *entry)
{
    return (uint32_t)(entry - rooms->sessions);
}

uint32_t waiting_session_admit(struct waiting_rooms *rooms, uint64_t room, uint64_t number,
                               uint64_t until_ms, bool claimed)
{
    struct session_view view = waiting_session_find(rooms, room, number);
    enum session_state state = claimed ? SESSION_CLAIMED : SESSION_ADMITTED;
    if (view.state != SESSION_NONE) {
        if (claimed)
            atomic_store_explicit(&view.entry->word, with_state(view.word, state),
                                  memory_order_release);
        return entry_number(rooms, view.entry);
    }
    struct waiting_session *entry = free_entry(rooms, room, number);
    if (entry == NULL)
        return SESSION_ENTRIES;
    uint64_t word = atomic_load_explicit(&entry->word, memory_order_relaxed);
    atomic_store_explicit(&entry->room, room, memory_order_relaxed);
    atomic_store_explicit(&entry->number, number, memory_order_relaxed);
    atomic_store_explicit(&entry->until_ms, until_ms, memory_order_relaxed);
    atomic_store_explicit(&entry->word, with_state(word + STATE_MASK + 1, state),
                          memory_order_release);
    return entry_number(rooms, entry);
}

bool waiting_session_close(struct waiting_rooms *rooms, uint64_t room, uint64_t number)
{
    struct session_view view = waiting_session_find(rooms, room, number);
    uint64_t word = view.word;
    if (view.state != SESSION_ADMITTED)
        return view.state != SESSION_CLAIMED;
    return atomic_compare_exchange_strong_explicit(&view.entry->word, &word,
                                                   with_state(word, SESSION_CLOSING),
                                                   memory_order_acq_rel, memory_order_acquire);
}

void waiting_session_end(struct waiting_rooms *rooms, uint64_t room, uint64_t number)
{
    struct session_view view = waiting_session_find(rooms, room, number);
    if (view.state != SESSION_NONE)
        atomic_store_explicit(&view.entry->word, with_state(view.word, SESSION_NONE),
                              memory_order_release);
}

static void mend_entry(struct waiting_session *entry, bool is_live)
{
    uint64_t word = atomic_load_explicit(&entry->word, memory_order_acquire);
    if (state_of(word) != SESSION_NONE && !is_live)
        atomic_store_explicit(&entry->word, with_state(word, SESSION_NONE), memory_order_release);
    else if (state_of(word) == SESSION_CLOSING)
        atomic_store_explicit(&entry->word, with_state(word, SESSION_ADMITTED),
                              memory_order_release);
}

void waiting_sessions_mend(struct waiting_rooms *rooms, const uint64_t *live)
{
    for (uint32_t bucket = 0; bucket < SESSION_BUCKETS; bucket++) {
        if (!is_used(rooms, bucket))
            continue;
        for (uint32_t i = 0; i < SESSION_BUCKET; i++) {
            uint32_t at = bucket * SESSION_BUCKET + i;
            mend_entry(&rooms->sessions[at], live[at / 64] >> (at % 64) & 1);
        }
    }
}
