#include "obligations.h"
#include "check.h"
#include "crash_point.h"
#include "dead_letters.h"
#include "pack.h"
#include <stdlib.h>
#include <string.h>

enum { BUCKET_COUNT = 8192 };

/* An obligation must not wait for its answer for ever: the slot's deadline only tells the target
 * how old it is. */
static const uint64_t DEADLINE_NEVER_MS = UINT64_MAX;

struct row_key obligation_key(uint8_t actor_kind, uint64_t actor, uint64_t number)
{
    struct row_key key = row_key_of('o', actor);
    row_key_add_tag(&key, (char)actor_kind);
    row_key_add_u64(&key, number);
    return key;
}

size_t obligation_encode(uint16_t request_kind, const union request *request, void *data,
                         size_t size)
{
    uint8_t body[sizeof((struct obligation *)NULL)->request];
    size_t body_size = request_encode(request_kind, request, body, sizeof body);
    if (body_size == 0)
        return 0;
    struct pack_writer writer;
    pack_writer_init(&writer, data, size);
    pack_array(&writer, 3);
    pack_u64(&writer, request_kind);
    pack_u64(&writer, request_key(request_kind, request));
    pack_blob(&writer, body, body_size);
    return writer.failed ? 0 : writer.used;
}

bool obligation_decode(struct row_bytes value, uint16_t *request_kind, union request *request)
{
    uint8_t body[sizeof((struct obligation *)NULL)->request];
    struct pack_reader reader;
    pack_reader_init(&reader, value.data, value.size);
    bool whole = unpack_array(&reader, 3) == 3;
    *request_kind = (uint16_t)unpack_u64(&reader);
    (void)unpack_u64(&reader); /* the target's key is in the request too */
    size_t size = unpack_blob(&reader, body, sizeof body);
    return whole && pack_reader_done(&reader) && request_decode(*request_kind, request, body, size);
}

enum status obligations_open(struct obligations *obligations, struct segment *segment,
                             unsigned self)
{
    memset(obligations, 0, sizeof *obligations);
    TAILQ_INIT(&obligations->waiting);
    TAILQ_INIT(&obligations->sent);
    TAILQ_INIT(&obligations->resting);
    TAILQ_INIT(&obligations->patient);
    obligations->segment = segment;
    obligations->buckets = calloc(BUCKET_COUNT, sizeof(struct obligation *));
    if (obligations->buckets == NULL)
        return STATUS_NO_MEMORY;
    if (segment->header->pools_at[self] == 0)
        return STATUS_OK;
    enum status status = slot_pool_open(&obligations->pool, segment, self);
    if (status != STATUS_OK)
        return status;
    obligations->has_pool = true;
    uint32_t slots = obligations->pool.small_count + obligations->pool.large_count;
    obligations->by_slot = calloc(slots, sizeof(struct obligation *));
    if (obligations->by_slot == NULL)
        return STATUS_NO_MEMORY;
    for (unsigned i = 0; i < segment->header->process_count; i++) {
        if (segment->header->channels_at[self][i] == 0)
            continue;
        check(obligations->channel_count < OBLIGATION_TARGETS_MAX);
        status = channel_producer_open(&obligations->channels[obligations->channel_count++],
                                       &obligations->pool, i);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static void free_list(struct obligations *obligations, struct obligation_list *list)
{
    struct obligation *obligation;
    while ((obligation = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, obligation, link);
        pool_give(&obligations->blocks, obligation);
    }
}

void obligations_close(struct obligations *obligations)
{
    free_list(obligations, &obligations->waiting);
    free_list(obligations, &obligations->sent);
    free_list(obligations, &obligations->resting);
    free_list(obligations, &obligations->patient);
    pool_fini(&obligations->blocks);
    if (obligations->has_pool)
        slot_pool_close(&obligations->pool);
    free(obligations->by_slot);
    free(obligations->buckets);
}

static struct obligation **bucket_of(const struct obligations *obligations, uint8_t kind,
                                     uint64_t actor, uint64_t number)
{
    uint64_t mixed = (actor * 31 + number * 7 + kind) * UINT64_C(0x9e3779b97f4a7c15);
    return &obligations->buckets[(mixed >> 20) & (BUCKET_COUNT - 1)];
}

static struct obligation **find(const struct obligations *obligations, uint8_t kind, uint64_t actor,
                                uint64_t number)
{
    struct obligation **at = bucket_of(obligations, kind, actor, number);
    while (*at != NULL &&
           ((*at)->number != number || (*at)->actor != actor || (*at)->actor_kind != kind))
        at = &(*at)->hash_next;
    return at;
}

/* The list of what is to be sent that it belongs to. */
static struct obligation_list *waiting_list(struct obligations *obligations,
                                            const struct obligation *obligation)
{
    return obligation->patient ? &obligations->patient : &obligations->waiting;
}

static bool may_send_patient(const struct obligations *obligations)
{
    return obligations->patient_sent < obligations->pool.small_count / 4;
}

static unsigned target_of(const struct segment *segment, uint16_t request_kind, uint64_t key)
{
    const struct request_info *info = request_info(request_kind);
    check(info != NULL);
    return segment_owner(segment, info->owner, key);
}

void obligations_add(struct obligations *obligations, const struct row_key *key,
                     struct row_bytes value)
{
    uint8_t kind = key->data[9];
    uint64_t actor = row_key_u64(key, 1), number = row_key_u64(key, 10);
    if (*find(obligations, kind, actor, number) != NULL)
        return;
    struct obligation *obligation = pool_take(&obligations->blocks, sizeof *obligation);
    *obligation = (struct obligation){.actor_kind = kind, .actor = actor, .number = number};
    struct pack_reader reader;
    pack_reader_init(&reader, value.data, value.size);
    check(unpack_array(&reader, 3) == 3);
    obligation->request_kind = (uint16_t)unpack_u64(&reader);
    obligation->key = unpack_u64(&reader);
    obligation->size =
        (uint32_t)unpack_blob(&reader, obligation->request, sizeof obligation->request);
    check(pack_reader_done(&reader)); /* its CRC was good */
    obligation->target = target_of(obligations->segment, obligation->request_kind, obligation->key);
    obligation->patient = request_info(obligation->request_kind)->owner == ROLE_QUEUE;
    struct obligation **bucket = bucket_of(obligations, kind, actor, number);
    obligation->hash_next = *bucket;
    *bucket = obligation;
    TAILQ_INSERT_HEAD(waiting_list(obligations, obligation), obligation, link); /* due at once */
    obligations->count++;
    obligations->patient_count += obligation->patient;
}

void obligations_remove(struct obligations *obligations, uint8_t actor_kind, uint64_t actor,
                        uint64_t number)
{
    struct obligation **at = find(obligations, actor_kind, actor, number);
    struct obligation *obligation = *at;
    if (obligation == NULL)
        return;
    *at = obligation->hash_next;
    if (obligation->sent) {
        TAILQ_REMOVE(&obligations->sent, obligation, link);
        if (obligations->by_slot[obligation->slot] == obligation)
            obligations->by_slot[obligation->slot] = NULL;
        obligations->patient_sent -= obligation->patient;
    } else {
        TAILQ_REMOVE(obligation->resting ? &obligations->resting
                                         : waiting_list(obligations, obligation),
                     obligation, link);
    }
    obligations->patient_count -= obligation->patient;
    pool_give(&obligations->blocks, obligation);
    obligations->count--;
}

bool obligations_room(const struct obligations *obligations)
{
    size_t urgent = obligations->count - obligations->patient_count;
    return obligations->has_pool && urgent < obligations->pool.small_count / 4 * 3 &&
           obligations->pool.free_small_count > 0;
}

static struct channel_producer *channel_to(struct obligations *obligations, unsigned target)
{
    for (unsigned i = 0; i < obligations->channel_count; i++)
        if (obligations->channels[i].consumer == target)
            return &obligations->channels[i];
    check_never("an obligation towards a process without a channel");
}

static bool submit(struct obligations *obligations, struct obligation *obligation)
{
    struct slot *slot = slot_pool_claim(&obligations->pool, false);
    if (slot == NULL)
        return false;
    CRASH_POINT_OF(OBLIGATION_CLAIMED, obligation->request_kind);
    slot->kind = obligation->request_kind;
    slot->actor = obligation->key;
    slot->deadline_ms = DEADLINE_NEVER_MS;
    slot->suspicions = obligation->dead_letters > 0 ? SUSPICIONS_MAX - 1 : 0;
    memcpy(slot_request(slot), obligation->request, obligation->size);
    slot->request_size = obligation->size;
    if (channel_submit(channel_to(obligations, obligation->target), slot) != STATUS_OK) {
        slot_pool_release(&obligations->pool, slot);
        return false;
    }
    CRASH_POINT_OF(OBLIGATION_SENT, obligation->request_kind);
    obligation->slot = slot_pool_number(&obligations->pool, slot);
    obligations->by_slot[obligation->slot] = obligation;
    obligation->sent = true;
    obligations->patient_sent += obligation->patient;
    TAILQ_REMOVE(waiting_list(obligations, obligation), obligation, link);
    TAILQ_INSERT_TAIL(&obligations->sent, obligation, link);
    return true;
}

static void rouse(struct obligations *obligations, uint64_t now_ms)
{
    struct obligation *next, *obligation = TAILQ_FIRST(&obligations->resting);
    for (; obligation != NULL; obligation = next) {
        next = TAILQ_NEXT(obligation, link);
        if (obligation->send_at_ms > now_ms)
            continue;
        obligation->resting = false;
        TAILQ_REMOVE(&obligations->resting, obligation, link);
        TAILQ_INSERT_HEAD(waiting_list(obligations, obligation), obligation, link);
    }
}

void obligations_send(struct obligations *obligations, uint64_t now_ms)
{
    struct obligation *obligation;
    rouse(obligations, now_ms);
    while ((obligation = TAILQ_FIRST(&obligations->waiting)) != NULL &&
           obligation->send_at_ms <= now_ms && submit(obligations, obligation))
        ;
    while ((obligation = TAILQ_FIRST(&obligations->patient)) != NULL &&
           obligation->send_at_ms <= now_ms && may_send_patient(obligations) &&
           submit(obligations, obligation))
        ;
    for (unsigned i = 0; i < obligations->channel_count; i++)
        channel_flush(&obligations->channels[i]);
}

bool obligations_next_reply(struct obligations *obligations, struct obligation **obligation,
                            struct slot **slot)
{
    for (unsigned i = 0; i < obligations->channel_count; i++) {
        struct slot *replied;
        while ((replied = channel_next_reply(&obligations->channels[i])) != NULL) {
            struct obligation *waiting =
                obligations->by_slot[slot_pool_number(&obligations->pool, replied)];
            if (waiting == NULL) {
                slot_pool_release(&obligations->pool, replied);
                continue;
            }
            *obligation = waiting;
            *slot = replied;
            return true;
        }
    }
    return false;
}

static uint64_t retry_ms(struct obligation *obligation, uint16_t outcome)
{
    uint64_t wait_ms = OBLIGATION_DEAD_RETRY_MS;
    if (outcome != OUTCOME_DEAD_LETTERED)
        return OBLIGATION_RETRY_MS;
    for (unsigned i = 0; i < obligation->dead_letters && wait_ms < OBLIGATION_DEAD_RETRY_MAX_MS;
         i++)
        wait_ms *= 2;
    obligation->dead_letters++;
    return wait_ms < OBLIGATION_DEAD_RETRY_MAX_MS ? wait_ms : OBLIGATION_DEAD_RETRY_MAX_MS;
}

void obligations_replied(struct obligations *obligations, struct slot *slot, uint64_t now_ms)
{
    uint32_t number = slot_pool_number(&obligations->pool, slot);
    struct obligation *open = obligations->by_slot[number];
    if (open != NULL) {
        obligations->by_slot[number] = NULL;
        open->sent = false;
        obligations->patient_sent -= open->patient;
        open->send_at_ms = now_ms + retry_ms(open, slot->outcome);
        open->resting = slot->outcome == OUTCOME_DEAD_LETTERED;
        TAILQ_REMOVE(&obligations->sent, open, link);
        TAILQ_INSERT_TAIL(open->resting ? &obligations->resting : waiting_list(obligations, open),
                          open, link);
    }
    slot_pool_release(&obligations->pool, slot);
}

bool obligations_pending(const struct obligations *obligations)
{
    for (unsigned i = 0; i < obligations->channel_count; i++) {
        const struct channel_producer *channel = &obligations->channels[i];
        uint64_t head = atomic_load_explicit(&channel->completions->head, memory_order_acquire);
        if (head != channel->completion_cursor ||
            channel->seen_generation !=
                atomic_load_explicit(
                    &segment_process(channel->segment, channel->consumer)->ready_generation,
                    memory_order_acquire))
            return true;
    }
    return false;
}

uint64_t obligations_next_ms(const struct obligations *obligations)
{
    const struct obligation *first = TAILQ_FIRST(&obligations->waiting);
    const struct obligation *patient =
        may_send_patient(obligations) ? TAILQ_FIRST(&obligations->patient) : NULL;
    uint64_t next_ms = first == NULL ? UINT64_MAX : first->send_at_ms;
    return patient == NULL || patient->send_at_ms > next_ms ? next_ms : patient->send_at_ms;
}
