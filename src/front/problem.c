#include "problem.h"

#include "check.h"
#include "json_out.h"
#include <string.h>

#define PROBLEM_TYPE_PREFIX "urn:boxoffice:problem:"

static const struct problem_row {
    uint16_t status;
    const char *type; /* the code is its tail */
    const char *title, *detail;
} problems[PROBLEM_COUNT] = {
/* clang-format off */
#define PROBLEM(name, status_, code, title_, detail_)                                              \
    [PROBLEM_##name] = {.status = status_, .type = PROBLEM_TYPE_PREFIX code, .title = title_,      \
                        .detail = detail_},
#include "problem.def"
#undef PROBLEM
    /* clang-format on */
};

unsigned problem_status(enum problem problem)
{
    check(problem > PROBLEM_OK && problem < PROBLEM_COUNT);
    return problems[problem].status;
}

const char *problem_code(enum problem problem)
{
    check(problem > PROBLEM_OK && problem < PROBLEM_COUNT);
    return problems[problem].type + strlen(PROBLEM_TYPE_PREFIX);
}

/* To clients it is the same. */
#define PROBLEM_ACTOR_UNAVAILABLE PROBLEM_UNAVAILABLE

enum problem problem_of_outcome(enum outcome outcome)
{
    static const enum problem by_outcome[OUTCOME_COUNT] = {
#define O(name) [OUTCOME_##name] = PROBLEM_##name,
        OUTCOMES(O)
#undef O
    };
    return (unsigned)outcome < OUTCOME_COUNT ? by_outcome[outcome] : PROBLEM_INTERNAL;
}

enum problem problem_of_status(unsigned status)
{
    if (status == 400) /* where a status has several problems, the one about the request itself */
        return PROBLEM_BAD_REQUEST;
    if (status == 503)
        return PROBLEM_OVERLOADED;
    for (enum problem problem = PROBLEM_OK + 1; problem < PROBLEM_COUNT; problem++)
        if (problems[problem].status == status)
            return problem;
    return PROBLEM_INTERNAL;
}

static void text_member(struct json_out *json, const char *name, const char *value)
{
    json_key(json, name);
    json_text(json, value, strlen(value));
}

void problem_open(struct json_out *json, enum problem problem, const char *detail)
{
    check(problem > PROBLEM_OK && problem < PROBLEM_COUNT);
    const struct problem_row *row = &problems[problem];
    json_object_open(json);
    text_member(json, "type", row->type);
    text_member(json, "title", row->title);
    json_key(json, "status");
    json_u64(json, row->status);
    text_member(json, "detail", detail != NULL ? detail : row->detail);
    text_member(json, "code", problem_code(problem));
}
