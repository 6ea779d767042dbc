#include "suspicion.h"
#include "dead_letters.h"
#include "log.h"
#include <stdio.h>

/* The slot that was being decided, still in the hands of that process; NULL: none. */
static struct slot *suspect(const struct segment *segment, unsigned process, uint64_t id)
{
    const struct process_entry *entry = segment_process(segment, process);
    struct slot_area area;
    if (id == 0 || !segment_slot_area(segment, atomic_load(&entry->deciding_pool), &area))
        return NULL;
    struct slot *slot = slot_area_at(&area, atomic_load(&entry->deciding_slot));
    if (slot == NULL || slot->consumer != process)
        return NULL;
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    return word == slot_word(id, SLOT_SUBMITTED) || word == slot_word(id, SLOT_DEFERRED) ? slot
                                                                                         : NULL;
}

void suspicion_note(const struct segment *segment, unsigned process, enum exit_cause cause,
                    const char *obituary)
{
    const struct process_entry *entry = segment_process(segment, process);
    uint64_t id = atomic_load(&entry->deciding_id);
    struct slot *slot = suspect(segment, process, id);
    if (slot == NULL)
        return;
    unsigned suspicions =
        slot->suspicions < SUSPICIONS_MAX ? slot->suspicions + 1u : (unsigned)SUSPICIONS_MAX;
    slot->suspicions = (uint16_t)suspicions;
    struct dead_letter letter = {
        .at_ms = clock_now_ms(),
        .request_id = id,
        .actor = slot->actor,
        .worker = process,
        .sender = atomic_load(&entry->deciding_pool),
        .kind = slot->kind,
        .cause = cause,
    };
    const struct process_entry *sender = segment_process(segment, letter.sender);
    const struct request_info *info = request_info(slot->kind);
    snprintf(letter.obituary, sizeof letter.obituary, "%s", obituary);
    bool dead = suspicions == SUSPICIONS_MAX;
    if (dead)
        dead_letters_add(segment_dead_letters(segment), &letter);
    log_write(dead ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, dead ? "dead-letter" : "suspect",
              "name=%s-%u request=%s request_id=%llu actor=%llu sender=%s-%u cause=%s deaths=%u "
              "obituary=\"%s\"",
              role_text((enum role)atomic_load(&entry->role)), atomic_load(&entry->instance),
              info != NULL ? info->name : "unknown", (unsigned long long)id,
              (unsigned long long)letter.actor, role_text((enum role)atomic_load(&sender->role)),
              atomic_load(&sender->instance), exit_cause_text(cause), suspicions, letter.obituary);
}
