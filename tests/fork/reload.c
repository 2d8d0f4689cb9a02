/* A forked child that lives on has the whole library again, or is told within a second that it cannot have it. */
#include <grp.h>
#include <link.h>
#include <sys/mman.h>

#include "calls.h"

static struct library loaded;
static struct calls c;

/* A fresh copy works as the first did: commands, limits, failures. */
static int use(uint64_t handle) {
    static struct library fresh;
    static struct calls f;
    library_bind(&fresh, (void *)(uintptr_t)handle);
    calls_begin(&f, &fresh);
    for (const struct entry *e = entries; e->name; e++) {
        int32_t status = e->call(&f);
        if (status != e->want) {
            fprintf(stderr, "%s in a fresh copy: status %d\n", e->name, status);
            return 21;
        }
    }
    calls_end(&f);
    return 0;
}

static int reload(int32_t want) {
    uint64_t handle = 0;
    double start = now();
    int32_t status = loaded.library_reload(&handle);
    double took = now() - start;
    if (status != want) {
        mimir_error e = {.size = sizeof e};
        loaded.last_error(&e);
        fprintf(stderr, "reload: status %d, %s: %s\n", status, e.step, e.message);
        return 11;
    }
    if (took > (status == MIMIR_OK ? 5 : 2)) {
        fprintf(stderr, "reload took %f s\n", took);
        return 12;
    }
    if (status == MIMIR_OK) return use(handle);
    mimir_error e = {.size = sizeof e};
    if (loaded.last_error(&e) != MIMIR_OK || e.status != want || !e.message[0]) return 13;
    printf("%s: %s\n", e.step, e.message);
    fflush(stdout);
    /* It is still a forked child, in which what works goes on working. */
    return call_limit_get(&c) == MIMIR_OK && call_job_create(&c) == MIMIR_EFORKED ? 0 : 14;
}

static int deep(const char *path, int left) {
    struct library next;
    static struct calls used;
    uint64_t handle;
    if (!loaded.handle) {
        library_load(&loaded, path);
        calls_begin(&c, &loaded);
    }
    if (left == 0) return 0;
    pid_t child = fork();
    if (child != 0) return await_child(child, 60);
    if (loaded.library_reload(&handle) != MIMIR_OK) {
        mimir_error e = {.size = sizeof e};
        loaded.last_error(&e);
        fprintf(stderr, "reload: %s: %s\n", e.step, e.message);
        _exit(11);
    }
    library_bind(&next, (void *)(uintptr_t)handle);
    calls_begin(&used, &next);
    if (call_path_join(&used) != MIMIR_OK || call_job_run(&used) != MIMIR_OK || call_job_start(&used) != MIMIR_OK) _exit(12);
    calls_end(&used);
    loaded = next;
    _exit(deep(path, left - 1));
}

static void limit(int resource, rlim_t value) {
    struct rlimit r = {value, value};
    REQUIRE(setrlimit(resource, &r) == 0);
}

static uint64_t status_kb(const char *field) {
    char bytes[4096];
    int fd = open("/proc/self/status", O_RDONLY);
    ssize_t n = read(fd, bytes, sizeof bytes - 1);
    close(fd);
    bytes[n > 0 ? n : 0] = 0;
    const char *at = strstr(bytes, field);
    return at ? strtoull(at + strlen(field), NULL, 10) : 0;
}

static int tight(const char *what, const char *user) {
    if (user) {
        unsigned id = (unsigned)atoi(user);
        REQUIRE(setgroups(0, NULL) == 0 && setresgid(id, id, id) == 0 && setresuid(id, id, id) == 0);
    }
    pid_t child = fork();
    if (child == 0) {
        uint64_t mb = 1 << 20;
        if (strcmp(what, "address-space") == 0) limit(RLIMIT_AS, status_kb("VmSize:") * 1024 + 600 * mb);
        if (strcmp(what, "address-space-used-up") == 0) limit(RLIMIT_AS, status_kb("VmSize:") * 1024);
        if (strcmp(what, "memory") == 0) limit(RLIMIT_DATA, status_kb("VmData:") * 1024 + 30 * mb);
        if (strcmp(what, "memory-used-up") == 0) limit(RLIMIT_DATA, 1);
        if (strcmp(what, "processes") == 0) limit(RLIMIT_NPROC, 3);
        if (strcmp(what, "one-process") == 0) limit(RLIMIT_NPROC, 1);
        if (strcmp(what, "files") == 0) limit(RLIMIT_NOFILE, 4);
        if (strcmp(what, "no-files") == 0) limit(RLIMIT_NOFILE, 0);
        if (strcmp(what, "file-size") == 0) limit(RLIMIT_FSIZE, 1 << 20);
        if (strcmp(what, "no-file-size") == 0) limit(RLIMIT_FSIZE, 0);
        _exit(reload(MIMIR_EFORKED));
    }
    return await_child(child, 20);
}

static int stay(struct dl_phdr_info *info, size_t size, void *unused) {
    (void)info, (void)size, (void)unused;
    for (;;) pause();
    return 0;
}

/* Holds a lock of the loader's for ever. */
static void *look_for_ever(void *unused) {
    dl_iterate_phdr(stay, unused);
    return NULL;
}

static atomic_int stop;
static void *load_and_unload(void *path) {
    while (!stop) dlclose(dlopen(path, RTLD_NOW));
    return NULL;
}

/* Threads of the parent are in the loader at each fork: a child has a copy, or is told that it cannot. */
static int racing(char *other, int forks) {
    pthread_t threads[3];
    int copies = 0, refused = 0, wrong = 0;
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, load_and_unload, other);
    for (int i = 0; i < forks; i++) {
        pid_t child = fork();
        if (child == 0) {
            uint64_t handle;
            double start = now();
            int32_t status = loaded.library_reload(&handle);
            if (now() - start > 3) _exit(12);
            if (status == MIMIR_EFORKED) _exit(100);
            _exit(status == MIMIR_OK ? use(handle) : 13);
        }
        int end = await_child(child, 30);
        copies += end == 0;
        refused += end == 100;
        if (end != 0 && end != 100) wrong++, fprintf(stderr, "fork %d ended with %d\n", i, end);
    }
    stop = 1;
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    printf("%d copies, %d refused, %d wrong\n", copies, refused, wrong);
    return wrong != 0;
}

int main(int argc, char **argv) {
    REQUIRE(argc >= 3);
    const char *what = argv[2];
    if (strcmp(what, "deep") == 0) return deep(argv[1], atoi(argv[3]));
    library_load(&loaded, argv[1]);
    calls_begin(&c, &loaded);
    if (strcmp(what, "once") == 0) {
        pid_t child = fork();
        if (child == 0) _exit(reload(MIMIR_OK));
        return await_child(child, 60);
    }
    if (strcmp(what, "twice") == 0) {
        pid_t child = fork();
        if (child == 0) _exit(reload(MIMIR_OK) || reload(MIMIR_OK));
        return await_child(child, 60);
    }
    if (strcmp(what, "tight") == 0) return tight(argv[3], argc > 4 ? argv[4] : NULL);
    if (strcmp(what, "held") == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, look_for_ever, NULL);
        pause_ms(300);
        pid_t child = fork();
        if (child == 0) _exit(reload(MIMIR_EFORKED) || reload(MIMIR_EFORKED));
        _exit(await_child(child, 20)); /* what runs at exit would wait for the lock */
    }
    if (strcmp(what, "racing") == 0) return racing(argv[3], atoi(argv[4]));
    if (strcmp(what, "moved") == 0) { /* the file is not there any more */
        REQUIRE(unlink(argv[1]) == 0);
        pid_t child = fork();
        if (child == 0) _exit(reload(MIMIR_EFORKED));
        return await_child(child, 20);
    }
    return 2;
}
