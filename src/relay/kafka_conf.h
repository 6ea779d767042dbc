#ifndef BOXOFFICE_KAFKA_CONF_H
#define BOXOFFICE_KAFKA_CONF_H

#include "config.h"
#include <librdkafka/rdkafka.h>

/* librdkafka's configuration from ours: --kafka and --kafka-conf over defaults of our own.
 *
 * NULL with a line in `error` that names the property that is wrong, but never its value, which may
 * be a secret. The caller owns the result (rd_kafka_conf_destroy, or rd_kafka_new takes it). */
rd_kafka_conf_t *kafka_conf_make(const struct config *config, char *error, size_t error_size);

#endif
