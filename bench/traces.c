/*
 * What a picture costs to make follows from its size here, give or take a factor of two that its id decides: there is no trace of
 * real costs.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench/traces.h"

#define MEDIAN_BYTES 18e3
#define SIGMA 1.2
#define MIN_BYTES 200.
#define MAX_BYTES 50e6
#define EQUAL_BYTES (16 * 1024) /* where a trace has no sizes */

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 31) * 0x7fb5d329728ea185;
    x = (x ^ x >> 27) * 0x81dadef4bc2dd44d;
    return x ^ x >> 33;
}

/* in (0, 1) */
static double fraction(uint64_t x)
{
    return ((double)(mix(x) >> 11) + .5) / 9007199254740992.;
}

static uint32_t size_of(uint64_t id)
{
    double normal = sqrt(-2 * log(fraction(4 * id + 1))) * cos(2 * M_PI * fraction(4 * id + 2));
    return (uint32_t)fmin(fmax(MEDIAN_BYTES * exp(SIGMA * normal), MIN_BYTES), MAX_BYTES);
}

static uint32_t cost_of(uint64_t id, uint32_t size_bytes)
{
    return (uint32_t)((3000 + size_bytes / 5.) * pow(2, 2 * fraction(4 * id + 3) - 1));
}

static void append(trace_t *trace, uint64_t id, uint32_t size_bytes)
{
    if ((trace->num_requests & (trace->num_requests - 1)) == 0) {
        size_t room = trace->num_requests != 0 ? trace->num_requests * 2 : 1;
        if ((trace->requests = realloc(trace->requests, room * sizeof(*trace->requests))) == NULL)
            abort();
    }
    trace->requests[trace->num_requests++] = (request_t){.id = id, .size_bytes = size_bytes, .cost_us = cost_of(id, size_bytes)};
}

static int compare_ids(const void *_a, const void *_b)
{
    const request_t *a = _a, *b = _b;
    return a->id < b->id ? -1 : a->id > b->id;
}

static void measure(trace_t *trace)
{
    request_t *sorted = malloc((trace->num_requests + 1) * sizeof(*sorted));

    if (sorted == NULL)
        abort();
    if (trace->num_requests != 0)
        memcpy(sorted, trace->requests, trace->num_requests * sizeof(*sorted));
    qsort(sorted, trace->num_requests, sizeof(*sorted), compare_ids);
    for (size_t i = 0; i < trace->num_requests; ++i)
        if (i == 0 || sorted[i].id != sorted[i - 1].id) {
            ++trace->num_objects;
            trace->footprint_bytes += sorted[i].size_bytes;
        }
    free(sorted);
}

static size_t find(const double *sums, size_t n, double point)
{
    size_t low = 0, high = n - 1;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (sums[middle] < point)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void trace_generate(trace_t *trace, const shape_t *shape, size_t num_requests, size_t num_objects)
{
    double *sums = malloc(num_objects * sizeof(*sums)), sum = 0;
    uint64_t *ids = malloc(num_objects * sizeof(*ids)), next_id = num_objects, state = 1;

    if (sums == NULL || ids == NULL)
        abort();
    for (size_t i = 0; i < num_objects; ++i) {
        sums[i] = sum += pow((double)(i + 1), -shape->alpha);
        ids[i] = i;
    }
    *trace = (trace_t){.name = shape->name};
    for (size_t i = 0; i < num_requests; ++i) {
        size_t rank = find(sums, num_objects, fraction(++state) * sum);
        uint64_t id = ids[rank];
        if (shape->scan_percent != 0 && fraction(++state) * 100 < shape->scan_percent)
            id = next_id++;
        append(trace, id, size_of(id));
        if (shape->swap_every != 0 && i % shape->swap_every == 0) {
            size_t other = (size_t)(fraction(++state) * (double)num_objects);
            ids[rank] = ids[other];
            ids[other] = id;
        }
    }
    measure(trace);
    free(sums);
    free(ids);
}

static uint64_t load(const unsigned char *bytes, size_t n, int big_endian)
{
    uint64_t value = 0;

    for (size_t i = 0; i < n; ++i)
        value = value << 8 | bytes[big_endian ? i : n - 1 - i];
    return value;
}

static int read_text(trace_t *trace, FILE *in)
{
    char line[256], *end;

    while (fgets(line, sizeof(line), in) != NULL) {
        strtoull(line, &end, 10);
        uint64_t id = strtoull(end, &end, 10), size_bytes = strtoull(end, &end, 10);
        append(trace, id, (uint32_t)(size_bytes < (uint64_t)MAX_BYTES ? size_bytes : (uint64_t)MAX_BYTES));
    }
    return 0;
}

static int read_le32(trace_t *trace, FILE *in)
{
    unsigned char record[4];

    while (fread(record, sizeof(record), 1, in) == 1)
        append(trace, load(record, 4, 0), EQUAL_BYTES);
    return 0;
}

static int read_be64(trace_t *trace, FILE *in)
{
    unsigned char record[8];

    while (fread(record, sizeof(record), 1, in) == 1)
        append(trace, load(record, 8, 1), EQUAL_BYTES);
    return 0;
}

/* time u32, id u64, size u32, next access i64 */
static int read_oracle(trace_t *trace, FILE *in)
{
    unsigned char record[24];

    while (fread(record, sizeof(record), 1, in) == 1)
        append(trace, load(record + 4, 8, 0), (uint32_t)load(record + 12, 4, 0));
    return 0;
}

static const struct st_format_t {
    const char *name;
    int (*read)(trace_t *trace, FILE *in);
} formats[] = {{"text", read_text}, {"le32", read_le32}, {"be64", read_be64}, {"oracle", read_oracle}};

static FILE *open_through_xz(const char *path, pid_t *child)
{
    int ends[2];

    if (pipe(ends) != 0)
        return NULL;
    if ((*child = fork()) == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execlp("xz", "xz", "-dc", "--", path, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    return *child > 0 ? fdopen(ends[0], "r") : NULL;
}

static int fail(const char *argument)
{
    fprintf(stderr, "cannot read %s\n", argument);
    return -1;
}

int trace_read(trace_t *trace, const char *argument)
{
    const char *colon = strchr(argument, ':'), *slash = strrchr(argument, '/');
    const struct st_format_t *format = NULL;
    size_t len = strlen(argument);
    pid_t child = 0;
    int status = 0;

    for (size_t i = 0; colon != NULL && i < sizeof(formats) / sizeof(*formats); ++i)
        if (strlen(formats[i].name) == (size_t)(colon - argument) &&
            memcmp(formats[i].name, argument, (size_t)(colon - argument)) == 0)
            format = &formats[i];
    if (format == NULL)
        return fail(argument);
    FILE *in = len > 3 && strcmp(argument + len - 3, ".xz") == 0 ? open_through_xz(colon + 1, &child) : fopen(colon + 1, "r");
    if (in == NULL)
        return fail(argument);
    *trace = (trace_t){.name = slash != NULL ? slash + 1 : colon + 1};
    int result = format->read(trace, in);
    fclose(in);
    if (child != 0)
        waitpid(child, &status, 0);
    if (result != 0 || status != 0 || trace->num_requests == 0) {
        trace_dispose(trace);
        return fail(argument);
    }
    measure(trace);
    return 0;
}

void trace_dispose(trace_t *trace)
{
    free(trace->requests);
    *trace = (trace_t){.name = NULL};
}
