#include "storage_unit.h"

/* What a loss of power leaves of the newest transaction: some of its sectors. The others are as
 * they were before, zeros or the contents of the file's earlier use. Reopening finds all of it or
 * none, and what comes next is never mixed up with what is left of it. */

enum { SECTOR = 512, SIZE_MAX_SMALL = 4 << 20, SEGMENT = 64 << 10, ROUNDS = 150 };
/* As large as a trailer of trailer_of, so that what is left of a longer transaction stands exactly
 * behind a shorter one that begins like it. */
enum { PAYLOAD = 40 + 2 * 16 };

struct image {
    uint8_t *bytes;
    size_t size;
};

static struct journal *open_small(void)
{
    struct journal *journal;
    const struct journal_options options = {.size_max = SIZE_MAX_SMALL};
    assert_int_equal(journal_open(&journal, scratch_path("journal"), &options), STATUS_OK);
    return journal;
}

static void commit_events(struct journal *journal, unsigned count, uint64_t trim_below)
{
    static const uint8_t payload[PAYLOAD];
    const struct journal_event event = {.kind = 3, .payload = payload, .payload_size = PAYLOAD};
    const struct journal_trailer trailer = trailer_of(journal_next_sequence(journal) + count);
    assert_int_equal(journal_begin(journal), STATUS_OK);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(journal_append(journal, &event, NULL), STATUS_OK);
    journal_trim(journal, trim_below);
    assert_int_equal(journal_commit(journal, &trailer), STATUS_OK);
}

static bool count_event(void *context, const struct journal_event *event)
{
    (void)event;
    ++*(uint64_t *)context;
    return true;
}

/* One event less than records for each transaction. */
static void assert_whole(struct journal *journal, uint64_t transactions)
{
    uint64_t count = 0;
    assert_int_equal(journal_read(journal, 0, count_event, &count), STATUS_OK);
    assert_int_equal(count, journal_record_count(journal) - transactions);
}

/* ---- all files of the journal ---- */

enum { FILES_MAX = 100 };

struct files {
    struct image images[FILES_MAX]; /* bytes NULL: not there */
};

static struct image image_of(unsigned number)
{
    struct image image = {0};
    struct stat file;
    int fd = open(segment_path(number), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return image;
    assert_int_equal(fstat(fd, &file), 0);
    image.size = (size_t)file.st_size;
    image.bytes = malloc(image.size + 1);
    assert_non_null(image.bytes);
    assert_int_equal(read(fd, image.bytes, image.size), image.size);
    close(fd);
    return image;
}

static void put_image(unsigned number, const struct image *image)
{
    unlink(segment_path(number));
    if (image->bytes == NULL)
        return;
    int fd = open(segment_path(number), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, image->bytes, image->size), image->size);
    close(fd);
}

static struct files *files_of(void)
{
    struct files *files = calloc(1, sizeof *files);
    assert_non_null(files);
    for (unsigned i = 0; i < FILES_MAX; i++)
        files->images[i] = image_of(i);
    return files;
}

static void files_put(const struct files *files)
{
    for (unsigned i = 0; i < FILES_MAX; i++)
        put_image(i, &files->images[i]);
}

static void files_free(struct files *files)
{
    for (unsigned i = 0; i < FILES_MAX; i++)
        free(files->images[i].bytes);
    free(files);
}

static unsigned number_that_differs(const struct files *a, const struct files *b)
{
    unsigned found = 0;
    for (unsigned i = 0; i < FILES_MAX; i++) {
        const struct image *left = &a->images[i], *right = &b->images[i];
        if (left->size == right->size &&
            (left->size == 0 || memcmp(left->bytes, right->bytes, left->size) == 0))
            continue;
        assert_int_equal(found, 0);
        found = i;
    }
    assert_true(found > 0);
    return found;
}

/* Some of the sectors that differ; returns whether it is all of them. */
static bool tear(struct image *torn, const struct image *before, const struct image *after,
                 uint64_t *seed)
{
    bool is_all = true;
    uint64_t share = 1 + unit_random(seed) % 8;
    memcpy(torn->bytes, after->bytes, after->size);
    torn->size = after->size;
    for (size_t at = 0; at < after->size; at += SECTOR) {
        size_t size = after->size - at < SECTOR ? after->size - at : SECTOR;
        uint8_t old[SECTOR] = {0};
        if (at < before->size)
            memcpy(old, before->bytes + at, before->size - at < size ? before->size - at : size);
        if (memcmp(old, after->bytes + at, size) == 0 || unit_random(seed) % 8 >= share)
            continue;
        memcpy(torn->bytes + at, old, size);
        is_all = false;
    }
    return is_all;
}

/* Begins with a journal that is closed and has `transactions`; tears what a commit of 40 events
 * adds, over and over. Returns the file's size before it; 0: there was none. */
static size_t tear_and_go_on(uint64_t transactions)
{
    uint64_t seed = 20261130;
    unsigned whole = 0;
    struct files *before = files_of();
    struct journal *journal = open_small();
    uint64_t last = journal_last_sequence(journal);
    assert_whole(journal, transactions);
    commit_events(journal, 40, 0);
    journal_close(journal);
    struct files *after = files_of();
    unsigned number = number_that_differs(before, after);
    struct image torn = {malloc(after->images[number].size), 0};
    for (unsigned round = 0; round < ROUNDS; round++) {
        bool is_all = tear(&torn, &before->images[number], &after->images[number], &seed);
        files_put(before);
        put_image(number, &torn);
        whole += is_all;
        journal = open_small();
        assert_int_equal(journal_last_sequence(journal), is_all ? last + 41 : last);
        assert_whole(journal, transactions + is_all);
        /* A shorter one instead of it, and one more, each looked at by a new start. */
        for (unsigned i = 1; i <= 2; i++) {
            commit_events(journal, 5, 0);
            journal_close(journal);
            journal = open_small();
            assert_int_equal(journal_last_sequence(journal), last + is_all * 41 + i * 6);
            assert_whole(journal, transactions + is_all + i);
        }
        journal_close(journal);
    }
    assert_true(whole > 0 && whole < ROUNDS / 2);
    size_t size = before->images[number].size;
    free(torn.bytes);
    files_free(before);
    files_free(after);
    return size;
}

static void in_the_middle_of_a_file(void **state)
{
    (void)state;
    struct journal *journal = open_small();
    commit_events(journal, 100, 0);
    commit_events(journal, 7, 0);
    journal_close(journal);
    assert_true(tear_and_go_on(2) > 0);
}

static void at_the_beginning_of_all(void **state)
{
    (void)state;
    journal_close(open_small());
    assert_int_equal(tear_and_go_on(0), 0);
}

static void at_the_beginning_of_a_file(void **state)
{
    (void)state;
    struct journal *journal = open_small();
    commit_events(journal, SEGMENT / (43 + PAYLOAD) + 1, 0);
    journal_close(journal);
    assert_int_equal(tear_and_go_on(1), 0);
}

/* Its file and the next one have been used before, and only its last two transactions are kept. */
static struct journal *used_again(void)
{
    struct journal *journal = open_small();
    for (unsigned i = 0; i < 40; i++)
        commit_events(journal, 199, journal_last_sequence(journal));
    return journal;
}

static void in_the_middle_of_a_file_that_is_used_again(void **state)
{
    (void)state;
    struct journal *journal = used_again();
    while (journal_bytes_used(journal) > SEGMENT / 2)
        commit_events(journal, 10, journal_last_sequence(journal));
    journal_close(journal);
    assert_true(tear_and_go_on(2) >= SEGMENT);
}

static void at_the_beginning_of_a_file_that_is_used_again(void **state)
{
    (void)state;
    struct journal *journal = used_again();
    while (journal_bytes_used(journal) > SEGMENT / 2)
        commit_events(journal, 10, journal_last_sequence(journal));
    while (journal_bytes_used(journal) < SEGMENT)
        commit_events(journal, 10, journal_last_sequence(journal));
    journal_close(journal);
    assert_true(tear_and_go_on(2) >= SEGMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(in_the_middle_of_a_file),
        scratch_test(at_the_beginning_of_all),
        scratch_test(at_the_beginning_of_a_file),
        scratch_test(in_the_middle_of_a_file_that_is_used_again),
        scratch_test(at_the_beginning_of_a_file_that_is_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
