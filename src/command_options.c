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
    for (uint32_t i = 0; i < config->kafka_conf.count; i++) {
        const char *equals = strchr(config->kafka_conf.items[i], '=');
        if (equals == NULL || equals == config->kafka_conf.items[i])
            return command_fail(EX_USAGE, "--kafka-conf takes KEY=VALUE, not '%s'",
                                config->kafka_conf.items[i]);
    }
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
    if (code != 0)
        return code;
    /* An option that were accepted and had no effect would be taken for protection. */
    if (*config->identity_key != '\0')
        return command_fail(EX_CONFIG, "--identity-key: this version cannot verify JWTs");
    if (*config->kafka != '\0' || config->kafka_conf.count > 0)
        return command_fail(EX_CONFIG, "--kafka: this version cannot publish to Kafka");
    return 0;
}
