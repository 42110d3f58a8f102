/* a program that exports what the server exports, with look-alikes of h2o_globalconf_t in front of the real one; prints which of
 * them is given to h2o_configurator_create() */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <yaml.h>
#include "h2o.h"
#include "h2o/configurator.h"

enum {
    UNMAPPED,
    MISALIGNED,
    NO_LIST,
    NO_WAY_BACK,
    NO_WAY_FORTH,
    TEXT_ELSEWHERE,
    TEXT_NOWHERE,
    OTHER_LENGTH,
    OTHER_VERSION,
    REAL,
    NUM_CONFS
};

static h2o_globalconf_t confs[NUM_CONFS];
static h2o_configurator_t created;

h2o_configurator_t *h2o_configurator_create(h2o_globalconf_t *conf, size_t sz)
{
    (void)sz;
    printf("%s\n", conf == confs + REAL ? "the real one" : "a look-alike");
    return &created;
}

void h2o_configurator_define_command(h2o_configurator_t *configurator, const char *name, int flags, h2o_configurator_command_cb cb)
{
    (void)flags;
    (void)cb;
    printf("%s %s\n", configurator == &created ? "defines" : "confuses", name);
}

static void set_up(void *unmapped)
{
    static h2o_linklist_t other, first, last;

    for (int i = 0; i != NUM_CONFS; ++i) {
        h2o_linklist_init_anchor(&confs[i].configurators);
        confs[i].server_name = h2o_iovec_init(H2O_STRLIT("h2o/" H2O_VERSION));
    }
    confs[UNMAPPED].configurators.next = confs[UNMAPPED].configurators.prev = unmapped;
    confs[MISALIGNED].configurators.next = confs[MISALIGNED].configurators.prev = (h2o_linklist_t *)((char *)&other + 1);
    confs[NO_LIST].configurators.next = confs[NO_LIST].configurators.prev = NULL;
    last.next = &confs[NO_WAY_BACK].configurators;
    confs[NO_WAY_BACK].configurators = (h2o_linklist_t){&other, &last};
    first.prev = &confs[NO_WAY_FORTH].configurators;
    confs[NO_WAY_FORTH].configurators = (h2o_linklist_t){&first, &other};
    confs[TEXT_ELSEWHERE].server_name.base = strdup("h2o/" H2O_VERSION);
    confs[TEXT_NOWHERE].server_name.base = unmapped;
    confs[OTHER_LENGTH].server_name.len -= 1;
    confs[OTHER_VERSION].server_name = h2o_iovec_init(H2O_STRLIT("h2o/2.2.4"));
}

int main(void)
{
    yaml_parser_t parser;
    void *unmapped = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    munmap(unmapped, 4096);
    set_up(unmapped);
    for (int i = 0; i != 2; ++i) {
        if (!yaml_parser_initialize(&parser))
            return 1;
        yaml_parser_delete(&parser);
    }
    return 0;
}
