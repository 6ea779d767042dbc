#include "command.h"
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* scheme://host[:port], as a browser sends it */
static bool is_origin(const char *text)
{
    const char *host = NULL;
    if (strncmp(text, "http://", 7) == 0)
        host = text + 7;
    else if (strncmp(text, "https://", 8) == 0)
        host = text + 8;
    if (host == NULL || *host == '\0')
        return false;
    for (; *host != '\0'; host++)
        if (!isalnum((unsigned char)*host) && strchr(".-_:[]", *host) == NULL)
            return false;
    return true;
}

/* It stands between quotes in JSON and is compared by scripts. */
static bool is_word(const char *text)
{
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++)
        if (!isalnum((unsigned char)*text) && *text != '_' && *text != '-')
            return false;
    return true;
}

static bool is_port(const char *text, size_t size)
{
    unsigned port = 0;
    if (size == 0 || size > 5)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    return port >= 1 && port <= UINT16_MAX;
}

/* HOST:PORT; an IPv6 address stands in brackets. */
static bool is_broker(const char *text, size_t size)
{
    const char *colon = memrchr(text, ':', size);
    if (colon == NULL || !is_port(colon + 1, size - (size_t)(colon + 1 - text)))
        return false;
    bool bracketed = *text == '[';
    size_t host_size = (size_t)(colon - text);
    if (bracketed) {
        if (host_size < 4 || colon[-1] != ']')
            return false;
        text++;
        host_size -= 2;
    }
    for (size_t i = 0; i < host_size; i++)
        if (bracketed ? !isxdigit((unsigned char)text[i]) && strchr(":.", text[i]) == NULL
                      : !isalnum((unsigned char)text[i]) && strchr("._-", text[i]) == NULL)
            return false;
    return host_size > 0;
}

static bool is_broker_list(const char *text)
{
    for (;;) {
        size_t size = strcspn(text, ",");
        if (!is_broker(text, size))
            return false;
        if (text[size] == '\0')
            return true;
        text += size + 1;
    }
}

static int check_file(const char *option, const char *path)
{
    if (*path == '\0' || access(path, R_OK) == 0)
        return 0;
    return command_fail(EX_NOINPUT, "--%s: cannot read %s: %s", option, path, strerror(errno));
}

static int check_syntax(const struct config *config, struct listen_address *listen)
{
    if (listen_address_parse(listen, config->listen) != STATUS_OK)
        return command_fail(EX_USAGE,
                            "--listen takes ADDR:PORT with a numeric address, IPv6 in brackets, "
                            "not '%s'",
                            config->listen);
    if (*config->data == '\0')
        return command_fail(EX_USAGE, "--data takes a directory, not an empty text");
    if (!is_word(config->admitted_word))
        return command_fail(EX_USAGE, "--admitted-word takes letters, digits, _ and -, not '%s'",
                            config->admitted_word);
    for (uint32_t i = 0; i < config->cors_origin.count; i++)
        if (!is_origin(config->cors_origin.items[i]))
            return command_fail(EX_USAGE, "--cors-origin takes http(s)://HOST[:PORT], not '%s'",
                                config->cors_origin.items[i]);
    if (*config->kafka != '\0' && !is_broker_list(config->kafka))
        return command_fail(EX_USAGE, "--kafka takes HOST:PORT[,HOST:PORT...], not '%s'",
                            config->kafka);
    for (uint32_t i = 0; i < config->kafka_conf.count; i++) {
        const char *equals = strchr(config->kafka_conf.items[i], '=');
        if (equals == NULL || equals == config->kafka_conf.items[i])
            return command_fail(EX_USAGE, "--kafka-conf takes KEY=VALUE");
    }
    if (*config->kafka == '\0' && config->kafka_conf.count > 0)
        return command_fail(EX_USAGE, "--kafka-conf needs --kafka");
    return 0;
}

int command_check_options(const struct config *config, struct listen_address *listen)
{
    int code = check_syntax(config, listen);
    if (code == 0)
        code = check_file("admin-key-file", config->admin_key_file);
    if (code == 0)
        code = check_file("charge-key-file", config->charge_key_file);
    if (code == 0)
        code = check_file("identity-key", config->identity_key);
    if (code == 0 && *config->kafka != '\0')
        code = command_check_kafka(config);
    return code;
}
