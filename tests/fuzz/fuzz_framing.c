#include "parser.h"

#include <stdlib.h>
#include <string.h>

/* The framing rules on any bytes: the verdict must not depend on how they were cut, must not change
 * by what follows, and http-parser has to agree with what they accept.
 *
 * Built with BOXOFFICE_FUZZ (tests/fuzz/CMakeLists.txt).
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* A copy of exactly these bytes, so that the address sanitizer sees every read beyond them. */
static char *copy_of(const char *bytes, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);
    must(copy != NULL);
    memcpy(copy, bytes, size);
    return copy;
}

static enum framing_verdict feed(struct framing *framing, const char *bytes, size_t size)
{
    char *copy = copy_of(bytes, size);
    enum framing_verdict verdict = framing_check(framing, copy, size);
    free(copy);
    return verdict;
}

static void must_be_same(const struct framing *a, const struct framing *b)
{
    must(a->phase == b->phase && a->status == b->status && a->detail == b->detail);
    must(a->method == b->method && a->minor == b->minor && a->start == b->start);
    must(a->target == b->target && a->target_size == b->target_size && a->path == b->path);
    must(a->field_count == b->field_count && a->trailer_count == b->trailer_count);
    must(a->head_size == b->head_size && a->total_size == b->total_size);
    must(a->body_size == b->body_size && a->scan == b->scan);
    must(framing_keeps_alive(a) == framing_keeps_alive(b));
}

static void check_message(const struct framing *framing, const char *bytes)
{
    struct http_request request;
    const char *why;
    char *copy = copy_of(bytes, framing->total_size);
    /* http-parser refuses what it does not know, but may never frame in another way. */
    if (parser_read(framing, copy, &request, &why)) {
        must(request.body.size == framing->body_size);
        must(request.path.size > 0);
    } else {
        must(strcmp(why, "the request cannot be parsed") == 0);
    }
    free(copy);
}

/* The first two bytes say where to cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const char *bytes = (const char *)data + 2;
    size -= 2;
    size_t step = 1 + data[0], cut = size > 0 ? data[1] % (size + 1) : 0;
    struct framing whole, cut_once, stepped;

    framing_init(&whole);
    enum framing_verdict verdict = feed(&whole, bytes, size);

    framing_init(&cut_once);
    enum framing_verdict other = feed(&cut_once, bytes, cut);
    if (other == FRAMING_MORE)
        other = feed(&cut_once, bytes, size);
    must(other == verdict);
    must_be_same(&cut_once, &whole);

    framing_init(&stepped);
    other = FRAMING_MORE;
    for (size_t fed = 0; fed < size && other == FRAMING_MORE;) {
        fed = size - fed > step ? fed + step : size;
        other = feed(&stepped, bytes, fed);
    }
    if (size > 0) {
        must(other == verdict);
        must_be_same(&stepped, &whole);
    }

    if (verdict == FRAMING_COMPLETE) {
        must(whole.total_size <= size && whole.total_size <= MESSAGE_SIZE_MAX);
        must(whole.body_size <= BODY_SIZE_MAX);
        framing_init(&stepped);
        must(feed(&stepped, bytes, whole.total_size) == FRAMING_COMPLETE);
        must_be_same(&stepped, &whole);
        check_message(&whole, bytes);
    }
    return 0;
}
