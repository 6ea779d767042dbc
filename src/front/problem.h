#ifndef BOXOFFICE_PROBLEM_H
#define BOXOFFICE_PROBLEM_H

#include "messages.h"

struct json_out;

/* The API's error codes and their RFC 9457 bodies (problem.def). */
enum problem {
    PROBLEM_OK, /* none; also what OUTCOME_OK maps to */
#define PROBLEM(name, status, code, title, detail) PROBLEM_##name,
#include "problem.def"
#undef PROBLEM
    PROBLEM_COUNT
};

unsigned problem_status(enum problem problem);
const char *problem_code(enum problem problem);
enum problem problem_of_outcome(enum outcome outcome); /* INTERNAL for a number that is none */
/* For a fault that the framing found: the problem of an HTTP status. */
enum problem problem_of_status(unsigned status);

/* Writes {"type","title","status","detail","code" and leaves the object open for further members.
 * `detail` NULL takes the table's. */
void problem_open(struct json_out *json, enum problem problem, const char *detail);

#endif
