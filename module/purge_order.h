/*
 * purge_order.h - what the body of a purge request asks for. Pure: text in, order out.
 */
#ifndef module__purge_order_h
#define module__purge_order_h

#include <stddef.h>

#define SLUICE_PURGE_BODY_MAX (16 * 1024)
#define SLUICE_PURGE_ERROR_MAX 400

typedef enum en_sluice_purge_kind_t { SLUICE_PURGE_URL, SLUICE_PURGE_PREFIX, SLUICE_PURGE_ALL } sluice_purge_kind_t;

typedef struct st_sluice_purge_order_t {
    sluice_purge_kind_t kind;
    char *path; /* as clients write it, with the slash in front; NULL for all */
    char *host; /* as in hosts of the configuration; NULL: any */
} sluice_purge_order_t;

/**
 * Takes {"url": PATH}, {"prefix": PATH} or {"all": true}, the first two with "host" where wanted. Returns 0, and the order's
 * strings are the caller's (sluice_purge_order_dispose()); or -1 with a sentence in `error` (SLUICE_PURGE_ERROR_MAX bytes) that
 * says what is expected.
 */
int sluice_purge_order_parse(const char *body, size_t len, sluice_purge_order_t *order, char *error);
void sluice_purge_order_dispose(sluice_purge_order_t *order);

#endif
