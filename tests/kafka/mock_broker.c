#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* `mock_broker create HOST:PORT TOPIC` makes a topic of one partition at any broker. Without
 * arguments: librdkafka's mock cluster of one broker, told on stdin what to do; it prints its
 * address and then `ok` after each order:
 *
 *   down · up · rtt MS · topic NAME CODE · fail CODE COUNT (of the next Produce requests)
 *
 * CODE as in the protocol, or librdkafka's own below zero. It ends with its stdin. */

enum { BROKER = 1, API_PRODUCE = 0, FAILURES_MAX = 1000, ANSWER_MS = 30000 };

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

static int create_topic(const char *address, const char *topic)
{
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", address, text, sizeof text);
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    rd_kafka_NewTopic_t *made = rd_kafka_NewTopic_new(topic, 1, 1, text, sizeof text);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(handle);
    rd_kafka_CreateTopics(handle, &made, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ANSWER_MS);
    size_t count = 0;
    int failed = event == NULL || rd_kafka_event_error(event) != 0;
    if (!failed) {
        const rd_kafka_topic_result_t **results =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
        failed = count != 1 || rd_kafka_topic_result_error(results[0]) != 0;
    }
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_NewTopic_destroy(made);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(handle);
    return failed;
}

int main(int argc, char **argv)
{
    char text[512];
    if (argc == 4 && strcmp(argv[1], "create") == 0)
        return create_topic(argv[2], argv[3]);
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
