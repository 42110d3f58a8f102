/*
 * secret.h - secrets that the configuration names. They are text, so that any tool can make them, keep them and pass them on.
 */
#ifndef module__secret_h
#define module__secret_h

#include <stddef.h>
#include <sys/types.h>

#define SLUICE_SECRET_MIN 16
#define SLUICE_SECRET_MAX 512

/**
 * reads a secret, without the white space behind it. Returns its length, from SLUICE_SECRET_MIN to SLUICE_SECRET_MAX, or -1 with a
 * sentence in `error` that names what to change, and never holds the secret: 512 bytes hold most sentences, longer ones are cut.
 * @param what the sentence calls it: "token"
 * @param value path of a file that holds the secret and nothing else, and that others cannot use; or env:NAME
 * @param base_dir what a relative path is relative to
 * @param secret is not NUL-terminated
 */
ssize_t sluice_secret_read(const char *what, const char *value, const char *base_dir, char secret[SLUICE_SECRET_MAX], char *error,
                           size_t error_len);

#endif
