#include "body.h"

#include "limits.h"
#include "text.h"
#include <jansson.h>
#include <sodium.h>
#include <string.h>

void body_seed(void)
{
    json_object_seed(0); /* from the system's randomness */
}

/* No JSON text has a NUL byte, but the library's lexer skips one that follows a number.
 *
 * An integer beyond 64 bits is well-formed JSON, but more than the library holds. Such a body is
 * read again with every number as a real, so that the answer can name the field. */
enum problem body_parse(struct body *body, struct text text)
{
    json_error_t error;
    const char *data = text.data != NULL ? text.data : "";
    body->wide = false;
    body->object = NULL;
    if (memchr(data, '\0', text.size) != NULL)
        return PROBLEM_INVALID_JSON;
    json_t *root = json_loadb(data, text.size, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL && json_error_code(&error) == json_error_numeric_overflow) {
        body->wide = true;
        root =
            json_loadb(data, text.size, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
    }
    if (root != NULL && !json_is_object(root)) {
        json_decref(root);
        root = NULL;
    }
    body->object = root;
    return root != NULL ? PROBLEM_OK : PROBLEM_INVALID_JSON;
}

void body_fini(struct body *body)
{
    json_decref(body->object);
    body->object = NULL;
}

const char *body_field_text(enum body_field field)
{
    static const char *const texts[] = {
        [BODY_FIELD_ABSENT] = "The field is missing.",
        [BODY_FIELD_WRONG] = "The field is of another type.",
        [BODY_FIELD_RANGE] = "The number is outside its bounds.",
    };
    return texts[field];
}

static enum body_field integer_of(const json_t *item, bool wide, uint64_t min, uint64_t max,
                                  uint64_t *value)
{
    if (wide && json_is_real(item)) {
        double real = json_real_value(item);
        if (real < 0 || real > (double)ID_MAX)
            return BODY_FIELD_RANGE;
        *value = (uint64_t)real;
        if ((double)*value != real)
            return BODY_FIELD_WRONG;
    } else if (json_is_integer(item)) {
        if (json_integer_value(item) < 0)
            return BODY_FIELD_RANGE;
        *value = (uint64_t)json_integer_value(item);
    } else {
        return BODY_FIELD_WRONG;
    }
    return *value < min || *value > max ? BODY_FIELD_RANGE : BODY_FIELD_OK;
}

static const json_t *field_find(const struct body *body, const char *name)
{
    const json_t *item = body->object != NULL ? json_object_get(body->object, name) : NULL;
    return json_is_null(item) ? NULL : item;
}

enum body_field body_integer(const struct body *body, const char *name, uint64_t min, uint64_t max,
                             uint64_t *value)
{
    const json_t *item = field_find(body, name);
    return item == NULL ? BODY_FIELD_ABSENT : integer_of(item, body->wide, min, max, value);
}

enum body_field body_bool(const struct body *body, const char *name, bool *value)
{
    const json_t *item = field_find(body, name);
    if (item == NULL)
        return BODY_FIELD_ABSENT;
    if (!json_is_boolean(item))
        return BODY_FIELD_WRONG;
    *value = json_is_true(item);
    return BODY_FIELD_OK;
}

enum body_field body_ids(const struct body *body, const char *name, uint32_t max, uint64_t *items,
                         uint32_t *count)
{
    const json_t *list = field_find(body, name);
    if (list == NULL)
        return BODY_FIELD_ABSENT;
    if (!json_is_array(list))
        return BODY_FIELD_WRONG;
    size_t size = json_array_size(list);
    *count = (uint32_t)size;
    if (size > max)
        return BODY_FIELD_RANGE;
    for (size_t i = 0; i < size; i++)
        if (integer_of(json_array_get(list, i), body->wide, 1, ID_MAX, &items[i]) != BODY_FIELD_OK)
            return BODY_FIELD_WRONG;
    return BODY_FIELD_OK;
}

enum body_field body_text(const struct body *body, const char *name, struct text *value)
{
    const json_t *item = field_find(body, name);
    if (item == NULL)
        return BODY_FIELD_ABSENT;
    if (!json_is_string(item))
        return BODY_FIELD_WRONG;
    *value = (struct text){.data = json_string_value(item), .size = json_string_length(item)};
    return BODY_FIELD_OK;
}

enum body_field body_list(const struct body *body, const char *name, struct body_list *list)
{
    const json_t *item = field_find(body, name);
    if (item == NULL)
        return BODY_FIELD_ABSENT;
    if (!json_is_array(item))
        return BODY_FIELD_WRONG;
    *list = (struct body_list){item, body->wide, json_array_size(item)};
    return BODY_FIELD_OK;
}

bool body_item(const struct body_list *list, size_t number, struct body *item)
{
    json_t *object = json_array_get(list->array, number);
    *item = (struct body){object, list->wide};
    return json_is_object(object);
}

bool body_type_is_json(struct text content_type)
{
    struct text rest = content_type, type;
    return text_next(&rest, ';', &type) &&
           text_is_ignoring_case(text_trim(type), "application/json");
}

uint64_t body_hash(struct text text)
{
    static const uint8_t key[crypto_shorthash_KEYBYTES] = "boxoffice body";
    uint8_t bytes[crypto_shorthash_BYTES];
    crypto_shorthash(bytes, (const uint8_t *)text.data, text.size, key);
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        hash = hash << 8 | bytes[i];
    return hash;
}
