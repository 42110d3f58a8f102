/* signed targets: any bytes are refused, and once they are signed they are refused only for what they say themselves */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include "module/signature.h"
#include "tests/fuzz/fuzz.h"

#define TEXT_MAX 4096
#define KEY "0123456789abcdef"

static sluice_signature_t check(const char *target, size_t len, int64_t *expires_s)
{
    static sluice_sign_keys_t *keys;
    sluice_signature_t verdict;

    if (keys == NULL)
        FUZZ_WANT((keys = sluice_sign_keys_create()) != NULL && sluice_sign_keys_add(keys, KEY, sizeof(KEY) - 1) == 0);
    verdict = sluice_signature_check(keys, target, len, INT64_C(1790000000), expires_s);

    if (verdict != SLUICE_SIGNATURE_RIGHT)
        fuzz_want_sentence(sluice_signature_detail(verdict), 256);
    return verdict;
}

/* returns the length */
static size_t sign(const char *text, size_t len, char *target)
{
    unsigned char mac[32], sig[45];
    size_t n = len;

    HMAC(EVP_sha256(), KEY, sizeof(KEY) - 1, (const unsigned char *)text, len, mac, NULL);
    EVP_EncodeBlock(sig, mac, sizeof(mac));
    memcpy(target, text, len);
    target[n++] = memchr(text, '?', len) != NULL ? '&' : '?';
    memcpy(target + n, "sig=", 4);
    n += 4;
    for (size_t i = 0; i != 43; ++i)
        target[n++] = sig[i] == '+' ? '-' : sig[i] == '/' ? '_' : (char)sig[i];
    return n;
}

static int has(const char *query, size_t len, const char *name)
{
    for (size_t at = 0; at < len;) {
        const char *amp = memchr(query + at, '&', len - at);
        size_t n = (amp != NULL ? (size_t)(amp - query) : len) - at;
        if (n >= 3 && memcmp(query + at, name, 3) == 0 && (n == 3 || query[at + 3] == '='))
            return 1;
        at += n + 1;
    }
    return 0;
}

static void want_stripped(const char *target, size_t len)
{
    const char *query = memchr(target, '?', len);
    char rest[TEXT_MAX + 64], again[TEXT_MAX + 64];
    size_t query_len, n;

    FUZZ_WANT(query != NULL);
    query_len = (size_t)(target + len - ++query);
    n = sluice_signature_strip(query, query_len, rest);
    FUZZ_WANT(n < query_len && !has(rest, n, "sig") && !has(rest, n, "exp"));
    FUZZ_WANT(sluice_signature_strip(rest, n, again) <= n);
}

static int asks(const char *text, size_t len, const char *name)
{
    const char *mark = memchr(text, '?', len);

    return mark != NULL && has(mark + 1, (size_t)(text + len - (mark + 1)), name);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    const char *text = (const char *)bytes;
    char target[TEXT_MAX + 64];
    int64_t expires_s;
    size_t target_len;
    sluice_signature_t verdict;

    if (len > TEXT_MAX)
        return 0;
    FUZZ_WANT(check(text, len, &expires_s) != SLUICE_SIGNATURE_RIGHT);
    target_len = sign(text, len, target);
    verdict = check(target, target_len, &expires_s);
    if (asks(text, len, "sig"))
        FUZZ_WANT(verdict == SLUICE_SIGNATURE_MISPLACED);
    else if (!asks(text, len, "exp"))
        FUZZ_WANT(verdict == SLUICE_SIGNATURE_RIGHT && expires_s == INT64_MAX);
    else if (verdict == SLUICE_SIGNATURE_RIGHT)
        FUZZ_WANT(expires_s > INT64_C(1790000000) && expires_s != INT64_MAX);
    else
        FUZZ_WANT(verdict == SLUICE_SIGNATURE_BAD_EXPIRY || verdict == SLUICE_SIGNATURE_EXPIRED);
    want_stripped(target, target_len);
    return 0;
}
