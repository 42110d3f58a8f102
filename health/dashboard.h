/*
 * dashboard.h - the page of /api/dashboard: dashboard.html, as it stood there when this was compiled. It asks the routes beside it
 * for its numbers, and no other host for anything. In the page, scripts and styles stand in one <script> and one <style> without
 * attributes, so that a Content-Security-Policy can name them by their hashes.
 */
#ifndef health__dashboard_h
#define health__dashboard_h

#include <stddef.h>

/**
 * UTF-8, never changes; NUL-terminated, which *len does not count
 */
const char *health_dashboard_page(size_t *len);
/**
 * what stands between <tag> and </tag> of the page, for tags that occur once; NULL if there is none
 */
const char *health_dashboard_element(const char *tag, size_t *len);

#endif
