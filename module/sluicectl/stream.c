#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <curl/curl.h>
#include "module/sluicectl/sse.h"
#include "module/sluicectl/stream.h"
#include "module/version.h"

struct st_ctl_stream_t {
    CURLM *multi;
    CURL *easy;
    char *url, error[CURL_ERROR_SIZE];
    ctl_sse_t sse;
};

static size_t take_bytes(char *bytes, size_t size, size_t count, void *_stream)
{
    ctl_stream_t *stream = _stream;
    const char *type = NULL;
    long status = 0;

    curl_easy_getinfo(stream->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(stream->easy, CURLINFO_CONTENT_TYPE, &type);
    if (status == 200 && type != NULL && strncmp(type, "text/event-stream", 17) == 0)
        ctl_sse_feed(&stream->sse, bytes, size * count);
    return size * count;
}

ctl_stream_t *ctl_stream_open(ctl_t *ctl, const char *after,
                              void (*on_event)(void *ctx, const char *id, const char *type, const char *data), void *ctx)
{
    ctl_stream_t *stream = calloc(1, sizeof(*stream));
    char path[80] = "/memory/events";

    if (stream == NULL)
        return NULL;
    if (after != NULL)
        snprintf(path, sizeof(path), "/memory/events?after=%.40s", after);
    stream->multi = curl_multi_init();
    stream->easy = curl_easy_init();
    stream->url = ctl_url(ctl, path);
    if (stream->multi == NULL || stream->easy == NULL || stream->url == NULL) {
        ctl_stream_close(&stream);
        return NULL;
    }
    ctl_sse_init(&stream->sse, on_event, ctx);
    curl_easy_setopt(stream->easy, CURLOPT_URL, stream->url);
    curl_easy_setopt(stream->easy, CURLOPT_USERAGENT, "sluicectl/" SLUICE_VERSION);
    curl_easy_setopt(stream->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(stream->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(stream->easy, CURLOPT_CONNECTTIMEOUT, 5L);
    curl_easy_setopt(stream->easy, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(stream->easy, CURLOPT_WRITEDATA, stream);
    curl_easy_setopt(stream->easy, CURLOPT_ERRORBUFFER, stream->error);
    curl_multi_add_handle(stream->multi, stream->easy);
    return stream;
}

void ctl_stream_close(ctl_stream_t **_stream)
{
    ctl_stream_t *stream = *_stream;

    if (stream == NULL)
        return;
    *_stream = NULL;
    if (stream->multi != NULL && stream->easy != NULL)
        curl_multi_remove_handle(stream->multi, stream->easy);
    curl_easy_cleanup(stream->easy);
    curl_multi_cleanup(stream->multi);
    free(stream->url);
    free(stream);
}

static ctl_exit_t say_end(ctl_t *ctl, ctl_stream_t *stream, CURLcode code)
{
    long status = 0;

    curl_easy_getinfo(stream->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status == 404)
        return ctl_fail(ctl, CTL_FAILED,
                        "there are no events at %.200s: the server is older than sluicectl " SLUICE_VERSION
                        ", or no Sluice, or has health.api at another path than -u says",
                        stream->url);
    if (status != 0 && status != 200)
        return ctl_fail(ctl, CTL_FAILED, "the server refuses to tell events (status %ld); `sluicectl status` says how it is",
                        status);
    if (status == 200)
        return ctl_fail(ctl, CTL_UNREACHABLE, "the server has ended the stream of events");
    return ctl_fail_transfer(ctl, stream->easy, (int)code, stream->error);
}

ctl_exit_t ctl_stream_run(ctl_t *ctl, ctl_stream_t *stream, const int fds[2], int timeout_ms)
{
    struct curl_waitfd extra[2];
    unsigned num_extra = 0;
    int num_running = 0, left;
    CURLMsg *message;

    for (int i = 0; i != 2; ++i)
        if (fds[i] != -1)
            extra[num_extra++] = (struct curl_waitfd){.fd = fds[i], .events = CURL_WAIT_POLLIN};
    curl_multi_perform(stream->multi, &num_running);
    if (num_running != 0) {
        curl_multi_poll(stream->multi, extra, num_extra, timeout_ms, NULL);
        curl_multi_perform(stream->multi, &num_running);
    }
    while ((message = curl_multi_info_read(stream->multi, &left)) != NULL)
        if (message->msg == CURLMSG_DONE)
            return say_end(ctl, stream, message->data.result);
    return CTL_DONE;
}

/* --- in words */

static void add_words(char *line, size_t *len, const char *words)
{
    size_t room = CTL_LINE_MAX - 1 - *len, words_len = strlen(words);

    if (words_len > room)
        words_len = room;
    memcpy(line + *len, words, words_len);
    *len += words_len;
    line[*len] = '\0';
}

/* "resident_bytes": the name without its unit, and the number in one that suits people */
static void add_member(char *line, size_t *len, const char *name, const json_t *value)
{
    size_t name_len = strlen(name);
    int is_bytes = name_len > 6 && strcmp(name + name_len - 6, "_bytes") == 0, is_size = strcmp(name, "bytes") == 0;
    char words[CTL_LINE_MAX];

    if (json_is_string(value))
        snprintf(words, sizeof(words), " %s=%s", name, ctl_string(value, ""));
    else if (json_is_number(value) && (is_bytes || is_size))
        snprintf(words, sizeof(words), " %.*s=%s", (int)name_len - (is_bytes ? 6 : 0), name,
                 ctl_bytes(json_number_value(value)).text);
    else if (json_is_number(value))
        snprintf(words, sizeof(words), " %s=%.6g", name, json_number_value(value));
    else if (json_is_boolean(value))
        snprintf(words, sizeof(words), " %s=%s", name, json_is_true(value) ? "true" : "false");
    else
        return;
    add_words(line, len, words);
}

void ctl_describe_event(char line[CTL_LINE_MAX], const char *type, const char *data)
{
    json_t *json = json_loads(data, 0, NULL), *value;
    double at = ctl_number(json, "at");
    const char *name;
    size_t len = 0;

    line[0] = '\0';
    add_words(line, &len, ctl_time_of_day(at > 0 ? at : (double)time(NULL)).text);
    add_words(line, &len, " ");
    add_words(line, &len, type);
    if (json_is_object(json)) {
        json_object_foreach(json, name, value) if (strcmp(name, "at") != 0) add_member(line, &len, name, value);
    } else {
        add_words(line, &len, " ");
        add_words(line, &len, data);
    }
    ctl_clean(line);
    json_decref(json);
}
