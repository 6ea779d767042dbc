#include "kafka.h"
#include "kafka_conf.h"
#include "log.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOG_INTERVAL_S = 10 };

struct kafka {
    rd_kafka_t *handle;
    rd_kafka_queue_t *reports;
    rd_kafka_topic_t *topics[TOPIC_COUNT];
    struct kafka_owner owner;
    bool failed;
    char error[256];
    uint64_t logged_ns;
    unsigned unlogged;
    _Atomic bool discarded, gone;
};

/* ---- what the library tells us: from within rd_kafka_poll, unless it is being closed ---- */

static void on_report(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka *kafka = opaque;
    (void)handle;
    if (atomic_load(&kafka->discarded))
        return;
    bool fell = message->err == RD_KAFKA_RESP_ERR__FATAL ||
                message->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
                message->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
    const char *error = message->err != 0 ? rd_kafka_err2name(message->err) : NULL;
    if (!fell)
        kafka->owner.report(kafka->owner.context, (uint64_t)(uintptr_t)message->_private, error);
}

static void note_error(struct kafka *kafka, const char *name, const char *reason)
{
    uint64_t now_ns = clock_monotonic_ns();
    snprintf(kafka->error, sizeof kafka->error, "%s", name);
    if (kafka->logged_ns != 0 &&
        now_ns - kafka->logged_ns < LOG_INTERVAL_S * UINT64_C(1000000000)) {
        kafka->unlogged++;
        return;
    }
    log_warn("kafka-error", "error=%s reason=\"%s\" unlogged=%u", name, reason, kafka->unlogged);
    kafka->logged_ns = now_ns;
    kafka->unlogged = 0;
}

static void on_error(rd_kafka_t *handle, int error, const char *reason, void *opaque)
{
    struct kafka *kafka = opaque;
    char text[256];
    if (atomic_load(&kafka->discarded))
        return;
    if (error == RD_KAFKA_RESP_ERR__FATAL) {
        error = rd_kafka_fatal_error(handle, text, sizeof text);
        reason = text;
        kafka->failed = true;
    }
    note_error(kafka, rd_kafka_err2name((rd_kafka_resp_err_t)error), reason);
}

static void on_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    (void)handle;
    (void)level;
    log_debug("librdkafka", "facility=%s text=\"%s\"", facility, text);
}

/* ---- opening ---- */

/* Takes conf over. */
static rd_kafka_t *make(rd_kafka_conf_t *conf, struct kafka *kafka, char *error, size_t error_size)
{
    char text[256];
    rd_kafka_conf_set_opaque(conf, kafka);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (handle == NULL) {
        rd_kafka_conf_destroy(conf);
        snprintf(error, error_size, "Kafka: %s", text);
    }
    return handle;
}

enum kafka_settings kafka_check(const struct config *config, char *error, size_t error_size)
{
    static struct kafka kafka = {.discarded = true};
    rd_kafka_conf_t *conf = kafka_conf_make(config, error, error_size);
    if (conf == NULL)
        return KAFKA_SETTINGS_WRONG;
    return make(conf, &kafka, error, error_size) != NULL ? KAFKA_SETTINGS_GOOD
                                                         : KAFKA_SETTINGS_UNUSABLE;
}

struct kafka *kafka_open(const struct config *config, const struct kafka_owner *owner, char *error,
                         size_t error_size)
{
    static const uint64_t ring = 1;
    struct kafka *kafka = calloc(1, sizeof *kafka);
    if (kafka == NULL) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    kafka->owner = *owner;
    rd_kafka_conf_t *conf = kafka_conf_make(config, error, error_size);
    if (conf != NULL)
        kafka->handle = make(conf, kafka, error, error_size);
    if (kafka->handle == NULL) {
        free(kafka);
        return NULL;
    }
    for (unsigned i = 0; i < TOPIC_COUNT; i++)
        kafka->topics[i] = rd_kafka_topic_new(kafka->handle, topic_text((enum topic)i), NULL);
    kafka->reports = rd_kafka_queue_get_main(kafka->handle);
    rd_kafka_queue_io_event_enable(kafka->reports, owner->doorbell, &ring, sizeof ring);
    return kafka;
}

/* ---- sending ---- */

static rd_kafka_vu_t header(const char *name, const char *value)
{
    return (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_HEADER,
                           .u.header = {name, value, (ssize_t)strlen(value)}};
}

/* The binary mode of CloudEvents' Kafka protocol binding 1.0.2. */
static rd_kafka_error_t *produce(struct kafka *kafka, const struct cloudevent *event, uint64_t tag)
{
    rd_kafka_vu_t values[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = kafka->topics[event->topic]},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)event->key, strlen(event->key)}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)event->data, event->data_size}},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = (void *)(uintptr_t)tag},
        header("ce_specversion", "1.0"),
        header("ce_id", event->id),
        header("ce_source", CLOUDEVENT_SOURCE),
        header("ce_type", event->type),
        header("ce_subject", event->subject),
        header("ce_time", event->time),
        header("content-type", "application/json"),
    };
    return rd_kafka_produceva(kafka->handle, values, sizeof values / sizeof values[0]);
}

enum kafka_sent kafka_send(struct kafka *kafka, const struct cloudevent *event, uint64_t tag)
{
    rd_kafka_error_t *error = produce(kafka, event, tag);
    if (error == NULL)
        return KAFKA_SENT;
    bool full = rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL;
    if (!full)
        note_error(kafka, rd_kafka_error_name(error), rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return full ? KAFKA_FULL : KAFKA_REFUSED;
}

void kafka_poll(struct kafka *kafka)
{
    while (rd_kafka_poll(kafka->handle, 0) > 0)
        ;
}

bool kafka_has_failed(const struct kafka *kafka)
{
    return kafka->failed;
}

const char *kafka_error(const struct kafka *kafka)
{
    return kafka->error;
}

/* ---- the end ---- */

static void *close_handle(void *context)
{
    struct kafka *kafka = context;
    rd_kafka_queue_io_event_enable(kafka->reports, -1, NULL, 0);
    rd_kafka_queue_destroy(kafka->reports);
    rd_kafka_purge(kafka->handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                      RD_KAFKA_PURGE_F_NON_BLOCKING);
    for (unsigned i = 0; i < TOPIC_COUNT; i++)
        rd_kafka_topic_destroy(kafka->topics[i]);
    rd_kafka_destroy(kafka->handle);
    atomic_store(&kafka->gone, true);
    return NULL;
}

void kafka_discard(struct kafka *kafka)
{
    pthread_t thread;
    atomic_store(&kafka->discarded, true);
    if (pthread_create(&thread, NULL, close_handle, kafka) == 0)
        pthread_detach(thread);
    else
        close_handle(kafka);
}

bool kafka_is_gone(struct kafka *kafka)
{
    if (!atomic_load(&kafka->gone))
        return false;
    free(kafka);
    return true;
}
