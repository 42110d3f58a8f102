#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "module/operations.h"
#include "module/picture_check.h"
#include "module/source.h"
#include "module/source_memory.h"

void sluice_source_rules(const sluice_origin_t *origin, sluice_freshness_rules_t *rules)
{
    const sluice_path_settings_t *settings = &origin->settings;

    *rules = (sluice_freshness_rules_t){.ttl_ms = settings->ttl_ms,
                                        .negative_ttl_ms = settings->negative_ttl_ms,
                                        .stale_while_revalidate_ms = settings->stale_while_revalidate_ms,
                                        .stale_if_error_ms = settings->stale_if_error_ms,
                                        .keep_ms = settings->keep_ms,
                                        .override = (int)settings->ttl_override};
}

void sluice_source_life(const icache_object_t *source, sluice_life_t *life)
{
    const sluice_source_meta_t *meta = source->meta;

    *life = (sluice_life_t){.created_ms = source->created_ms,
                            .expires_ms = source->expires_ms,
                            .stale_ms = meta->stale_ms,
                            .keep_ms = source->keep_ms,
                            .stale_if_error_ms = meta->stale_if_error_ms,
                            .max_age_s = meta->max_age_s,
                            .cache_control = meta->cache_control,
                            .store = (int)meta->store};
}

/* all but the times in the object itself, which are the cache's once it is there */
static void set_terms(icache_object_t *source, const sluice_life_t *life, uint32_t fwd_status)
{
    sluice_source_meta_t *meta = source->meta;

    meta->stale_ms = life->stale_ms;
    meta->stale_if_error_ms = life->stale_if_error_ms;
    meta->max_age_s = life->max_age_s;
    meta->cache_control = life->cache_control;
    meta->store = (uint32_t)life->store;
    meta->fwd_status = fwd_status;
}

static void set_times(icache_object_t *source, const sluice_life_t *life)
{
    source->created_ms = life->created_ms;
    source->expires_ms = life->expires_ms;
    source->keep_ms = life->keep_ms;
}

static icache_key_t key_of(const sluice_fetch_t *fetch)
{
    return icache_key(fetch->sluice->cache, fetch->key, strlen(fetch->key));
}

static sluice_fetch_t *create_fetch(const sluice_source_request_t *request)
{
    sluice_fetch_t *fetch = calloc(1, sizeof(*fetch) + request->key_len + 1 + request->path_len + 1);

    if (fetch == NULL)
        return NULL;
    fetch->sluice = request->origin->sluice;
    fetch->origin = request->origin;
    fetch->started_us = sluice_now_us();
    fetch->deadline_ms = sluice_now_ms() + fetch->sluice->settings.queue_timeout_ms;
    fetch->epoch = icache_meta_epoch(fetch->sluice->metadata);
    fetch->key = (char *)(fetch + 1);
    memcpy(fetch->key, request->key, request->key_len);
    fetch->path = fetch->key + request->key_len + 1;
    memcpy(fetch->path, request->path, request->path_len);
    sluice_said_init(&fetch->said, 0);
    return fetch;
}

static void begin_operation(sluice_fetch_t *fetch)
{
    const sluice_route_t *route = (const sluice_route_t *)(const void *)fetch->origin->route;

    health_operation_begin(fetch->sluice->operations, &fetch->operation, HEALTH_OPERATION_FETCH, HEALTH_OPERATION_WAITING_FOR_SLOT,
                           sluice_now_ms(), route->name, fetch->path);
    uint64_t silence_ms = sluice_operation_silence(fetch->sluice), limit_ms = sluice_operation_overtime(fetch->deadline_ms);
    health_operation_set_deadline(&fetch->operation, fetch->origin->url != NULL || limit_ms > silence_ms ? limit_ms : silence_ms);
}

static int same_hash(const uint64_t a[2], const uint64_t b[2])
{
    return a[0] == b[0] && a[1] == b[1];
}

/* a condition is of use if the bytes that it is about are still here, or what was made of them is */
static void find_condition(sluice_fetch_t *fetch, const uint64_t *made_of)
{
    icache_key_t key = key_of(fetch);

    fetch->old = icache_get_stale(fetch->sluice->cache, &key, sluice_now_ms());
    if (fetch->old != NULL)
        fetch->known = ((const sluice_source_meta_t *)fetch->old->meta)->known;
    else if (made_of == NULL || !sluice_source_recall(fetch->origin, fetch->key, key.len, &fetch->known) ||
             !same_hash(fetch->known.hash, made_of))
        return;
    fetch->conditional = sluice_said_has_validator(&fetch->known.said);
}

void sluice_source_start(const sluice_source_request_t *request, icache_flight_t *flight)
{
    sluice_t *sluice = request->origin->sluice;
    sluice_fetch_t *fetch = create_fetch(request);

    if (fetch == NULL) {
        icache_flight_complete(&flight, NULL, SLUICE_ERROR_OUT_OF_MEMORY, 0, sluice_now_ms());
        return;
    }
    fetch->flight = flight;
    begin_operation(fetch);
    find_condition(fetch, request->made_of);
    sluice_count(&sluice->stats.fetches, 1);
    sluice_count(&sluice->stats.fetches_in_progress, 1);
    if (request->origin->url != NULL)
        sluice_http_start(fetch);
    else
        sluice_file_start(fetch);
}

sluice_error_t sluice_source_reserve(sluice_fetch_t *fetch, uint64_t bytes)
{
    sluice_t *sluice = fetch->sluice;
    int result;

    if (!sluice_source_share_take(&sluice->source_share, fetch, fetch->started_us, bytes))
        return SLUICE_ERROR_NO_ROOM;
    if ((result = pressure_reserve(sluice->pressure, PRESSURE_CLASS_SOURCE, bytes)) == PRESSURE_OK) {
        sluice_source_share_keep(&sluice->source_share, fetch->started_us);
        fetch->reserved_bytes += bytes;
        health_operation_set_reserved(&fetch->operation, fetch->reserved_bytes);
        return SLUICE_OK;
    }
    sluice_source_share_return(&sluice->source_share, fetch->started_us, bytes);
    if (result != PRESSURE_NEVER) {
        pressure_want_room(sluice->pressure, bytes);
        return SLUICE_ERROR_NO_ROOM;
    }
    fetch->need_bytes = bytes;
    return SLUICE_ERROR_SOURCE_NEVER_FITS;
}

void sluice_source_unreserve(sluice_fetch_t *fetch, uint64_t bytes)
{
    pressure_resize(fetch->sluice->pressure, PRESSURE_CLASS_SOURCE, bytes, 0);
    sluice_source_share_give(&fetch->sluice->source_share, bytes);
    fetch->reserved_bytes -= bytes;
}

sluice_error_t sluice_source_check(sluice_fetch_t *fetch, const uint8_t *bytes, size_t len, uint64_t source_bytes)
{
    const sluice_check_t check = {.source_bytes = source_bytes,
                                  .max_pixels = fetch->origin->settings.max_pixels,
                                  .largest_bytes = pressure_largest_bytes(fetch->sluice->pressure),
                                  .svg = fetch->sluice->settings.svg != 0};

    return sluice_picture_check(bytes, len, &check, &fetch->need_bytes);
}

icache_object_t *sluice_source_new_object(sluice_fetch_t *fetch, size_t body_len)
{
    icache_key_t key = key_of(fetch);

    icache_object_t *object =
        icache_object_create(fetch->sluice->cache, ICACHE_CLASS_SOURCE, &key, sizeof(sluice_source_meta_t), body_len);

    if (object != NULL)
        icache_object_set_group(object, sluice_origin_group(fetch->origin));
    return object;
}

static void end_fetch(sluice_fetch_t *fetch, icache_object_t *object, sluice_error_t error, int store)
{
    sluice_t *sluice = fetch->sluice;

    if (error != SLUICE_ERROR_CANCELLED)
        sluice_durations_count(sluice->stats.fetch_durations + (error != SLUICE_OK), sluice_now_us() - fetch->started_us, 1);
    sluice_uncount(&sluice->stats.fetches_in_progress, 1);
    sluice_operation_end(sluice, &fetch->operation);
    icache_flight_complete(&fetch->flight, object,
                           sluice_failure_with_need(sluice_failure(error, fetch->status), fetch->need_bytes), store,
                           sluice_now_ms());
    icache_object_unref(&fetch->old);
    sluice_source_share_end(&sluice->source_share, fetch, fetch->started_us, fetch->reserved_bytes);
    sluice_pool_unpark(sluice->readers);
    if (fetch->reserved_bytes != 0) {
        /* the bytes are in the resident set now, where the next sample sees them: let that be soon */
        pressure_kick(sluice->pressure);
        pressure_release(sluice->pressure, PRESSURE_CLASS_SOURCE, fetch->reserved_bytes);
    }
    free(fetch);
}

/* what the cache has of this source is not to be used any more */
static void drop_old(sluice_fetch_t *fetch)
{
    icache_key_t key = key_of(fetch);

    if (fetch->old != NULL)
        icache_remove(fetch->sluice->cache, &key);
}

static void remember(sluice_fetch_t *fetch, const sluice_known_t *known, const sluice_life_t *life)
{
    if (life->store)
        sluice_source_remember(fetch->origin, fetch->key, strlen(fetch->key), known, life->keep_ms, fetch->epoch);
    else
        drop_old(fetch);
}

static void finish_with_bytes(sluice_fetch_t *fetch, icache_object_t *object)
{
    sluice_source_meta_t *meta = object->meta;
    health_operation_enter(&fetch->operation, HEALTH_OPERATION_STORING, sluice_now_ms(), sluice_operation_silence(fetch->sluice));
    XXH128_hash_t hash = XXH3_128bits(object->body, object->body_len);
    sluice_freshness_rules_t rules;
    sluice_life_t life;

    sluice_source_rules(fetch->origin, &rules);
    sluice_freshness_decide(&fetch->said, &rules, fetch->answered_ms, &life);
    meta->known = (sluice_known_t){{hash.low64, hash.high64}, fetch->said};
    meta->fetch_us = (uint32_t)(sluice_now_us() - fetch->started_us);
    object->cost_us = meta->fetch_us;
    set_terms(object, &life, fetch->status);
    set_times(object, &life);
    sluice_count(&fetch->sluice->stats.fetched_bytes, object->body_len);
    remember(fetch, &meta->known, &life);
    end_fetch(fetch, object, SLUICE_OK, life.store);
}

/* for how long an error is remembered */
static uint64_t memory_ms(const sluice_fetch_t *fetch, sluice_error_t error)
{
    sluice_freshness_rules_t rules;

    if (sluice_errors[error].brief)
        return fetch->origin->settings.error_ttl_ms;
    if (!sluice_errors[error].negative)
        return 0;
    sluice_source_rules(fetch->origin, &rules);
    if (error == SLUICE_ERROR_NOT_FOUND)
        return sluice_freshness_negative_ms(&fetch->said, &rules);
    return sluice_freshness_may_store(&fetch->said, &rules) ? rules.negative_ttl_ms : 0;
}

static void finish_with_error(sluice_fetch_t *fetch, sluice_error_t error)
{
    if (error == SLUICE_ERROR_CANCELLED)
        error = sluice_operation_error(&fetch->operation, SLUICE_ERROR_ORIGIN_TIMEOUT);
    uint64_t ttl_ms = memory_ms(fetch, error);
    if (error != SLUICE_ERROR_CANCELLED)
        sluice_count(&fetch->sluice->stats.fetch_failures, 1);
    if (ttl_ms != 0)
        sluice_source_remember_error(fetch->origin, fetch->key, strlen(fetch->key),
                                     sluice_failure_with_need(sluice_failure(error, 0), fetch->need_bytes),
                                     sluice_now_ms() + ttl_ms, fetch->epoch);
    if (sluice_errors[error].negative)
        drop_old(fetch);
    end_fetch(fetch, NULL, error, 0);
}

void sluice_source_finish(sluice_fetch_t *fetch, icache_object_t *object, sluice_error_t error)
{
    if (object != NULL)
        finish_with_bytes(fetch, object);
    else
        finish_with_error(fetch, error);
}

static icache_object_t *without_body(sluice_fetch_t *fetch, const sluice_life_t *life)
{
    icache_object_t *object = sluice_source_new_object(fetch, 0);

    if (object != NULL) {
        sluice_source_meta_t *meta = object->meta;
        meta->known = fetch->known;
        meta->unchanged = 1;
        set_times(object, life);
    }
    return object;
}

void sluice_source_finish_unchanged(sluice_fetch_t *fetch)
{
    icache_object_t *object;
    sluice_known_t known = fetch->known;
    sluice_freshness_rules_t rules;
    sluice_life_t life;

    sluice_source_rules(fetch->origin, &rules);
    sluice_said_merge(&fetch->known.said, &fetch->said, &known.said);
    sluice_freshness_decide(&known.said, &rules, fetch->answered_ms, &life);
    object = fetch->old != NULL ? icache_object_ref(fetch->old) : without_body(fetch, &life);
    if (object == NULL) {
        finish_with_error(fetch, SLUICE_ERROR_OUT_OF_MEMORY);
        return;
    }
    set_terms(object, &life, fetch->status);
    if (fetch->old != NULL) {
        const icache_life_t times = {life.created_ms, life.expires_ms, 0, life.keep_ms};
        icache_renew(fetch->sluice->cache, object, &times, sluice_now_ms());
    }
    remember(fetch, &known, &life);
    end_fetch(fetch, object, SLUICE_OK, 0);
}
