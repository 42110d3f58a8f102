/*
 * negotiate.h - from what a client takes (accept.h) to what it gets: the output of options with auto=format. Pure.
 *
 *   taken                several pages asked for     one page
 *   AVIF or WebP         WebP                        AVIF
 *   AVIF                 common                      AVIF
 *   WebP                 WebP                        WebP
 *   neither              common                      common
 *
 * Common is the format of the source if everybody takes that (JPEG, PNG, GIF), else one of these (sluice_options_t.common).
 */
#ifndef module__negotiate_h
#define module__negotiate_h

#include "module/accept.h"
#include "module/image_options.h"

/**
 * @param options without an output; canonical again afterwards
 */
void sluice_negotiate(sluice_options_t *options, sluice_taken_t taken);
/**
 * all outputs of sluice_negotiate() that the client would do with, as bits of sluice_output_bit()
 */
uint32_t sluice_outputs_taken(sluice_taken_t taken);

#define SLUICE_ACCEPT_SLOTS 16 /* a power of two */
#define SLUICE_ACCEPT_TEXT_MAX 240

/**
 * What fields of one line came to: there are only as many of them as there are makes of browsers. All zero at the start; one
 * thread.
 */
typedef struct st_sluice_accept_memory_t {
    size_t last; /* slot that was asked for last */
    struct {
        size_t len; /* 0: empty */
        sluice_taken_t taken;
        char text[SLUICE_ACCEPT_TEXT_MAX];
    } slots[SLUICE_ACCEPT_SLOTS];
} sluice_accept_memory_t;

/**
 * what a client takes whose field is this line
 */
sluice_taken_t sluice_accept_recall(sluice_accept_memory_t *memory, const char *line, size_t len);

#endif
