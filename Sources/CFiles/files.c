#define _GNU_SOURCE
#include "cfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
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

int cf_open_nameless(const char *directory) {
#if defined(O_TMPFILE)
    return open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
#else
    (void)directory;
    errno = ENOTSUP;
    return -1;
#endif
}

struct work {
    void (*body)(void *);
    void *context;
};

static void *run(void *raw) {
    struct work *work = raw;
    work->body(work->context);
    return NULL;
}

void cf_run_on_threads(int count, void (*body)(void *), void *context) {
    enum { LIMIT = 64, STACK = 8 << 20 };
    struct work work = {body, context};
    pthread_t threads[LIMIT];
    pthread_attr_t attributes;
    int started = 0;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    while (started < count - 1 && started < LIMIT && pthread_create(&threads[started], &attributes, run, &work) == 0)
        started++;
    pthread_attr_destroy(&attributes);
    body(context);
    for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
}

static int redirect(posix_spawn_file_actions_t *actions, int from, int to) {
    if (from == to) return 0;
    return from < 0 ? posix_spawn_file_actions_addopen(actions, to, "/dev/null", O_RDWR, 0)
                    : posix_spawn_file_actions_adddup2(actions, from, to);
}

int cf_spawn(
    const char *program, char *const arguments[], char *const environment[], const int streams[3], int32_t *child) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t ours, none;
    pid_t pid = 0;
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0) return error;
    error = posix_spawnattr_init(&attributes);
    if (error != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return error;
    }
    // What is ignored here is not ignored there, nor is what a thread of ours waits for kept from it.
    sigemptyset(&ours);
    sigemptyset(&none);
    sigaddset(&ours, SIGXFSZ);
    for (int to = 0; to < 3 && error == 0; to++) error = redirect(&actions, streams[to], to);
    if (error == 0) error = posix_spawnattr_setsigdefault(&attributes, &ours);
    if (error == 0) error = posix_spawnattr_setsigmask(&attributes, &none);
    if (error == 0) error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    if (error == 0) error = posix_spawn(&pid, program, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    *child = pid;
    return error;
}

int cf_wait(int32_t child, double limit, int *code) {
    int status = 0;
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (;;) {
        int done = waitpid(child, &status, limit >= 0 ? WNOHANG : 0);
        if (done == child) break;
        if (done < 0 && errno != EINTR) return -1;
        clock_gettime(CLOCK_MONOTONIC, &now);
        double waited = (double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9;
        if (limit >= 0 && waited >= limit) {
            kill(child, SIGKILL);
            while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
            return 1;
        }
        if (done == 0) usleep(500);
    }
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return 0;
}
