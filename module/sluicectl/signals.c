#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "module/sluicectl/signals.h"

volatile sig_atomic_t ctl_stop, ctl_suspend;
static int fds[2] = {-1, -1};

static void on_signal(int number)
{
    int saved_errno = errno;

    if (number == SIGTSTP)
        ctl_suspend = 1;
    else if (number != SIGWINCH)
        ctl_stop = 1;
    if (write(fds[1], "", 1) != 1)
        errno = saved_errno; /* it is full: readable */
    errno = saved_errno;
}

int ctl_signals_catch(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGWINCH};
    struct sigaction action;

    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    for (size_t i = 0; i != sizeof(numbers) / sizeof(numbers[0]); ++i)
        sigaction(numbers[i], &action, NULL);
    return fds[0];
}

void ctl_signals_take(void)
{
    char bytes[64];

    while (read(fds[0], bytes, sizeof(bytes)) > 0)
        ;
}
