#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include "module/sluicectl/screen.h"

#define ENTER "\033[?1049h\033[?25l\033[?7l" /* second screen, no cursor, no wrapping */
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

static struct termios before;
static int has_entered, has_keyboard;

static int write_all(const char *bytes, size_t len)
{
    while (len != 0) {
        ssize_t written = write(STDOUT_FILENO, bytes, len);
        if (written <= 0)
            return -1;
        bytes += written;
        len -= (size_t)written;
    }
    return 0;
}

void ctl_screen_enter(void)
{
    struct termios raw;

    fflush(stdout);
    has_entered = 1;
    has_keyboard = tcgetattr(STDIN_FILENO, &before) == 0;
    if (has_keyboard) {
        raw = before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO); /* ^C and ^Z go on to be signals */
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    }
    write_all(ENTER, sizeof(ENTER) - 1);
}

void ctl_screen_leave(void)
{
    if (!has_entered)
        return;
    has_entered = 0;
    write_all(LEAVE, sizeof(LEAVE) - 1);
    if (has_keyboard)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

void ctl_screen_size(size_t *rows, size_t *columns)
{
    struct winsize size;
    int known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row != 0 && size.ws_col != 0;

    *rows = known ? size.ws_row : 24;
    *columns = known ? size.ws_col : 80;
}

int ctl_screen_draw(const ctl_page_t *page)
{
    size_t rows, columns, len = 0;
    char *bytes = NULL;
    FILE *buffer = open_memstream(&bytes, &len);

    if (buffer == NULL)
        return 0; /* the next time, maybe */
    ctl_screen_size(&rows, &columns);
    fputs("\033[H", buffer);
    for (size_t i = 0; i != page->num_lines && i != rows; ++i) {
        if (i != 0)
            fputs("\r\n", buffer);
        ctl_write_line(buffer, page, i, columns);
        fputs("\033[K", buffer);
    }
    fputs("\033[J", buffer);
    int failed = fclose(buffer) != 0 ? 0 : write_all(bytes, len);
    free(bytes);
    return failed;
}

char ctl_screen_key(void)
{
    struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
    char key;

    return has_keyboard && poll(&fd, 1, 0) == 1 && read(STDIN_FILENO, &key, 1) == 1 ? key : 0;
}
