/*
 * sse.h - reads server-sent events (the format of the HTML standard) from bytes that come in pieces.
 */
#ifndef module__sluicectl__sse_h
#define module__sluicectl__sse_h

#include <stddef.h>

#define CTL_EVENT_MAX 8192 /* bytes of a line, and of an event's data; what is longer is left out */

typedef struct st_ctl_sse_t {
    void (*on_event)(void *ctx, const char *id, const char *type, const char *data);
    void *ctx;
    char line[CTL_EVENT_MAX], data[CTL_EVENT_MAX], id[32], type[32];
    size_t line_len, data_len;
    int line_is_long, data_is_long, has_data, after_cr;
} ctl_sse_t;

void ctl_sse_init(ctl_sse_t *sse, void (*on_event)(void *ctx, const char *id, const char *type, const char *data), void *ctx);
/**
 * calls on_event for each event that ends in these bytes; the strings are NUL-terminated and good for the call
 */
void ctl_sse_feed(ctl_sse_t *sse, const char *bytes, size_t len);

#endif
