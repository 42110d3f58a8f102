/*
 * hold.h - keeps an object for as long as the response of a request may need it, without asking the heap for anything.
 */
#ifndef module__hold_h
#define module__hold_h

#include <h2o.h>
#include "image_cache/image_cache.h"

/**
 * takes over the caller's reference, and drops it when h2o disposes of the request, however it ends. On the request's event loop.
 * What may be read after the answer has been sent (header values, which access logs want) must not point into the object.
 */
void sluice_hold(h2o_req_t *req, icache_object_t *object);
/**
 * has to be called once the configuration has been read to its end: a request may be sent on to any path, so all have to know
 */
void sluice_hold_register(h2o_globalconf_t *globalconf);

#endif
