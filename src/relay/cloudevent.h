#ifndef BOXOFFICE_CLOUDEVENT_H
#define BOXOFFICE_CLOUDEVENT_H

#include "clock.h"
#include "journal.h"
#include "json_out.h"

/* A journal event as the world sees it: CloudEvents 1.0 with JSON data. It is a function of the
 * journal record and the incarnation alone, so that an event sent twice is the same bytes twice. */

enum topic {
#define TOPIC(name, topic, collection) TOPIC_##name,
#define PUBLIC(kind, tag, topic, type, members)
#include "public.def"
#undef TOPIC
#undef PUBLIC
    TOPIC_COUNT
};
const char *topic_text(enum topic topic); /* "boxoffice.reservations" */

enum { CLOUDEVENT_DATA_MAX = 4096 };
#define CLOUDEVENT_SOURCE "/boxoffice"

struct cloudevent {
    enum topic topic;
    const char *type;
    char id[64];      /* incarnation-worker-sequence */
    char subject[40]; /* "reservations/67110337" */
    char key[21];     /* of the Kafka message: the aggregate's id */
    char time[CLOCK_TEXT_SIZE];
    size_t data_size;
    char data[CLOUDEVENT_DATA_MAX]; /* JSON, not terminated */
};

/* Whether consumers see it: it has a version, and public.def knows its kind. */
bool cloudevent_is_public(const struct journal_event *event);
/* Of a public event in the journal of `worker` ("seat-0"). STATUS_CORRUPT: it does not decode. */
enum status cloudevent_make(struct cloudevent *to, uint64_t incarnation, const char *worker,
                            const struct journal_event *from);
/* The structured JSON form, one object. `cursor`: extension attribute, where a reader goes on. */
void cloudevent_render(struct json_out *json, const struct cloudevent *event, const char *cursor);

#endif
