/*
 * origin_hops.h - the guard of an origin (origin_guard.h) put into effect: which connections a transfer may make or use, and what
 * follows a redirect. Used by origin_transfer.c alone, on the fetch thread.
 *
 * The address is judged where it can no longer change: when libcurl asks for the socket that it is about to connect, and again
 * before a request goes out, for the connection may be one that was kept, opened for an origin that is allowed more than this one.
 *
 * Redirects are not libcurl's to follow: each is a transfer of its own, to a URL that libcurl has parsed, the guard has admitted,
 * and libcurl is then given as it was parsed.
 */
#ifndef module__origin_hops_h
#define module__origin_hops_h

#include "module/origin_transfer.h"

/**
 * sets the options of transfer->easy that guard its connections, and where it goes. Returns 0, or -1 when memory is out.
 */
int sluice_hops_prepare(sluice_transfer_t *transfer);
/**
 * notes that the connection of a transfer that is done is idle now
 */
void sluice_hops_note_idle(sluice_transfer_t *transfer);
/**
 * takes a transfer that was answered with a redirect to the next hop: sets transfer->again, and returns SLUICE_OK, or the reason
 * why it ends here
 */
sluice_error_t sluice_hops_follow(sluice_transfer_t *transfer);

#endif
