/*
 * Every constructor of jansson returns NULL when memory is out and every setter takes NULL for an answer, so writers build without
 * looking and health_json_dump() asks once: health_json_add() remembers in the object's place that a member is missing. The text
 * goes through our own buffer, because jansson's dump has no ceiling and need not be good for free().
 */
#include <math.h>
#include <stdlib.h>
#include "health/json.h"

void health_json_add(json_t **object, const char *key, json_t *value)
{
    if (json_object_set_new(*object, key, value) != 0) {
        json_decref(*object);
        *object = NULL;
    }
}

void health_json_push(json_t **array, json_t *value)
{
    if (json_array_append_new(*array, value) != 0) {
        json_decref(*array);
        *array = NULL;
    }
}

json_t *health_json_integer(uint64_t value)
{
    return json_integer(value <= INT64_MAX ? (json_int_t)value : INT64_MAX);
}

json_t *health_json_real(double value, double scale)
{
    if (!isfinite(value))
        value = 0;
    if (value > 0 && value * scale < 9e15)
        value = (double)(uint64_t)(value * scale + 0.5) / scale;
    return json_real(value);
}

json_t *health_json_string(const health_text_t *like, const char *s)
{
    health_text_t clean;
    size_t len;

    health_text_init(&clean, like->ceiling, like->resize);
    while (s != NULL && *s != '\0')
        s += health_text_put_char(&clean, s);
    char *bytes = health_text_take(&clean, &len);
    json_t *string = bytes != NULL ? json_stringn(bytes, len) : NULL;
    free(bytes);
    return string;
}

json_t *health_json_integers(const char *const *names, const uint64_t *values, size_t count)
{
    json_t *object = json_object();
    for (size_t i = 0; i != count; ++i)
        health_json_add(&object, names[i], health_json_integer(values[i]));
    return object;
}

static int append_dumped(const char *bytes, size_t len, void *text)
{
    return health_text_append(text, bytes, len);
}

char *health_json_dump(health_text_t *text, json_t *root, size_t *len)
{
    int failed = root == NULL || json_dump_callback(root, append_dumped, text, JSON_COMPACT | JSON_REAL_PRECISION(15)) != 0;
    json_decref(root);
    char *bytes = health_text_take(text, len);
    if (failed && bytes != NULL) {
        free(bytes);
        bytes = NULL;
    }
    return bytes;
}
