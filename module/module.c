/*
 * The entry point. Called once by the loader (or by a program that embeds libh2o-evloop) before the rest of the configuration is
 * read.
 */
#include <h2o.h>
#include "module/config.h"
#include "module/module.h"

int h2o_module_register(h2o_globalconf_t *globalconf)
{
    sluice_t *sluice = sluice_create();

    if (sluice == NULL)
        return -1;
    if (sluice_config_apply_environment(sluice) != 0) {
        sluice_destroy(&sluice);
        return -1;
    }
    sluice_config_register(globalconf, sluice);
    sluice_snapshot_listen(sluice);
    return 0;
}
