/*
 * A counter of wrong tokens is the time at which all of them are forgotten: each one moves it on by SLUICE_ADMIN_RETRY_MS, and an
 * address is over its limit while that time is further away than SLUICE_ADMIN_BURST of these steps allow. One number, no sweep.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "module/admin.h"
#include "module/secret.h"

struct st_sluice_admin_t {
    uint64_t seed;
    pthread_mutex_t mutex; /* guards forgotten_ms */
    uint64_t forgotten_ms[SLUICE_ADMIN_SLOTS];
    size_t token_len;
    char token[SLUICE_SECRET_MAX];
};

sluice_admin_t *sluice_admin_create(const char *value, const char *base_dir, uint64_t seed, char *error, size_t error_len)
{
    sluice_admin_t *admin = calloc(1, sizeof(*admin));
    ssize_t len;

    if (admin == NULL) {
        snprintf(error, error_len, "out of memory");
        return NULL;
    }
    if ((len = sluice_secret_read("token", value, base_dir, admin->token, error, error_len)) == -1) {
        free(admin);
        return NULL;
    }
    admin->token_len = (size_t)len;
    admin->seed = seed;
    pthread_mutex_init(&admin->mutex, NULL);
    return admin;
}

void sluice_admin_destroy(sluice_admin_t **admin)
{
    if (*admin == NULL)
        return;
    pthread_mutex_destroy(&(*admin)->mutex);
    free(*admin);
    *admin = NULL;
}

/* returns the token of "Bearer TOKEN" and its length, or NULL */
static const char *bearer(const char *authorization, size_t *len)
{
    static const char scheme[] = "Bearer ";
    const size_t scheme_len = sizeof(scheme) - 1;

    if (authorization == NULL || *len < scheme_len || strncasecmp(authorization, scheme, scheme_len) != 0)
        return NULL;
    authorization += scheme_len;
    *len -= scheme_len;
    while (*len != 0 && authorization[0] == ' ') {
        ++authorization;
        --*len;
    }
    return authorization;
}

static int is_right(const sluice_admin_t *admin, const char *token, size_t len)
{
    volatile unsigned char difference = len != admin->token_len;

    /* over the whole of our own token, whatever came: its length is no secret, where it differs is */
    for (size_t i = 0; i != admin->token_len; ++i)
        difference |= (unsigned char)(admin->token[i] ^ token[i < len ? i : 0]);
    return difference == 0;
}

sluice_admin_verdict_t sluice_admin_check(sluice_admin_t *admin, const char *authorization, size_t len, const void *address,
                                          size_t address_len, uint64_t now_ms)
{
    const char *token = bearer(authorization, &len);
    uint64_t *forgotten_ms = &admin->forgotten_ms[XXH3_64bits_withSeed(address, address_len, admin->seed) % SLUICE_ADMIN_SLOTS];
    sluice_admin_verdict_t verdict = SLUICE_ADMIN_ALLOWED;

    if (token == NULL || len == 0)
        return SLUICE_ADMIN_DENIED;
    pthread_mutex_lock(&admin->mutex);
    if (*forgotten_ms < now_ms)
        *forgotten_ms = now_ms;
    if (*forgotten_ms - now_ms > (SLUICE_ADMIN_BURST - 1) * SLUICE_ADMIN_RETRY_MS) {
        verdict = SLUICE_ADMIN_LIMITED;
    } else if (!is_right(admin, token, len)) {
        *forgotten_ms += SLUICE_ADMIN_RETRY_MS;
        verdict = SLUICE_ADMIN_DENIED;
    }
    pthread_mutex_unlock(&admin->mutex);
    return verdict;
}
