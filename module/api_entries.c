/*
 * GET /api/cache/entries?n=20&sort=bytes|age|hits: what is in the image cache. For administrators, as keys are URLs. The walk is
 * the clerk's.
 */
#include <stdlib.h>
#include <string.h>
#include "image_cache/listing.h"
#include "module/api.h"

#define DEFAULT_ENTRIES 20
#define MAX_ENTRIES 200

static const char *const order_names[] = {[ICACHE_ORDER_BYTES] = "bytes", [ICACHE_ORDER_AGE] = "age", [ICACHE_ORDER_HITS] = "hits"};

typedef struct st_listing_order_t {
    icache_order_t order;
    size_t max;
    icache_entry_t entries[];
} listing_order_t;

/* --- deferred */

/* negative once it has passed */
static json_t *seconds_from(uint64_t from_ms, uint64_t to_ms)
{
    return health_json_real(((double)to_ms - (double)from_ms) / 1000, 1e3);
}

static json_t *new_entry(const icache_entry_t *entry, uint64_t now_ms)
{
    static const char *const class_names[ICACHE_NUM_CLASSES] = {
        [ICACHE_CLASS_RENDITION] = "rendition", [ICACHE_CLASS_SOURCE] = "source"};
    health_text_t like;
    json_t *json = json_object();

    health_text_init(&like, HEALTH_MAX_TEXT_BYTES, realloc);
    health_json_add(&json, "key", health_json_string(&like, entry->key));
    if (entry->key_len > ICACHE_ENTRY_KEY_MAX)
        health_json_add(&json, "key_bytes", health_json_integer(entry->key_len));
    health_json_add(&json, "class", json_string(class_names[entry->object_class]));
    health_json_add(&json, "bytes", health_json_integer(entry->charge_bytes));
    health_json_add(&json, "age_seconds", seconds_from(entry->created_ms, now_ms));
    health_json_add(&json, "ttl_seconds", entry->expires_ms != UINT64_MAX ? seconds_from(now_ms, entry->expires_ms) : json_null());
    health_json_add(&json, "hits", health_json_integer(entry->hits));
    return json;
}

static json_t *list_entries(sluice_api_job_t *job)
{
    listing_order_t *listing = job->ctx;
    uint64_t scanned, now_ms = sluice_now_ms();
    size_t size = icache_list(job->sluice->cache, listing->order, listing->entries, listing->max, &scanned);
    json_t *answer = json_object(), *entries = json_array();

    for (size_t i = 0; i != size; ++i)
        health_json_push(&entries, new_entry(listing->entries + i, now_ms));
    health_json_add(&answer, "entries", entries);
    health_json_add(&answer, "sort", json_string(order_names[listing->order]));
    health_json_add(&answer, "scanned", health_json_integer(scanned));
    return answer;
}

/* --- on the loop */

/* returns 0, or -1 if there is a parameter that is none of the names */
static int read_order(h2o_iovec_t sort, icache_order_t *order)
{
    if (sort.base == NULL)
        return 0;
    for (size_t i = 0; i != sizeof(order_names) / sizeof(order_names[0]); ++i)
        if (h2o_memis(sort.base, sort.len, order_names[i], strlen(order_names[i]))) {
            *order = (icache_order_t)i;
            return 0;
        }
    return -1;
}

static int read_count(h2o_iovec_t n, uint64_t *count)
{
    if (n.base == NULL)
        return 0;
    return sluice_api_parse_number(n, count) == 0 && *count >= 1 && *count <= MAX_ENTRIES ? 0 : -1;
}

void sluice_api_entries(const sluice_api_call_t *call)
{
    icache_order_t order = ICACHE_ORDER_BYTES;
    uint64_t max = DEFAULT_ENTRIES;
    listing_order_t *listing;

    if (read_count(sluice_api_parameter(call->req, "n"), &max) != 0 ||
        read_order(sluice_api_parameter(call->req, "sort"), &order) != 0) {
        sluice_api_refuse(call->req, 400, "Bad Request", "n is a number from 1 to 200, and sort is bytes, age or hits",
                          "bad-query");
        return;
    }
    if ((listing = malloc(sizeof(*listing) + max * sizeof(listing->entries[0]))) == NULL) {
        sluice_api_refuse_memory(call->req);
        return;
    }
    listing->order = order;
    listing->max = max;
    sluice_api_defer(call, list_entries, listing, free);
}
