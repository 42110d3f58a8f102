#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "module/secret.h"
#include "module/sign_config.h"

static int read_key(sluice_sign_keys_t *keys, yoml_t *node, char *error, size_t error_len)
{
    char *filename = strdup(node->filename != NULL ? node->filename : "."), secret[SLUICE_SECRET_MAX];
    ssize_t len = -1;

    if (filename == NULL)
        snprintf(error, error_len, "out of memory");
    else if (node->type != YOML_TYPE_SCALAR)
        snprintf(error, error_len, "takes the path of a file that holds a key, or env:NAME, or a list of these");
    else
        len = sluice_secret_read("key", node->data.scalar, dirname(filename), secret, error, error_len);
    free(filename);
    if (len == -1)
        return -1;
    if (sluice_sign_keys_add(keys, secret, (size_t)len) != 0) {
        snprintf(error, error_len, "libcrypto has no HMAC-SHA256 or no memory");
        return -1;
    }
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
    for (size_t i = 0; i != count; ++i)
        if (read_key(keys, entries[i], error, error_len) != 0)
            return -1;
    return 0;
}

const sluice_sign_keys_t *sluice_sign_keys_read(sluice_t *sluice, yoml_t *node, char *error, size_t error_len)
{
    sluice_sign_keys_t *keys = sluice_sign_keys_create();

    if (keys == NULL) {
        snprintf(error, error_len, "out of memory");
        return NULL;
    }
    if (read_keys(keys, node, error, error_len) != 0) {
        sluice_sign_keys_destroy(&keys);
        return NULL;
    }
    keys->next = sluice->sign_keys;
    sluice->sign_keys = keys;
    return keys;
}
