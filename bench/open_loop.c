/*
 * An open loop: requests leave by a schedule (so many per second, evenly spaced) whether or not the earlier ones have been
 * answered, as those of independent clients do. The latency of a request counts from the time it was *scheduled* for: one that
 * could not leave because all connections were busy with a server that stands still has waited all the same, so a pause is seen by
 * every request that fell into it (a closed loop sends one per connection meanwhile, and calls the others fast: coordinated
 * omission).
 *
 *   open_loop ADDRESS PORT PATH RATE SECONDS CONNECTIONS
 *
 * HTTP/1.1, kept-alive connections, one request at a time on each; one thread, which never sleeps: a timer would add its own
 * lateness. Requests of the first WARM_UP_NS are made but not counted. Prints lines of a name and a number, times in microseconds;
 * `late` is by how much the generator itself missed the schedule while a connection was free: what is not far above it is not the
 * server's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP_NS UINT64_C(500000000)
#define GIVE_UP_NS UINT64_C(5000000000) /* after the end of the schedule */
#define HEAD_MAX 4096
#define MAX_CONNECTIONS 4096
#define MAX_EVENTS 256

/* counts by magnitude and the seven bits below the first: buckets are at most 1 % wide */
#define MANTISSA_BITS 7
#define NUM_BUCKETS (64 << MANTISSA_BITS)

struct st_histogram_t {
    uint64_t counts[NUM_BUCKETS], total, max;
};

struct st_connection_t {
    int fd;
    uint64_t scheduled_ns;
    size_t head_len, body_left;
    int busy, in_body;
    char head[HEAD_MAX];
};

struct st_run_t {
    int epoll_fd;
    const char *request;
    size_t request_len;
    uint64_t start_ns, interval_ps, count; /* the n-th request is due n intervals after the start */
    uint64_t next, answered, held_back;    /* requests below held_back found no connection when they were due */
    struct st_connection_t *idle[MAX_CONNECTIONS];
    size_t num_idle;
    struct st_histogram_t latency, late;
};

static char scratch[1 << 18];

static void fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static size_t bucket_of(uint64_t value)
{
    unsigned shift;

    if (value < 1 << MANTISSA_BITS)
        return value;
    shift = 63 - (unsigned)__builtin_clzll(value) - MANTISSA_BITS;
    return ((size_t)(shift + 1) << MANTISSA_BITS) + (size_t)(value >> shift) - (1 << MANTISSA_BITS);
}

/* the largest value of a bucket */
static uint64_t top_of(size_t bucket)
{
    size_t shift = bucket >> MANTISSA_BITS, mantissa = bucket & ((1 << MANTISSA_BITS) - 1);

    return shift == 0 ? mantissa : ((uint64_t)((1 << MANTISSA_BITS) + mantissa + 1) << (shift - 1)) - 1;
}

static void record(struct st_histogram_t *histogram, uint64_t value)
{
    ++histogram->counts[bucket_of(value)];
    ++histogram->total;
    if (value > histogram->max)
        histogram->max = value;
}

/* at most `permille` of a thousand values are above it */
static uint64_t percentile(const struct st_histogram_t *histogram, unsigned permille)
{
    uint64_t wanted = (histogram->total * permille + 999) / 1000, seen = 0;

    for (size_t i = 0; i != NUM_BUCKETS; ++i)
        if ((seen += histogram->counts[i]) >= wanted)
            return top_of(i) < histogram->max ? top_of(i) : histogram->max;
    return histogram->max;
}

static uint64_t due_ns(const struct st_run_t *run, uint64_t n)
{
    return run->start_ns + n * run->interval_ps / 1000;
}

static void open_connection(struct st_run_t *run, struct st_connection_t *connection, const struct sockaddr_in *address)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = connection}};
    int on = 1;

    if ((connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1 ||
        connect(connection->fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
        fail("connect");
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (epoll_ctl(run->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0)
        fail("epoll_ctl");
    run->idle[run->num_idle++] = connection;
}

static void send_request(struct st_run_t *run, struct st_connection_t *connection, uint64_t n)
{
    connection->scheduled_ns = due_ns(run, n);
    connection->head_len = connection->body_left = 0;
    connection->in_body = 0;
    connection->busy = 1;
    /* a request is much smaller than the buffer of a socket that has nothing else to send */
    if (write(connection->fd, run->request, run->request_len) != (ssize_t)run->request_len)
        fail("write");
}

/* all requests that are due, as far as there are connections */
static void send_due(struct st_run_t *run, uint64_t now)
{
    for (; run->next != run->count && due_ns(run, run->next) <= now; ++run->next) {
        if (run->num_idle == 0) {
            /* those due until now wait for a connection, and are late through the server */
            run->held_back = (now - run->start_ns) * 1000 / run->interval_ps + 1;
            return;
        }
        if (run->next >= run->held_back)
            record(&run->late, now - due_ns(run, run->next));
        send_request(run, run->idle[--run->num_idle], run->next);
    }
}

/* the status and the length of the body, from a whole head. Returns -1 if they are not there */
static int read_head(const char *head, size_t *length)
{
    const char *line = head;

    *length = SIZE_MAX;
    while ((line = strstr(line, "\r\n")) != NULL) {
        line += 2;
        if (strncasecmp(line, "content-length:", 15) == 0)
            *length = (size_t)strtoull(line + 15, NULL, 10);
    }
    return strncmp(head, "HTTP/1.1 200 ", 13) == 0 && *length != SIZE_MAX ? 0 : -1;
}

static void finish(struct st_run_t *run, struct st_connection_t *connection, uint64_t now)
{
    ++run->answered;
    connection->busy = 0;
    if (connection->scheduled_ns >= run->start_ns + WARM_UP_NS)
        record(&run->latency, now - connection->scheduled_ns);
    run->idle[run->num_idle++] = connection;
}

/* returns the number of bytes of the body that came with the head, or -1 when the head is not complete */
static ssize_t take_head(struct st_connection_t *connection, const char *bytes, size_t len)
{
    size_t room = sizeof(connection->head) - 1 - connection->head_len, part = len < room ? len : room;
    char *end;

    memcpy(connection->head + connection->head_len, bytes, part);
    connection->head[connection->head_len + part] = '\0';
    if ((end = strstr(connection->head, "\r\n\r\n")) == NULL) {
        connection->head_len += part;
        if (part < len) {
            fprintf(stderr, "the head of an answer is longer than %d bytes\n", HEAD_MAX);
            exit(EXIT_FAILURE);
        }
        return -1;
    }
    size_t head_part = (size_t)(end + 4 - connection->head) - connection->head_len;
    end[2] = '\0';
    return (ssize_t)(len - head_part);
}

static void receive(struct st_run_t *run, struct st_connection_t *connection)
{
    ssize_t len = recv(connection->fd, scratch, sizeof(scratch), MSG_DONTWAIT);

    if (len <= 0) {
        if (len == -1 && errno == EAGAIN)
            return;
        fail("the server closed a connection");
    }
    if (!connection->in_body) {
        if ((len = take_head(connection, scratch, (size_t)len)) == -1)
            return;
        if (read_head(connection->head, &connection->body_left) != 0) {
            fprintf(stderr, "not a picture: %.60s\n", connection->head);
            exit(EXIT_FAILURE);
        }
        connection->in_body = 1;
    }
    connection->body_left -= (size_t)len;
    if (connection->body_left == 0)
        finish(run, connection, now_ns());
}

static void loop(struct st_run_t *run)
{
    struct epoll_event events[MAX_EVENTS];
    uint64_t now;

    while (run->answered != run->count && (now = now_ns()) < due_ns(run, run->count) + GIVE_UP_NS) {
        send_due(run, now);
        int n = epoll_wait(run->epoll_fd, events, MAX_EVENTS, 0);
        for (int i = 0; i < n; ++i)
            receive(run, events[i].data.ptr);
    }
}

/* what has no answer when the run is given up counts with the time that it has waited */
static void record_unanswered(struct st_run_t *run, const struct st_connection_t *all, size_t connections)
{
    uint64_t now = now_ns();

    for (size_t i = 0; i != connections; ++i)
        if (all[i].busy)
            record(&run->latency, now - all[i].scheduled_ns);
    for (uint64_t n = run->next; n != run->count; ++n)
        record(&run->latency, now - due_ns(run, n));
}

static void print_histogram(const char *name, const struct st_histogram_t *histogram)
{
    static const unsigned permilles[] = {500, 900, 990, 999};
    static const char *const labels[] = {"p50", "p90", "p99", "p99.9"};

    for (size_t i = 0; i != sizeof(permilles) / sizeof(permilles[0]); ++i)
        printf("%s%s %.1f\n", name, labels[i], (double)percentile(histogram, permilles[i]) / 1e3);
    printf("%smax %.1f\n", name, (double)histogram->max / 1e3);
}

static uint64_t read_number(const char *text, uint64_t max)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);

    if (*text == '\0' || *end != '\0' || value == 0 || value > max) {
        fprintf(stderr, "`%s` is not a number from 1 to %" PRIu64 "\n", text, max);
        exit(EXIT_FAILURE);
    }
    return value;
}

int main(int argc, char **argv)
{
    static struct st_run_t run;
    static char request[2048];

    if (argc != 7) {
        fprintf(stderr, "usage: %s ADDRESS PORT PATH RATE SECONDS CONNECTIONS\n", argv[0]);
        return EXIT_FAILURE;
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)read_number(argv[2], 65535))};
    uint64_t rate = read_number(argv[4], 10000000), seconds = read_number(argv[5], 3600);
    size_t connections = read_number(argv[6], MAX_CONNECTIONS);
    int len = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: %s:%s\r\n\r\n", argv[3], argv[1], argv[2]);

    if (inet_pton(AF_INET, argv[1], &address.sin_addr) != 1 || len >= (int)sizeof(request)) {
        fprintf(stderr, "the address is not one of IPv4, or the path is too long\n");
        return EXIT_FAILURE;
    }
    run.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    run.request = request;
    run.request_len = (size_t)len;
    run.interval_ps = UINT64_C(1000000000000) / rate;
    run.count = rate * seconds + WARM_UP_NS * 1000 / run.interval_ps;
    struct st_connection_t *all = calloc(connections, sizeof(*all));
    if (run.epoll_fd == -1 || all == NULL)
        fail("start");
    for (size_t i = 0; i != connections; ++i)
        open_connection(&run, all + i, &address);
    run.start_ns = now_ns();
    loop(&run);
    record_unanswered(&run, all, connections);
    printf("requests %" PRIu64 "\nunanswered %" PRIu64 "\n", run.count, run.count - run.answered);
    print_histogram("", &run.latency);
    print_histogram("late ", &run.late);
    free(all);
    return 0;
}
