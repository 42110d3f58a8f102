#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <curl/curl.h>
#include "module/sluicectl/ctl.h"
#include "module/version.h"

#define DEFAULT_URL "http://127.0.0.1:8080"
#define API_PATH "/api"

enum { OPTION_PREFIX = 256, OPTION_HOST, OPTION_ALL, OPTION_SORT, OPTION_JSON, OPTION_VERSION };

static const struct option long_options[] = {
    {"url", required_argument, NULL, 'u'},          {"token-file", required_argument, NULL, 't'},
    {"json", no_argument, NULL, OPTION_JSON},       {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPTION_VERSION}, {"count", required_argument, NULL, 'n'},
    {"output", required_argument, NULL, 'o'},       {"prefix", required_argument, NULL, OPTION_PREFIX},
    {"host", required_argument, NULL, OPTION_HOST}, {"all", no_argument, NULL, OPTION_ALL},
    {"sort", required_argument, NULL, OPTION_SORT}, {NULL, 0, NULL, 0}};

typedef struct st_command_t {
    const char *name, *arguments, *help;
    int max_words;
    int takes[4]; /* options of its own, 0-terminated where fewer */
    ctl_run_cb run;
} command_t;

static const command_t commands[] = {
    {"status", "", "how the server is, and its memory; see the exit status", 0, {0}, ctl_run_status},
    {"watch", "[-n COUNT]", "the same each second, with events, until q or ^C", 0, {'n'}, ctl_run_watch},
    {"trim", "", "give free memory back to the system", 0, {0}, ctl_run_trim},
    {"cleanup", "", "empty every cache, as in an emergency, and trim", 0, {0}, ctl_run_cleanup},
    {"purge",
     "PATH | --prefix PATH | --all [--host HOST]",
     "take pictures out of the cache",
     1,
     {OPTION_PREFIX, OPTION_HOST, OPTION_ALL},
     ctl_run_purge},
    {"simulate", "SIZE SECONDS", "pretend memory, to try out what happens; 0 0 ends it", 2, {0}, ctl_run_simulate},
    {"report", "[-o FILE]", "all that is known about memory, as JSON", 0, {'o'}, ctl_run_report},
    {"snapshot", "", "have the server write report and heap profile to files", 0, {0}, ctl_run_snapshot},
    {"top",
     "[-n COUNT] [--sort ORDER]",
     "the largest entries of the cache; by bytes, age or hits",
     0,
     {'n', OPTION_SORT},
     ctl_run_top},
    {"alerts", "", "rules of alerts and their states", 0, {0}, ctl_run_alerts},
    {"leaks", "", "whether memory leaks, and why that is thought", 0, {0}, ctl_run_leaks},
    {"operations", "", "what is under way", 0, {0}, ctl_run_operations},
    {"events",
     "[-n COUNT] [--all]",
     "events as they happen; --all begins with the past ones",
     0,
     {'n', OPTION_ALL},
     ctl_run_events},
};
#define NUM_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* --- help */

static void print_help(void)
{
    puts("usage: sluicectl [-u URL] [-t FILE] [--json] COMMAND [OPTIONS]\n\ncommands:");
    for (size_t i = 0; i != NUM_COMMANDS; ++i)
        printf("  %-10s %s%s%s\n", commands[i].name, commands[i].arguments,
               commands[i].arguments[0] != '\0' ? "\n             " : "", commands[i].help);
    puts("\noptions:\n"
         "  -u, --url URL          of the server, with the path of health.api behind it if that is not /api;\n"
         "                         default: SLUICE_URL, or " DEFAULT_URL "\n"
         "  -t, --token-file FILE  that holds the admin token, or env:NAME; default: SLUICE_TOKEN_FILE.\n"
         "                         For trim, cleanup, purge, simulate, snapshot, top\n"
         "      --json             answers as the server gives them\n"
         "  -h, --help\n"
         "      --version\n\n"
         "exit status: 0 healthy, or done; 1 degraded, or refused; 2 critical (status); 3 unreachable; 64 wrong usage");
}

static const command_t *find_command(const char *name)
{
    for (size_t i = 0; i != NUM_COMMANDS; ++i)
        if (strcmp(commands[i].name, name) == 0)
            return commands + i;
    return NULL;
}

/* --- reading the command line */

typedef struct st_line_t {
    const char *url;
    ctl_options_t options;
    int given[8], num_given; /* options that belong to some commands only */
    int wants_help, wants_version;
} line_t;

static int read_count(const char *text, long *count)
{
    char *end;

    errno = 0;
    *count = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *count >= 1 && *count <= 1000000000 ? 0 : -1;
}

/* returns 0, or -1: it is not one of these */
static int take_general(ctl_t *ctl, line_t *line, int option)
{
    switch (option) {
    case 'u':
        line->url = optarg;
        return 0;
    case 't':
        ctl->token_file = optarg;
        return 0;
    case OPTION_JSON:
        ctl->as_json = 1;
        return 0;
    case 'h':
        line->wants_help = 1;
        return 0;
    case OPTION_VERSION:
        line->wants_version = 1;
        return 0;
    default:
        return -1;
    }
}

static ctl_exit_t take_own(ctl_t *ctl, line_t *line, int option)
{
    ctl_options_t *options = &line->options;
    const char **texts[] = {&options->file, &options->prefix, &options->host, &options->sort};
    static const int names[] = {'o', OPTION_PREFIX, OPTION_HOST, OPTION_SORT};

    if (line->num_given == sizeof(line->given) / sizeof(line->given[0]))
        return ctl_fail(ctl, CTL_WRONG_USAGE, "these are too many options");
    line->given[line->num_given++] = option;
    for (size_t i = 0; i != sizeof(names) / sizeof(names[0]); ++i)
        if (option == names[i])
            *texts[i] = optarg;
    if (option == OPTION_ALL)
        options->all = 1;
    if (option == 'n' && read_count(optarg, &options->count) != 0)
        return ctl_fail(ctl, CTL_WRONG_USAGE, "`%.60s` is no number for -n", optarg);
    return CTL_DONE;
}

static ctl_exit_t read_line(ctl_t *ctl, line_t *line, int argc, char **argv)
{
    ctl_exit_t result = CTL_DONE;
    int option;

    opterr = 0;
    while (result == CTL_DONE && (option = getopt_long(argc, argv, ":u:t:hn:o:", long_options, NULL)) != -1) {
        if (option == '?' || option == ':')
            return ctl_fail(ctl, CTL_WRONG_USAGE, "%s `%.60s`; sluicectl --help lists what there is",
                            option == ':' ? "a value is missing behind" : "there is no option", argv[optind - 1]);
        if (take_general(ctl, line, option) != 0)
            result = take_own(ctl, line, option);
    }
    return result;
}

static const char *name_of_option(int option)
{
    for (const struct option *row = long_options; row->name != NULL; ++row)
        if (row->val == option)
            return row->name;
    return "";
}

static ctl_exit_t check_line(ctl_t *ctl, const line_t *line, const command_t *command)
{
    for (int i = 0; i != line->num_given; ++i) {
        int taken = 0;
        for (size_t j = 0; j != sizeof(command->takes) / sizeof(command->takes[0]); ++j)
            taken |= command->takes[j] == line->given[i];
        if (!taken)
            return ctl_fail(ctl, CTL_WRONG_USAGE, "%s takes no --%s; its usage is: sluicectl %s %s", command->name,
                            name_of_option(line->given[i]), command->name, command->arguments);
    }
    if (line->options.num_words > command->max_words)
        return ctl_fail(ctl, CTL_WRONG_USAGE, "`%.60s` is too much; the usage is: sluicectl %s %s",
                        line->options.words[command->max_words], command->name, command->arguments);
    return CTL_DONE;
}

/* --- the environment */

static const char *get_setting(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

static int shows_colour(void)
{
    const char *terminal = get_setting("TERM");

    return isatty(STDOUT_FILENO) && get_setting("NO_COLOR") == NULL && (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

/* the URL without slashes at its end, and with the usual path where it has none */
static char *make_base(const char *url)
{
    const char *scheme_end = strstr(url, "://"), *host = scheme_end != NULL ? scheme_end + 3 : url;
    size_t len = strlen(url);
    char *base = NULL;

    while (len != 0 && url[len - 1] == '/')
        --len;
    int has_path = len > (size_t)(host - url) && memchr(host, '/', len - (size_t)(host - url)) != NULL;
    return asprintf(&base, "%s%.*s%s", scheme_end != NULL ? "" : "http://", (int)len, url, has_path ? "" : API_PATH) != -1 ? base
                                                                                                                           : NULL;
}

static ctl_exit_t run_command(ctl_t *ctl, line_t *line, const command_t *command)
{
    const char *url = line->url != NULL ? line->url : get_setting("SLUICE_URL");
    ctl_exit_t result;

    if ((result = check_line(ctl, line, command)) != CTL_DONE)
        return result;
    if (ctl->token_file == NULL)
        ctl->token_file = get_setting("SLUICE_TOKEN_FILE");
    ctl->with_colour = shows_colour();
    if ((ctl->base = make_base(url != NULL ? url : DEFAULT_URL)) == NULL)
        return ctl_fail(ctl, CTL_FAILED, "out of memory");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    result = command->run(ctl, &line->options);
    ctl_client_dispose(ctl);
    curl_global_cleanup();
    free(ctl->base);
    if (fflush(stdout) != 0 && result == CTL_DONE)
        return ctl_fail(ctl, CTL_FAILED, "cannot write to stdout: %s", strerror(errno));
    return result;
}

static ctl_exit_t run(ctl_t *ctl, int argc, char **argv)
{
    line_t line = {0};
    const command_t *command;
    ctl_exit_t result = read_line(ctl, &line, argc, argv);

    if (result != CTL_DONE)
        return result;
    if (line.wants_help || line.wants_version) {
        line.wants_help ? print_help() : (void)puts("sluicectl " SLUICE_VERSION);
        return CTL_DONE;
    }
    if (optind == argc)
        return ctl_fail(ctl, CTL_WRONG_USAGE, "say what to do, such as `sluicectl status`; sluicectl --help lists the commands");
    if ((command = find_command(argv[optind])) == NULL)
        return ctl_fail(ctl, CTL_WRONG_USAGE, "there is no command `%.60s`; sluicectl --help lists those there are", argv[optind]);
    line.options.words = (const char *const *)(argv + optind + 1);
    line.options.num_words = argc - optind - 1;
    return run_command(ctl, &line, command);
}

int main(int argc, char **argv)
{
    static ctl_t ctl;
    ctl_exit_t result;

    result = run(&ctl, argc, argv);
    if (ctl.error[0] != '\0' && result != CTL_DONE)
        fprintf(stderr, "sluicectl: %s\n", ctl.error);
    return result;
}
