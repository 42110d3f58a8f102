#include <string.h>
#include "module/option_table.h"
#include "module/plain_target.h"

#define NAME_MAX_BYTES 32

struct st_out_t {
    char *dst;
    size_t len, size;
    int full;
};

static const char ellipsis[] = "...";

static void put(struct st_out_t *out, const char *text, size_t len)
{
    for (size_t i = 0; i != len && !out->full; ++i) {
        if (out->len + 1 == out->size) {
            memcpy(out->dst + out->size - sizeof(ellipsis), ellipsis, sizeof(ellipsis));
            out->full = 1;
        } else {
            out->dst[out->len++] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?';
        }
    }
}

static void end(struct st_out_t *out)
{
    if (!out->full)
        out->dst[out->len] = '\0';
}

static int is_option(const char *name, size_t len)
{
    char copy[NAME_MAX_BYTES + 1];

    if (len > NAME_MAX_BYTES)
        return 0;
    memcpy(copy, name, len);
    copy[len] = '\0';
    return sluice_option_find(copy) != NULL;
}

static void put_parameter(struct st_out_t *out, const char *text, size_t len)
{
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals != NULL ? (size_t)(equals - text) : len;

    if (is_option(text, name_len)) {
        put(out, text, len);
        return;
    }
    if (equals != NULL)
        put(out, text, name_len + 1);
    if (len != 0)
        put(out, ellipsis, sizeof(ellipsis) - 1);
}

void sluice_plain_target(const char *target, size_t len, char *dst, size_t size)
{
    struct st_out_t out = {.dst = dst, .size = size};
    const char *at = memchr(target, '?', len), *target_end = target + len;

    put(&out, target, at != NULL ? (size_t)(at - target) : len);
    while (at != NULL) { /* at a "?" or a "&" */
        const char *parameter = at + 1, *next = memchr(parameter, '&', (size_t)(target_end - parameter));
        put(&out, at, 1);
        put_parameter(&out, parameter, (size_t)((next != NULL ? next : target_end) - parameter));
        at = next;
    }
    end(&out);
}

void sluice_plain_text(const char *text, size_t len, char *dst, size_t size)
{
    struct st_out_t out = {.dst = dst, .size = size};

    put(&out, text, len);
    end(&out);
}
