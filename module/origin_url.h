/*
 * origin_url.h - URLs of origins, parsed by libcurl, which is also who asks for them.
 */
#ifndef module__origin_url_h
#define module__origin_url_h

#include <curl/curl.h>
#include "module/origin_guard.h"

/**
 * what libcurl took a URL for; the caller disposes of it with sluice_url_dispose(), after a failure too. Returns 0, or -1: it is
 * not http or https, has a user name or password, or memory is out.
 */
int sluice_url_read(CURLU *handle, sluice_url_t *url);
/**
 * the same of a base URL in the configuration, to which paths are appended. Returns NULL, or what is wrong with it.
 */
const char *sluice_base_url_read(const char *text, sluice_url_t *url);

#endif
