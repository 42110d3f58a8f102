/*
 * the way into a stock h2o, which has no plugin loader: a small object that is preloaded (LD_PRELOAD) and adds `load-module`.
 *
 * main() of the server registers its configurators, then calls yaml_parser_initialize() of the shared libyaml, then applies the
 * configuration. this object defines that function, so its first call is the moment when h2o_globalconf_t is complete and no
 * directive has been looked up yet:
 *
 *   waiting  --first call, not h2o-->            passing on, for good (a shell, perl in start_server, whatever inherits LD_PRELOAD)
 *   waiting  --first call, another h2o-->        one line on stderr, passing on
 *   waiting  --first call, the expected h2o-->   `load-module` defined, passing on
 *
 * the globalconf is a static variable of main.c without a symbol. it is found by its content in the program's writable segments: a
 * server_name that points at the text "h2o/VERSION" inside the program, behind the anchor of a sound list. the version in that text
 * is the ABI check, because everything here is compiled against the headers of that one release. patching code or guessing offsets
 * would work on one build only.
 *
 * nothing may keep the preload from working elsewhere: h2o_* are weak references (NULL where there is no h2o), libyaml is looked up
 * when it is called, and there is no constructor.
 *
 * the entry point of a module is `int h2o_module_register(h2o_globalconf_t *)`: it is called once per process while the
 * configuration is read (also by `-t` and by the master, neither of which goes on to serve), creates its configurators, and returns
 * 0; anything else refuses. a module stays mapped until the process ends.
 */
#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "h2o.h"
#include "h2o/configurator.h"

#define SERVER_NAME "h2o/" H2O_VERSION
#define ENTRY_POINT "h2o_module_register"

#pragma weak h2o_configurator_create
#pragma weak h2o_configurator_define_command
#pragma weak h2o_configurator_errprintf

struct yaml_parser_s;
int yaml_parser_initialize(struct yaml_parser_s *parser);

typedef int (*parser_initialize_cb)(struct yaml_parser_s *parser);
typedef int (*register_cb)(h2o_globalconf_t *globalconf);

/* the main program as it is mapped */
struct st_image_t {
    uintptr_t base;
    const ElfW(Phdr) * headers;
    size_t num_headers;
};

struct st_loaded_t {
    struct st_loaded_t *next;
    void *handle;
    char *where;
};

/* configuration is read by one thread */
static struct st_loaded_t *loaded_modules;

static int keep_first_image(struct dl_phdr_info *info, size_t size, void *image)
{
    (void)size;
    *(struct st_image_t *)image = (struct st_image_t){info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum};
    return 1;
}

static int is_inside(const struct st_image_t *image, uintptr_t address, size_t len)
{
    for (size_t i = 0; i != image->num_headers; ++i) {
        const ElfW(Phdr) *segment = image->headers + i;
        uintptr_t offset = address - (image->base + segment->p_vaddr);
        if (segment->p_type == PT_LOAD && offset < segment->p_memsz && len <= segment->p_memsz - offset)
            return 1;
    }
    return 0;
}

/* for what lies on the heap and therefore in no segment */
static int is_mapped_node(const h2o_linklist_t *node)
{
    uintptr_t address = (uintptr_t)node, page_size = (uintptr_t)sysconf(_SC_PAGESIZE), first_page = address & ~(page_size - 1);
    unsigned char residency[2];

    if (address == 0 || address % _Alignof(h2o_linklist_t) != 0)
        return 0;
    return mincore((void *)first_page, address + sizeof(*node) - first_page, residency) == 0;
}

static int is_sound_list(h2o_linklist_t *anchor)
{
    return is_mapped_node(anchor->next) && anchor->next->prev == anchor && is_mapped_node(anchor->prev) &&
           anchor->prev->next == anchor;
}

static int is_globalconf(const struct st_image_t *image, h2o_globalconf_t *candidate)
{
    size_t len = sizeof(SERVER_NAME) - 1;

    return candidate->server_name.len == len && is_inside(image, (uintptr_t)candidate->server_name.base, len) &&
           memcmp(candidate->server_name.base, SERVER_NAME, len) == 0 && is_sound_list(&candidate->configurators);
}

static h2o_globalconf_t *find_globalconf(const struct st_image_t *image)
{
    for (size_t i = 0; i != image->num_headers; ++i) {
        const ElfW(Phdr) *segment = image->headers + i;
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) == 0)
            continue;
        uintptr_t end = image->base + segment->p_vaddr + segment->p_memsz, align = _Alignof(h2o_globalconf_t);
        uintptr_t address = (image->base + segment->p_vaddr + align - 1) & ~(align - 1);
        for (; address + sizeof(h2o_globalconf_t) <= end; address += align)
            if (is_globalconf(image, (h2o_globalconf_t *)address))
                return (h2o_globalconf_t *)address;
    }
    return NULL;
}

/* paths are relative to the file that holds the line, as nobody knows the working directory of a service */
static char *make_absolute(const char *path, const char *config_file, const char *working_dir)
{
    const char *slash = config_file != NULL ? strrchr(config_file, '/') : NULL;
    int dir_len = slash != NULL ? (int)(slash - config_file) + 1 : 0;
    char *absolute;
    int ret;

    if (path[0] == '/')
        ret = asprintf(&absolute, "%s", path);
    else if (dir_len != 0 && config_file[0] == '/')
        ret = asprintf(&absolute, "%.*s%s", dir_len, config_file, path);
    else
        ret = asprintf(&absolute, "%s/%.*s%s", working_dir, dir_len, dir_len != 0 ? config_file : "", path);
    return ret >= 0 ? absolute : NULL;
}

static char *resolve_path(yoml_t *node)
{
    char *working_dir = getcwd(NULL, 0), *path;

    path = make_absolute(node->data.scalar, node->filename, working_dir != NULL ? working_dir : ".");
    free(working_dir);
    return path;
}

static const char *where_loaded(void *handle)
{
    for (struct st_loaded_t *module = loaded_modules; module != NULL; module = module->next)
        if (module->handle == handle)
            return module->where;
    return NULL;
}

static int remember_module(void *handle, yoml_t *node)
{
    struct st_loaded_t *module = malloc(sizeof(*module));

    if (module == NULL)
        return -1;
    *module = (struct st_loaded_t){loaded_modules, handle, NULL};
    if (asprintf(&module->where, "%s:%zu", node->filename != NULL ? node->filename : "-", node->line + 1) < 0) {
        free(module);
        return -1;
    }
    loaded_modules = module;
    return 0;
}

/* the server calls `enter` before the first directive of a level and `exit` after the last; those that appear in between missed the
 * former, and would get an `exit` they are not prepared for */
static int enter_configurators(h2o_configurator_context_t *ctx, h2o_linklist_t *last_entered)
{
    h2o_linklist_t *anchor = &ctx->globalconf->configurators;

    for (h2o_linklist_t *node = last_entered->next; node != anchor; node = node->next) {
        h2o_configurator_t *configurator = H2O_STRUCT_FROM_MEMBER(h2o_configurator_t, _link, node);
        if (configurator->enter != NULL && configurator->enter(configurator, ctx, NULL) != 0)
            return -1;
    }
    return 0;
}

static int register_module(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node, const char *path,
                           register_cb entry)
{
    h2o_linklist_t *last_entered = ctx->globalconf->configurators.prev;
    int ret = entry(ctx->globalconf);

    if (ret != 0) {
        h2o_configurator_errprintf(cmd, node, "module %s refused to load: " ENTRY_POINT " returned %d", path, ret);
        return -1;
    }
    return enter_configurators(ctx, last_entered);
}

static int open_module(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node, const char *path)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const char *where;
    register_cb entry;

    if (handle == NULL) {
        h2o_configurator_errprintf(cmd, node, "cannot load module %s: %s", path, dlerror());
        return -1;
    }
    if ((where = where_loaded(handle)) != NULL) {
        h2o_configurator_errprintf(cmd, node, "module %s is loaded already, by %s", path, where);
        goto Close;
    }
    if ((entry = (register_cb)dlsym(handle, ENTRY_POINT)) == NULL) {
        h2o_configurator_errprintf(cmd, node, "%s is not a module: it does not define " ENTRY_POINT, path);
        goto Close;
    }
    if (remember_module(handle, node) != 0) {
        h2o_configurator_errprintf(cmd, node, "cannot load module %s: out of memory", path);
        goto Close;
    }
    return register_module(cmd, ctx, node, path, entry);
Close:
    dlclose(handle);
    return -1;
}

static int load_module(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    char *path;
    int ret;

    if (node->type != YOML_TYPE_SCALAR || node->data.scalar[0] == '\0') {
        h2o_configurator_errprintf(cmd, node, "argument must be the path of a module, or a sequence of such paths");
        return -1;
    }
    if ((path = resolve_path(node)) == NULL) {
        h2o_configurator_errprintf(cmd, node, "cannot load module %s: out of memory", node->data.scalar);
        return -1;
    }
    ret = open_module(cmd, ctx, node, path);
    free(path);
    return ret;
}

static int on_config_load_module(h2o_configurator_command_t *cmd, h2o_configurator_context_t *ctx, yoml_t *node)
{
    if (node->type != YOML_TYPE_SEQUENCE)
        return load_module(cmd, ctx, node);
    for (size_t i = 0; i != node->data.sequence.size; ++i)
        if (load_module(cmd, ctx, node->data.sequence.elements[i]) != 0)
            return -1;
    return 0;
}

static void define_directive(void)
{
    struct st_image_t image;
    h2o_globalconf_t *globalconf;
    h2o_configurator_t *configurator;

    /* a program that merely links libh2o is not the server: there the function lies in the library */
    if (h2o_configurator_create == NULL)
        return;
    dl_iterate_phdr(keep_first_image, &image);
    if (!is_inside(&image, (uintptr_t)h2o_configurator_create, 1))
        return;
    if ((globalconf = find_globalconf(&image)) == NULL) {
        fputs("sluice-loader: load-module is not available: it works in h2o " H2O_VERSION ", and this is another version\n",
              stderr);
        return;
    }
    configurator = h2o_configurator_create(globalconf, sizeof(*configurator));
    h2o_configurator_define_command(configurator, "load-module",
                                    H2O_CONFIGURATOR_FLAG_GLOBAL | H2O_CONFIGURATOR_FLAG_EXPECT_SCALAR |
                                        H2O_CONFIGURATOR_FLAG_EXPECT_SEQUENCE,
                                    on_config_load_module);
}

/* what a plugin opened with RTLD_LOCAL links is out of RTLD_NEXT's sight, but its calls end up here all the same */
static parser_initialize_cb find_in_scope_of(void *caller)
{
    Dl_info info;
    void *handle;
    parser_initialize_cb found;

    if (dladdr(caller, &info) == 0 || (handle = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD)) == NULL)
        return NULL;
    found = (parser_initialize_cb)dlsym(handle, "yaml_parser_initialize");
    dlclose(handle);
    return found;
}

__attribute__((visibility("default"))) int yaml_parser_initialize(struct yaml_parser_s *parser)
{
    static atomic_flag called = ATOMIC_FLAG_INIT;
    parser_initialize_cb next = (parser_initialize_cb)dlsym(RTLD_NEXT, "yaml_parser_initialize");

    /* the server calls once per file, and `!file` tags name more of them */
    if (!atomic_flag_test_and_set(&called))
        define_directive();
    if (next == NULL)
        next = find_in_scope_of(__builtin_return_address(0));
    /* 0 is libyaml's own word for failure */
    return next != NULL ? next(parser) : 0;
}
