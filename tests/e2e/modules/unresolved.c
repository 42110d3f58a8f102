/* a module that needs a function which no server has */
#include "h2o.h"

int h2o_module_register(h2o_globalconf_t *globalconf);
int h2o_function_of_the_future(h2o_globalconf_t *globalconf);

int h2o_module_register(h2o_globalconf_t *globalconf)
{
    return h2o_function_of_the_future(globalconf);
}
