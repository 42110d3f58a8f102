/*
 * exits.h - how often the process has ended itself of late, over restarts: a small file of JSON. At most SLUICE_EXITS_MAX times in
 * SLUICE_EXITS_WINDOW_S.
 *
 * Within one boot of the machine ages are by the clock that counts from the boot, so that setting the calendar's clock changes
 * nothing. Of entries of another boot the calendar decides; one from the future counts as of now.
 */
#ifndef module__exits_h
#define module__exits_h

#include <stddef.h>
#include <stdint.h>

#define SLUICE_EXITS_MAX 3
#define SLUICE_EXITS_WINDOW_S (15 * 60)
#define SLUICE_BOOT_ID_MAX 40

/**
 * a moment, by both clocks
 */
typedef struct st_sluice_moment_t {
    int64_t wall_s, boot_s;               /* since 1970, since the boot */
    char boot_id[SLUICE_BOOT_ID_MAX + 1]; /* "": not known */
} sluice_moment_t;

typedef struct st_sluice_exits_t {
    size_t count;
    sluice_moment_t at[SLUICE_EXITS_MAX];
} sluice_exits_t;

typedef enum en_sluice_exit_verdict_t {
    SLUICE_EXIT_ALLOWED,  /* and written down */
    SLUICE_EXIT_TOO_MANY, /* in the window */
    SLUICE_EXIT_UNKNOWN   /* it could not be written down, so that it could not be counted either; errno */
} sluice_exit_verdict_t;

/**
 * forgets what is older than the window, and adds `now` if there is room for it. Returns whether there was.
 */
int sluice_exits_add(sluice_exits_t *exits, const sluice_moment_t *now);
/**
 * reads what sluice_exits_ask() wrote. A file that is not there is empty; one that is damaged too, and 1 is returned.
 */
int sluice_exits_read(const char *path, sluice_exits_t *exits);
/**
 * whether the process may end itself now; if so, that is written down, in one piece or not at all. May block.
 * @param damaged set to 1 if the file was of no use; else 0
 */
sluice_exit_verdict_t sluice_exits_ask(const char *path, const sluice_moment_t *now, int *damaged);
void sluice_moment_now(sluice_moment_t *now);

#endif
