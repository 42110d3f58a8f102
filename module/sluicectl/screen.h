/*
 * screen.h - a terminal that is drawn on as a whole: on its second screen, so that what was there before comes back.
 */
#ifndef module__sluicectl__screen_h
#define module__sluicectl__screen_h

#include "module/sluicectl/text.h"

/**
 * takes over the terminal of stdout and the keyboard of stdin, if that is one. ctl_screen_leave() must follow.
 */
void ctl_screen_enter(void);
/**
 * gives both back as they were; nothing if they were not taken
 */
void ctl_screen_leave(void);
/**
 * 24 and 80 where the terminal does not say
 */
void ctl_screen_size(size_t *rows, size_t *columns);
/**
 * draws as many lines as there are rows. Returns 0, or -1: the terminal is gone.
 */
int ctl_screen_draw(const ctl_page_t *page);
/**
 * a key that was pressed, or 0. Does not wait.
 */
char ctl_screen_key(void);

#endif
