/*
 * The page of /api/dashboard. It is the same for everybody, so its policy is written once: nothing may run or be styled but the
 * script and the style that are in the page, and it may speak to no other host than its own.
 */
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "health/dashboard.h"
#include "module/api.h"
#include "module/respond.h"

#define SHA256_LEN 32
#define BASE64_LEN 45 /* of a SHA-256, its NUL included */

static char policy[512];

/* without a hash the element is not let in: the page stays blank, and no less safe */
static void hash_element(const char *tag, char out[BASE64_LEN])
{
    unsigned char digest[SHA256_LEN] = {0};
    size_t len = 0;
    const char *text = health_dashboard_element(tag, &len);

    if (text != NULL)
        EVP_Digest(text, len, digest, NULL, EVP_sha256(), NULL);
    EVP_EncodeBlock((unsigned char *)out, digest, SHA256_LEN);
}

static void write_policy(void)
{
    char script[BASE64_LEN], style[BASE64_LEN];

    hash_element("script", script);
    hash_element("style", style);
    snprintf(policy, sizeof(policy),
             "default-src 'none'; script-src 'sha256-%s'; style-src 'sha256-%s'; img-src data:; connect-src 'self'; "
             "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
             script, style);
}

static void add_header(h2o_req_t *req, const char *name, const char *value)
{
    h2o_add_header_by_str(&req->pool, &req->res.headers, name, strlen(name), 0, NULL, value, strlen(value));
}

void sluice_api_dashboard(const sluice_api_call_t *call)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    size_t len;
    const char *page = health_dashboard_page(&len);

    pthread_once(&once, write_policy);
    add_header(call->req, "content-security-policy", policy);
    add_header(call->req, "x-content-type-options", "nosniff");
    add_header(call->req, "referrer-policy", "no-referrer");
    add_header(call->req, "cache-control", "no-store");
    sluice_respond_text(call->req, 200, "OK", "text/html; charset=utf-8", page, len);
}
