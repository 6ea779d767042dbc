#include "dead_letters.h"

void dead_letters_add(struct dead_letters *letters, const struct dead_letter *letter)
{
    uint64_t number = atomic_load_explicit(&letters->count, memory_order_relaxed) + 1;
    struct dead_letter_place *place = &letters->places[number % DEAD_LETTERS_MAX];

    atomic_store_explicit(&place->number, 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    place->letter = *letter;
    atomic_store_explicit(&place->number, number, memory_order_release);
    atomic_store_explicit(&letters->count, number, memory_order_release);
}

bool dead_letters_read(const struct dead_letters *letters, uint64_t number,
                       struct dead_letter *letter)
{
    const struct dead_letter_place *place = &letters->places[number % DEAD_LETTERS_MAX];

    if (number == 0 || atomic_load_explicit(&place->number, memory_order_acquire) != number)
        return false;
    *letter = place->letter;
    letter->obituary[OBITUARY_SIZE - 1] = '\0';
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&place->number, memory_order_relaxed) == number;
}
