/*
 * An HMAC of libcrypto begins with work that depends on the key alone, and costs as much as the hashing of a URL: looking up the
 * algorithm. That is done once, when the configuration is read; a check goes on from a copy.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include "module/signature.h"

#define MAC_BYTES 32
#define MAC_CHARS 43

static const struct {
    const char *code, *detail;
} verdicts[SLUICE_NUM_SIGNATURE_VERDICTS] = {
    [SLUICE_SIGNATURE_MISSING] = {"bad-signature", "sig is missing; sign the path and query with a key of image.sign-key, and add "
                                                   "the signature as the last parameter"},
    [SLUICE_SIGNATURE_MISPLACED] = {"bad-signature",
                                    "sig has to be there once, as the last parameter: what follows it would not be "
                                    "signed"},
    [SLUICE_SIGNATURE_MALFORMED] =
        {"bad-signature", "sig has to be 43 characters: an HMAC-SHA256 in base64url (A-Z, a-z, 0-9, - and _), not padded"},
    [SLUICE_SIGNATURE_WRONG] = {"bad-signature", "sig is not the HMAC-SHA256, with a key of image.sign-key, of the path and query "
                                                 "before it, byte for byte as they were sent"},
    [SLUICE_SIGNATURE_BAD_EXPIRY] = {"bad-signature", "exp has to be there once, as whole seconds since 1970"},
    [SLUICE_SIGNATURE_EXPIRED] = {"signature-expired", "the time that exp names is over; the URL has to be signed anew, with a "
                                                       "later one"},
};

sluice_sign_keys_t *sluice_sign_keys_create(void)
{
    return calloc(1, sizeof(sluice_sign_keys_t));
}

void sluice_sign_keys_destroy(sluice_sign_keys_t **keys)
{
    if (*keys == NULL)
        return;
    for (size_t i = 0; i != (*keys)->count; ++i)
        EVP_MAC_CTX_free((*keys)->hmacs[i]);
    free(*keys);
    *keys = NULL;
}

int sluice_sign_keys_add(sluice_sign_keys_t *keys, const char *key, size_t len)
{
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *hmac = algorithm != NULL ? EVP_MAC_CTX_new(algorithm) : NULL;

    assert(keys->count != SLUICE_SIGN_KEYS_MAX);
    EVP_MAC_free(algorithm);
    if (hmac == NULL || EVP_MAC_init(hmac, (const unsigned char *)key, len, params) != 1) {
        EVP_MAC_CTX_free(hmac);
        return -1;
    }
    keys->hmacs[keys->count++] = hmac;
    return 0;
}

struct st_parameter_t {
    const char *name, *value, *end;
    size_t name_len; /* value: behind the "=", or at the end where there is none */
};

/* the parameter that starts at a place; the next one starts behind its end */
static struct st_parameter_t parameter_at(const char *at, const char *end)
{
    const char *amp = memchr(at, '&', (size_t)(end - at)), *eq;

    if (amp != NULL)
        end = amp;
    if ((eq = memchr(at, '=', (size_t)(end - at))) == NULL)
        return (struct st_parameter_t){at, end, end, (size_t)(end - at)};
    return (struct st_parameter_t){at, eq + 1, end, (size_t)(eq - at)};
}

static int is_named(const struct st_parameter_t *parameter, const char *name)
{
    return parameter->name_len == strlen(name) && memcmp(parameter->name, name, parameter->name_len) == 0;
}

/* how many parameters have a name; the result is the last of them */
static size_t find(const char *query, const char *end, const char *name, struct st_parameter_t *found)
{
    struct st_parameter_t parameter;
    size_t count = 0;

    for (const char *at = query;; at = parameter.end + 1) {
        parameter = parameter_at(at, end);
        if (is_named(&parameter, name)) {
            *found = parameter;
            ++count;
        }
        if (parameter.end == end)
            return count;
    }
}

static int digit_of(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Returns 0, or -1 when this is not the one way to write some MAC */
static int decode_mac(const char *text, size_t len, unsigned char mac[MAC_BYTES])
{
    unsigned bits = 0, num_bits = 0;
    size_t n = 0;

    if (len != MAC_CHARS)
        return -1;
    for (size_t i = 0; i != MAC_CHARS; ++i) {
        int digit = digit_of((unsigned char)text[i]);
        if (digit == -1)
            return -1;
        bits = (bits << 6 | (unsigned)digit) & 0xfff;
        if ((num_bits += 6) >= 8)
            mac[n++] = (unsigned char)(bits >> (num_bits -= 8));
    }
    assert(n == MAC_BYTES && num_bits == 2);
    return (bits & 3) == 0 ? 0 : -1;
}

/* whether this is the MAC of a text; not, if libcrypto has no memory to find out */
static int is_mac_of(EVP_MAC_CTX *hmac, const char *text, size_t len, const unsigned char mac[MAC_BYTES])
{
    EVP_MAC_CTX *copy = EVP_MAC_CTX_dup(hmac);
    unsigned char own[MAC_BYTES];
    size_t own_len;
    int is = copy != NULL && EVP_MAC_update(copy, (const unsigned char *)text, len) == 1 &&
             EVP_MAC_final(copy, own, &own_len, sizeof(own)) == 1 && own_len == sizeof(own) &&
             CRYPTO_memcmp(own, mac, sizeof(own)) == 0;

    EVP_MAC_CTX_free(copy);
    return is;
}

static int is_right(const sluice_sign_keys_t *keys, const char *text, size_t len, const unsigned char mac[MAC_BYTES])
{
    int right = 0;

    /* all of them, whichever it is */
    for (size_t i = 0; i != keys->count; ++i)
        right |= is_mac_of(keys->hmacs[i], text, len, mac);
    return right;
}

static int parse_seconds(const struct st_parameter_t *parameter, int64_t *seconds)
{
    int64_t n = 0;

    if (parameter->value == parameter->end)
        return -1;
    for (const char *p = parameter->value; p != parameter->end; ++p) {
        if (*p < '0' || *p > '9' || n > (INT64_MAX - 9) / 10)
            return -1;
        n = n * 10 + (*p - '0');
    }
    *seconds = n;
    return 0;
}

static sluice_signature_t check_expiry(const char *query, const char *end, int64_t now_s, int64_t *expires_s)
{
    struct st_parameter_t expiry = {0};
    size_t count = find(query, end, "exp", &expiry);

    *expires_s = INT64_MAX;
    if (count == 0)
        return SLUICE_SIGNATURE_RIGHT;
    if (count != 1 || parse_seconds(&expiry, expires_s) != 0)
        return SLUICE_SIGNATURE_BAD_EXPIRY;
    return now_s < *expires_s ? SLUICE_SIGNATURE_RIGHT : SLUICE_SIGNATURE_EXPIRED;
}

sluice_signature_t sluice_signature_check(const sluice_sign_keys_t *keys, const char *target, size_t len, int64_t now_s,
                                          int64_t *expires_s)
{
    const char *mark = memchr(target, '?', len), *end = target + len;
    unsigned char mac[MAC_BYTES];
    struct st_parameter_t signature = {0};
    size_t count;

    if (mark == NULL || (count = find(mark + 1, end, "sig", &signature)) == 0)
        return SLUICE_SIGNATURE_MISSING;
    if (count != 1 || signature.end != end)
        return SLUICE_SIGNATURE_MISPLACED;
    if (decode_mac(signature.value, (size_t)(end - signature.value), mac) != 0)
        return SLUICE_SIGNATURE_MALFORMED;
    if (!is_right(keys, target, (size_t)(signature.name - 1 - target), mac))
        return SLUICE_SIGNATURE_WRONG;
    return check_expiry(mark + 1, end, now_s, expires_s);
}

const char *sluice_signature_code(sluice_signature_t verdict)
{
    return verdicts[verdict].code;
}

const char *sluice_signature_detail(sluice_signature_t verdict)
{
    return verdicts[verdict].detail;
}

size_t sluice_signature_strip(const char *query, size_t len, char *rest)
{
    size_t n = 0;

    for (size_t at = 0; at < len;) {
        struct st_parameter_t parameter = parameter_at(query + at, query + len);
        size_t parameter_len = (size_t)(parameter.end - parameter.name);
        if (!is_named(&parameter, "sig") && !is_named(&parameter, "exp")) {
            if (n != 0)
                rest[n++] = '&';
            memcpy(rest + n, parameter.name, parameter_len);
            n += parameter_len;
        }
        at += parameter_len + 1;
    }
    return n;
}
