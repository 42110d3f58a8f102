#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "health/text.h"

#define FIRST_SIZE 4096

void health_text_init(health_text_t *text, size_t ceiling, void *(*resize)(void *bytes, size_t size))
{
    *text = (health_text_t){.ceiling = ceiling, .resize = resize};
}

void health_text_dispose(health_text_t *text)
{
    free(text->bytes);
    text->bytes = NULL;
    text->len = text->size = 0;
}

static int fail(health_text_t *text)
{
    health_text_dispose(text);
    text->failed = 1;
    return -1;
}

/* makes room for `more` bytes and a NUL */
static int grow(health_text_t *text, size_t more)
{
    if (text->len >= text->ceiling || more >= text->ceiling - text->len)
        return fail(text);
    size_t needed = text->len + more + 1, size = text->size != 0 ? text->size : FIRST_SIZE;
    if (needed <= text->size)
        return 0;
    while (size < needed)
        size *= 2;
    if (size > text->ceiling)
        size = text->ceiling;
    char *bytes = text->resize(text->bytes, size);
    if (bytes == NULL)
        return fail(text);
    text->bytes = bytes;
    text->size = size;
    return 0;
}

int health_text_append(health_text_t *text, const char *bytes, size_t len)
{
    if (text->failed || grow(text, len) != 0)
        return -1;
    memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
    return 0;
}

void health_text_puts(health_text_t *text, const char *s)
{
    health_text_append(text, s, strlen(s));
}

void health_text_put_u64(health_text_t *text, uint64_t value)
{
    char buf[24];
    int len = snprintf(buf, sizeof(buf), "%" PRIu64, value);
    health_text_append(text, buf, (size_t)len);
}

void health_text_put_double(health_text_t *text, double value)
{
    char buf[320]; /* the largest double has 309 digits */

    if (!isfinite(value)) {
        health_text_puts(text, "NaN");
        return;
    }
    if (value < 0)
        value = 0;
    if (value >= 9e9) { /* six decimals more would not fit into the 53 bits of a double */
        int len = snprintf(buf, sizeof(buf), "%.0f", value);
        health_text_append(text, buf, (size_t)len);
        return;
    }
    /* by integers, because %g would write the decimal comma of a locale */
    uint64_t micros = (uint64_t)(value * 1e6 + 0.5);
    health_text_put_u64(text, micros / 1000000);
    if (micros % 1000000 != 0) {
        int len = snprintf(buf, sizeof(buf), ".%06" PRIu64, micros % 1000000);
        health_text_append(text, buf, (size_t)len);
    }
}

size_t health_utf8_len(const char *s)
{
    const unsigned char *u = (const unsigned char *)s;
    /* the bounds of the second byte are what rules out overlong forms, surrogates and what lies above U+10FFFF */
    unsigned char low = u[0] == 0xe0 ? 0xa0 : u[0] == 0xf0 ? 0x90 : 0x80, high = u[0] == 0xed ? 0x9f : u[0] == 0xf4 ? 0x8f : 0xbf;
    size_t len = u[0] < 0x80 ? 1 : u[0] < 0xc2 ? 0 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : u[0] < 0xf5 ? 4 : 0;

    if (len >= 2 && (u[1] < low || u[1] > high))
        return 0;
    for (size_t i = 2; i < len; ++i)
        if ((u[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

size_t health_text_put_char(health_text_t *text, const char *s)
{
    size_t len = health_utf8_len(s);

    if (len == 0) {
        health_text_puts(text, "\xef\xbf\xbd");
        return 1;
    }
    health_text_append(text, s, len);
    return len;
}

char *health_text_take(health_text_t *text, size_t *len)
{
    if (health_text_append(text, "", 0) != 0)
        return NULL;
    char *bytes = text->bytes;
    bytes[text->len] = '\0';
    *len = text->len;
    *text = (health_text_t){.failed = 1};
    return bytes;
}
