/*
 * origin_config.h - the value of image.origin: an http(s) base URL or a local directory.
 */
#ifndef module__origin_config_h
#define module__origin_config_h

#include "module/sluice.h"

/**
 * makes an origin, or returns NULL and writes a sentence that names what to change
 * @param base_dir what relative directories are relative to
 */
sluice_origin_t *sluice_origin_create(sluice_t *sluice, const char *value, const char *base_dir, char *error, size_t error_len);
void sluice_origin_destroy(sluice_origin_t **origin);
/**
 * the lists that hold for its path, which must outlive it; NULL: the setting is missing. Paths with one origin share its pictures
 * only if they may fetch them from the same places. Returns 0, or -1 when memory is out.
 */
int sluice_origin_set_lists(sluice_origin_t *origin, const sluice_networks_t *addresses, const sluice_urls_t *origins);

#endif
