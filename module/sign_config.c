#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "module/sign_config.h"

static int read_key(sluice_sign_key_t *key, yoml_t *node, char *error, size_t error_len)
{
    char *filename = strdup(node->filename != NULL ? node->filename : ".");
    ssize_t len = -1;

    if (filename == NULL)
        snprintf(error, error_len, "out of memory");
    else if (node->type != YOML_TYPE_SCALAR)
        snprintf(error, error_len, "takes the path of a file that holds a key, or env:NAME, or a list of these");
    else
        len = sluice_secret_read("key", node->data.scalar, dirname(filename), key->bytes, error, error_len);
    free(filename);
    if (len == -1)
        return -1;
    key->len = (size_t)len;
    return 0;
}

static int read_keys(sluice_sign_keys_t *keys, yoml_t *node, char *error, size_t error_len)
{
    yoml_t **entries = node->type == YOML_TYPE_SEQUENCE ? node->data.sequence.elements : &node;
    size_t count = node->type == YOML_TYPE_SEQUENCE ? node->data.sequence.size : 1;

    if (count > SLUICE_SIGN_KEYS_MAX) {
        snprintf(error, error_len, "there can be %d keys, no more, as all of them are tried", SLUICE_SIGN_KEYS_MAX);
        return -1;
    }
    for (; keys->count != count; ++keys->count)
        if (read_key(keys->keys + keys->count, entries[keys->count], error, error_len) != 0)
            return -1;
    return 0;
}

const sluice_sign_keys_t *sluice_sign_keys_create(sluice_t *sluice, yoml_t *node, char *error, size_t error_len)
{
    sluice_sign_keys_t *keys = calloc(1, sizeof(*keys));

    if (keys == NULL) {
        snprintf(error, error_len, "out of memory");
        return NULL;
    }
    if (read_keys(keys, node, error, error_len) != 0) {
        free(keys);
        return NULL;
    }
    keys->next = sluice->sign_keys;
    sluice->sign_keys = keys;
    return keys;
}
