// System calls that the C library hides from Swift. Those that return -1 set errno, also where the system lacks them.
#ifndef CFILES_H
#define CFILES_H

#include <stddef.h>
#include <stdint.h>

// Exchanges two names of the same file system in one step.
int cf_exchange(const char *a, const char *b);

// Copies up to `count` bytes between files without a way through this process; returns how many.
int64_t cf_copy_range(int source, int64_t source_offset, int target, int64_t target_offset, size_t count);

// Starts the writing of a range to the disk, without waiting; an advice, which may do nothing.
void cf_start_writing(int file, int64_t offset, int64_t count);

// Opens a new file without a name, for reading and writing; it is gone when it is closed.
int cf_open_nameless(const char *directory);

// Calls `body` on up to `count` threads at once, one of which is the caller's, and waits for all; fewer where the
// system gives no more.
void cf_run_on_threads(int count, void (*body)(void *), void *context);

// Starts a program with these descriptors as its first three, -1 for /dev/null; returns 0, or an error number.
int cf_spawn(
    const char *program, char *const arguments[], char *const environment[], const int streams[3], int32_t *child);

// Waits for a program to end, for at most `limit` seconds unless that is negative, and ends it then. Returns 0 with its
// exit code, or minus the signal that ended it, in `code`; 1 where the limit was reached; -1 on an error.
int cf_wait(int32_t child, double limit, int *code);

#endif
