/*
 * stream.h - the events of a server as they happen, beside other things that a loop waits for.
 */
#ifndef module__sluicectl__stream_h
#define module__sluicectl__stream_h

#include "module/sluicectl/ctl.h"
#include "module/sluicectl/text.h"

typedef struct st_ctl_stream_t ctl_stream_t;

/**
 * begins to connect; NULL: memory is out
 * @param after id of an event: those behind it first; "0": all that the server still has. NULL: only those to come
 */
ctl_stream_t *ctl_stream_open(ctl_t *ctl, const char *after,
                              void (*on_event)(void *ctx, const char *id, const char *type, const char *data), void *ctx);
/**
 * waits for at most so long, or until one of the fds is readable (-1: none), and calls on_event for what came
 * @return CTL_DONE: it goes on; else it is over, with a sentence in ctl->error
 */
ctl_exit_t ctl_stream_run(ctl_t *ctl, ctl_stream_t *stream, const int fds[2], int timeout_ms);
/**
 * NULL inside is allowed
 */
void ctl_stream_close(ctl_stream_t **stream);
/**
 * one line that tells an event: "20:15:03 level from=normal to=elevated resident=700.1 MiB"
 */
void ctl_describe_event(char line[CTL_LINE_MAX], const char *type, const char *data);

#endif
