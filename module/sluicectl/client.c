/*
 * One request after the other over one handle of libcurl. The token goes into the header of requests that need it, and is read from
 * its file each time: it is nowhere in the arguments or the environment of this process, and not kept.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <curl/curl.h>
#include "module/sluicectl/ctl.h"
#include "module/sluicectl/text.h"
#include "module/version.h"

#define MAX_ANSWER ((size_t)64 << 20)
#define CONNECT_TIMEOUT_S 5L
#define DEFAULT_TIMEOUT_S 10L

typedef struct st_answer_t {
    char *text;
    size_t len;
    int is_too_long;
} answer_t;

ctl_exit_t ctl_fail(ctl_t *ctl, ctl_exit_t result, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(ctl->error, sizeof(ctl->error), format, args);
    va_end(args);
    return result;
}

char *ctl_url(const ctl_t *ctl, const char *path)
{
    char *url = NULL;

    return asprintf(&url, "%s%s", ctl->base, path) != -1 ? url : NULL;
}

/* --- the transfer */

static size_t take_bytes(char *bytes, size_t size, size_t count, void *_answer)
{
    answer_t *answer = _answer;
    size_t len = size * count;
    char *text;

    if (len > MAX_ANSWER - answer->len) {
        answer->is_too_long = 1;
        return 0;
    }
    if ((text = realloc(answer->text, answer->len + len + 1)) == NULL)
        return 0;
    memcpy(text + answer->len, bytes, len);
    answer->text = text;
    answer->len += len;
    return len;
}

static int should_stop(void *_ctl, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const ctl_t *ctl = _ctl;

    (void)a, (void)b, (void)c, (void)d;
    return ctl->stop != NULL && *ctl->stop;
}

ctl_exit_t ctl_fail_transfer(ctl_t *ctl, void *easy, int code, const char *detail)
{
    const char *what = detail[0] != '\0' ? detail : curl_easy_strerror((CURLcode)code);
    long os_errno = 0;

    if (code == CURLE_COULDNT_CONNECT && curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_errno) == CURLE_OK && os_errno != 0)
        what = strerror((int)os_errno);

    switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return ctl_fail(ctl, CTL_WRONG_USAGE,
                        "`%.200s` is no URL that can be used (%s): -u takes one such as http://127.0.0.1:8080", ctl->base, what);
    case CURLE_OPERATION_TIMEDOUT:
        return ctl_fail(ctl, CTL_UNREACHABLE, "%.200s does not answer in time: %s", ctl->base, what);
    default:
        return ctl_fail(ctl, CTL_UNREACHABLE, "nothing answers at %.200s (%s): start the server, or name it with -u or SLUICE_URL",
                        ctl->base, what);
    }
}

static struct curl_slist *add_header(struct curl_slist *list, const char *header)
{
    struct curl_slist *longer = curl_slist_append(list, header);

    return longer != NULL ? longer : list;
}

static ctl_exit_t say_no_token(ctl_t *ctl)
{
    return ctl_fail(ctl, CTL_FAILED,
                    "this needs the admin token: name the file that holds it, the one of health.admin-token, with -t or "
                    "SLUICE_TOKEN_FILE");
}

/* returns CTL_DONE with the header added */
static ctl_exit_t add_token(ctl_t *ctl, struct curl_slist **headers)
{
    char secret[SLUICE_SECRET_MAX], error[512], header[SLUICE_SECRET_MAX + 32];
    ssize_t len;

    if (ctl->token_file == NULL)
        return say_no_token(ctl);
    if ((len = sluice_secret_read("token", ctl->token_file, ".", secret, error, sizeof(error))) == -1)
        return ctl_fail(ctl, CTL_FAILED, "no token: %s", error);
    snprintf(header, sizeof(header), "Authorization: Bearer %.*s", (int)len, secret);
    *headers = add_header(*headers, header);
    explicit_bzero(secret, sizeof(secret));
    explicit_bzero(header, sizeof(header));
    return CTL_DONE;
}

static void set_options(ctl_t *ctl, CURL *easy, const ctl_request_t *request, answer_t *answer, char *error)
{
    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "sluicectl/" SLUICE_VERSION);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, request->timeout_s != 0 ? request->timeout_s : DEFAULT_TIMEOUT_S);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, should_stop);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, ctl);
}

static ctl_exit_t transfer(ctl_t *ctl, const ctl_request_t *request, answer_t *answer, long *status)
{
    struct curl_slist *headers = add_header(add_header(NULL, "Expect:"), "Content-Type: application/json");
    char error[CURL_ERROR_SIZE] = "", *url = ctl_url(ctl, request->path);
    char *body = request->body != NULL ? json_dumps(request->body, JSON_COMPACT) : NULL;
    CURL *easy = ctl->easy != NULL ? ctl->easy : curl_easy_init();
    ctl_exit_t result = CTL_DONE;

    ctl->easy = easy;
    if (easy == NULL || url == NULL || headers == NULL || (request->body != NULL && body == NULL))
        result = ctl_fail(ctl, CTL_FAILED, "out of memory");
    else if (request->is_admin == 1 || (request->is_admin == CTL_IF_THERE && ctl->token_file != NULL))
        result = add_token(ctl, &headers);
    if (result == CTL_DONE) {
        set_options(ctl, easy, request, answer, error);
        curl_easy_setopt(easy, CURLOPT_URL, url);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
        if (request->is_post || body != NULL)
            curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, body != NULL ? body : "");
        CURLcode code = curl_easy_perform(easy);
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, status);
        if (answer->is_too_long)
            result = ctl_fail(ctl, CTL_FAILED, "the answer of %.200s is longer than %zu MiB", url, MAX_ANSWER >> 20);
        else if (code != CURLE_OK)
            result = ctl_fail_transfer(ctl, easy, (int)code, error);
    }
    curl_slist_free_all(headers);
    free(body);
    free(url);
    return result;
}

/* --- what came back */

static ctl_exit_t say_foreign(ctl_t *ctl, long status)
{
    return ctl_fail(ctl, CTL_UNREACHABLE,
                    "what answers at %.200s (status %ld) is not the API of a Sluice: -u takes the server's URL, with the path that "
                    "has health.api: ON behind it if that is not /api",
                    ctl->base, status);
}

static ctl_exit_t say_refused(ctl_t *ctl, const ctl_request_t *request, long status, const json_t *problem)
{
    const char *code = ctl_string(problem, "code");

    if (status == 401 && ctl->token_file == NULL)
        return say_no_token(ctl);
    if (status == 401)
        return ctl_fail(ctl, CTL_FAILED,
                        "the server refuses the token of %.200s: it is not the one that its health.admin-token names",
                        ctl->token_file);
    if (strcmp(code, "unknown-route") == 0 && request->is_admin)
        return ctl_fail(ctl, CTL_FAILED,
                        "the server has no such route: set health.admin-token in its configuration, or it is older than "
                        "sluicectl " SLUICE_VERSION);
    if (strcmp(code, "unknown-route") == 0)
        return ctl_fail(ctl, CTL_FAILED, "the server does not know %.100s: it is older than sluicectl " SLUICE_VERSION,
                        request->path);
    return ctl_fail(ctl, CTL_FAILED, "the server refuses (%ld %.60s): %.500s", status, code, ctl_string(problem, "detail"));
}

/* takes over what it does not put into *answer */
static ctl_exit_t judge(ctl_t *ctl, const ctl_request_t *request, long status, json_t *json, json_t **answer)
{
    int is_problem = json_is_string(ctl_find(json, "code")) && json_is_string(ctl_find(json, "detail"));
    ctl_exit_t result;

    if (json != NULL && !is_problem && (status == 200 || (request->is_health && status == 503))) {
        *answer = json;
        return CTL_DONE;
    }
    result = is_problem ? say_refused(ctl, request, status, json) : say_foreign(ctl, status);
    json_decref(json);
    return result;
}

ctl_exit_t ctl_call(ctl_t *ctl, const ctl_request_t *request, json_t **answer)
{
    answer_t bytes = {NULL, 0, 0};
    long status = 0;
    ctl_exit_t result;

    *answer = NULL;
    ctl->error[0] = '\0';
    if ((result = transfer(ctl, request, &bytes, &status)) == CTL_DONE) {
        json_t *json = bytes.text != NULL ? json_loadb(bytes.text, bytes.len, 0, NULL) : NULL;
        if (json != NULL && !json_is_object(json)) {
            json_decref(json);
            json = NULL;
        }
        result = judge(ctl, request, status, json, answer);
    }
    free(bytes.text);
    return result;
}

void ctl_client_dispose(ctl_t *ctl)
{
    if (ctl->easy != NULL)
        curl_easy_cleanup(ctl->easy);
    ctl->easy = NULL;
}

void ctl_print_json(const json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2) | CTL_JSON_REALS);
    fputc('\n', stdout);
}
