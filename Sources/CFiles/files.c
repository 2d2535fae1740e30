#define _GNU_SOURCE
#include "cfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int cf_exchange(const char *a, const char *b) {
#if defined(__linux__) && defined(RENAME_EXCHANGE)
    return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
#elif defined(__APPLE__)
    return renamex_np(a, b, RENAME_SWAP);
#else
    (void)a, (void)b;
    errno = ENOSYS;
    return -1;
#endif
}

int64_t cf_copy_range(int source, int64_t source_offset, int target, int64_t target_offset, size_t count) {
#if defined(__linux__)
    off64_t from = source_offset, to = target_offset;
    return copy_file_range(source, &from, target, &to, count, 0);
#else
    (void)source, (void)source_offset, (void)target, (void)target_offset, (void)count;
    errno = ENOSYS;
    return -1;
#endif
}

void cf_start_writing(int file, int64_t offset, int64_t count) {
#if defined(__linux__)
    sync_file_range(file, offset, count, SYNC_FILE_RANGE_WRITE);
#else
    (void)file, (void)offset, (void)count;
#endif
}
