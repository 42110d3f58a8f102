/*
 * accept.h - which picture formats a client takes: the Accept field (RFC 9110, 12.5.1) of requests that leave the choice to us
 * (auto=format). Pure.
 *
 * JPEG, PNG and GIF are shown by all that shows pictures; AVIF and WebP are sent only to who names them. A wildcard (with + for the
 * asterisk: image/+, +/+) says nothing: curl and old browsers send it. So a format is taken if
 *
 *   it is named (image/avif, image/webp), with a q above 0,
 *   and its q is at least that of JPEG and that of PNG, each as the most specific of image/jpeg, image/+, +/+ says
 *
 * and of two that are, the one with the higher q is preferred, AVIF if they are equal.
 *
 *   Accept                                                        taken
 *   image/avif,image/webp,image/png,image/+;q=0.8                 AVIF, or WebP in its place
 *   image/webp;q=1, image/avif;q=0.5, image/+;q=0.5               WebP
 *   image/avif;q=0, image/webp, +/+;q=0.8                         WebP
 *   image/webp;q=0.5, +/+                                         neither: JPEG is liked better
 *   image/+, +/+                                                  neither
 *
 * A part that is malformed, or has a weight that is none, is as if it were not there; so is one with parameters other than the
 * weight, as what is sent has none. Of a range that is there twice, the lower weight counts. A field may have several lines.
 */
#ifndef module__accept_h
#define module__accept_h

#include <stddef.h>
#include <stdint.h>

typedef enum en_sluice_taken_t {
    SLUICE_TAKES_COMMON,       /* neither AVIF nor WebP */
    SLUICE_TAKES_WEBP,         /* rather than AVIF, if at all */
    SLUICE_TAKES_AVIF,         /* and no WebP */
    SLUICE_TAKES_AVIF_OR_WEBP, /* rather AVIF, but WebP too */
    SLUICE_NUM_TAKEN
} sluice_taken_t;

typedef enum en_sluice_range_t {
    SLUICE_RANGE_AVIF,
    SLUICE_RANGE_WEBP,
    SLUICE_RANGE_JPEG,
    SLUICE_RANGE_PNG,
    SLUICE_RANGE_IMAGES, /* the wildcards */
    SLUICE_RANGE_ANYTHING,
    SLUICE_NUM_RANGES
} sluice_range_t;

typedef struct st_sluice_accept_t {
    int16_t _weights[SLUICE_NUM_RANGES]; /* thousandths; negative: not there */
} sluice_accept_t;

void sluice_accept_init(sluice_accept_t *accept);
/**
 * adds a line of the field, of any bytes; the text is not kept
 */
void sluice_accept_add(sluice_accept_t *accept, const char *line, size_t len);
sluice_taken_t sluice_accept_decide(const sluice_accept_t *accept);

#endif
