/*
 * Preloaded in sanitizer runs: the server ends with _exit(), which skips the leak check that would run in exit(). This _exit() runs
 * it first and fails the process when something leaked.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int __lsan_do_recoverable_leak_check(void);
void _exit(int status);

void _exit(int status)
{
    if (__lsan_do_recoverable_leak_check() != 0 && status == 0)
        status = 98;
    for (;;)
        syscall(SYS_exit_group, status);
}
