/* What the C hosts here share: the library loaded by its path, and failures that say where. */
#ifndef HOST_H
#define HOST_H

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "functions.h"
#include "libmimir.h"

/* The functions of one copy of the library. */
struct library {
    void *handle;
#define X(name, works) __typeof__(&mimir_##name) name;
    MIMIR_FUNCTIONS(X)
#undef X
};

__attribute__((unused, noreturn, format(printf, 1, 2))) static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    _exit(1);
}

#define REQUIRE(condition) \
    do { \
        if (!(condition)) fail("%s:%d: not so: %s (errno %d)", __FILE__, __LINE__, #condition, errno); \
    } while (0)

__attribute__((unused)) static void library_bind(struct library *l, void *handle) {
    l->handle = handle;
#define X(name, works) *(void **)&l->name = dlsym(handle, "mimir_" #name);
    MIMIR_FUNCTIONS(X)
#undef X
#define X(name, works) \
    if (!l->name) fail("the library lacks mimir_" #name);
    MIMIR_FUNCTIONS(X)
#undef X
}

__attribute__((unused)) static void library_load(struct library *l, const char *path) {
    void *handle = dlopen(path, RTLD_NOW);
    if (!handle) fail("dlopen: %s", dlerror());
    library_bind(l, handle);
}

__attribute__((unused)) static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

__attribute__((unused)) static void pause_ms(long ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&t, &t) != 0 && errno == EINTR) {
    }
}

/* How a child ended, as one number: its exit code, 1000 and the signal that ended it, or 2000 when it hung and was ended. */
__attribute__((unused)) static int await_child(pid_t child, int seconds) {
    int status, patience = seconds * 1000;
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    if (fd >= 0) {
        struct pollfd p = {fd, POLLIN, 0};
        int ready;
        while ((ready = poll(&p, 1, patience)) < 0 && errno == EINTR) {
        }
        close(fd);
        if (ready == 0) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            return 2000;
        }
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

__attribute__((unused)) static int count_entries(const char *path) {
    char bytes[4096];
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
    if (fd < 0) return -1;
    for (long got; (got = syscall(SYS_getdents64, fd, bytes, sizeof bytes)) > 0;)
        for (long at = 0; at < got; at += *(unsigned short *)(bytes + at + 16)) n += bytes[at + 19] != '.';
    close(fd);
    return n;
}

__attribute__((unused)) static int count_descriptors(void) { return count_entries("/proc/self/fd") - 1; }
__attribute__((unused)) static int count_threads(void) { return count_entries("/proc/self/task"); }

/* Resident memory in bytes. */
__attribute__((unused)) static long resident(void) {
    char bytes[128];
    long size = 0, pages = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, bytes, sizeof bytes - 1);
    close(fd);
    bytes[n > 0 ? n : 0] = 0;
    sscanf(bytes, "%ld %ld", &size, &pages);
    return pages * sysconf(_SC_PAGESIZE);
}

#endif
