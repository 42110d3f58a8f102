/*
 * image_request.h - what a request for a picture asks for, from its target and fields:
 *
 *   target --> signature --> path --> name of the source --> query --> options --> canonical key of the rendition
 *
 * or a refusal, before anything is looked up. The signature comes first, where one is needed, so that who has no key learns nothing
 * from the others. On the event loop of the request.
 */
#ifndef module__image_request_h
#define module__image_request_h

#include <h2o.h>
#include "module/negotiate.h"
#include "module/presentation.h"
#include "module/respond.h"
#include "module/siblings.h"
#include "module/sluice.h"
#include "module/source_path.h"

#define SLUICE_TARGET_MAX 3072 /* bytes of path and query as they were sent */
#define SLUICE_KEY_MAX (2 * SLUICE_SOURCE_PATH_MAX + SLUICE_OPTIONS_TEXT_MAX)

typedef struct st_sluice_image_request_t {
    const sluice_origin_t *origin;
    h2o_iovec_t path; /* decoded, below the origin */
    sluice_options_t options;
    sluice_presentation_t presentation;
    int negotiates;           /* the options are not complete yet, nor is the key */
    uint32_t outputs;         /* that will do, see sluice_output_bit() */
    const char *detail;       /* as in sluice_manner_t */
    int64_t expires_s;        /* since 1970: from then on the target is refused; INT64_MAX: never */
    char key[SLUICE_KEY_MAX]; /* of the source, then "?" and the options: of the rendition */
    size_t source_key_len, key_len;
} sluice_image_request_t;

typedef struct st_sluice_refusal_t {
    int status;
    const char *title, *code;
    char detail[SLUICE_OPTIONS_ERROR_MAX];
} sluice_refusal_t;

/**
 * @param image filled in; what it points to lives as long as the request
 * @return 0, or -1 with *refusal filled in
 */
int sluice_image_request_read(sluice_image_request_t *image, const sluice_origin_t *origin, h2o_req_t *req,
                              sluice_refusal_t *refusal);
/**
 * the same of another path of the same origin
 * @param image filled in; it keeps pointing to the path
 * @return 0, or -1 if there can be no such picture
 */
int sluice_image_request_fall_back(sluice_image_request_t *image, const sluice_origin_t *origin, h2o_iovec_t path,
                                   const sluice_options_t *options);
/**
 * completes the options and the key of a request that negotiates, by what its client takes
 */
void sluice_image_request_negotiate(sluice_image_request_t *image, sluice_taken_t taken);
/**
 * has a request that came to AVIF come to WebP
 * @param asked the options before it was completed
 */
void sluice_image_request_avoid_avif(sluice_image_request_t *image, const sluice_options_t *asked);
/**
 * how the request wants to be answered; good for as long as the image is
 */
static inline sluice_manner_t sluice_image_request_manner(const sluice_image_request_t *image)
{
    const sluice_presentation_t *presentation = &image->presentation;

    return (sluice_manner_t){.max_age_s = presentation->max_age_s,
                             .detail = image->detail,
                             .filename = presentation->filename[0] != '\0' ? presentation->filename : NULL};
}

#endif
