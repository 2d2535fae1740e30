// System calls that the C library hides from Swift. Each returns -1 and sets errno where the system lacks it.
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

#endif
