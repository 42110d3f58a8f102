/*
 * A program that embeds h2o and Sluice, and stops them, as h2o's own server never does: that leaves by _exit(). Linked with
 * libh2o-evloop; its argument is the module. Starts and stops it again and again, at odd moments; every second time the signal that
 * tells a server to end has just come.
 */
#include "module/yoml.h"
#include <dlfcn.h>
#include <h2o.h>
#include <h2o/configurator.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NUM_ROUNDS 60

/* h2o frees texts of some nodes, to put others in their place */
static yoml_t *new_scalar(const char *text)
{
    yoml_t *node = calloc(1, sizeof(*node));

    node->type = YOML_TYPE_SCALAR;
    node->filename = strdup("embedder");
    node->data.scalar = strdup(text);
    return node;
}

static yoml_t *new_mapping(const char *key, yoml_t *value)
{
    yoml_t *node = new_scalar("");

    node->type = YOML_TYPE_MAPPING;
    node->data.mapping.size = 1;
    node->data.mapping.elements[0] = (yoml_mapping_element_t){new_scalar(key), value};
    return node;
}

/* hosts: {default: {paths: {/api: {health.api: ON}}}} */
static yoml_t *new_config(void)
{
    yoml_t *path = new_mapping("/api", new_mapping("health.api", new_scalar("ON")));

    return new_mapping("hosts", new_mapping("default", new_mapping("paths", path)));
}

static void run_round(int (*register_module)(h2o_globalconf_t *conf), h2o_evloop_t *loop, int round)
{
    h2o_globalconf_t conf;
    h2o_context_t ctx;

    h2o_config_init(&conf);
    if (register_module(&conf) != 0 || h2o_configurator_apply(&conf, new_config(), 0) != 0)
        exit(EXIT_FAILURE);
    h2o_context_init(&ctx, loop, &conf);
    h2o_evloop_run(loop, round % 5);
    if (round % 2 != 0)
        raise(SIGTERM);
    usleep((unsigned)(round % 9) * 100);
    h2o_context_dispose(&ctx);
    h2o_config_dispose(&conf);
}

int main(int argc, char **argv)
{
    void *module = dlopen(argv[argc - 1], RTLD_NOW), *symbol = module != NULL ? dlsym(module, "h2o_module_register") : NULL;
    int (*register_module)(h2o_globalconf_t *);
    h2o_evloop_t *loop = h2o_evloop_create();

    if (symbol == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return EXIT_FAILURE;
    }
    *(void **)&register_module = symbol;
    for (int round = 0; round != NUM_ROUNDS; ++round)
        run_round(register_module, loop, round);
    return EXIT_SUCCESS;
}
