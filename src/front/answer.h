#ifndef BOXOFFICE_ANSWER_H
#define BOXOFFICE_ANSWER_H

#include "dispatch.h"
#include "http.h"
#include "json_out.h"
#include "problem.h"

/* The ways to answer an exchange. Each answers it once, after which it is gone. `headers` are
 * further header lines, each with CRLF, or NULL. */

enum {
    ANSWER_SIZE = 1024,      /* the JSON of one thing */
    ANSWER_VALUE_ORIGIN = 4, /* exchange->values: the origin's number (cors.h) */
};

/* {"data": …}: open writes up to the value, close ends and sends it. */
void answer_open(struct json_out *json, char *data, size_t size);
void answer_close(struct exchange *exchange, unsigned status, struct json_out *json);

/* "state" of a process, in the API's capitals: READY, READ_ONLY, … */
void json_member_state(struct json_out *json, enum process_state state);

/* For an answer of any length: `render` writes the value, and is called again with more room until
 * it fits; beyond SCRATCH_MAX the answer is 500. */
typedef void (*answer_render_cb)(struct json_out *json, const void *context);
struct scratch {
    char *data;
    size_t size;
};
enum { SCRATCH_FIRST = 64 * 1024, SCRATCH_MAX = 64 * 1024 * 1024 };
/* Room for at least `size` bytes. False beyond SCRATCH_MAX, or when memory is short. */
bool scratch_reserve(struct scratch *scratch, size_t size);
/* Renders {"data": …} into the scratch buffer; empty when it does not fit or memory is short. */
struct text scratch_render(struct scratch *scratch, answer_render_cb render, const void *context);
void answer_rendered(struct exchange *exchange, unsigned status, answer_render_cb render,
                     const void *context);

void answer_bytes(struct exchange *exchange, unsigned status, const char *content_type,
                  const char *headers, struct text body);
void answer_empty(struct exchange *exchange, unsigned status, const char *headers);

void answer_problem(struct exchange *exchange, enum problem problem, const char *detail);
void answer_invalid_field(struct exchange *exchange, const char *field, const char *detail);
/* For a problem with members of its own: ends the object that problem_open left open and sends it.
 */
void answer_problem_close(struct exchange *exchange, enum problem problem, struct json_out *json,
                          const char *headers);

/* True when the reply is OUTCOME_OK of that kind. Otherwise the exchange has been answered with the
 * outcome's problem and the members that its reply brings. `field`: what INVALID_FIELD is about. */
bool answer_expect(struct exchange *exchange, const struct dispatch_reply *reply,
                   enum reply_kind kind, const char *field);

#endif
