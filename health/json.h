/*
 * json.h - building JSON with jansson without looking at each step: what fails makes the whole NULL, and health_json_dump() says so
 * once. Used by the writers of health/, and by what module/ answers by itself.
 */
#ifndef health__json_h
#define health__json_h

#include <jansson.h>
#include <stdint.h>
#include "health/health.h"
#include "health/text.h"

/**
 * takes over value, which may be NULL (memory was out), and sets *object to NULL for good if anything fails: a later add finds NULL
 * and fails too
 */
void health_json_add(json_t **object, const char *key, json_t *value);
/**
 * the same for an element of an array
 */
void health_json_push(json_t **array, json_t *value);
/**
 * numbers above INT64_MAX become that
 */
json_t *health_json_integer(uint64_t value);
/**
 * rounds to a 1/scale, so that 0.8 does not come out with 17 digits; what is not finite is 0
 */
json_t *health_json_real(double value, double scale);
/**
 * bytes that are not UTF-8 become U+FFFD; NULL is ""
 * @param like lends its allocator and ceiling
 */
json_t *health_json_string(const health_text_t *like, const char *s);
/**
 * an object of one integer per name
 */
json_t *health_json_integers(const char *const *names, const uint64_t *values, size_t count);
/**
 * the text of root, which is consumed and may be NULL; see health_text_take()
 */
char *health_json_dump(health_text_t *text, json_t *root, size_t *len);
/**
 * what GET /api/health answers, as an object
 */
json_t *health_new_json(const health_snapshot_t *snapshot);

#endif
