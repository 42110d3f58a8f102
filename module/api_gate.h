/*
 * api_gate.h - lets through who sends the admin token, and nobody else.
 */
#ifndef module__api_gate_h
#define module__api_gate_h

#include <h2o.h>
#include "module/admin.h"

/**
 * returns 0 if the request may pass; else it has been answered, 401 or 429
 */
int sluice_api_refuse_stranger(h2o_req_t *req, sluice_admin_t *admin);

#endif
