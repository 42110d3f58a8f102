#include <stdio.h>
#include <string.h>
#include "module/handlers.h"
#include "module/image_request.h"
#include "module/clock.h"
#include "module/signature.h"

/* `detail` NULL: it is written already */
static int refuse(sluice_refusal_t *refusal, int status, const char *title, const char *code, const char *detail)
{
    refusal->status = status;
    refusal->title = title;
    refusal->code = code;
    if (detail != NULL)
        snprintf(refusal->detail, sizeof(refusal->detail), "%s", detail);
    return -1;
}

/* takes sig and exp out of the query, as they say nothing of the picture. Returns 0, or -1 when a signature is needed and is not
 * right. Where h2o redirected a request within itself, the target is the new one, which is also what the rest is read from */
static int check_signature(sluice_image_request_t *image, h2o_req_t *req, h2o_iovec_t *query, sluice_refusal_t *refusal)
{
    const sluice_sign_keys_t *keys = image->origin->sign_keys;
    sluice_signature_t verdict;
    char *rest;

    image->expires_s = INT64_MAX;
    if (keys == NULL || keys->count == 0)
        return 0;
    verdict = sluice_signature_check(keys, req->path.base, req->path.len, sluice_wall_s(), &image->expires_s);
    if (verdict != SLUICE_SIGNATURE_RIGHT)
        return refuse(refusal, 403, "Forbidden", sluice_signature_code(verdict), sluice_signature_detail(verdict));
    rest = h2o_mem_alloc_pool(&req->pool, query->len);
    *query = h2o_iovec_init(rest, sluice_signature_strip(query->base, query->len, rest));
    return 0;
}

/* writes the key of the source. Returns 0, or -1 when the path cannot name one */
static int name_source(sluice_image_request_t *image, h2o_iovec_t path)
{
    size_t prefix_len = strlen(image->origin->key_prefix), len;

    if (!sluice_source_path_ok(path.base, path.len))
        return -1;
    image->path = path;
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
    h2o_iovec_t path = sluice_local_path(req), query = sluice_query(req);

    image->origin = origin;
    if (req->path.len > SLUICE_TARGET_MAX)
        return refuse(refusal, 414, "URI Too Long", "uri-too-long",
                      "the path and query have more than 3072 bytes, which no picture needs; this is no setting");
    if (check_signature(image, req, &query, refusal) != 0)
        return -1;
    if (path.len == 0 || path.base[0] != '/' || name_source(image, h2o_iovec_init(path.base + 1, path.len - 1)) != 0)
        return refuse(refusal, 404, "Not Found", "bad-path",
                      "no picture can have this name: it is empty or too long, or has empty, dotted or control parts");
    if (sluice_options_parse(query.base, query.len, &origin->option_rules, &image->options, &image->presentation,
                             refusal->detail) != 0)
        return refuse(refusal, 400, "Bad Request", "bad-option", NULL);
    image->negotiates = image->presentation.negotiate && image->options.output == SLUICE_FORMAT_NONE;
    if (image->presentation.fallback[0] == '\0' && origin->fallback != NULL)
        snprintf(image->presentation.fallback, sizeof(image->presentation.fallback), "%s", origin->fallback);
    image->detail = NULL;
    image->outputs = sluice_output_bit(&image->options);
    if (!image->negotiates)
        name_rendition(image);
    return 0;
}

void sluice_image_request_negotiate(sluice_image_request_t *image, sluice_taken_t taken)
{
    image->outputs = sluice_outputs_taken(taken);
    sluice_negotiate(&image->options, taken);
    name_rendition(image);
}

void sluice_image_request_avoid_avif(sluice_image_request_t *image, const sluice_options_t *asked)
{
    image->options = *asked;
    image->detail = "webp-for-avif";
    sluice_negotiate(&image->options, SLUICE_TAKES_WEBP);
    name_rendition(image);
}

int sluice_image_request_fall_back(sluice_image_request_t *image, const sluice_origin_t *origin, h2o_iovec_t path,
                                   const sluice_options_t *options)
{
    image->origin = origin;
    image->options = *options;
    image->presentation = (sluice_presentation_t){0};
    image->negotiates = 0;
    image->outputs = sluice_output_bit(options);
    image->detail = NULL;
    if (name_source(image, path) != 0)
        return -1;
    name_rendition(image);
    return 0;
}
