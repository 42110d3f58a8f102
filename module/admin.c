/*
 * A counter of wrong tokens is the time at which all of them are forgotten: each one moves it on by SLUICE_ADMIN_RETRY_MS, and an
 * address is over its limit while that time is further away than SLUICE_ADMIN_BURST of these steps allow. One number, no sweep.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "module/admin.h"

struct st_sluice_admin_t {
    uint64_t seed;
    pthread_mutex_t mutex; /* guards forgotten_ms */
    uint64_t forgotten_ms[SLUICE_ADMIN_SLOTS];
    size_t token_len;
    char token[SLUICE_ADMIN_TOKEN_MAX];
};

static const char *mode_fault(const struct stat *st)
{
    if (!S_ISREG(st->st_mode))
        return "is not a regular file";
    if ((st->st_mode & S_IRWXO) != 0)
        return "can be used by everybody on this system; run chmod o-rwx on it";
    return NULL;
}

/* reads a file, or as much of it as shows that it is too long. Returns the length, or -1 */
static ssize_t read_file(const char *path, char *buf, size_t buf_len, char *error, size_t error_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    ssize_t len = -1;

    if (fd == -1 || fstat(fd, &st) != 0)
        snprintf(error, error_len, "file `%.300s`: %s; the value is the path of a file that holds the token, or env:NAME", path,
                 strerror(errno));
    else if (mode_fault(&st) != NULL)
        snprintf(error, error_len, "file `%.300s` %s", path, mode_fault(&st));
    else if ((len = read(fd, buf, buf_len)) == -1)
        snprintf(error, error_len, "file `%.300s`: %s", path, strerror(errno));
    if (fd != -1)
        close(fd);
    return len;
}

static ssize_t read_variable(const char *name, char *buf, size_t buf_len, char *error, size_t error_len)
{
    const char *value = getenv(name);
    size_t len;

    if (value == NULL) {
        snprintf(error, error_len, "environment variable `%.100s` is not set", name);
        return -1;
    }
    len = strnlen(value, buf_len);
    memcpy(buf, value, len);
    return (ssize_t)len;
}

static ssize_t read_value(const char *value, const char *base_dir, char *buf, size_t buf_len, char *error, size_t error_len)
{
    char *path = NULL;
    ssize_t len;

    if (strncmp(value, "env:", 4) == 0)
        return read_variable(value + 4, buf, buf_len, error, error_len);
    if (asprintf(&path, "%s%s%s", value[0] == '/' ? "" : base_dir, value[0] == '/' ? "" : "/", value) == -1) {
        snprintf(error, error_len, "out of memory");
        return -1;
    }
    len = read_file(path, buf, buf_len, error, error_len);
    free(path);
    return len;
}

static int is_visible(const char *text, size_t len)
{
    for (size_t i = 0; i != len; ++i)
        if (text[i] <= ' ' || text[i] > '~')
            return 0;
    return 1;
}

static int take_token(sluice_admin_t *admin, const char *text, size_t len, char *error, size_t error_len)
{
    while (len != 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
        --len;
    if (len < SLUICE_ADMIN_TOKEN_MIN || len > SLUICE_ADMIN_TOKEN_MAX)
        snprintf(error, error_len, "the token has to have %d to %d characters; this one has %s%zu", SLUICE_ADMIN_TOKEN_MIN,
                 SLUICE_ADMIN_TOKEN_MAX, len > SLUICE_ADMIN_TOKEN_MAX ? "at least " : "", len);
    else if (!is_visible(text, len))
        snprintf(error, error_len,
                 "the token has to be visible ASCII characters without spaces, such as `openssl rand -hex 24` prints");
    else {
        memcpy(admin->token, text, len);
        admin->token_len = len;
        return 0;
    }
    return -1;
}

sluice_admin_t *sluice_admin_create(const char *value, const char *base_dir, uint64_t seed, char *error, size_t error_len)
{
    char text[SLUICE_ADMIN_TOKEN_MAX + 8]; /* a line end more than the longest, and then some */
    ssize_t len = read_value(value, base_dir, text, sizeof(text), error, error_len);
    sluice_admin_t *admin;

    if (len == -1)
        return NULL;
    if ((admin = calloc(1, sizeof(*admin))) == NULL) {
        snprintf(error, error_len, "out of memory");
        return NULL;
    }
    if (take_token(admin, text, (size_t)len, error, error_len) != 0) {
        free(admin);
        return NULL;
    }
    admin->seed = seed;
    pthread_mutex_init(&admin->mutex, NULL);
    return admin;
}

void sluice_admin_destroy(sluice_admin_t **admin)
{
    if (*admin == NULL)
        return;
    pthread_mutex_destroy(&(*admin)->mutex);
    free(*admin);
    *admin = NULL;
}

/* returns the token of "Bearer TOKEN" and its length, or NULL */
static const char *bearer(const char *authorization, size_t *len)
{
    static const char scheme[] = "Bearer ";
    const size_t scheme_len = sizeof(scheme) - 1;

    if (authorization == NULL || *len < scheme_len || strncasecmp(authorization, scheme, scheme_len) != 0)
        return NULL;
    authorization += scheme_len;
    *len -= scheme_len;
    while (*len != 0 && authorization[0] == ' ') {
        ++authorization;
        --*len;
    }
    return authorization;
}

static int is_right(const sluice_admin_t *admin, const char *token, size_t len)
{
    volatile unsigned char difference = len != admin->token_len;

    /* over the whole of our own token, whatever came: its length is no secret, where it differs is */
    for (size_t i = 0; i != admin->token_len; ++i)
        difference |= (unsigned char)(admin->token[i] ^ token[i < len ? i : 0]);
    return difference == 0;
}

sluice_admin_verdict_t sluice_admin_check(sluice_admin_t *admin, const char *authorization, size_t len, const void *address,
                                          size_t address_len, uint64_t now_ms)
{
    const char *token = bearer(authorization, &len);
    uint64_t *forgotten_ms = &admin->forgotten_ms[XXH3_64bits_withSeed(address, address_len, admin->seed) % SLUICE_ADMIN_SLOTS];
    sluice_admin_verdict_t verdict = SLUICE_ADMIN_ALLOWED;

    if (token == NULL || len == 0)
        return SLUICE_ADMIN_DENIED;
    pthread_mutex_lock(&admin->mutex);
    if (*forgotten_ms < now_ms)
        *forgotten_ms = now_ms;
    if (*forgotten_ms - now_ms > (SLUICE_ADMIN_BURST - 1) * SLUICE_ADMIN_RETRY_MS) {
        verdict = SLUICE_ADMIN_LIMITED;
    } else if (!is_right(admin, token, len)) {
        *forgotten_ms += SLUICE_ADMIN_RETRY_MS;
        verdict = SLUICE_ADMIN_DENIED;
    }
    pthread_mutex_unlock(&admin->mutex);
    return verdict;
}
