#include "input.h"

#include "answer.h"
#include "limits.h"
#include "text.h"

static bool field_refuse(struct exchange *exchange, const char *name, enum body_field found)
{
    answer_invalid_field(exchange, name, body_field_text(found));
    return false;
}

bool input_id(struct exchange *exchange, const struct call *call, const char *name, uint64_t *id)
{
    enum body_field found = body_integer(&call->body, name, 1, ID_MAX, id);
    return found == BODY_FIELD_OK || field_refuse(exchange, name, found);
}

bool input_optional_id(struct exchange *exchange, const struct call *call, const char *name,
                       uint64_t *id)
{
    enum body_field found = body_integer(&call->body, name, 1, ID_MAX, id);
    if (found == BODY_FIELD_ABSENT) {
        *id = 0;
        return true;
    }
    return found == BODY_FIELD_OK || field_refuse(exchange, name, found);
}

bool input_setting(struct exchange *exchange, const struct call *call, const char *name,
                   uint64_t min, uint64_t max, uint64_t *value, uint64_t *bits, uint64_t bit)
{
    enum body_field found = body_integer(&call->body, name, min, max, value);
    if (found == BODY_FIELD_OK)
        *bits |= bit;
    return found == BODY_FIELD_OK || found == BODY_FIELD_ABSENT ||
           field_refuse(exchange, name, found);
}

bool input_switch(struct exchange *exchange, const struct call *call, const char *name,
                  uint64_t *value, uint64_t *bits, uint64_t bit)
{
    bool on = false;
    enum body_field found = body_bool(&call->body, name, &on);
    if (found == BODY_FIELD_WRONG)
        return field_refuse(exchange, name, found);
    if (found == BODY_FIELD_OK) {
        *value = on;
        *bits |= bit;
    }
    return true;
}

bool input_amount(struct exchange *exchange, const struct call *call, uint64_t *amount)
{
    enum body_field found = body_integer(&call->body, "amount", 1, AMOUNT_MAX, amount);
    if (found == BODY_FIELD_RANGE) {
        answer_problem(exchange, PROBLEM_AMOUNT_OUT_OF_RANGE, NULL);
        return false;
    }
    return found == BODY_FIELD_OK || field_refuse(exchange, "amount", found);
}

bool input_limit(struct exchange *exchange, const struct call *call, uint64_t initial, uint64_t max,
                 uint64_t *limit)
{
    struct text value;
    *limit = initial;
    if (!query_find(call->request->query, "limit", &value) ||
        (text_number(value, max, limit) && *limit > 0))
        return true;
    answer_invalid_field(exchange, "limit", "The limit is no number, 0, or too large.");
    return false;
}

bool input_query_id(struct exchange *exchange, const struct call *call, const char *name,
                    uint64_t *id)
{
    struct text value;
    *id = 0;
    if (!query_find(call->request->query, name, &value) ||
        (text_number(value, ID_MAX, id) && *id > 0))
        return true;
    answer_invalid_field(exchange, name, "The parameter is no id.");
    return false;
}

bool input_cursor(struct exchange *exchange, const struct call *call, enum cursor_kind kind,
                  uint64_t *position)
{
    struct text value;
    *position = 0;
    if (!query_find(call->request->query, "cursor", &value) || cursor_read(value, kind, position))
        return true;
    answer_invalid_field(exchange, "cursor", "The cursor is not one of this list.");
    return false;
}

bool input_cursor_pair(struct exchange *exchange, const struct call *call, enum cursor_kind kind,
                       struct cursor_pair *position)
{
    struct text value;
    *position = (struct cursor_pair){0, 0};
    if (!query_find(call->request->query, "cursor", &value) ||
        cursor_pair_read(value, kind, position))
        return true;
    answer_invalid_field(exchange, "cursor", "The cursor is not one of this list.");
    return false;
}
