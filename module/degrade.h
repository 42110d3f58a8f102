/*
 * degrade.h - lesser answers, before there is none: what is in the cache in place of new work, when memory is short.
 *
 *   from     in place of         is answered                                               Cache-Status
 *   elevated negotiated AVIF     WebP, if the client takes it (image_handler.c)            ...; detail=webp-for-avif
 *   high     any new work        the rendition as it was last, however long ago            sluice; hit; ttl=-12; detail=stale
 *                                else a larger one of the same look (siblings.h)           sluice; hit; ttl=3540; detail=larger
 *
 * The latter two are also answered to who waited and would be refused for lack of room, whatever the level. They are for now:
 * max-age is SLUICE_LESSER_MAX_AGE_S, so that clients come back. What the origin wants to be asked about (must-revalidate,
 * proxy-revalidate, no-cache) is not answered when it has expired. On the event loop of the request.
 */
#ifndef module__degrade_h
#define module__degrade_h

#include "module/loop.h"
#include "module/respond.h"

#define SLUICE_LESSER_MAX_AGE_S 10

/**
 * what cannot be had now
 */
typedef struct st_sluice_lacking_t {
    const icache_key_t *key;
    size_t source_key_len; /* of the key */
    const sluice_options_t *options;
    uint32_t outputs;              /* that the client takes, see sluice_output_bit() */
    const sluice_manner_t *manner; /* of the answer, if it could be had */
} sluice_lacking_t;

/**
 * whether new negotiated work should be WebP rather than AVIF
 */
int sluice_degrades_avif(const sluice_t *sluice);
/**
 * whether work that is not under way yet should rather not begin
 */
int sluice_degrades_work(const sluice_t *sluice);
/**
 * answers with something lesser, if there is something; returns 0 if not
 */
int sluice_answer_lesser(sluice_loop_t *loop, h2o_req_t *req, const sluice_lacking_t *lacking);

#endif
