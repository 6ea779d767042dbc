#ifndef BOXOFFICE_BODY_H
#define BOXOFFICE_BODY_H

#include "http.h"
#include "problem.h"

/* A request's JSON body. Unknown fields are ignored; repeated keys, trailing bytes and invalid
 * UTF-8 are refused. */
struct body {
    void *object; /* of the JSON library; NULL when there was no body */
    bool wide;    /* it holds an integer beyond 64 bits, see body_parse */
};

/* Once, before the first: hostile keys can't be made to collide. */
void body_seed(void);
/* PROBLEM_OK, or INVALID_JSON. After success body_fini must follow. */
enum problem body_parse(struct body *body, struct text text);
void body_fini(struct body *body);

enum body_field {
    BODY_FIELD_OK,
    BODY_FIELD_ABSENT, /* missing or null */
    BODY_FIELD_WRONG,  /* of another type; a number with a fraction or an exponent is one */
    BODY_FIELD_RANGE,  /* an integer below min or above max */
};
const char *body_field_text(enum body_field field); /* what is wrong, for people; not of OK */
enum body_field body_integer(const struct body *body, const char *name, uint64_t min, uint64_t max,
                             uint64_t *value);
enum body_field body_bool(const struct body *body, const char *name, bool *value);
/* An array of ids 1 … 2^53-1. An array of more than `max` items gives BODY_FIELD_RANGE and their
 * number in *count. */
enum body_field body_ids(const struct body *body, const char *name, uint32_t max, uint64_t *items,
                         uint32_t *count);

/* A string; `value` is valid until body_fini. */
enum body_field body_text(const struct body *body, const char *name, struct text *value);
/* An array; its items by number. What body_item gives is an object that is part of `body` (no
 * body_fini), or false when the item is none. */
struct body_list {
    const void *array; /* of the JSON library */
    bool wide;
    size_t count;
};
enum body_field body_list(const struct body *body, const char *name, struct body_list *list);
bool body_item(const struct body_list *list, size_t number, struct body *item);

/* "application/json", any case, with or without parameters. */
bool body_type_is_json(struct text content_type);
/* 64 bits over the raw bytes: tells another body under the same Idempotency-Key. The same on every
 * start, because journals keep it. */
uint64_t body_hash(struct text text);

#endif
