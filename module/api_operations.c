/*
 * GET /api/memory/operations: what is under way, the oldest first. What an operation is about is shown to who sends the admin token
 * only, as it is part of a URL.
 */
#include <stdlib.h>
#include "health/text.h"
#include "module/api.h"
#include "module/api_gate.h"
#include "module/drain.h"
#include "module/operations.h"

#define SHOWN_MAX 200

/* --- one of them */

static json_t *describe(const health_operation_view_t *view, uint64_t now_ms, const health_text_t *like)
{
    json_t *object = json_object();

    health_json_add(&object, "id", health_json_integer(view->id));
    health_json_add(&object, "kind", json_string(health_operation_kind_names[view->kind]));
    health_json_add(&object, "state", json_string(health_operation_state_names[view->state]));
    health_json_add(&object, "age_ms", health_json_integer(sluice_ms_since(view->begun_ms, now_ms)));
    health_json_add(&object, "state_ms", health_json_integer(sluice_ms_since(view->entered_ms, now_ms)));
    health_json_add(&object, "bytes", health_json_integer(view->bytes));
    health_json_add(&object, "reserved_bytes", health_json_integer(view->reserved_bytes));
    health_json_add(&object, "deadline_ms",
                    view->deadline_ms > view->begun_ms ? health_json_integer(view->deadline_ms - view->begun_ms) : json_null());
    health_json_add(&object, "stale", json_boolean(view->order == HEALTH_OPERATION_STALE));
    health_json_add(&object, "stuck", json_boolean(view->stuck));
    if (like != NULL)
        health_json_add(&object, "target", health_json_string(like, view->target));
    return object;
}

/* --- all */

struct st_found_t {
    uint64_t begun_ms, id;
    size_t slot;
};

static int compare_age(const void *_a, const void *_b)
{
    const struct st_found_t *a = _a, *b = _b;

    if (a->begun_ms != b->begun_ms)
        return a->begun_ms < b->begun_ms ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

static size_t find(const health_operations_t *operations, struct st_found_t *found)
{
    health_operation_view_t view;
    size_t count = 0;

    for (size_t i = 0; i != health_operations_capacity(operations); ++i)
        if (health_operations_look(operations, i, &view))
            found[count++] = (struct st_found_t){view.begun_ms, view.id, i};
    qsort(found, count, sizeof(*found), compare_age);
    return count;
}

static json_t *list(const sluice_t *sluice, uint64_t now_ms, const health_text_t *like)
{
    const health_operations_t *operations = sluice->operations;
    struct st_found_t *found = malloc(health_operations_capacity(operations) * sizeof(*found));
    size_t count = found != NULL ? find(operations, found) : 0;
    json_t *array = found != NULL ? json_array() : NULL;
    health_operation_view_t view;

    for (size_t i = 0, shown = 0; i != count && shown != SHOWN_MAX; ++i) {
        if (!health_operations_look(operations, found[i].slot, &view) || view.id != found[i].id)
            continue; /* it has ended meanwhile */
        health_json_push(&array, describe(&view, now_ms, like));
        ++shown;
    }
    free(found);
    return array;
}

static json_t *totals(sluice_t *sluice, uint64_t now_ms)
{
    health_operation_stats_t stats;
    json_t *object = json_object();

    health_operations_get_stats(sluice->operations, now_ms, &stats);
    health_json_add(&object, "in_progress",
                    health_json_integers(health_operation_kind_names, stats.in_progress, HEALTH_NUM_OPERATION_KINDS));
    health_json_add(&object, "stale", health_json_integers(health_operation_kind_names, stats.stale, HEALTH_NUM_OPERATION_KINDS));
    health_json_add(&object, "stuck", health_json_integer(stats.stuck));
    health_json_add(&object, "untracked", health_json_integer(stats.untracked));
    health_json_add(&object, "oldest_ms", health_json_integer(stats.oldest_ms));
    health_json_add(&object, "drain", json_string(sluice_drain_state(sluice)));
    return object;
}

/* a wrong token is refused; none is no fault */
static int sees_targets(const sluice_api_call_t *call, int *refused)
{
    int tries = call->sluice->admin != NULL && h2o_find_header(&call->req->headers, H2O_TOKEN_AUTHORIZATION, -1) != -1;

    *refused = tries && sluice_api_refuse_stranger(call->req, call->sluice->admin) != 0;
    return tries && !*refused;
}

json_t *sluice_api_operations_json(sluice_t *sluice, int with_targets)
{
    uint64_t now_ms = sluice_exact_ms();
    json_t *answer = json_object();
    health_text_t like;

    health_text_init(&like, HEALTH_MAX_TEXT_BYTES, realloc);
    health_json_add(&answer, "operations", list(sluice, now_ms, with_targets ? &like : NULL));
    health_json_add(&answer, "totals", totals(sluice, now_ms));
    return answer;
}

void sluice_api_operations(const sluice_api_call_t *call)
{
    int refused, with_targets = sees_targets(call, &refused);

    if (!refused)
        sluice_api_respond_json(call->req, 200, sluice_api_operations_json(call->sluice, with_targets));
}
