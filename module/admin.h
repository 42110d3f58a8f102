/*
 * admin.h - who may use the admin routes: the bearer of a token (RFC 6750), which the configuration names.
 *
 * Wrong tokens are counted by the address they come from. An address that guesses SLUICE_ADMIN_BURST times in a row is then let
 * guess once in SLUICE_ADMIN_RETRY_MS; whatever comes from it in between is refused without a look at the token, so that a right
 * one tells nobody that it was right. Addresses share SLUICE_ADMIN_SLOTS counters by a seeded hash, so who guesses cannot choose
 * whom else to lock out. Knows neither h2o nor a clock.
 */
#ifndef module__admin_h
#define module__admin_h

#include <stddef.h>
#include <stdint.h>

#define SLUICE_ADMIN_BURST 10
#define SLUICE_ADMIN_RETRY_MS 1000
#define SLUICE_ADMIN_SLOTS 256

typedef struct st_sluice_admin_t sluice_admin_t;

typedef enum en_sluice_admin_verdict_t {
    SLUICE_ADMIN_ALLOWED,
    SLUICE_ADMIN_DENIED, /* no token, or a wrong one */
    SLUICE_ADMIN_LIMITED /* too many wrong ones from there; try again in SLUICE_ADMIN_RETRY_MS */
} sluice_admin_verdict_t;

/**
 * reads the token (value, base_dir and error as in secret.h). Owned by the caller; NULL, with the sentence, when there is none
 * @param seed of the hash of addresses; take it from the system's random source
 */
sluice_admin_t *sluice_admin_create(const char *value, const char *base_dir, uint64_t seed, char *error, size_t error_len);
/**
 * sets the pointer to NULL; NULL inside is allowed
 */
void sluice_admin_destroy(sluice_admin_t **admin);
/**
 * judges a request. Any thread. The time it takes does not depend on how much of a token is right.
 * @param authorization value of the header, or NULL if there is none
 * @param address of the client, any number of bytes
 */
sluice_admin_verdict_t sluice_admin_check(sluice_admin_t *admin, const char *authorization, size_t len, const void *address,
                                          size_t address_len, uint64_t now_ms);

#endif
