/* A fresh copy of the library for a forked child that lives on. The loader tells libraries apart by their inode: a copy in
 * memory is another library, with a runtime of its own. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "internal.h"

#ifdef __linux__

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "forked_gen.h"

#define NAME_MAX_MEMFD 249
static const char memfd_prefix[] = "/memfd:", memfd_suffix[] = " (deleted)";

/* The file that this library was loaded from. A copy is named after its original. */
static char original[4096];

/* Runs as the library is loaded: afterwards the loader's lock may be held for ever. */
__attribute__((constructor(102))) static void find_original(void) {
    Dl_info info;
    char link[4096];
    if (!dladdr((void *)&mimir_library_reload, &info) || !info.dli_fname) return;
    if (strncmp(info.dli_fname, "/proc/", 6) == 0) {
        ssize_t n = readlink(info.dli_fname, link, sizeof link - 1);
        if (n <= 0) return;
        link[n] = 0;
        size_t prefix = sizeof memfd_prefix - 1, suffix = sizeof memfd_suffix - 1, length = (size_t)n;
        if (strncmp(link, memfd_prefix, prefix) == 0 && length > prefix + suffix &&
            strcmp(link + length - suffix, memfd_suffix) == 0) {
            memcpy(original, link + prefix, length - prefix - suffix);
            original[length - prefix - suffix] = 0;
            return;
        }
    }
    if (!realpath(info.dli_fname, original)) original[0] = 0;
}

static int32_t refuse(const char *step, const char *text) { return mimir_error_set(MIMIR_EFORKED, 0, step, text); }

/* Whether a limit leaves room for what a copy takes. */
static int room(int resource, uint64_t used, uint64_t needed) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return 1;
    return limit.rlim_cur > used && limit.rlim_cur - used > needed;
}

/* Copies the original to memory, and names the copy after it. Returns a descriptor, or -1. */
static int copy_original(void) {
    struct stat st;
    int from = open(original, O_RDONLY | O_CLOEXEC);
    if (from < 0) return -1;
    int to = (int)syscall(SYS_memfd_create, original, MFD_CLOEXEC); /* glibc has it since 2.27 only */
    if (to < 0 || fstat(from, &st) != 0 || !room(RLIMIT_FSIZE, 0, (uint64_t)st.st_size)) goto fail;
    for (off_t left = st.st_size; left > 0;) {
        ssize_t n = sendfile(to, from, NULL, (size_t)left);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) goto fail;
        left -= n;
    }
    close(from);
    return to;
fail:
    close(from);
    if (to >= 0) close(to);
    return -1;
}

static struct {
    char path[64], error[256];
    void *handle;
    sem_t done;
    int stuck;
} loading;

/* In a thread of its own: where a thread of the parent was in the loader at the fork, this waits for ever. */
static void *load(void *unused) {
    (void)unused;
    loading.handle = dlopen(loading.path, RTLD_NOW | RTLD_LOCAL);
    if (!loading.handle) {
        const char *why = dlerror();
        snprintf(loading.error, sizeof loading.error, "%s", why ? why : "dlopen failed");
    }
    sem_post(&loading.done);
    return NULL;
}

#define PATIENCE_MS 800
static const char stuck[] = "the loader does not answer: the loader's lock was held by another thread of the parent at the fork, or "
                            "the machine is overloaded, and a later call finds the copy";

/* What the loader has answered. */
static int32_t loaded(uint64_t *handle) {
    loading.stuck = 0;
    if (!loading.handle) return refuse("dlopen", loading.error);
    *handle = (uint64_t)(uintptr_t)loading.handle;
    return MIMIR_OK;
}

int32_t mimir_forked_library_reload(uint64_t *handle) {
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    struct timespec end;
    struct mimir_memory used = mimir_load_memory();
    uint64_t address_space, data;
    pthread_t thread;
    sigset_t all, mask;
    int32_t status;
    if (!handle) return mimir_error_set(MIMIR_EINVAL, 0, "check arguments", "handle is NULL");
    pthread_mutex_lock(&one);
    mimir_load_reserve(&address_space, &data);
    /* A runtime that is refused memory or threads as it starts ends the process: look first. */
    if (loading.stuck)
        status = sem_trywait(&loading.done) == 0 ? loaded(handle) : refuse("dlopen", stuck);
    else if (!original[0] || strlen(original) > NAME_MAX_MEMFD)
        status = refuse("find library", "the file of the library is not known, or its path is longer than 249 bytes");
    else if (!room(RLIMIT_AS, used.address_space, address_space + address_space / 4))
        status = refuse("check limits", "the limit of address space leaves no room for a copy of the library");
    else if (!room(RLIMIT_DATA, used.data, data + data / 4))
        status = refuse("check limits", "the limit of memory leaves no room for a copy of the library");
    else if (!mimir_threads_possible(16))
        status = refuse("check limits", "the limit of processes leaves no room for the threads of a copy of the library");
    else {
        int fd = copy_original();
        if (fd < 0) {
            status = refuse("copy library", "the library could not be copied to memory: descriptors, file size or memory are limited, "
                                            "or its file is gone");
        } else {
            /* The loader also tells libraries apart by the name that they were asked for by: it must not be that of the
             * copy which the parent, having been a forked child too, has loaded. */
            clock_gettime(CLOCK_MONOTONIC, &end);
            snprintf(loading.path, sizeof loading.path, "/proc/%ld/task/%ld/fd/%.*s%d", (long)getpid(), (long)getpid(),
                     (int)(end.tv_nsec % 8) * 2, "././././././././", fd);
            sem_init(&loading.done, 0, 0);
            sigfillset(&all);
            pthread_sigmask(SIG_SETMASK, &all, &mask);
            int made = pthread_create(&thread, NULL, load, NULL) == 0;
            pthread_sigmask(SIG_SETMASK, &mask, NULL);
            if (!made) {
                status = refuse("start thread", "the system has no thread left to load a copy of the library with");
            } else {
                pthread_detach(thread);
                clock_gettime(CLOCK_REALTIME, &end);
                end.tv_nsec += PATIENCE_MS * 1000000L;
                end.tv_sec += end.tv_nsec / 1000000000L;
                end.tv_nsec %= 1000000000L;
                int waited;
                while ((waited = sem_timedwait(&loading.done, &end)) != 0 && errno == EINTR) {
                }
                loading.stuck = waited != 0;
                status = loading.stuck ? refuse("dlopen", stuck) : loaded(handle);
            }
            if (!loading.stuck) close(fd);
        }
    }
    pthread_mutex_unlock(&one);
    return status;
}

#endif
