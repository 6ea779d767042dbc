#include "seat_page.h"

#include "cursor.h"
#include <string.h>

/* Written by hand into room that was reserved for the longest case, because seat maps are most of
 * what is read: what a section's seats have in common is rendered once. */

const char *const seat_state_names[SEAT_STATES] = {
    [SEAT_AVAILABLE] = "AVAILABLE",
    [SEAT_TEMP_RESERVED] = "TEMP_RESERVED",
    [SEAT_RESERVED] = "RESERVED",
};

enum {
    NUMBER_SIZE = 20,
    SECTION_SIZE = 64 + 6 * TEXT_NAME_MAX + NUMBER_SIZE, /* with every byte escaped */
    SEAT_SIZE = 64 + 2 * NUMBER_SIZE + SECTION_SIZE,
    ENDS_SIZE = 128, /* what is before and behind the seats */
};

/* One state's tail of a seat, the comma to the next seat included. */
static const struct {
    const char *text;
    size_t size;
} tails[SEAT_STATES + 1] = {
#define TAIL(state)                                                                                \
    {                                                                                              \
        state "\"},", sizeof(state "\"},") - 1                                                     \
    }
    TAIL("AVAILABLE"), TAIL("TEMP_RESERVED"), TAIL("RESERVED"),
    TAIL("RESERVED"), /* a state that is none: never offered */
#undef TAIL
};

struct page {
    const struct seat_query *query;
    struct seat_map_view map;
    uint64_t words[SEAT_MAP_WORDS_MAX]; /* from the word of query->first on */
    uint32_t next, left;                /* places, 0-based */
    /* the section at hand */
    uint32_t section, section_end;
    char common[SECTION_SIZE];
    size_t common_size;
    char *to;
};

static void put(struct page *page, const char *data, size_t size)
{
    memcpy(page->to, data, size);
    page->to += size;
}

#define PUT(page, literal) put(page, literal, sizeof(literal) - 1)

static void put_number(struct page *page, uint64_t value)
{
    char digits[NUMBER_SIZE];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    put(page, digits + at, sizeof digits - at);
}

/* Goes on to the section of `place`; false when the map's sections do not cover it. */
static bool section_find(struct page *page, uint32_t place)
{
    while (place >= page->section_end) {
        if (page->section == page->map.section_count)
            return false;
        const struct seat_map_section *section = &page->map.sections[page->section++];
        uint32_t name_length = section->name_length;
        page->section_end += section->seat_count;
        if (place >= page->section_end)
            continue;
        struct json_out json;
        json_out_init(&json, page->common, sizeof page->common);
        json.comma = true;
        json_key(&json, "section");
        json_text(&json, section->name, name_length < TEXT_NAME_MAX ? name_length : TEXT_NAME_MAX);
        json_member_u64(&json, "amount", section->amount);
        json_key(&json, "seatStatus");
        page->common_size = json.used;
        page->common[page->common_size++] = '"';
    }
    return true;
}

static bool put_seat(struct page *page, uint32_t place, unsigned state)
{
    if (!section_find(page, place))
        return false;
    PUT(page, "{\"seatId\":");
    put_number(page, seat_id(page->query->schedule, place + 1));
    PUT(page, ",\"position\":");
    put_number(page, place + 1);
    put(page, page->common, page->common_size);
    put(page, tails[state].text, tails[state].size);
    return true;
}

static unsigned state_at(const struct page *page, uint32_t place)
{
    uint32_t first_word = (uint32_t)(page->query->first - 1) / SEAT_MAP_WORD_SEATS;
    return seat_map_state(page->words, place - first_word * SEAT_MAP_WORD_SEATS);
}

/* The first place at or after page->next that is in the state asked for; seat_count: none. */
static uint32_t place_next(const struct page *page)
{
    const struct seat_query *query = page->query;
    uint32_t place = page->next, count = page->map.seat_count;
    uint32_t first_word = (uint32_t)(query->first - 1) / SEAT_MAP_WORD_SEATS;
    if (query->status == SEAT_STATE_ANY)
        return place;
    while (place < count) {
        uint32_t word = place / SEAT_MAP_WORD_SEATS, within = place % SEAT_MAP_WORD_SEATS;
        uint64_t match = seat_map_match(page->words[word - first_word], query->status);
        match &= UINT64_MAX << (within * SEAT_MAP_STATE_BITS);
        if (match != 0)
            return word * SEAT_MAP_WORD_SEATS + (uint32_t)__builtin_ctzll(match) / 2;
        place = (word + 1) * SEAT_MAP_WORD_SEATS;
    }
    return count;
}

static bool put_seats(struct page *page)
{
    uint32_t count = page->map.seat_count;
    bool any = false;
    for (page->next = place_next(page); page->next < count && page->left > 0;
         page->next = place_next(page)) {
        if (!put_seat(page, page->next, state_at(page, page->next)))
            return false;
        any = true;
        page->next++;
        page->left--;
    }
    if (any)
        page->to--; /* the comma behind the last */
    return true;
}

static void put_cursor(struct page *page)
{
    if (page->next >= page->map.seat_count) {
        PUT(page, "null");
        return;
    }
    char cursor[CURSOR_TEXT_SIZE];
    cursor_write(CURSOR_SEATS, seat_id(page->query->schedule, page->next + 1), cursor);
    PUT(page, "\"");
    put(page, cursor, CURSOR_TEXT_SIZE - 1);
    PUT(page, "\"");
}

/* Reads the words that the page can need, as far as the last seat when it filters. */
static bool words_read(struct page *page, const struct catalogue *catalogue, uint32_t at,
                       uint64_t *version)
{
    const struct seat_query *query = page->query;
    uint32_t first = (uint32_t)query->first - 1, last = page->map.seat_count - 1;
    if (query->status == SEAT_STATE_ANY && query->limit <= last - first)
        last = first + query->limit - 1;
    uint32_t first_word = first / SEAT_MAP_WORD_SEATS;
    *version = seat_maps_read(&catalogue->maps, at, first_word,
                              last / SEAT_MAP_WORD_SEATS - first_word + 1, page->words);
    return *version != 0;
}

enum seat_page_result seat_page_render(struct scratch *scratch, const struct catalogue *catalogue,
                                       uint32_t at, const struct seat_query *query,
                                       struct text *body, uint64_t *version)
{
    struct page page;
    page.query = query;
    page.section = page.section_end = 0;
    if (!seat_maps_find(&catalogue->maps, at, &page.map))
        return SEAT_PAGE_UNREADABLE;
    if (query->first == 0 || query->first > page.map.seat_count)
        return SEAT_PAGE_NO_SEAT;
    if (!words_read(&page, catalogue, at, version))
        return SEAT_PAGE_UNREADABLE;
    page.next = (uint32_t)query->first - 1;
    page.left = query->limit < page.map.seat_count ? query->limit : page.map.seat_count;
    if (!scratch_reserve(scratch, ENDS_SIZE + (size_t)page.left * SEAT_SIZE))
        return SEAT_PAGE_NO_MEMORY;
    page.to = scratch->data;
    if (query->bare)
        PUT(&page, "{\"data\":[");
    else
        PUT(&page, "{\"data\":{\"seats\":[");
    if (!put_seats(&page))
        return SEAT_PAGE_UNREADABLE;
    PUT(&page, "]");
    if (!query->bare) {
        PUT(&page, ",\"nextCursor\":");
        put_cursor(&page);
        PUT(&page, "}");
    }
    PUT(&page, "}");
    *body = (struct text){.data = scratch->data, .size = (size_t)(page.to - scratch->data)};
    return SEAT_PAGE_OK;
}
