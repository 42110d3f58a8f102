/*
 * parked.h - requests that wait for a picture, on the event loop of each.
 */
#ifndef module__parked_h
#define module__parked_h

#include "module/image_request.h"
#include "module/loop.h"

/**
 * Looks the rendition up, starts making it if nobody does yet, and answers when there is something to answer: at once, or later on
 * this loop. The image is copied, what it points to has to live as long as the request.
 */
void sluice_park(sluice_loop_t *loop, h2o_req_t *req, const sluice_image_request_t *image);
/**
 * answers all that are parked on this loop because the server ends: 503, or the picture as it was, where that is allowed
 */
void sluice_parked_answer_all(sluice_loop_t *loop);

#endif
