#ifndef BOXOFFICE_FRAMING_FEED_H
#define BOXOFFICE_FRAMING_FEED_H

#include "framing.h"

#include <stdlib.h>
#include <string.h>

/* Feeding the framing checker in pieces. Each call gets a copy of exactly the bytes that have come,
 * so that the address sanitizer sees every read beyond them. */

static inline enum framing_verdict feed_prefix(struct framing *framing, const char *bytes,
                                               size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    enum framing_verdict verdict = framing_check(framing, copy, size);
    free(copy);
    return verdict;
}

static inline enum framing_verdict feed_whole(struct framing *framing, const char *bytes,
                                              size_t size)
{
    framing_init(framing);
    return feed_prefix(framing, bytes, size);
}

/* `step` more bytes at a time. */
static inline enum framing_verdict feed_cut(struct framing *framing, const char *bytes, size_t size,
                                            size_t step)
{
    enum framing_verdict verdict = FRAMING_MORE;
    framing_init(framing);
    for (size_t fed = 0; fed < size && verdict == FRAMING_MORE;) {
        fed = size - fed > step ? fed + step : size;
        verdict = step == 1 ? framing_check(framing, bytes, fed) : feed_prefix(framing, bytes, fed);
    }
    return verdict;
}

static inline void assert_same_framing(const struct framing *a, const struct framing *b)
{
    assert_int_equal(a->phase, b->phase);
    assert_int_equal(a->status, b->status);
    assert_ptr_equal(a->detail, b->detail);
    assert_int_equal(a->method, b->method);
    assert_int_equal(a->minor, b->minor);
    assert_int_equal(a->start, b->start);
    assert_int_equal(a->scan, b->scan);
    assert_int_equal(a->target, b->target);
    assert_int_equal(a->target_size, b->target_size);
    assert_int_equal(a->path, b->path);
    assert_int_equal(a->field_count, b->field_count);
    assert_int_equal(a->trailer_count, b->trailer_count);
    assert_int_equal(a->head_size, b->head_size);
    assert_int_equal(a->total_size, b->total_size);
    assert_int_equal(a->body_size, b->body_size);
    assert_int_equal(a->close, b->close);
    assert_int_equal(a->keep_alive, b->keep_alive);
    assert_int_equal(a->expect_continue, b->expect_continue);
}

/* Whole, byte by byte, and in two at every position. */
static inline enum framing_verdict feed_every_way(struct framing *framing, const char *bytes,
                                                  size_t size)
{
    enum framing_verdict verdict = feed_whole(framing, bytes, size);
    struct framing other;
    assert_int_equal(feed_cut(&other, bytes, size, 1), verdict);
    assert_same_framing(&other, framing);
    for (size_t cut = 0; cut <= size; cut++) {
        enum framing_verdict first = feed_whole(&other, bytes, cut);
        if (first == FRAMING_MORE)
            first = feed_prefix(&other, bytes, size);
        assert_int_equal(first, verdict);
        assert_same_framing(&other, framing);
    }
    return verdict;
}

#endif
