#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "module/secret.h"

static const char *mode_fault(const struct stat *st)
{
    if (!S_ISREG(st->st_mode))
        return "is not a regular file";
    if ((st->st_mode & S_IRWXO) != 0)
        return "can be used by everybody on this system; run chmod o-rwx on it";
    return NULL;
}

/* reads a file, or as much of it as shows that it is too long. Returns the length, or -1 */
static ssize_t read_file(const char *what, const char *path, char *buf, size_t buf_len, char *error, size_t error_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    ssize_t len = -1;

    if (fd == -1 || fstat(fd, &st) != 0)
        snprintf(error, error_len, "file `%.300s`: %s; the value is the path of a file that holds the %s, or env:NAME", path,
                 strerror(errno), what);
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

static ssize_t read_value(const char *what, const char *value, const char *base_dir, char *buf, size_t buf_len, char *error,
                          size_t error_len)
{
    char *path = NULL;
    ssize_t len;

    if (strncmp(value, "env:", 4) == 0)
        return read_variable(value + 4, buf, buf_len, error, error_len);
    if (asprintf(&path, "%s%s%s", value[0] == '/' ? "" : base_dir, value[0] == '/' ? "" : "/", value) == -1) {
        snprintf(error, error_len, "out of memory");
        return -1;
    }
    len = read_file(what, path, buf, buf_len, error, error_len);
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

ssize_t sluice_secret_read(const char *what, const char *value, const char *base_dir, char secret[SLUICE_SECRET_MAX], char *error,
                           size_t error_len)
{
    char text[SLUICE_SECRET_MAX + 8]; /* a line end more than the longest, and then some */
    ssize_t len = read_value(what, value, base_dir, text, sizeof(text), error, error_len);

    if (len == -1)
        return -1;
    while (len != 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
        --len;
    if (len < SLUICE_SECRET_MIN || len > SLUICE_SECRET_MAX)
        snprintf(error, error_len, "the %s has to have %d to %d characters; this one has %s%zd", what, SLUICE_SECRET_MIN,
                 SLUICE_SECRET_MAX, len > SLUICE_SECRET_MAX ? "at least " : "", len);
    else if (!is_visible(text, (size_t)len))
        snprintf(error, error_len,
                 "the %s has to be visible ASCII characters without spaces, such as `openssl rand -hex 24` prints", what);
    else {
        memcpy(secret, text, (size_t)len);
        return len;
    }
    return -1;
}
