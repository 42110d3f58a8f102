#include "module/source_memory.h"

struct st_record_t {
    uint32_t error; /* sluice_error_t, and until when */
    uint32_t is_known;
    uint64_t error_until_ms;
    uint64_t max_pixels; /* with SLUICE_ERROR_TOO_MANY_PIXELS: the limit that it is above */
    uint64_t need_bytes; /* with SLUICE_ERROR_SOURCE_NEVER_FITS */
    uint64_t known_until_ms;
    sluice_known_t known;
};

static int read_record(const sluice_origin_t *origin, const char *key, size_t key_len, struct st_record_t *record)
{
    return icache_meta_get(origin->sluice->metadata, key, key_len, sluice_now_ms(), record, sizeof(*record)) ==
           (long)sizeof(*record);
}

static void write_record(const sluice_origin_t *origin, const char *key, size_t key_len, const struct st_record_t *record,
                         uint64_t epoch)
{
    uint64_t until_ms = record->error_until_ms > record->known_until_ms ? record->error_until_ms : record->known_until_ms;

    icache_meta_put(origin->sluice->metadata, key, key_len, record, sizeof(*record), until_ms, epoch);
}

/* at most so long from now; 0: as long as that */
static uint64_t limit(uint64_t until_ms, uint64_t max_age_ms)
{
    uint64_t latest_ms = max_age_ms != 0 ? sluice_now_ms() + max_age_ms : UINT64_MAX;

    return until_ms < latest_ms ? until_ms : latest_ms;
}

/* pixels are limited path by path, and paths may share an origin; what fits depends on the smallest resident set so far */
static int is_true_here(const sluice_origin_t *origin, const struct st_record_t *record)
{
    if (record->error == SLUICE_ERROR_TOO_MANY_PIXELS)
        return origin->settings.max_pixels <= record->max_pixels;
    if (record->error == SLUICE_ERROR_SOURCE_NEVER_FITS)
        return record->need_bytes > pressure_largest_bytes(origin->sluice->pressure);
    return 1;
}

static sluice_failure_t known_error(const sluice_origin_t *origin, const char *key, size_t key_len, uint64_t *left_ms)
{
    struct st_record_t record;
    uint64_t now_ms = sluice_now_ms();

    if (!read_record(origin, key, key_len, &record) || now_ms >= record.error_until_ms || !is_true_here(origin, &record))
        return SLUICE_OK;
    *left_ms = record.error_until_ms - now_ms;
    return sluice_failure_with_need(sluice_failure((sluice_error_t)record.error, 0), record.need_bytes);
}

sluice_failure_t sluice_source_known_error(const sluice_origin_t *origin, const char *key, size_t key_len)
{
    uint64_t left_ms;

    return known_error(origin, key, key_len, &left_ms);
}

uint64_t sluice_source_error_left_ms(const sluice_origin_t *origin, const char *key, size_t key_len, sluice_error_t error)
{
    uint64_t left_ms = 0;

    return error != SLUICE_OK && sluice_failure_error(known_error(origin, key, key_len, &left_ms)) == error ? left_ms : 0;
}

void sluice_source_remember_error(const sluice_origin_t *origin, const char *key, size_t key_len, sluice_failure_t failure,
                                  uint64_t until_ms, uint64_t epoch)
{
    sluice_error_t error = sluice_failure_error(failure);
    struct st_record_t record;

    if (error == SLUICE_ERROR_NOT_FOUND || !read_record(origin, key, key_len, &record))
        record = (struct st_record_t){0};
    record.error = (uint32_t)error;
    record.error_until_ms = limit(until_ms, origin->sluice->settings.negative_max_age_ms);
    record.max_pixels = origin->settings.max_pixels;
    record.need_bytes = sluice_failure_need_bytes(failure);
    write_record(origin, key, key_len, &record, epoch);
}

int sluice_source_recall(const sluice_origin_t *origin, const char *key, size_t key_len, sluice_known_t *known)
{
    struct st_record_t record;

    if (!read_record(origin, key, key_len, &record) || !record.is_known)
        return 0;
    *known = record.known;
    return 1;
}

void sluice_source_remember(const sluice_origin_t *origin, const char *key, size_t key_len, const sluice_known_t *known,
                            uint64_t until_ms, uint64_t epoch)
{
    struct st_record_t record = {.error = SLUICE_OK, .is_known = 1, .known = *known};

    record.known_until_ms = limit(until_ms, origin->sluice->settings.metadata_max_age_ms);
    write_record(origin, key, key_len, &record, epoch);
}
