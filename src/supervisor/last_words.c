#include "last_words.h"
#include <stdio.h>
#include <string.h>

static void obituary_take(const struct process_entry *entry, char text[OBITUARY_SIZE])
{
    memcpy(text, entry->obituary, OBITUARY_SIZE);
    text[OBITUARY_SIZE - 1] = '\0';
    for (char *at = text; *at != '\0'; at++)
        if (*at < ' ' || *at > '~' || *at == '"')
            *at = '\'';
}

static void doing_take(const struct process_entry *entry, const struct segment *segment,
                       char text[LAST_WORDS_DOING_SIZE])
{
    const struct request_info *info = request_info((uint16_t)atomic_load(&entry->deciding_kind));
    const char *name = info != NULL ? info->name : "unknown";
    unsigned long long actor = atomic_load(&entry->deciding_actor);
    const struct process_entry *from = segment_process(segment, atomic_load(&entry->deciding_pool));
    uint64_t id = atomic_load(&entry->deciding_id);
    text[0] = '\0';
    switch (atomic_load(&entry->deciding_what)) {
    case DECIDING_REQUEST:
        if (id != 0 && from != NULL)
            snprintf(text, LAST_WORDS_DOING_SIZE, "%s for actor %llu, request %llu of %s-%u", name,
                     actor, (unsigned long long)id, role_text((enum role)atomic_load(&from->role)),
                     atomic_load(&from->instance));
        break;
    case DECIDING_REPLY:
        snprintf(text, LAST_WORDS_DOING_SIZE, "reply to %s for actor %llu", name, actor);
        break;
    case DECIDING_TIMER:
        snprintf(text, LAST_WORDS_DOING_SIZE, "timer of actor %llu", actor);
        break;
    default:
        break;
    }
}

void last_words_take(struct last_words *words, const struct segment *segment, unsigned process)
{
    const struct process_entry *entry = segment_process(segment, process);
    obituary_take(entry, words->obituary);
    doing_take(entry, segment, words->doing);
}

void last_words_clear(struct process_entry *entry)
{
    memset(entry->obituary, 0, OBITUARY_SIZE);
    atomic_store(&entry->deciding_id, 0);
    atomic_store(&entry->deciding_what, DECIDING_NOTHING);
}
