#include "kafka_conf.h"
#include <stdio.h>
#include <string.h>

struct property {
    const char *name, *value;
};

/* What the guarantees rest on; refused in --kafka-conf.
 *
 * A time limit of the library for a message (5 minutes unless set) would let a later event of the
 * same key arrive before an earlier one that is sent again, so there is none: a broker that is away
 * for hours is waited for. Gapless: whatever else fails a message stops the whole producer, which
 * is then made anew, and everything from the lowest unacknowledged event is sent again. */
static const struct property fixed[] = {
    {"enable.idempotence", "true"},
    {"enable.gapless.guarantee", "true"},
    {"message.timeout.ms", "0"},
};
static const char *const aliases_of_fixed[] = {
    "delivery.timeout.ms",
    "transactional.id",
    "bootstrap.servers",
    "metadata.broker.list",
};

/* Better than the library's own for this use; --kafka-conf may change them. */
static const struct property defaults[] = {
    {"client.id", "boxoffice"},
    {"queue.buffering.max.messages", "8192"}, /* the journal is the queue (100,000) */
    {"queue.buffering.max.kbytes", "16384"},  /* (1 GiB) */
    {"linger.ms", "10"},                      /* more to a request (5) */
    {"partitioner", "murmur2_random"},        /* the partitions that Java clients would choose */
    {"reconnect.backoff.max.ms", "2000"},     /* (10 s) */
    {"socket.keepalive.enable", "true"},
    {"topic.metadata.propagation.max.ms", "10000"},  /* until a missing topic is an error (30 s) */
    {"topic.metadata.refresh.interval.ms", "10000"}, /* until a topic's cure is noticed (5 min) */
    {"log.connection.close", "false"},
};

static bool is_fixed(const char *name)
{
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (strcmp(fixed[i].name, name) == 0)
            return true;
    for (size_t i = 0; i < sizeof aliases_of_fixed / sizeof aliases_of_fixed[0]; i++)
        if (strcmp(aliases_of_fixed[i], name) == 0)
            return true;
    return false;
}

/* The library's own text may repeat the value, so it is not used. */
static bool set(rd_kafka_conf_t *conf, const char *name, const char *value, char *error,
                size_t error_size)
{
    char unused[1];
    switch (rd_kafka_conf_set(conf, name, value, unused, sizeof unused)) {
    case RD_KAFKA_CONF_OK:
        return true;
    case RD_KAFKA_CONF_UNKNOWN:
        snprintf(error, error_size, "--kafka-conf: there is no property '%.100s'", name);
        return false;
    default:
        snprintf(error, error_size, "--kafka-conf: '%.100s' takes other values than this", name);
        return false;
    }
}

static bool set_given(rd_kafka_conf_t *conf, const char *item, char *error, size_t error_size)
{
    char name[128];
    const char *equals = strchr(item, '=');
    size_t length = equals != NULL ? (size_t)(equals - item) : 0;
    if (length == 0 || length >= sizeof name) {
        snprintf(error, error_size, "--kafka-conf takes KEY=VALUE");
        return false;
    }
    memcpy(name, item, length);
    name[length] = '\0';
    if (is_fixed(name)) {
        snprintf(error, error_size, "--kafka-conf: '%s' is not for changing (README, Kafka)", name);
        return false;
    }
    return set(conf, name, equals + 1, error, error_size);
}

rd_kafka_conf_t *kafka_conf_make(const struct config *config, char *error, size_t error_size)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool good = true;
    for (size_t i = 0; good && i < sizeof fixed / sizeof fixed[0]; i++)
        good = set(conf, fixed[i].name, fixed[i].value, error, error_size);
    for (size_t i = 0; good && i < sizeof defaults / sizeof defaults[0]; i++)
        good = set(conf, defaults[i].name, defaults[i].value, error, error_size);
    if (good)
        good = set(conf, "bootstrap.servers", config->kafka, error, error_size);
    for (uint32_t i = 0; good && i < config->kafka_conf.count; i++)
        good = set_given(conf, config->kafka_conf.items[i], error, error_size);
    if (good)
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}
