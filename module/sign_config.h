/*
 * sign_config.h - the keys of image.sign-key, from the configuration.
 */
#ifndef module__sign_config_h
#define module__sign_config_h

#include "module/yoml.h"
#include "module/sluice.h"

/**
 * reads the keys, which the sluice owns. NULL, with a sentence in `error`, when one of them cannot be had or is none.
 * @param node of a scalar or a list, each a path (relative to the file it stands in) or env:NAME, see secret.h. An empty list is
 * no key
 */
const sluice_sign_keys_t *sluice_sign_keys_read(sluice_t *sluice, yoml_t *node, char *error, size_t error_len);

#endif
