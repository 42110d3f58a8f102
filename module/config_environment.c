#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include "module/config.h"

static int apply_variable(sluice_t *sluice, const sluice_knob_t *knob)
{
    const char *value = getenv(knob->env);
    char error[256];

    if (value == NULL || value[0] == '\0' || sluice_knob_set(knob, &sluice->settings, value, error, sizeof(error)) == 0)
        return 0;
    fprintf(stderr, "sluice: environment variable %s (the default of %s): %s\n", knob->env, knob->name, error);
    return -1;
}

static int apply_metrics_format(sluice_t *sluice)
{
    const char *value = getenv("METRICS_FORMAT");

    if (value == NULL || value[0] == '\0' || strcasecmp(value, "json") == 0)
        return 0;
    if (strcasecmp(value, "prometheus") == 0) {
        sluice->prometheus_by_default = 1;
        return 0;
    }
    fprintf(stderr, "sluice: environment variable METRICS_FORMAT: `%s` is not prometheus or json\n", value);
    return -1;
}

int sluice_config_apply_environment(sluice_t *sluice)
{
    int ret = apply_metrics_format(sluice);

    for (size_t i = 0; i != sluice_num_knobs; ++i)
        if (sluice_knobs[i].env != NULL)
            ret |= apply_variable(sluice, sluice_knobs + i);
    return ret;
}
