#include <stdio.h>
#include "module/errors.h"

/* clang-format off */
const sluice_error_info_t sluice_errors[SLUICE_NUM_ERRORS] = {
    [SLUICE_OK] = {200, "OK", "ok", "", 0, 0, 0, 0, SLUICE_ERROR_OF_REQUEST},
    [SLUICE_ERROR_NOT_FOUND] = {404, "Not Found", "not-found",
        "the origin has no picture of this name; image.origin says where it was looked for", 1, 0, 0, 0, SLUICE_ERROR_OF_ORIGIN},
    [SLUICE_ERROR_NOT_AN_IMAGE] = {422, "Unprocessable Content", "not-an-image",
        "what the origin has under this name is not a JPEG, PNG, WebP, GIF, AVIF or TIFF picture, nor with image.svg: ON an SVG", 1, 0, 0, 0, SLUICE_ERROR_OF_IMAGE},
    [SLUICE_ERROR_BROKEN_IMAGE] = {422, "Unprocessable Content", "broken-image",
        "the picture at the origin is damaged or incomplete and cannot be decoded", 1, 0, 0, 0, SLUICE_ERROR_OF_IMAGE},
    [SLUICE_ERROR_SOURCE_TOO_LARGE] = {413, "Content Too Large", "source-too-large",
        "the source has more bytes than image-cache.max-object-size allows, or is an SVG of more than 1 MiB", 1, 0, 0, 0, SLUICE_ERROR_OF_IMAGE},
    [SLUICE_ERROR_UNBOUNDED_DRAWING] = {422, "Unprocessable Content", "unbounded-drawing",
        "the SVG has what would take time or memory without a bound, or hides it: see image.svg in the README", 1, 0, 0, 0,
        SLUICE_ERROR_OF_IMAGE},
    [SLUICE_ERROR_TOO_MANY_PIXELS] = {413, "Content Too Large", "too-many-pixels",
        "the source has more pixels than image.max-pixels allows", 1, 0, 0, 0, SLUICE_ERROR_OF_IMAGE},
    [SLUICE_ERROR_TOO_MANY_PAGES] = {413, "Content Too Large", "too-many-pages",
        "more pages or frames than image.max-pages allows would be decoded, or the file has more than 16384; ask for a smaller n",
        0, 0, 0, 0, SLUICE_ERROR_OF_IMAGE},
    [SLUICE_ERROR_NO_SUCH_PAGE] = {400, "Bad Request", "no-such-page",
        "the picture has fewer pages than the option page asks for; they count from 0", 0, 0, 0, 0, SLUICE_ERROR_OF_REQUEST},
    [SLUICE_ERROR_ANSWER_TOO_LARGE] = {413, "Content Too Large", "answer-too-large",
        "the answer would be wider or higher than image.max-side allows; ask for a smaller w or h", 0, 0, 0, 0, SLUICE_ERROR_OF_IMAGE},
    [SLUICE_ERROR_SOURCE_NEVER_FITS] = {413, "Content Too Large", "source-never-fits",
        "the source needs more memory than pressure.budget can ever give it; raise the budget or store a smaller picture",
        1, 0, 0, 0, SLUICE_ERROR_OF_IMAGE},
    [SLUICE_ERROR_NEVER_FITS] = {413, "Content Too Large", "never-fits",
        "this answer needs more memory than pressure.budget can ever give it; ask for a smaller or another one, or raise the budget",
        0, 0, 0, 0, SLUICE_ERROR_OF_IMAGE},
    [SLUICE_ERROR_ORIGIN_REFUSED] = {502, "Bad Gateway", "origin-unreachable",
        "no connection to the origin; check image.origin and that the origin is up", 0, 1, 1, 0, SLUICE_ERROR_OF_ORIGIN},
    [SLUICE_ERROR_ORIGIN_STATUS] = {502, "Bad Gateway", "origin-status",
        "the origin answered with a status that is none of 200, 304, 404, 410 and 5xx; it may ask for a log-in", 0, 1, 0, 0,
        SLUICE_ERROR_OF_ORIGIN},
    [SLUICE_ERROR_ORIGIN_FAILED] = {502, "Bad Gateway", "origin-failed",
        "the origin answered with a server error (5xx); its own log may say why", 0, 1, 1, 0, SLUICE_ERROR_OF_ORIGIN},
    [SLUICE_ERROR_ORIGIN_BROKEN] = {502, "Bad Gateway", "origin-broken",
        "the origin's answer broke off or is not HTTP", 0, 1, 1, 0, SLUICE_ERROR_OF_ORIGIN},
    [SLUICE_ERROR_ORIGIN_REDIRECTS] = {502, "Bad Gateway", "origin-redirects",
        "the origin redirected more often than image.max-redirects allows, or to something that is not http or https", 0, 1, 1, 0,
        SLUICE_ERROR_OF_ORIGIN},
    [SLUICE_ERROR_FORBIDDEN_REDIRECT] = {502, "Bad Gateway", "origin-redirect-forbidden",
        "the origin redirected to another host or port, from https to http, or out of what image.allow-origins lists", 0, 1, 1, 0,
        SLUICE_ERROR_OF_ORIGIN},
    [SLUICE_ERROR_FORBIDDEN_ADDRESS] = {502, "Bad Gateway", "origin-forbidden-address",
        "the origin's name leads to an address that is not public (private, loopback, link-local or reserved); image.allow-addresses "
        "says which of these may be connected to", 0, 1, 1, 0, SLUICE_ERROR_OF_ORIGIN},
    [SLUICE_ERROR_ORIGIN_TIMEOUT] = {504, "Gateway Timeout", "origin-timeout",
        "the origin did not answer within image.connect-timeout and image.origin-timeout, or sent nothing for health.stale-after", 0, 1, 1, 0, SLUICE_ERROR_OF_TIME},
    [SLUICE_ERROR_NO_ROOM] = {503, "Service Unavailable", "no-room",
        "within image.queue-timeout (a download: image.origin-timeout, too) there was no memory for this picture (pressure.budget, "
        "pressure.source-share), no worker (image.workers) or no slot of its route (pressure.max-concurrent)", 0, 0, 1, 1,
        SLUICE_ERROR_OF_ROOM},
    [SLUICE_ERROR_QUEUE_FULL] = {503, "Service Unavailable", "queue-full",
        "more pictures wait than image.max-queue or pressure.max-waiting allows, or none of the image.max-fetches downloads from this "
        "origin ended within image.queue-timeout", 0, 0, 1, 1, SLUICE_ERROR_OF_ROOM},
    [SLUICE_ERROR_TRANSFORM_TIMEOUT] = {503, "Service Unavailable", "transform-timeout",
        "the picture could not be transformed within image.transform-timeout", 0, 0, 1, 1, SLUICE_ERROR_OF_TIME},
    [SLUICE_ERROR_OUT_OF_MEMORY] = {503, "Service Unavailable", "out-of-memory",
        "the system refused memory for this picture", 0, 0, 1, 1, SLUICE_ERROR_OF_ROOM},
    [SLUICE_ERROR_UNREADABLE] = {502, "Bad Gateway", "origin-unreadable",
        "the file exists below image.origin but the server's user may not read it", 0, 1, 0, 0, SLUICE_ERROR_OF_ORIGIN},
    [SLUICE_ERROR_REQUEST_TIMEOUT] = {504, "Gateway Timeout", "request-timeout",
        "the picture was not ready within image.request-timeout; ask again, the work may go on", 0, 0, 1, 0, SLUICE_ERROR_OF_TIME},
    [SLUICE_ERROR_NOT_CACHED] = {504, "Gateway Timeout", "not-cached",
        "the request says only-if-cached, and no fresh picture is in the cache; ask without it", 0, 0, 0, 0, SLUICE_ERROR_OF_REQUEST},
    [SLUICE_ERROR_DRAINING] = {503, "Service Unavailable", "draining",
        "the server has been told to end and takes no new work; ask again, on a new connection", 0, 0, 1, 1, SLUICE_ERROR_OF_ROOM},
    [SLUICE_ERROR_CANCELLED] = {503, "Service Unavailable", "cancelled",
        "the work was given up because nobody waited for it", 0, 0, 0, 1, SLUICE_ERROR_OF_REQUEST},
};
/* clang-format on */

int sluice_error_is_of_picture(sluice_error_t error)
{
    const sluice_error_info_t *info = sluice_errors + error;

    return info->negative || info->status == 502 || (info->status == 504 && info->kind != SLUICE_ERROR_OF_REQUEST);
}

/* a need is rounded up and what there is down, so that the first never looks as if it fitted */
void sluice_failure_detail(sluice_failure_t failure, uint64_t budget_bytes, uint64_t largest_bytes,
                           char detail[SLUICE_FAILURE_DETAIL_MAX])
{
    const sluice_error_info_t *info = sluice_errors + sluice_failure_error(failure);
    uint64_t need_bytes = sluice_failure_need_bytes(failure);

    if (need_bytes == 0)
        snprintf(detail, SLUICE_FAILURE_DETAIL_MAX, "%s", info->detail);
    else
        snprintf(detail, SLUICE_FAILURE_DETAIL_MAX,
                 "%llu MiB of memory are needed, and pressure.budget (%llu MiB) leaves %llu MiB: %s",
                 (unsigned long long)((need_bytes + 1048575) >> 20), (unsigned long long)(budget_bytes >> 20),
                 (unsigned long long)(largest_bytes >> 20), info->detail);
}
