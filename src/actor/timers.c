#include "timers.h"
#include "check.h"
#include "hash.h"
#include "pack.h"
#include <stdlib.h>
#include <string.h>

enum { BUCKET_COUNT = 4096, CAPACITY_MIN = 64 };

enum status timers_init(struct timers *timers)
{
    memset(timers, 0, sizeof *timers);
    timers->bucket_count = BUCKET_COUNT;
    timers->buckets = calloc(BUCKET_COUNT, sizeof(struct timer_node *));
    timers->capacity = CAPACITY_MIN;
    timers->heap = calloc(CAPACITY_MIN, sizeof(struct timer_node *));
    if (timers->buckets != NULL && timers->heap != NULL)
        return STATUS_OK;
    free(timers->heap);
    free(timers->buckets);
    memset(timers, 0, sizeof *timers);
    return STATUS_NO_MEMORY;
}

void timers_fini(struct timers *timers)
{
    for (size_t i = 0; i < timers->count; i++)
        free(timers->heap[i]);
    free(timers->heap);
    free(timers->buckets);
    memset(timers, 0, sizeof *timers);
}

static struct timer_node **bucket_of(const struct timers *timers, uint8_t kind, uint64_t id)
{
    return &timers->buckets[hash_bucket(kind, id, timers->bucket_count)];
}

static void sift_up(struct timers *timers, size_t at)
{
    struct timer_node *node = timers->heap[at];
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (timers->heap[parent]->due_ms <= node->due_ms)
            break;
        timers->heap[at] = timers->heap[parent];
        at = parent;
    }
    timers->heap[at] = node;
}

static void sift_down(struct timers *timers, size_t at)
{
    struct timer_node *node = timers->heap[at];
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= timers->count)
            break;
        if (child + 1 < timers->count &&
            timers->heap[child + 1]->due_ms < timers->heap[child]->due_ms)
            child++;
        if (node->due_ms <= timers->heap[child]->due_ms)
            break;
        timers->heap[at] = timers->heap[child];
        at = child;
    }
    timers->heap[at] = node;
}

static size_t heap_index(const struct timers *timers, const struct timer_node *node)
{
    for (size_t i = 0; i < timers->count; i++)
        if (timers->heap[i] == node)
            return i;
    check_never("a timer that is not in the heap");
}

static struct timer_node *node_add(struct timers *timers, uint8_t kind, uint64_t id, uint64_t at_ms)
{
    if (timers->count == timers->capacity) {
        size_t capacity = timers->capacity * 2;
        struct timer_node **heap = realloc(timers->heap, capacity * sizeof(struct timer_node *));
        check(heap != NULL);
        timers->heap = heap;
        timers->capacity = capacity;
    }
    struct timer_node *node = calloc(1, sizeof *node);
    check(node != NULL);
    node->kind = kind;
    node->id = id;
    node->due_ms = at_ms;
    struct timer_node **bucket = bucket_of(timers, kind, id);
    node->hash_next = *bucket;
    *bucket = node;
    timers->heap[timers->count] = node;
    sift_up(timers, timers->count++);
    return node;
}

static void remove_first(struct timers *timers)
{
    struct timer_node *node = timers->heap[0];
    struct timer_node **at = bucket_of(timers, node->kind, node->id);
    while (*at != node)
        at = &(*at)->hash_next;
    *at = node->hash_next;
    free(node);
    timers->heap[0] = timers->heap[--timers->count];
    if (timers->count > 0)
        sift_down(timers, 0);
}

void timers_set(struct timers *timers, uint8_t kind, uint64_t id, uint64_t at_ms)
{
    struct timer_node *node = *bucket_of(timers, kind, id);
    while (node != NULL && (node->id != id || node->kind != kind))
        node = node->hash_next;
    if (node == NULL) {
        if (at_ms == 0)
            return;
        node = node_add(timers, kind, id, at_ms);
    } else if (at_ms != 0 && at_ms < node->due_ms) {
        node->due_ms = at_ms; /* earlier: rare, so a search for its place is fine */
        sift_up(timers, heap_index(timers, node));
    }
    node->armed_ms = at_ms;
}

bool timers_take(struct timers *timers, uint64_t now_ms, uint8_t *kind, uint64_t *id)
{
    while (timers->count > 0 && timers->heap[0]->due_ms <= now_ms) {
        struct timer_node *node = timers->heap[0];
        if (node->armed_ms > now_ms) {
            node->due_ms = node->armed_ms;
            sift_down(timers, 0);
            continue;
        }
        bool due = node->armed_ms != 0;
        *kind = node->kind;
        *id = node->id;
        remove_first(timers);
        if (due)
            return true;
    }
    return false;
}

uint64_t timers_next_ms(const struct timers *timers)
{
    return timers->count == 0 ? UINT64_MAX : timers->heap[0]->due_ms;
}

struct row_key timer_key(uint8_t kind, uint64_t id)
{
    struct row_key key = row_key_of('t', id);
    row_key_add_tag(&key, (char)kind);
    return key;
}

uint64_t timer_decode(struct row_bytes value)
{
    struct pack_reader reader;
    pack_reader_init(&reader, value.data, value.size);
    uint64_t at_ms = unpack_u64(&reader);
    check(pack_reader_done(&reader)); /* its CRC was good */
    return at_ms;
}
