#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* librdkafka's mock cluster of one broker, told on stdin what to do; it prints its address and then
 * `ok` after each order:
 *
 *   down · up · rtt MS · topic NAME CODE · fail CODE COUNT (of the next Produce requests)
 *
 * CODE as in the protocol, or librdkafka's own below zero. It ends with its stdin. */

enum { BROKER = 1, API_PRODUCE = 0, FAILURES_MAX = 1000 };

static void fail_next(rd_kafka_mock_cluster_t *cluster, int code, int count)
{
    static rd_kafka_resp_err_t errors[FAILURES_MAX];
    if (count > FAILURES_MAX)
        count = FAILURES_MAX;
    for (int i = 0; i < count; i++)
        errors[i] = (rd_kafka_resp_err_t)code;
    rd_kafka_mock_clear_request_errors(cluster, API_PRODUCE);
    if (count > 0)
        rd_kafka_mock_push_request_errors_array(cluster, API_PRODUCE, (size_t)count, errors);
}

static int obey(rd_kafka_mock_cluster_t *cluster, const char *order)
{
    char name[128];
    int number, count;
    if (strcmp(order, "down\n") == 0)
        rd_kafka_mock_broker_set_down(cluster, BROKER);
    else if (strcmp(order, "up\n") == 0)
        rd_kafka_mock_broker_set_up(cluster, BROKER);
    else if (sscanf(order, "rtt %d", &number) == 1)
        rd_kafka_mock_broker_set_rtt(cluster, BROKER, number);
    else if (sscanf(order, "topic %127s %d", name, &number) == 2)
        rd_kafka_mock_topic_set_error(cluster, name, (rd_kafka_resp_err_t)number);
    else if (sscanf(order, "fail %d %d", &number, &count) == 2)
        fail_next(cluster, number, count);
    else
        return 0;
    return 1;
}

int main(void)
{
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (handle == NULL) {
        fprintf(stderr, "%s\n", text);
        return 1;
    }
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(handle, 1);
    printf("%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    while (fgets(text, sizeof text, stdin) != NULL) {
        puts(obey(cluster, text) ? "ok" : "not understood");
        fflush(stdout);
    }
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(handle);
    return 0;
}
