/*
 * bench_layout LAYOUT SIZES THREADS MIB
 *
 * One way to keep the blobs of a cache, under the load of a server: threads copy blobs out of buffers that were malloc'd for them
 * (as an encoder does), allocate the small records of requests beside, some of which stay, and evict the oldest blobs, a quarter of
 * which get a second turn. It fills the cache, churns four times its size through it, evicts 40 %, purges, clears and purges again.
 *
 * LAYOUT: tamed      malloc with the settings of the module, a mapping from 256 KiB on; purged by malloc_trim()
 *         glibc      malloc as it comes
 *         jemalloc   malloc, with libjemalloc preloaded; purged by arena.<all>.purge
 *         mmap       a mapping for each blob
 *         arena      the image cache's arena, a mapping from 256 KiB on; purged by icache_arena_trim() and malloc_trim()
 *         arena-all  the arena for all of them
 * SIZES:  mixed (lognormal, 2 to 200 KB), small (2 to 20 KB), pictures (20 to 200 KB), large (0.3 to 3 MB), or all: mixed, and one
 *         large in 50
 *
 * Prints a JSON object (bench/layout.py makes tables of them). Bytes are accounted as each allocator says itself. While the 40 %
 * are purged, some threads malloc and one allocates blobs, and the longest that each had to wait counts.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "image_cache/arena.h"

#define MAP_BYTES ((size_t)256 << 10)
#define MAX_THREADS 16
#define NUM_PROBES 5     /* one for blobs, the others for malloc: one for each heap that the module allows */
#define SHORT_RECORDS 64 /* of a thread, that live as long as a request */
#define MAX_BLOBS (1 << 20)

static struct {
    int uses_arena, uses_mmap, is_jemalloc, is_tamed;
    size_t map_from;
} layout;
static const char *sizes;
static icache_arena_t *arena;
static size_t capacity_bytes;

struct st_blob_t {
    char *bytes;
    size_t len, charge;
    void *record; /* stays as long as the blob */
};

/* the blobs in the order of arrival, a ring; with the lock of an index */
static struct {
    pthread_mutex_t lock;
    struct st_blob_t blobs[MAX_BLOBS];
    size_t first, last, bytes;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct st_worker_t {
    pthread_t thread;
    uint64_t random;
    size_t to_insert, inserts;
    void *records[SHORT_RECORDS];
    double longest_ms; /* of a probe */
};

static _Atomic int probing;
static _Atomic size_t small_bytes;

static double now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static size_t rss_bytes(void)
{
    char text[128] = "";
    FILE *file = fopen("/proc/self/statm", "r");

    if (file == NULL || fgets(text, sizeof(text), file) == NULL)
        abort();
    fclose(file);
    char *end;
    strtoul(text, &end, 10);
    return strtoul(end, NULL, 10) * 4096;
}

static double draw(struct st_worker_t *worker)
{
    worker->random = worker->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(worker->random >> 11) / 9007199254740992.;
}

static size_t draw_lognormal(struct st_worker_t *worker)
{
    for (;;) {
        double normal = sqrt(-2 * log(1 - draw(worker))) * cos(6.283185307179586 * draw(worker));
        double len = 20000 * exp(1.1 * normal);
        if (len >= 2000 && len <= 200000)
            return (size_t)len;
    }
}

static size_t draw_len(struct st_worker_t *worker)
{
    switch (sizes[0]) {
    case 's':
        return 2000 + (size_t)(draw(worker) * 18000);
    case 'p':
        return 20000 + (size_t)(draw(worker) * 180000);
    case 'l':
        return 300000 + (size_t)(draw(worker) * 2700000);
    case 'a':
        if (draw(worker) < .02)
            return 300000 + (size_t)(draw(worker) * 2700000);
        return draw_lognormal(worker);
    default:
        return draw_lognormal(worker);
    }
}

static struct st_blob_t allocate(size_t len)
{
    struct st_blob_t blob = {.len = len};

    if (layout.uses_arena && len < layout.map_from) {
        blob.bytes = icache_arena_take(arena, len);
        blob.charge = icache_arena_round(len);
    } else if (layout.uses_mmap || len >= layout.map_from) {
        blob.charge = (len + 4095) / 4096 * 4096;
        blob.bytes = mmap(NULL, blob.charge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (blob.bytes == MAP_FAILED)
            blob.bytes = NULL;
    } else {
        blob.bytes = malloc(len);
        blob.charge = malloc_usable_size(blob.bytes);
    }
    if (blob.bytes == NULL)
        abort();
    return blob;
}

static void release(struct st_blob_t *blob)
{
    if (layout.uses_arena && blob->len < layout.map_from)
        icache_arena_give(arena, blob->bytes, blob->len);
    else if (layout.uses_mmap || blob->len >= layout.map_from)
        munmap(blob->bytes, blob->charge);
    else
        free(blob->bytes);
    if (blob->record != NULL) {
        atomic_fetch_sub(&small_bytes, malloc_usable_size(blob->record));
        free(blob->record);
    }
}

/* takes the oldest until so many bytes fit; a quarter go to the end again. Returns 0 when the blob is still to be freed */
static int evict_one(struct st_worker_t *worker, size_t want_bytes, struct st_blob_t *victim)
{
    int found = 0;

    pthread_mutex_lock(&queue.lock);
    while (!found && queue.bytes > want_bytes) {
        *victim = queue.blobs[queue.first++ % MAX_BLOBS];
        if (draw(worker) < .25)
            queue.blobs[queue.last++ % MAX_BLOBS] = *victim;
        else {
            queue.bytes -= victim->charge;
            found = 1;
        }
    }
    pthread_mutex_unlock(&queue.lock);
    return found;
}

static void make_records(struct st_worker_t *worker, struct st_blob_t *blob)
{
    for (int i = 0; i < 4; ++i) {
        void **slot = worker->records + (size_t)(draw(worker) * SHORT_RECORDS);
        free(*slot);
        if ((*slot = malloc(64 + (size_t)(draw(worker) * 2000))) == NULL)
            abort();
        memset(*slot, 1, 64);
    }
    size_t len = 100 + (size_t)(draw(worker) * 300);
    if ((blob->record = malloc(len)) == NULL)
        abort();
    memset(blob->record, 1, len);
    atomic_fetch_add(&small_bytes, malloc_usable_size(blob->record));
}

static void insert(struct st_worker_t *worker)
{
    struct st_blob_t victim;
    size_t len = draw_len(worker);
    char *encoded = malloc(len);

    if (encoded == NULL)
        abort();
    memset(encoded, 1, len);
    struct st_blob_t blob = allocate(len);
    memcpy(blob.bytes, encoded, len);
    free(encoded);
    make_records(worker, &blob);
    while (evict_one(worker, capacity_bytes - blob.charge, &victim))
        release(&victim);
    pthread_mutex_lock(&queue.lock);
    queue.blobs[queue.last++ % MAX_BLOBS] = blob;
    queue.bytes += blob.charge;
    pthread_mutex_unlock(&queue.lock);
    ++worker->inserts;
    worker->to_insert -= len < worker->to_insert ? len : worker->to_insert;
}

static void *work(void *arg)
{
    struct st_worker_t *worker = arg;

    while (worker->to_insert != 0)
        insert(worker);
    return NULL;
}

/* how often the thread had to make way for another one; waiting for a lock is not that */
static long count_preemptions(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

static void *probe(void *arg)
{
    struct st_worker_t *worker = arg;
    int blobs = worker->to_insert != 0;

    for (; atomic_load(&probing); usleep(100)) {
        long preemptions = count_preemptions();
        double before = now_ms();
        if (blobs) {
            struct st_blob_t blob = allocate(2000 + (size_t)(draw(worker) * 100000));
            release(&blob);
        } else {
            void *volatile block = malloc(2000 + (size_t)(draw(worker) * 8000)); /* more than what a thread keeps for itself */
            free(block);
        }
        double took = now_ms() - before;
        if (took > worker->longest_ms && count_preemptions() == preemptions)
            worker->longest_ms = took;
    }
    return NULL;
}

static void purge_heap(void)
{
    int (*mallctl)(const char *, void *, size_t *, void *, size_t) = NULL;

    if (!layout.is_jemalloc) {
        malloc_trim(0);
        return;
    }
    *(void **)&mallctl = dlsym(RTLD_DEFAULT, "mallctl");
    if (mallctl == NULL || mallctl("arena.4096.purge", NULL, NULL, NULL, 0) != 0) {
        fprintf(stderr, "bench_layout: jemalloc is not preloaded\n");
        exit(1);
    }
}

struct st_purge_t {
    double arena_ms, heap_ms, malloc_stall_ms, blob_stall_ms;
};

static struct st_purge_t purge(int with_probes)
{
    struct st_purge_t result = {0, 0, 0, 0};
    struct st_worker_t probes[NUM_PROBES];

    atomic_store(&probing, with_probes);
    for (int i = 0; with_probes && i < NUM_PROBES; ++i) {
        probes[i] = (struct st_worker_t){.random = (uint64_t)i, .to_insert = i == 0};
        if (pthread_create(&probes[i].thread, NULL, probe, probes + i) != 0)
            abort();
    }
    double from = now_ms();
    if (layout.uses_arena)
        icache_arena_trim(arena, UINT64_MAX);
    double between = now_ms();
    purge_heap();
    result.arena_ms = between - from;
    result.heap_ms = now_ms() - between;
    atomic_store(&probing, 0);
    for (int i = 0; with_probes && i < NUM_PROBES; ++i) {
        double *longest_ms = i == 0 ? &result.blob_stall_ms : &result.malloc_stall_ms;
        pthread_join(probes[i].thread, NULL);
        *longest_ms = probes[i].longest_ms > *longest_ms ? probes[i].longest_ms : *longest_ms;
    }
    return result;
}

static void evict_to(size_t bytes)
{
    struct st_worker_t worker = {.random = 5};
    struct st_blob_t victim;

    while (evict_one(&worker, bytes, &victim))
        release(&victim);
}

static size_t run_workers(unsigned num_threads, size_t bytes)
{
    static struct st_worker_t workers[MAX_THREADS];
    size_t inserts = 0;

    for (unsigned i = 0; i < num_threads; ++i) {
        workers[i] = (struct st_worker_t){.random = i * 77 + 1, .to_insert = bytes / num_threads};
        if (pthread_create(&workers[i].thread, NULL, work, workers + i) != 0)
            abort();
    }
    for (unsigned i = 0; i < num_threads; ++i) {
        pthread_join(workers[i].thread, NULL);
        inserts += workers[i].inserts;
        for (int j = 0; j < SHORT_RECORDS; ++j)
            free(workers[i].records[j]);
    }
    return inserts;
}

static size_t accounted_bytes(void)
{
    return queue.bytes + atomic_load(&small_bytes);
}

static void choose(const char *name)
{
    layout.map_from = SIZE_MAX;
    layout.uses_arena = strncmp(name, "arena", 5) == 0;
    layout.uses_mmap = strcmp(name, "mmap") == 0;
    layout.is_jemalloc = strcmp(name, "jemalloc") == 0;
    layout.is_tamed = strcmp(name, "tamed") == 0 || layout.uses_arena;
    if (strcmp(name, "arena") == 0 || strcmp(name, "tamed") == 0)
        layout.map_from = MAP_BYTES;
    if (layout.is_tamed) {
        mallopt(M_ARENA_MAX, 4);
        mallopt(M_MMAP_THRESHOLD, 1 << 20);
        mallopt(M_TRIM_THRESHOLD, 2 << 20);
    }
}

static double percent(size_t before, size_t after, size_t of)
{
    return 100. * ((double)before - (double)after) / (double)of;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: bench_layout LAYOUT SIZES THREADS MIB\n");
        return 1;
    }
    choose(argv[1]);
    sizes = argv[2];
    unsigned num_threads = (unsigned)strtoul(argv[3], NULL, 10);
    capacity_bytes = strtoul(argv[4], NULL, 10) << 20;
    if (num_threads == 0 || num_threads > MAX_THREADS || (arena = icache_arena_create(capacity_bytes * 2)) == NULL)
        return 1;
    memset(queue.blobs, 1, sizeof(queue.blobs));
    size_t base = rss_bytes();

    double from = now_ms();
    size_t inserts = run_workers(num_threads, capacity_bytes * 5);
    double churn_ms = now_ms() - from;
    size_t live = rss_bytes() - base, accounted = accounted_bytes();
    evict_to(capacity_bytes / 10 * 6);
    size_t evicted = rss_bytes() - base, freed = accounted - accounted_bytes();
    struct st_purge_t purged = purge(1);
    size_t after = rss_bytes() - base;
    double kept = (double)after / (double)accounted_bytes();
    evict_to(0);
    size_t cleared = rss_bytes() - base;
    purge(0);
    size_t residue = rss_bytes() - base;
    printf("{\"live\": %.3f, \"drop\": %.1f, \"purged\": %.1f, \"kept\": %.3f, \"arena_ms\": %.2f, \"heap_ms\": %.2f, "
           "\"malloc_stall_ms\": %.2f, \"blob_stall_ms\": %.2f, \"cleared\": %.1f, \"residue\": %.1f, \"churn_s\": %.3f, "
           "\"insert_us\": %.2f}\n",
           (double)live / (double)accounted, percent(live, evicted, freed), percent(live, after, freed), kept, purged.arena_ms,
           purged.heap_ms, purged.malloc_stall_ms, purged.blob_stall_ms, (double)cleared / 1048576, (double)residue / 1048576,
           churn_ms / 1e3, churn_ms * 1e3 / (double)inserts);
    return 0;
}
