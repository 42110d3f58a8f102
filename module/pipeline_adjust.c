#include "module/pipeline.h"

int sluice_pipeline_adjust(VipsImage **image, const sluice_plan_t *plan)
{
    (void)image, (void)plan;
    return 0;
}
