/*
 * ctl.h - sluicectl: the routes below the path of health.api, as commands of a shell. A program of its own: it shares a few pure
 * files with the module (sizes, secrets), and knows it by its answers only.
 *
 *   main.c        options, the table of commands
 *   client.c      one request and its answer, and what goes wrong with them, in words
 *   stream.c      events, as they come (sse.c reads their format)
 *   overview.c    what `status` and `watch` show
 *   orders.c, lists.c, events.c, watch.c   commands
 *   text.c, screen.c   how things are written, and a terminal that is drawn on
 *
 * One thread. Texts of the server are shown with their control characters replaced: a URL may hold what makes a terminal do things.
 */
#ifndef module__sluicectl__ctl_h
#define module__sluicectl__ctl_h

#include <jansson.h>
#include <signal.h>
#include <stddef.h>
#include "module/secret.h"

#define CTL_ERROR_MAX 900

/**
 * how the program ends; `status` has the first four for what it found out
 */
typedef enum en_ctl_exit_t {
    CTL_DONE = 0,        /* status: healthy */
    CTL_FAILED = 1,      /* the server refused, or something is not as it should be here. status: degraded */
    CTL_CRITICAL = 2,    /* status only */
    CTL_UNREACHABLE = 3, /* nothing answers, or no Sluice */
    CTL_WRONG_USAGE = 64 /* the command line is not right */
} ctl_exit_t;

typedef struct st_ctl_t {
    char *base;             /* URL of the path of health.api, without a slash at the end */
    const char *token_file; /* NULL: none is named */
    int as_json, with_colour;
    char error[CTL_ERROR_MAX]; /* a sentence that says what to change, whenever a function returns something other than CTL_DONE */
    void *easy;                /* of libcurl: the connection is kept */
    volatile sig_atomic_t *stop; /* NULL, or: requests end when this is set */
} ctl_t;

/**
 * sets the sentence, and returns `result`
 */
__attribute__((format(printf, 3, 4))) ctl_exit_t ctl_fail(ctl_t *ctl, ctl_exit_t result, const char *format, ...);

/* --- client.c */

#define CTL_IF_THERE 2

typedef struct st_ctl_request_t {
    const char *path;   /* below the base, with a query if need be */
    const json_t *body; /* NULL: GET, else POST with that */
    int is_post;        /* POST without a body */
    int is_admin;       /* with the token; CTL_IF_THERE: if one is named */
    int is_health;      /* 503 is an answer too */
    long timeout_s;     /* 0: 10 */
} ctl_request_t;

/**
 * does one request. *answer is to be released with json_decref(), and NULL unless CTL_DONE is returned.
 */
ctl_exit_t ctl_call(ctl_t *ctl, const ctl_request_t *request, json_t **answer);
/**
 * the URL of a path, to be freed with free()
 */
char *ctl_url(const ctl_t *ctl, const char *path);
void ctl_client_dispose(ctl_t *ctl);
/**
 * flag for jansson: numbers as the server wrote them, 0.0017 and not 0.0016999999999999999
 */
#define CTL_JSON_REALS JSON_REAL_PRECISION(15)
/**
 * an answer as it came, for scripts, on stdout
 */
void ctl_print_json(const json_t *json);
/**
 * the sentence for a request that libcurl gave up
 */
ctl_exit_t ctl_fail_transfer(ctl_t *ctl, void *easy, int curl_code, const char *detail);

/* --- commands. `words` are what stands behind the command, NULL-terminated */

typedef struct st_ctl_options_t {
    const char *const *words;
    int num_words;
    const char *file, *prefix, *host, *sort; /* NULL: not given */
    long count;                              /* 0: not given */
    int all;
} ctl_options_t;

typedef ctl_exit_t (*ctl_run_cb)(ctl_t *ctl, const ctl_options_t *options);

ctl_exit_t ctl_run_status(ctl_t *ctl, const ctl_options_t *options);
ctl_exit_t ctl_run_watch(ctl_t *ctl, const ctl_options_t *options);
ctl_exit_t ctl_run_trim(ctl_t *ctl, const ctl_options_t *options);
ctl_exit_t ctl_run_cleanup(ctl_t *ctl, const ctl_options_t *options);
ctl_exit_t ctl_run_purge(ctl_t *ctl, const ctl_options_t *options);
ctl_exit_t ctl_run_simulate(ctl_t *ctl, const ctl_options_t *options);
ctl_exit_t ctl_run_report(ctl_t *ctl, const ctl_options_t *options);
ctl_exit_t ctl_run_snapshot(ctl_t *ctl, const ctl_options_t *options);
ctl_exit_t ctl_run_top(ctl_t *ctl, const ctl_options_t *options);
ctl_exit_t ctl_run_alerts(ctl_t *ctl, const ctl_options_t *options);
ctl_exit_t ctl_run_leaks(ctl_t *ctl, const ctl_options_t *options);
ctl_exit_t ctl_run_operations(ctl_t *ctl, const ctl_options_t *options);
ctl_exit_t ctl_run_events(ctl_t *ctl, const ctl_options_t *options);

#endif
