#include <string.h>
#include "module/answer.h"
#include "module/cache_control.h"
#include "module/degrade.h"
#include "module/rendition.h"
#include "module/siblings.h"

int sluice_degrades_avif(const sluice_t *sluice)
{
    return pressure_level(sluice->pressure) >= PRESSURE_ELEVATED;
}

int sluice_degrades_work(const sluice_t *sluice)
{
    return pressure_level(sluice->pressure) >= PRESSURE_HIGH;
}

/* the reference is taken over */
static void answer(sluice_loop_t *loop, h2o_req_t *req, const sluice_lacking_t *lacking, icache_object_t *object,
                   sluice_degraded_t kind)
{
    static const char *const details[] = {[SLUICE_DEGRADED_STALE] = "stale", [SLUICE_DEGRADED_LARGER] = "larger"};
    const sluice_manner_t manner = {
        .max_age_s = SLUICE_LESSER_MAX_AGE_S, .stands_in = 1, .filename = lacking->manner->filename, .detail = details[kind]};

    sluice_count(loop->sluice->stats.degraded + kind, 1);
    sluice_answer_hit(loop, req, object, sluice_now_ms(), NULL, &manner);
}

static int may_be_stale(const icache_object_t *object)
{
    const uint32_t ask_first = SLUICE_CC_MUST_REVALIDATE | SLUICE_CC_PROXY_REVALIDATE | SLUICE_CC_NO_CACHE | SLUICE_CC_NO_STORE;

    return (((const sluice_rendition_meta_t *)object->meta)->cache_control & ask_first) == 0;
}

static int answer_stale(sluice_loop_t *loop, h2o_req_t *req, const sluice_lacking_t *lacking)
{
    icache_object_t *object = icache_get_stale(loop->sluice->cache, lacking->key, sluice_now_ms());

    if (object == NULL)
        return 0;
    if (sluice_now_ms() < object->expires_ms) { /* it has just come */
        sluice_answer_hit(loop, req, object, sluice_now_ms(), NULL, lacking->manner);
        return 1;
    }
    if (may_be_stale(object)) {
        answer(loop, req, lacking, object, SLUICE_DEGRADED_STALE);
        return 1;
    }
    icache_object_unref(&object);
    return 0;
}

/* what the index of siblings knows of a source it has by a hash */
static int is_of_source(const icache_object_t *object, const sluice_lacking_t *lacking)
{
    return object->key_len > lacking->source_key_len && object->key[lacking->source_key_len] == '?' &&
           memcmp(object->key, lacking->key->text, lacking->source_key_len) == 0;
}

static int answer_larger(sluice_loop_t *loop, h2o_req_t *req, const sluice_lacking_t *lacking)
{
    icache_key_t source = icache_key(loop->sluice->cache, lacking->key->text, lacking->source_key_len);
    icache_handle_t handles[SLUICE_SIBLINGS_WAYS];
    size_t count = sluice_siblings_find(loop->sluice->siblings, &source, lacking->options, lacking->outputs, handles);
    uint64_t now_ms = sluice_now_ms();
    icache_object_t *object;

    for (size_t i = 0; i != count; ++i) {
        if ((object = icache_get_by_handle(loop->sluice->cache, loop->lane, handles[i], now_ms)) == NULL)
            continue;
        if (is_of_source(object, lacking)) {
            answer(loop, req, lacking, object, SLUICE_DEGRADED_LARGER);
            return 1;
        }
        icache_object_unref(&object);
    }
    return 0;
}

int sluice_answer_lesser(sluice_loop_t *loop, h2o_req_t *req, const sluice_lacking_t *lacking)
{
    return answer_stale(loop, req, lacking) || answer_larger(loop, req, lacking);
}
