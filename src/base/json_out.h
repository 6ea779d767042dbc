#ifndef BOXOFFICE_JSON_OUT_H
#define BOXOFFICE_JSON_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A JSON writer into a bounded buffer, for the answers on the hot path (measured against jansson's
 * dump in bench/README.md). Commas are placed by the writer. The failure is sticky. */
struct json_out {
    char *data;
    size_t size;
    size_t used;
    bool failed; /* did not fit */
    bool comma;  /* the next element needs one */
};

void json_out_init(struct json_out *json, char *data, size_t size);
void json_object_open(struct json_out *json);
void json_object_close(struct json_out *json);
void json_array_open(struct json_out *json);
void json_array_close(struct json_out *json);
void json_key(struct json_out *json, const char *name); /* a literal that needs no escape */
void json_u64(struct json_out *json, uint64_t value);
void json_bool(struct json_out *json, bool value);
/* Not json_null: the JSON library that the front links has one, and would call ours. */
void json_out_null(struct json_out *json);
void json_text(struct json_out *json, const char *data, size_t length); /* escapes; UTF-8 in */
void json_time(struct json_out *json, uint64_t time_ms);                /* RFC 3339 */

void json_raw(struct json_out *json, const char *data,
              size_t size); /* a value that is JSON already */

/* One member of an object. */
void json_member_u64(struct json_out *json, const char *name, uint64_t value);
void json_member_text(struct json_out *json, const char *name, const char *value);
void json_member_time(struct json_out *json, const char *name, uint64_t time_ms); /* 0: null */

#endif
