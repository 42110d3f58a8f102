/* signed targets: nothing but what the key has signed is right. The input is a target; it is judged as it is, and signed */
#include <openssl/hmac.h>
#include "module/signature.h"
#include "tests/fuzz/fuzz.h"

#define KEY "a key of sixteen bytes or more"
#define SIG_LEN 43

static void put_signature(const char *text, size_t len, char sig[SIG_LEN])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char mac[33] = {0};
    unsigned mac_len = 0;

    FUZZ_WANT(HMAC(EVP_sha256(), KEY, sizeof(KEY) - 1, (const unsigned char *)text, len, mac, &mac_len) != NULL && mac_len == 32);
    for (size_t i = 0; i != SIG_LEN; ++i) {
        size_t bit = i * 6, byte = bit / 8;
        unsigned pair = (unsigned)mac[byte] << 8 | mac[byte + 1];
        sig[i] = digits[pair >> (10 - bit % 8) & 63];
    }
}

static void want_right_when_signed(const sluice_sign_keys_t *keys, const char *text, size_t len)
{
    size_t signed_len = len + 5 + SIG_LEN;
    char *target = malloc(signed_len);
    int64_t expires_s = 0;

    memcpy(target, text, len);
    memcpy(target + len, memchr(text, '?', len) != NULL ? "&sig=" : "?sig=", 5);
    put_signature(text, len, target + len + 5);
    sluice_signature_t verdict = sluice_signature_check(keys, target, signed_len, 1000, &expires_s);
    FUZZ_WANT(verdict == SLUICE_SIGNATURE_RIGHT || verdict == SLUICE_SIGNATURE_MISPLACED || verdict == SLUICE_SIGNATURE_EXPIRED ||
              verdict == SLUICE_SIGNATURE_BAD_EXPIRY);
    if (verdict == SLUICE_SIGNATURE_RIGHT) {
        FUZZ_WANT(expires_s > 1000);
        target[signed_len - 1 - len % SIG_LEN] ^= 1;
        FUZZ_WANT(sluice_signature_check(keys, target, signed_len, 1000, &expires_s) != SLUICE_SIGNATURE_RIGHT);
    }
    free(target);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static sluice_sign_keys_t *keys;
    const char *target = (const char *)bytes;
    int64_t expires_s;

    if (keys == NULL) {
        keys = sluice_sign_keys_create();
        FUZZ_WANT(keys != NULL && sluice_sign_keys_add(keys, "another key, the older one", 26) == 0 &&
                  sluice_sign_keys_add(keys, KEY, sizeof(KEY) - 1) == 0);
    }
    FUZZ_WANT(sluice_signature_check(keys, target, len, 1000, &expires_s) != SLUICE_SIGNATURE_RIGHT); /* nobody guesses an HMAC */
    want_right_when_signed(keys, target, len);

    char *rest = malloc(len + 1);
    size_t rest_len = sluice_signature_strip(target, len, rest);
    FUZZ_WANT(rest_len <= len);
    free(rest);
    return 0;
}
