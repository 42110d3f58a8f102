#include <string.h>
#include "module/rendition_group.h"

struct st_sluice_groups_t {
    pthread_mutex_t mutex;
    struct {
        size_t expected;
        sluice_rendition_t *leaders; /* held or waiting, linked by group.next_leader */
    } buckets[SLUICE_GROUP_BUCKETS];
};

sluice_groups_t *sluice_groups_create(void)
{
    sluice_groups_t *groups = calloc(1, sizeof(*groups));

    if (groups != NULL)
        pthread_mutex_init(&groups->mutex, NULL);
    return groups;
}

void sluice_groups_destroy(sluice_groups_t **groups)
{
    if (*groups == NULL)
        return;
    pthread_mutex_destroy(&(*groups)->mutex);
    free(*groups);
    *groups = NULL;
}

static size_t bucket_of(const sluice_rendition_t *job)
{
    return job->operation.party % SLUICE_GROUP_BUCKETS;
}

static int is_same_picture(const sluice_rendition_t *a, const sluice_rendition_t *b)
{
    return a->origin == b->origin && memcmp(a->source_hash, b->source_hash, sizeof(a->source_hash)) == 0 &&
           a->source_key_len == b->source_key_len &&
           memcmp(sluice_rendition_source_key(a), sluice_rendition_source_key(b), a->source_key_len) == 0;
}

static void unlink_from(sluice_rendition_t **list, sluice_rendition_t *job)
{
    while (*list != job)
        list = &(*list)->group.next;
    *list = job->group.next;
    job->group.next = NULL;
}

static void append(sluice_rendition_t **list, sluice_rendition_t *job)
{
    while (*list != NULL)
        list = &(*list)->group.next;
    *list = job;
    job->group.next = NULL;
}

void sluice_group_expect(sluice_rendition_t *job)
{
    sluice_groups_t *groups = job->sluice->groups;

    pthread_mutex_lock(&groups->mutex);
    ++groups->buckets[bucket_of(job)].expected;
    pthread_mutex_unlock(&groups->mutex);
}

static void ride_locked(sluice_rendition_t *leader, sluice_rendition_t *job)
{
    job->group.state = SLUICE_GROUP_RIDES;
    job->group.leader = leader;
    append(&leader->group.riders, job);
    ++leader->group.num_riders;
    sluice_rendition_stop_holding(job);
    icache_object_unref(&job->source);
}

/* returns 1 if there is a leader with a place for it */
static int join_locked(sluice_rendition_t *leaders, sluice_rendition_t *job)
{
    for (; leaders != NULL; leaders = leaders->group.next_leader) {
        if (leaders->group.num_riders < SLUICE_TRANSFORM_PARTS_MAX - 1 && is_same_picture(leaders, job) &&
            sluice_transform_can_share_with(&leaders->plan, &job->plan)) {
            ride_locked(leaders, job);
            return 1;
        }
    }
    return 0;
}

/* those of a bucket that were held go on */
static sluice_rendition_t *release_locked(sluice_rendition_t *leaders)
{
    sluice_rendition_t *released = NULL;

    for (; leaders != NULL; leaders = leaders->group.next_leader) {
        if (leaders->group.state == SLUICE_GROUP_HELD) {
            leaders->group.state = SLUICE_GROUP_LEADS;
            append(&released, leaders);
        }
    }
    return released;
}

sluice_rendition_t *sluice_group_arrive(sluice_rendition_t *job, int joins)
{
    sluice_groups_t *groups = job->sluice->groups;
    size_t at = bucket_of(job);
    sluice_rendition_t *released = NULL;

    pthread_mutex_lock(&groups->mutex);
    if (joins && !join_locked(groups->buckets[at].leaders, job)) {
        job->group.state = SLUICE_GROUP_HELD;
        job->group.next_leader = groups->buckets[at].leaders;
        groups->buckets[at].leaders = job;
    }
    if (--groups->buckets[at].expected == 0)
        released = release_locked(groups->buckets[at].leaders);
    pthread_mutex_unlock(&groups->mutex);
    return released;
}

static void remove_leader_locked(sluice_groups_t *groups, sluice_rendition_t *job)
{
    sluice_rendition_t **link = &groups->buckets[bucket_of(job)].leaders;

    while (*link != job)
        link = &(*link)->group.next_leader;
    *link = job->group.next_leader;
}

int sluice_group_leave(sluice_rendition_t *job)
{
    sluice_groups_t *groups = job->sluice->groups;
    int left = 0;

    pthread_mutex_lock(&groups->mutex);
    if (job->group.state == SLUICE_GROUP_RIDES) {
        unlink_from(&job->group.leader->group.riders, job);
        --job->group.leader->group.num_riders;
        job->group.state = SLUICE_GROUP_NONE;
        left = 1;
    } else if (job->group.state == SLUICE_GROUP_HELD) {
        job->group.state = SLUICE_GROUP_LEADS; /* whom nobody will release; its riders are its finish's */
        left = 1;
    }
    pthread_mutex_unlock(&groups->mutex);
    return left;
}

sluice_rendition_t *sluice_group_take(sluice_rendition_t *job)
{
    sluice_groups_t *groups = job->sluice->groups;
    sluice_rendition_t *riders = NULL;

    pthread_mutex_lock(&groups->mutex);
    if (job->group.state == SLUICE_GROUP_LEADS) {
        remove_leader_locked(groups, job);
        riders = job->group.riders;
        job->group.riders = NULL;
        job->group.num_riders = 0;
        job->group.state = SLUICE_GROUP_NONE;
    }
    for (sluice_rendition_t *rider = riders; rider != NULL; rider = rider->group.next)
        rider->group.state = SLUICE_GROUP_NONE;
    pthread_mutex_unlock(&groups->mutex);
    return riders;
}
