#include "fixture.h"

#include "catalogue.h"
#include "dead_letters.h"
#include "guard.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The doorbells as a child inherits them, from `first` on. */
enum { FIRST_DOORBELL = 100 };

static int inherit(const struct segment *segment)
{
    for (unsigned i = 0; i < segment->header->process_count; i++)
        assert_true(dup2(segment->doorbells[i], FIRST_DOORBELL + (int)i) >= 0);
    return dup(segment->fd);
}

static void drop_inherited(const struct segment *segment)
{
    for (unsigned i = 0; i < segment->header->process_count; i++)
        close(FIRST_DOORBELL + (int)i);
}

static void a_child_finds_what_the_supervisor_made(void **state)
{
    struct fixture fixture;
    struct segment child;
    int fd;
    (void)state;

    fixture_open(&fixture);
    fd = inherit(&fixture.segment);
    assert_int_equal(segment_open(&child, fd, FIRST_DOORBELL), STATUS_OK);
    assert_int_equal(child.header->segment_id, fixture.segment.header->segment_id);
    assert_int_not_equal(child.header->segment_id, 0);
    assert_int_equal(child.header->config.connections, SMALL_SLOTS);
    atomic_store(&segment_process(&child, fixture.wallet)->pid, 1234);
    assert_int_equal(atomic_load(&segment_process(&fixture.segment, fixture.wallet)->pid), 1234);
    segment_close(&child);
    fixture_close(&fixture);
}

static void the_process_table_is_in_order_of_roles(void **state)
{
    static const enum role order[] = {ROLE_SUPERVISOR, ROLE_FRONT, ROLE_FRONT, ROLE_QUEUE,
                                      ROLE_SEAT,       ROLE_SEAT,  ROLE_SEAT,  ROLE_WALLET,
                                      ROLE_WALLET,     ROLE_RELAY};
    static const unsigned instances[] = {0, 0, 1, 0, 0, 1, 2, 0, 1, 0};
    struct segment segment;
    struct config config;
    (void)state;

    config_small(&config);
    config.fronts = 2;
    config.seat_workers = 3;
    config.wallet_workers = 2;
    assert_int_equal(segment_create(&segment, &config), STATUS_OK);
    assert_int_equal(segment.header->process_count, sizeof order / sizeof order[0]);
    for (unsigned i = 0; i < segment.header->process_count; i++) {
        struct process_entry *entry = segment_process(&segment, i);

        assert_int_equal(atomic_load(&entry->role), order[i]);
        assert_int_equal(atomic_load(&entry->instance), instances[i]);
        assert_int_equal(segment_process_of(&segment, order[i], instances[i]), i);
        assert_true(segment.doorbells[i] >= 0);
    }
    assert_int_equal(segment_process_of(&segment, ROLE_FRONT, 2), PROCESS_MAX);
    assert_null(segment_process(&segment, segment.header->process_count));
    assert_null(segment_stats(&segment, segment.header->process_count));
    assert_null(segment_http_stats(&segment, 2));
    assert_null(segment_catalogue(&segment, 3));
    for (uint64_t key = 0; key < 1000; key++) {
        assert_int_equal(segment_owner(&segment, ROLE_WALLET, key), 7 + key % 64 % 2);
        assert_int_equal(segment_owner(&segment, ROLE_SEAT, key), 4 + key % 64 % 3);
        assert_int_equal(segment_owner(&segment, ROLE_QUEUE, key), 3);
    }
    segment_close(&segment);
}

/* Everything in the segment, as address ranges. */
struct range {
    const uint8_t *from, *to;
};

static unsigned collect(const struct segment *segment, struct range *ranges)
{
    const struct segment_header *header = segment->header;
    unsigned count = 0;

#define RANGE(at, size)                                                                            \
    ranges[count++] = (struct range){(const uint8_t *)(at), (const uint8_t *)(at) + (size)}
    RANGE(header, sizeof *header);
    RANGE(segment_breakers(segment), sizeof(struct breaker_table));
    RANGE(segment_dead_letters(segment), sizeof(struct dead_letters));
    for (unsigned i = 0; i < header->process_count; i++) {
        struct slot_area area;

        RANGE(segment_process(segment, i), sizeof(struct process_entry));
        RANGE(segment_stats(segment, i), sizeof(struct process_stats));
        if (segment_http_stats(segment, i))
            RANGE(segment_http_stats(segment, i), sizeof(struct http_stats));
        if (segment_catalogue(segment, i))
            RANGE(segment_catalogue(segment, i), sizeof(struct catalogue));
        if (segment_slot_area(segment, i, &area)) {
            RANGE(area.marks, sizeof *area.marks);
            RANGE(area.slots, (size_t)area.small_count * SLOT_SMALL_STRIDE +
                                  (size_t)area.large_count * SLOT_LARGE_STRIDE);
        }
        for (unsigned consumer = 0; consumer < header->process_count; consumer++) {
            struct ring *requests, *completions;

            if (!segment_rings(segment, i, consumer, &requests, &completions))
                continue;
            assert_true(requests->capacity >= 2 * (area.small_count + area.large_count));
            RANGE(requests, ring_size(requests->capacity));
            RANGE(completions, ring_size(completions->capacity));
        }
    }
#undef RANGE
    return count;
}

static int by_address(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from;
}

static void nothing_overlaps_and_a_guard_follows(void **state)
{
    static const uint64_t configs[][4] = {
        {1, 1, 1, 1}, {1, 1, 1, 10000}, {8, 16, 16, 60000}, {3, 2, 5, 1001}};
    static struct range ranges[4096];
    (void)state;

    for (unsigned i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        struct segment segment;
        struct config config;
        const uint8_t *end;
        unsigned count;

        config_init(&config);
        config.fronts = configs[i][0];
        config.seat_workers = configs[i][1];
        config.wallet_workers = configs[i][2];
        config.connections = configs[i][3];
        assert_int_equal(segment_create(&segment, &config), STATUS_OK);
        count = collect(&segment, ranges);
        qsort(ranges, count, sizeof ranges[0], by_address);
        for (unsigned r = 1; r < count; r++)
            assert_true(ranges[r - 1].to <= ranges[r].from);
        for (unsigned r = 0; r < count; r++)
            assert_int_equal((uintptr_t)ranges[r].from % 64, 0);
        end = (const uint8_t *)segment.header + segment.header->size;
        assert_true(ranges[count - 1].to + SEGMENT_GUARD_SIZE <= end);
        segment_close(&segment);
    }
}

static void counts_out_of_range_are_invalid(void **state)
{
    struct segment segment;
    struct config config;
    (void)state;

    for (unsigned i = 0; i < 8; i++) {
        uint64_t wrong = i % 2 ? 0 : 1000000;

        config_small(&config);
        *(i / 2 == 0   ? &config.fronts
          : i / 2 == 1 ? &config.seat_workers
          : i / 2 == 2 ? &config.wallet_workers
                       : &config.connections) = wrong;
        assert_int_equal(segment_create(&segment, &config), STATUS_INVALID);
    }
}

static void channels_exist_only_where_messages_go(void **state)
{
    struct fixture f;
    struct ring *requests, *completions;
    (void)state;

    fixture_open(&f);
    for (unsigned p = 0; p < f.segment.header->process_count; p++)
        for (unsigned c = 0; c < f.segment.header->process_count; c++) {
            bool expected =
                (p == f.front && (c == f.queue || c == f.seat || c == f.wallet || c == f.relay)) ||
                (p == f.seat && (c == f.wallet || c == f.queue));

            assert_int_equal(segment_rings(&f.segment, p, c, &requests, &completions), expected);
        }
    assert_false(segment_rings(&f.segment, 9999, f.wallet, &requests, &completions));
    assert_false(segment_rings(&f.segment, f.front, 9999, &requests, &completions));
    fixture_close(&f);
}

static void memory_is_taken_only_by_what_is_used(void **state)
{
    struct segment segment;
    struct config config;
    struct slot_pool pool;
    struct slot *slot;
    struct stat info;
    int64_t before;
    (void)state;

    config_init(&config);
    config.connections = 10000;
    assert_int_equal(segment_create(&segment, &config), STATUS_OK);
    assert_int_equal(slot_pool_open(&pool, &segment, 1), STATUS_OK);
    fstat(segment.fd, &info);
    before = info.st_blocks * 512;
    assert_true(info.st_size > 40 * 1000 * 1000);
    assert_true(before < 512 * 1024);
    for (unsigned i = 0; i < 100000; i++) { /* one slot, again and again */
        slot = slot_pool_claim(&pool, false);
        slot_pool_release(&pool, slot);
    }
    slot_pool_close(&pool);
    assert_int_equal(slot_pool_open(&pool, &segment, 1), STATUS_OK); /* scans what was used */
    fstat(segment.fd, &info);
    assert_true(info.st_blocks * 512 - before <= 3 * 4096);
    slot_pool_close(&pool);
    segment_close(&segment);
}

/* Opens a copy of a good segment's bytes with one thing changed. */
static enum status open_changed(const struct segment *good, int seals, int64_t resize,
                                void (*change)(struct segment_header *header))
{
    struct segment child;
    int fd = memfd_create("changed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    size_t size = (size_t)((int64_t)good->header->size + resize);
    size_t copied = good->size < size ? good->size : size;
    enum status status;
    uint8_t *base;

    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(base, MAP_FAILED);
    /* the header, the process table and the rings' heads are all that is looked at */
    memcpy(base, good->header, copied < 65536 ? copied : 65536);
    if (copied == good->size)
        for (unsigned p = 0; p < good->header->process_count; p++)
            for (unsigned c = 0; c < good->header->process_count; c++) {
                struct ring *requests, *completions;

                if (!segment_rings(good, p, c, &requests, &completions))
                    continue;
                for (unsigned i = 0; i < 2; i++) {
                    const uint8_t *ring = (const uint8_t *)(i ? completions : requests);
                    memcpy(base + (ring - (const uint8_t *)good->header), ring,
                           sizeof(struct ring));
                }
            }
    if (change != NULL)
        change((struct segment_header *)(void *)base);
    if (seals != 0)
        assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    munmap(base, size);
    status = segment_open(&child, fd, FIRST_DOORBELL);
    if (status == STATUS_OK) {
        for (unsigned i = 0; i < PROCESS_MAX; i++)
            child.doorbells[i] = -1; /* they are used again */
        segment_close(&child);
    } else {
        assert_null(child.header);
        close(fd);
    }
    return status;
}

static void wrong_magic(struct segment_header *header)
{
    header->magic ^= 1;
}
static void wrong_version(struct segment_header *header)
{
    header->version++;
}
static void wrong_messages_version(struct segment_header *header)
{
    header->messages_version++;
}
static void wrong_size(struct segment_header *header)
{
    header->size -= 4096;
}
static void wrong_hash(struct segment_header *header)
{
    header->layout_hash++;
}
static void wrong_process_count(struct segment_header *header)
{
    header->process_count++;
}
static void wrong_slots(struct segment_header *header)
{
    header->slots_per_front++;
}
static void wrong_pool(struct segment_header *header)
{
    header->pools_at[1] += 64;
}
static void wrong_channel(struct segment_header *header)
{
    header->channels_at[1][2] += 64;
}
static void wrong_unused_channel(struct segment_header *header)
{
    header->channels_at[PROCESS_MAX - 1][PROCESS_MAX - 1] = 64;
}
static void wrong_processes(struct segment_header *header)
{
    header->processes_at += 64;
}
static void wrong_stats(struct segment_header *header)
{
    header->stats_at += 64;
}
static void wrong_http_stats(struct segment_header *header)
{
    header->http_stats_at += 64;
}
static void wrong_catalogue(struct segment_header *header)
{
    header->catalogue_at += 64;
}
static void wrong_config(struct segment_header *header)
{
    header->config.fronts = UINT64_MAX;
}
static void wrong_workers(struct segment_header *header)
{
    header->config.wallet_workers = 2;
}
static void wrong_ring(struct segment_header *header)
{
    struct ring *ring = (struct ring *)(void *)((uint8_t *)header + header->channels_at[1][2]);
    ring->capacity *= 2;
}

static void a_segment_that_is_not_exactly_ours_is_refused(void **state)
{
    static void (*const changes[])(struct segment_header *) = {
        wrong_unused_channel, wrong_magic,     wrong_version,   wrong_messages_version,
        wrong_size,           wrong_hash,      wrong_slots,     wrong_process_count,
        wrong_pool,           wrong_channel,   wrong_processes, wrong_stats,
        wrong_http_stats,     wrong_catalogue, wrong_config,    wrong_workers,
        wrong_ring,
    };
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    struct fixture fixture;
    (void)state;

    fixture_open(&fixture);
    close(inherit(&fixture.segment));
    assert_int_equal(open_changed(&fixture.segment, seals, 0, NULL), STATUS_OK);
    for (unsigned i = 0; i < sizeof changes / sizeof changes[0]; i++)
        if (open_changed(&fixture.segment, seals, 0, changes[i]) != STATUS_MISMATCH)
            fail_msg("change %u was not noticed", i);
    assert_int_equal(open_changed(&fixture.segment, seals, 4096, NULL), STATUS_MISMATCH);
    assert_int_equal(open_changed(&fixture.segment, seals, -4096, NULL), STATUS_MISMATCH);
    assert_int_equal(
        open_changed(&fixture.segment, seals, 100 - (int64_t)fixture.segment.size, NULL),
        STATUS_MISMATCH);
    assert_int_equal(open_changed(&fixture.segment, 0, 0, NULL), STATUS_MISMATCH);
    assert_int_equal(open_changed(&fixture.segment, F_SEAL_GROW | F_SEAL_SEAL, 0, NULL),
                     STATUS_MISMATCH);
    assert_int_equal(open_changed(&fixture.segment, F_SEAL_SHRINK | F_SEAL_SEAL, 0, NULL),
                     STATUS_MISMATCH);
    assert_int_equal(open_changed(&fixture.segment, F_SEAL_SHRINK | F_SEAL_GROW, 0, NULL),
                     STATUS_MISMATCH);
    drop_inherited(&fixture.segment);
    fixture_close(&fixture);
}

static void descriptors_that_are_not_a_segments_are_refused(void **state)
{
    struct fixture fixture;
    struct segment child;
    int null = open("/dev/null", O_RDWR), blocking, fd;
    (void)state;

    fixture_open(&fixture);
    assert_int_equal(segment_open(&child, -1, FIRST_DOORBELL), STATUS_IO);
    assert_int_equal(segment_open(&child, null, FIRST_DOORBELL), STATUS_MISMATCH);
    fd = inherit(&fixture.segment);
    blocking = eventfd(0, 0);
    dup2(blocking, FIRST_DOORBELL + 2);
    assert_int_equal(segment_open(&child, fd, FIRST_DOORBELL), STATUS_IO);
    close(FIRST_DOORBELL + 2);
    assert_int_equal(segment_open(&child, fd, FIRST_DOORBELL), STATUS_IO);
    assert_null(child.header);
    close(fd);
    close(blocking);
    close(null);
    drop_inherited(&fixture.segment);
    fixture_close(&fixture);
}

static void the_segment_cannot_change_size_any_more(void **state)
{
    struct fixture fixture;
    (void)state;

    fixture_open(&fixture);
    assert_int_equal(ftruncate(fixture.segment.fd, 4096), -1);
    assert_int_equal(ftruncate(fixture.segment.fd, (off_t)fixture.segment.size * 2), -1);
    assert_int_not_equal(fcntl(fixture.segment.fd, F_GETFD) & FD_CLOEXEC, 0);
    fixture_close(&fixture);
}

/* The child ends by the default action of the signal, whatever a sanitizer has installed. */
static void a_child_cannot_write_the_header(void **state)
{
    struct fixture fixture;
    int status;
    pid_t pid;
    (void)state;

    fixture_open(&fixture);
    pid = fork();
    if (pid == 0) {
        struct segment child;
        int fd = inherit(&fixture.segment);

        signal(SIGSEGV, SIG_DFL);
        if (segment_open(&child, fd, FIRST_DOORBELL) != STATUS_OK)
            _exit(1);
        atomic_store(&segment_process(&child, 0)->state, PROCESS_READY); /* that it may */
        *(volatile uint64_t *)&child.header->channels_at[1][2] = 0;
        _exit(2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    fixture_close(&fixture);
}

static void states_have_names(void **state)
{
    (void)state;
    assert_string_equal(process_state_text(PROCESS_READ_ONLY), "read-only");
    assert_string_equal(process_state_text(PROCESS_PARKED), "parked");
    assert_string_equal(process_state_text((enum process_state)99), "unknown state");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_finds_what_the_supervisor_made),
        cmocka_unit_test(the_process_table_is_in_order_of_roles),
        cmocka_unit_test(nothing_overlaps_and_a_guard_follows),
        cmocka_unit_test(counts_out_of_range_are_invalid),
        cmocka_unit_test(channels_exist_only_where_messages_go),
        cmocka_unit_test(memory_is_taken_only_by_what_is_used),
        cmocka_unit_test(a_segment_that_is_not_exactly_ours_is_refused),
        cmocka_unit_test(descriptors_that_are_not_a_segments_are_refused),
        cmocka_unit_test(the_segment_cannot_change_size_any_more),
        cmocka_unit_test(a_child_cannot_write_the_header),
        cmocka_unit_test(states_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
