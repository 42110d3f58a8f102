/*
 * signature.h - signed URLs: whether the target of a request was made by somebody who has one of the keys. Pure, but for libcrypto.
 *
 *     /images/a.jpg?w=300&exp=1790000000&sig=SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS
 *     |<----------- the text ---------->|    |<- HMAC-SHA256(key, text), base64url -->|
 *
 * The text is all of the target, path and query, byte for byte as it was sent, up to the "?" or "&" of the last parameter, which is
 * the signature: base64url (RFC 4648, 5) without padding. So nothing can be added, left out, or written in another way. The host is
 * not part of a target and thus not covered: a URL is good at every host that has the key.
 *
 * A parameter "exp" in the text says from which second on (since 1970) the URL is no longer good. Neither of the two says anything
 * of the picture: see sluice_signature_strip().
 */
#ifndef module__signature_h
#define module__signature_h

#include <stddef.h>
#include <stdint.h>

#define SLUICE_SIGN_KEYS_MAX 8 /* at a place; all of them are tried for each target that is new */

/**
 * the keys of a place of the configuration, each as an HMAC of libcrypto that has taken in nothing but the key
 */
typedef struct st_sluice_sign_keys_t {
    struct st_sluice_sign_keys_t *next; /* the owner's */
    size_t count;                       /* 0: nothing has to be signed */
    struct evp_mac_ctx_st *hmacs[SLUICE_SIGN_KEYS_MAX];
} sluice_sign_keys_t;

typedef enum en_sluice_signature_t {
    SLUICE_SIGNATURE_RIGHT,
    SLUICE_SIGNATURE_MISSING,
    SLUICE_SIGNATURE_MISPLACED, /* not last, or not alone */
    SLUICE_SIGNATURE_MALFORMED,
    SLUICE_SIGNATURE_WRONG,
    SLUICE_SIGNATURE_BAD_EXPIRY, /* signed, as is the next */
    SLUICE_SIGNATURE_EXPIRED,
    SLUICE_NUM_SIGNATURE_VERDICTS
} sluice_signature_t;

/**
 * no keys yet; NULL when memory is out
 */
sluice_sign_keys_t *sluice_sign_keys_create(void);
/**
 * sets the pointer to NULL; NULL inside is allowed
 */
void sluice_sign_keys_destroy(sluice_sign_keys_t **keys);
/**
 * adds a key, of which there may be no more than SLUICE_SIGN_KEYS_MAX. Returns 0, or -1 when libcrypto cannot
 */
int sluice_sign_keys_add(sluice_sign_keys_t *keys, const char *key, size_t len);
/**
 * judges a target (any bytes; not NUL-terminated). The time it takes depends on the target, and on the number and the length of the
 * keys, but neither on which key is right nor on how much of a signature is. Any thread.
 * @param keys at least one
 * @param now_s since 1970
 * @param expires_s of one that is right, and else undefined: the second from which on it no longer is; INT64_MAX: it stays
 */
sluice_signature_t sluice_signature_check(const sluice_sign_keys_t *keys, const char *target, size_t len, int64_t now_s,
                                          int64_t *expires_s);
/**
 * what a client is told of one that is not right
 */
const char *sluice_signature_code(sluice_signature_t verdict);
const char *sluice_signature_detail(sluice_signature_t verdict);
/**
 * writes a query (without the question mark) again, without the parameters sig and exp. Returns its length, at most the same.
 * @param rest of `len` bytes
 */
size_t sluice_signature_strip(const char *query, size_t len, char *rest);

#endif
