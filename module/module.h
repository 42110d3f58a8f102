#ifndef module__module_h
#define module__module_h

#include <h2o.h>

/**
 * registers the directives of Sluice with a server. Returns 0, or -1 after a line on stderr that says what is wrong.
 */
int h2o_module_register(h2o_globalconf_t *globalconf);

#endif
