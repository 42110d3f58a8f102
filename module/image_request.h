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
#include "module/image_options.h"
#include "module/sluice.h"
#include "module/source_path.h"

#define SLUICE_TARGET_MAX 3072 /* bytes of path and query as they were sent */
#define SLUICE_KEY_MAX (2 * SLUICE_SOURCE_PATH_MAX + SLUICE_OPTIONS_TEXT_MAX)

typedef struct st_sluice_image_request_t {
    const sluice_origin_t *origin;
    h2o_iovec_t path; /* decoded, below the origin */
    sluice_options_t options;
    sluice_presentation_t presentation;
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

#endif
