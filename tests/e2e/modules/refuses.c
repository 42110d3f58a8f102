/* a module that does not want to be loaded */
#include "h2o.h"

int h2o_module_register(h2o_globalconf_t *globalconf);

int h2o_module_register(h2o_globalconf_t *globalconf)
{
    (void)globalconf;
    return -7;
}
