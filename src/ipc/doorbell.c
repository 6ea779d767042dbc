#include "segment.h"

#include <errno.h>
#include <unistd.h>

static void ring_doorbell(const struct segment *segment, unsigned index,
                          struct process_entry *entry)
{
    const uint64_t one = 1;
    int saved = errno;

    atomic_fetch_add_explicit(&entry->rings, 1, memory_order_seq_cst);
    /* fails only when the counter is at its end, and then it is readable anyway */
    if (write(segment->doorbells[index], &one, sizeof one) < 0)
        errno = saved;
}

void segment_wake(const struct segment *segment, unsigned index)
{
    struct process_entry *entry = segment_process(segment, index);

    if (entry == NULL)
        return;
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&entry->sleeping, memory_order_relaxed) != 0 &&
        atomic_exchange_explicit(&entry->sleeping, 0, memory_order_seq_cst) != 0)
        ring_doorbell(segment, index, entry);
}

void segment_wake_all(const struct segment *segment)
{
    for (unsigned i = 0; i < segment->header->process_count; i++) {
        struct process_entry *entry = segment_process(segment, i);

        atomic_exchange_explicit(&entry->sleeping, 0, memory_order_seq_cst);
        ring_doorbell(segment, i, entry);
    }
}

void segment_sleep_begin(const struct segment *segment, unsigned self)
{
    struct process_entry *entry = segment_process(segment, self);

    atomic_store_explicit(&entry->sleeping, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
}

void segment_sleep_end(const struct segment *segment, unsigned self)
{
    struct process_entry *entry = segment_process(segment, self);
    uint32_t sleeps = atomic_load_explicit(&entry->sleeps, memory_order_relaxed) + 1;
    uint32_t rings;
    uint64_t count;

    if (atomic_load_explicit(&entry->sleeping, memory_order_relaxed) != 0)
        atomic_store_explicit(&entry->sleeping, 0, memory_order_relaxed);
    atomic_store_explicit(&entry->sleeps, sleeps, memory_order_relaxed);
    rings = atomic_load_explicit(&entry->rings, memory_order_acquire);
    if (rings == atomic_load_explicit(&entry->rings_drained, memory_order_relaxed) &&
        sleeps % SLEEPS_PER_READ != 0)
        return;
    if (read(segment->doorbells[self], &count, sizeof count) < 0 && errno != EAGAIN)
        return; /* tried again at the next */
    atomic_store_explicit(&entry->rings_drained, rings, memory_order_relaxed);
}

void segment_announce_ready(const struct segment *segment, unsigned self, enum process_state state)
{
    struct process_entry *entry = segment_process(segment, self);

    atomic_store_explicit(&entry->state, (uint32_t)state, memory_order_release);
    atomic_store_explicit(&entry->ready_generation,
                          atomic_load_explicit(&entry->generation, memory_order_relaxed),
                          memory_order_release);
    segment_wake_all(segment);
}
