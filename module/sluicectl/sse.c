#include <string.h>
#include "module/sluicectl/sse.h"

void ctl_sse_init(ctl_sse_t *sse, void (*on_event)(void *ctx, const char *id, const char *type, const char *data), void *ctx)
{
    *sse = (ctl_sse_t){.on_event = on_event, .ctx = ctx};
}

static void end_event(ctl_sse_t *sse)
{
    if (sse->has_data && !sse->data_is_long) {
        sse->data[sse->data_len] = '\0';
        sse->on_event(sse->ctx, sse->id, sse->type[0] != '\0' ? sse->type : "message", sse->data);
    }
    sse->type[0] = '\0';
    sse->data_len = 0;
    sse->has_data = sse->data_is_long = 0;
}

static void set_word(char *word, size_t size, const char *value, size_t len)
{
    if (len >= size)
        len = size - 1;
    memcpy(word, value, len);
    word[len] = '\0';
}

static void add_data(ctl_sse_t *sse, const char *value, size_t len)
{
    size_t needed = len + (sse->has_data ? 1 : 0);

    if (sse->data_len + needed >= sizeof(sse->data)) {
        sse->data_is_long = 1;
        return;
    }
    if (sse->has_data)
        sse->data[sse->data_len++] = '\n';
    memcpy(sse->data + sse->data_len, value, len);
    sse->data_len += len;
    sse->has_data = 1;
}

static int is_field(const ctl_sse_t *sse, size_t len, const char *name)
{
    return len == strlen(name) && memcmp(sse->line, name, len) == 0;
}

static void end_line(ctl_sse_t *sse)
{
    const char *colon = memchr(sse->line, ':', sse->line_len);
    size_t name_len = colon != NULL ? (size_t)(colon - sse->line) : sse->line_len;
    const char *value = sse->line + name_len + (colon != NULL);
    size_t len = sse->line_len - (size_t)(value - sse->line);

    if (len != 0 && *value == ' ') {
        ++value;
        --len;
    }
    if (sse->line_is_long)
        sse->data_is_long = 1;
    else if (sse->line_len == 0)
        end_event(sse);
    else if (is_field(sse, name_len, "data"))
        add_data(sse, value, len);
    else if (is_field(sse, name_len, "event"))
        set_word(sse->type, sizeof(sse->type), value, len);
    else if (is_field(sse, name_len, "id"))
        set_word(sse->id, sizeof(sse->id), value, len);
    sse->line_len = 0;
    sse->line_is_long = 0;
}

void ctl_sse_feed(ctl_sse_t *sse, const char *bytes, size_t len)
{
    for (size_t i = 0; i != len; ++i) {
        int is_second_half = bytes[i] == '\n' && sse->after_cr;
        sse->after_cr = bytes[i] == '\r';
        if (is_second_half)
            continue;
        if (bytes[i] == '\n' || bytes[i] == '\r')
            end_line(sse);
        else if (sse->line_len + 1 < sizeof(sse->line))
            sse->line[sse->line_len++] = bytes[i];
        else
            sse->line_is_long = 1;
    }
}
