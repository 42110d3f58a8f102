#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "module/configurator.h"

/* the folder's absolute path, or NULL with errno */
static char *find_folder(const yoml_t *node)
{
    const char *value = node->data.scalar;
    char *base = sluice_config_folder(node), *path = NULL, *real = NULL;
    struct stat st;

    if (base == NULL || asprintf(&path, "%s%s%s", value[0] == '/' ? "" : base, value[0] == '/' ? "" : "/", value) == -1)
        path = NULL;
    else if ((real = realpath(path, NULL)) != NULL && (stat(real, &st) != 0 || !S_ISDIR(st.st_mode))) {
        free(real);
        real = NULL;
        errno = ENOTDIR;
    }
    int err = errno;
    free(path);
    free(base);
    errno = err;
    return real;
}

static int on_report_dir(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    sluice_t *sluice = ((sluice_configurator_t *)cmd->configurator)->sluice;
    char *folder = find_folder(node);

    (void)ctx;
    if (folder == NULL) {
        h2o_configurator_errprintf(cmd, node, "`%.300s`: %s; the value is a folder that the server's user may write to",
                                   node->data.scalar, strerror(errno));
        return -1;
    }
    free(sluice->report_dir);
    sluice->report_dir = folder;
    return 0;
}

void sluice_config_define_report(sluice_configurator_t *self)
{
    h2o_configurator_define_command(&self->super, "health.report-dir",
                                    H2O_CONFIGURATOR_FLAG_GLOBAL | H2O_CONFIGURATOR_FLAG_EXPECT_SCALAR, on_report_dir);
}
