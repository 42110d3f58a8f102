/*
 * report_files.h - files of reports in a folder that others may write to as well: names that tell their time and process, nothing
 * overwritten, nothing that others can read, and the oldest removed.
 *
 *     sluice-KIND-20261121T194121.123Z-PID.ENDING
 *
 * Where that is taken the next free millisecond is, so that names sort as the files came.
 */
#ifndef module__report_files_h
#define module__report_files_h

#include <stdint.h>
#include <sys/types.h>

#define SLUICE_REPORT_FILES_KEPT 10 /* of each kind in a folder */
#define SLUICE_REPORT_NAME_MAX 96

/**
 * makes a new, empty file of mode 0600, open for writing. Returns its descriptor, or -1 with errno.
 * @param kind,ending words of letters: "report", "json"; at most 16 bytes each
 * @param name out, of SLUICE_REPORT_NAME_MAX bytes
 */
int sluice_report_file_create(int folder_fd, const char *kind, const char *ending, int64_t wall_ms, pid_t pid, char *name);
/**
 * removes the oldest files of a kind, by their names, until SLUICE_REPORT_FILES_KEPT are left. Looks only at plain files of this
 * process's user whose names are as above, whoever's pid they have.
 * @param newest is kept, whatever the clock said
 */
void sluice_report_files_prune(int folder_fd, const char *kind, const char *newest);

#endif
