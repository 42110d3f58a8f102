#include <stdlib.h>
#include <string.h>
#include "module/source.h"

/* a record of the metadata cache */
struct st_source_record_t {
    uint32_t error; /* sluice_error_t */
    uint32_t reserved;
    uint64_t size_bytes; /* of the source; with SLUICE_ERROR_TOO_MANY_PIXELS, the limit that it is above */
};

/* pixels are limited path by path, and paths may share an origin */
static int is_true_here(const sluice_origin_t *origin, const struct st_source_record_t *record)
{
    return record->error != SLUICE_ERROR_TOO_MANY_PIXELS || origin->settings.max_pixels <= record->size_bytes;
}

sluice_error_t sluice_source_known_error(const sluice_origin_t *origin, const char *key, size_t key_len)
{
    struct st_source_record_t record;
    long len = icache_meta_get(origin->sluice->metadata, key, key_len, sluice_now_ms(), &record, sizeof(record));

    return len == (long)sizeof(record) && is_true_here(origin, &record) ? (sluice_error_t)record.error : SLUICE_OK;
}

static void remember(const sluice_origin_t *origin, const char *key, size_t key_len, sluice_error_t error, uint64_t size_bytes)
{
    struct st_source_record_t record = {(uint32_t)error, 0, size_bytes};
    uint64_t ttl_ms = error != SLUICE_OK ? origin->settings.negative_ttl_ms : origin->settings.ttl_ms;

    if (ttl_ms != 0)
        icache_meta_put(origin->sluice->metadata, key, key_len, &record, sizeof(record), sluice_now_ms() + ttl_ms,
                        icache_meta_epoch(origin->sluice->metadata));
}

void sluice_source_remember_error(const sluice_origin_t *origin, const char *key, size_t key_len, sluice_error_t error)
{
    if (sluice_errors[error].negative)
        remember(origin, key, key_len, error, error == SLUICE_ERROR_TOO_MANY_PIXELS ? origin->settings.max_pixels : 0);
}

static sluice_fetch_t *create_fetch(const sluice_origin_t *origin, const char *key, size_t key_len, const char *path,
                                    size_t path_len)
{
    sluice_fetch_t *fetch = calloc(1, sizeof(*fetch) + key_len + 1 + path_len + 1);

    if (fetch == NULL)
        return NULL;
    fetch->sluice = origin->sluice;
    fetch->origin = origin;
    fetch->started_us = sluice_now_us();
    fetch->deadline_ms = sluice_now_ms() + origin->sluice->settings.queue_timeout_ms;
    fetch->key = (char *)(fetch + 1);
    memcpy(fetch->key, key, key_len);
    fetch->path = fetch->key + key_len + 1;
    memcpy(fetch->path, path, path_len);
    return fetch;
}

void sluice_source_start(const sluice_origin_t *origin, const char *key, size_t key_len, const char *path, size_t path_len,
                         icache_flight_t *flight)
{
    sluice_t *sluice = origin->sluice;
    sluice_fetch_t *fetch = create_fetch(origin, key, key_len, path, path_len);

    if (fetch == NULL) {
        icache_flight_complete(&flight, NULL, SLUICE_ERROR_OUT_OF_MEMORY, 0, sluice_now_ms());
        return;
    }
    fetch->flight = flight;
    sluice_count(&sluice->stats.fetches, 1);
    sluice_count(&sluice->stats.fetches_in_progress, 1);
    if (origin->url != NULL)
        sluice_http_start(fetch);
    else
        sluice_file_start(fetch);
}

/* sources that were fetched and wait for a worker may take a third of what is granted at most; one is always let in */
static int sources_have_share(sluice_t *sluice, uint64_t bytes)
{
    uint64_t share = sluice->budget_bytes / 1000 * sluice->settings.high_permille / 3;
    uint64_t held = sluice_counted(&sluice->held_source_bytes);

    return held == 0 || held + bytes <= share;
}

sluice_error_t sluice_source_reserve(sluice_fetch_t *fetch, uint64_t bytes)
{
    if (!sources_have_share(fetch->sluice, bytes))
        return SLUICE_ERROR_NO_ROOM;
    switch (pressure_reserve(fetch->sluice->pressure, PRESSURE_CLASS_SOURCE, bytes)) {
    case PRESSURE_OK:
        fetch->reserved_bytes += bytes;
        return SLUICE_OK;
    case PRESSURE_NEVER:
        return SLUICE_ERROR_NEVER_FITS;
    default:
        return SLUICE_ERROR_NO_ROOM;
    }
}

icache_object_t *sluice_source_new_object(sluice_fetch_t *fetch, size_t body_len)
{
    icache_key_t key = icache_key(fetch->sluice->cache, fetch->key, strlen(fetch->key));

    return icache_object_create(fetch->sluice->cache, ICACHE_CLASS_SOURCE, &key, sizeof(sluice_source_meta_t), body_len);
}

void sluice_source_finish(sluice_fetch_t *fetch, icache_object_t *object, sluice_error_t error)
{
    sluice_t *sluice = fetch->sluice;
    uint64_t now_ms = sluice_now_ms();

    sluice_uncount(&sluice->stats.fetches_in_progress, 1);
    if (object != NULL) {
        sluice_source_meta_t *meta = object->meta;
        meta->fetch_us = (uint32_t)(sluice_now_us() - fetch->started_us);
        object->created_ms = now_ms;
        object->expires_ms = now_ms + fetch->origin->settings.ttl_ms;
        object->cost_us = meta->fetch_us;
        sluice_count(&sluice->stats.fetched_bytes, object->body_len);
        remember(fetch->origin, fetch->key, strlen(fetch->key), SLUICE_OK, object->body_len);
    } else {
        if (error != SLUICE_ERROR_CANCELLED)
            sluice_count(&sluice->stats.fetch_failures, 1);
        sluice_source_remember_error(fetch->origin, fetch->key, strlen(fetch->key), error);
    }
    icache_flight_complete(&fetch->flight, object, (int)error, fetch->origin->settings.ttl_ms != 0, now_ms);
    if (fetch->reserved_bytes != 0) {
        /* the bytes are in the resident set now, where the next sample sees them: let that be soon */
        pressure_kick(sluice->pressure);
        pressure_release(sluice->pressure, PRESSURE_CLASS_SOURCE, fetch->reserved_bytes);
    }
    free(fetch);
}
