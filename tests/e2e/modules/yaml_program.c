/* a program that uses libyaml: yaml_program [PLUGIN]. without PLUGIN it is linked with yaml_events.c, with it that is a plugin */
#include <dlfcn.h>
#include <stdio.h>

typedef int (*count_cb)(const char *text);

int count_yaml_events(const char *text);
#pragma weak count_yaml_events

int main(int argc, char **argv)
{
    void *plugin = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    count_cb count = plugin != NULL ? (count_cb)dlsym(plugin, "count_yaml_events") : count_yaml_events;

    if (count == NULL)
        return 1;
    /* more than once, as a program may */
    for (int i = 0; i != 3; ++i)
        printf("%d\n", count("a: [1, 2]\n"));
    return 0;
}
