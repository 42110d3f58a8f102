#include <stdio.h>
#include <string.h>
#include "module/handlers.h"
#include "module/image_request.h"

static int refuse_path(sluice_refusal_t *refusal)
{
    refusal->status = 404;
    refusal->title = "Not Found";
    refusal->code = "bad-path";
    snprintf(refusal->detail, sizeof(refusal->detail),
             "no picture can have this name: it is empty or too long, or has empty, dotted or control parts");
    return -1;
}

/* `detail` is written already */
static int refuse_option(sluice_refusal_t *refusal)
{
    refusal->status = 400;
    refusal->title = "Bad Request";
    refusal->code = "bad-option";
    return -1;
}

/* writes the key of the source. Returns 0, or -1 when the path cannot name one */
static int name_source(sluice_image_request_t *image, h2o_req_t *req)
{
    h2o_iovec_t path = sluice_local_path(req);
    size_t prefix_len = strlen(image->origin->key_prefix), len;

    if (path.len == 0 || path.base[0] != '/' || !sluice_source_path_ok(path.base + 1, path.len - 1))
        return -1;
    image->path = h2o_iovec_init(path.base + 1, path.len - 1);
    memcpy(image->key, image->origin->key_prefix, prefix_len); /* its length was checked when the configuration was read */
    len = sluice_source_path_encode(image->path.base, image->path.len, image->key + prefix_len,
                                    sizeof(image->key) - prefix_len - SLUICE_OPTIONS_TEXT_MAX);
    image->source_key_len = prefix_len + len;
    return len != 0 ? 0 : -1;
}

static void name_rendition(sluice_image_request_t *image)
{
    image->key[image->source_key_len] = '?';
    image->key_len = image->source_key_len + 1 + sluice_options_text(&image->options, image->key + image->source_key_len + 1);
}

int sluice_image_request_read(sluice_image_request_t *image, const sluice_origin_t *origin, h2o_req_t *req,
                              sluice_refusal_t *refusal)
{
    h2o_iovec_t query = sluice_query(req);

    image->origin = origin;
    if (name_source(image, req) != 0)
        return refuse_path(refusal);
    if (sluice_options_parse(query.base, query.len, &origin->option_rules, &image->options, &image->presentation,
                             refusal->detail) != 0)
        return refuse_option(refusal);
    name_rendition(image);
    return 0;
}
