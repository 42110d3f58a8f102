/*
 * housekeeper.h - a thread that does now and then what nobody else has a reason to do: removing what has expired from the image
 * cache, and comparing its quotas with what is in it, a part of it at a time.
 */
#ifndef module__housekeeper_h
#define module__housekeeper_h

#include "module/sluice.h"

/**
 * starts the thread; NULL when it cannot be had
 */
sluice_housekeeper_t *sluice_housekeeper_create(sluice_t *sluice);
/**
 * ends the thread and sets the pointer to NULL
 */
void sluice_housekeeper_destroy(sluice_housekeeper_t **housekeeper);

#endif
