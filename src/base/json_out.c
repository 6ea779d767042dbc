#include "json_out.h"
#include "clock.h"
#include <string.h>

void json_out_init(struct json_out *json, char *data, size_t size)
{
    *json = (struct json_out){.data = data, .size = size};
}

static void append(struct json_out *json, const char *data, size_t length)
{
    if (json->failed || length > json->size - json->used) {
        json->failed = true;
        return;
    }
    memcpy(json->data + json->used, data, length);
    json->used += length;
}

static void append_byte(struct json_out *json, char byte)
{
    append(json, &byte, 1);
}

/* Before every element: the comma that separates it from the one before. */
static void separate(struct json_out *json)
{
    if (json->comma)
        append_byte(json, ',');
    json->comma = true;
}

static void open_with(struct json_out *json, char bracket)
{
    separate(json);
    append_byte(json, bracket);
    json->comma = false;
}

static void close_with(struct json_out *json, char bracket)
{
    append_byte(json, bracket);
    json->comma = true;
}

void json_object_open(struct json_out *json)
{
    open_with(json, '{');
}

void json_object_close(struct json_out *json)
{
    close_with(json, '}');
}

void json_array_open(struct json_out *json)
{
    open_with(json, '[');
}

void json_array_close(struct json_out *json)
{
    close_with(json, ']');
}

void json_key(struct json_out *json, const char *name)
{
    separate(json);
    append_byte(json, '"');
    append(json, name, strlen(name));
    append(json, "\":", 2);
    json->comma = false;
}

void json_u64(struct json_out *json, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    separate(json);
    append(json, digits + at, sizeof digits - at);
}

void json_bool(struct json_out *json, bool value)
{
    separate(json);
    append(json, value ? "true" : "false", value ? 4 : 5);
}

void json_out_null(struct json_out *json)
{
    separate(json);
    append(json, "null", 4);
}

static void append_escaped(struct json_out *json, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    static const char short_names[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    if (byte == '"' || byte == '\\') {
        append(json, (char[]){'\\', (char)byte}, 2);
    } else if (short_names[byte] != 0) {
        append(json, (char[]){'\\', short_names[byte]}, 2);
    } else {
        append(json, (char[]){'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 0x0f]}, 6);
    }
}

void json_text(struct json_out *json, const char *data, size_t length)
{
    separate(json);
    append_byte(json, '"');
    size_t plain = 0; /* start of the run that needs no escape */
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)data[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\')
            continue;
        append(json, data + plain, i - plain);
        append_escaped(json, byte);
        plain = i + 1;
    }
    if (length > plain)
        append(json, data + plain, length - plain);
    append_byte(json, '"');
}

void json_time(struct json_out *json, uint64_t time_ms)
{
    char text[CLOCK_TEXT_SIZE];
    json_text(json, text, clock_format(time_ms, text));
}

void json_member_u64(struct json_out *json, const char *name, uint64_t value)
{
    json_key(json, name);
    json_u64(json, value);
}

void json_member_text(struct json_out *json, const char *name, const char *value)
{
    json_key(json, name);
    json_text(json, value, strlen(value));
}

void json_member_time(struct json_out *json, const char *name, uint64_t time_ms)
{
    json_key(json, name);
    if (time_ms == 0)
        json_out_null(json);
    else
        json_time(json, time_ms);
}

void json_raw(struct json_out *json, const char *data, size_t size)
{
    separate(json);
    append(json, data, size);
}
