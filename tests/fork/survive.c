/* A host at a limit of its own: every call answers a status, and the process lives, busy and idle. */
#include <grp.h>
#include <sys/mman.h>

#include "calls.h"

#define MB (UINT64_C(1) << 20)

static struct library l;
static struct calls c;

static uint64_t status_kb(const char *field) {
    char bytes[4096];
    int fd = open("/proc/self/status", O_RDONLY);
    ssize_t n = read(fd, bytes, sizeof bytes - 1);
    close(fd);
    bytes[n > 0 ? n : 0] = 0;
    const char *at = strstr(bytes, field);
    return at ? strtoull(at + strlen(field), NULL, 10) : 0;
}

static void host_limit(int resource, rlim_t value) {
    struct rlimit r = {value, value};
    REQUIRE(setrlimit(resource, &r) == 0);
}

static void library_limit(int32_t limit, uint64_t soft, uint64_t hard) {
    int32_t status = l.limit_set(0, limit, soft, hard, NULL);
    uint64_t s, h;
    if (status != MIMIR_OK) fail("limit %d cannot be set to %llu: status %d", limit, (unsigned long long)soft, status);
    REQUIRE(l.limit_get(0, limit, &s, &h, NULL) == MIMIR_OK && s == soft && h == hard);
}

static volatile sig_atomic_t cpu_signals;
static void on_cpu(int s) {
    (void)s;
    cpu_signals++;
}

/* How much the host can map and touch, in MB. It is given back. */
static uint64_t can_have(void) {
    static void *at[1 << 14];
    uint64_t n = 0;
    while (n < 1 << 14) {
        at[n] = mmap(NULL, MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at[n] == MAP_FAILED) break;
        *(volatile char *)at[n] = 1;
        n++;
    }
    for (uint64_t i = 0; i < n; i++) munmap(at[i], MB);
    return n;
}

/* What an rlimit has more than was asked for: what the library took. */
static uint64_t reserve(int32_t limit, int resource) {
    struct rlimit r;
    library_limit(limit, UINT64_C(1) << 40, MIMIR_UNLIMITED);
    getrlimit(resource, &r);
    return r.rlim_cur - (UINT64_C(1) << 40);
}

static void *idle_thread(void *unused) {
    pause();
    return unused;
}

static void take_limit(const char *what) {
    if (strcmp(what, "nothing") == 0) return;
    if (strcmp(what, "processes") == 0) library_limit(MIMIR_LIMIT_PROCESSES, (uint64_t)count_threads(), (uint64_t)count_threads());
    if (strcmp(what, "no-processes") == 0) library_limit(MIMIR_LIMIT_PROCESSES, 0, 0);
    if (strcmp(what, "host-processes") == 0) host_limit(RLIMIT_NPROC, 1);
    if (strcmp(what, "files") == 0) {
        int next = dup(0); /* the lowest that is free */
        close(next);
        library_limit(MIMIR_LIMIT_OPEN_FILES, (uint64_t)next, (uint64_t)next);
        REQUIRE(dup(0) < 0 && errno == EMFILE);
    }
    if (strcmp(what, "no-files") == 0) library_limit(MIMIR_LIMIT_OPEN_FILES, 0, 0);
    if (strcmp(what, "host-files") == 0) host_limit(RLIMIT_NOFILE, 0);
    if (strcmp(what, "memory") == 0) {
        uint64_t taken = reserve(MIMIR_LIMIT_MEMORY, RLIMIT_DATA), own = status_kb("VmData:") * 1024 - taken;
        library_limit(MIMIR_LIMIT_MEMORY, own + MB / 2, own + MB / 2);
    }
    if (strcmp(what, "address-space") == 0) {
        uint64_t taken = reserve(MIMIR_LIMIT_ADDRESS_SPACE, RLIMIT_AS), own = status_kb("VmSize:") * 1024 - taken;
        library_limit(MIMIR_LIMIT_ADDRESS_SPACE, own + MB / 2, own + MB / 2);
    }
    if (strcmp(what, "no-memory") == 0) l.limit_set(0, MIMIR_LIMIT_MEMORY, 0, 0, NULL);
    if (strcmp(what, "no-address-space") == 0) l.limit_set(0, MIMIR_LIMIT_ADDRESS_SPACE, 0, 0, NULL);
    if (strcmp(what, "host-memory") == 0) host_limit(RLIMIT_DATA, status_kb("VmData:") * 1024);
    if (strcmp(what, "host-no-memory") == 0) host_limit(RLIMIT_DATA, 0);
    if (strcmp(what, "host-address-space") == 0) host_limit(RLIMIT_AS, status_kb("VmSize:") * 1024);
    if (strcmp(what, "host-no-address-space") == 0) host_limit(RLIMIT_AS, 4096);
    if (strcmp(what, "file-size") == 0) library_limit(MIMIR_LIMIT_FILE_SIZE, 0, 0);
    if (strcmp(what, "cpu") == 0) {
        struct rusage ru;
        struct sigaction a = {.sa_handler = on_cpu, .sa_flags = SA_RESTART};
        sigaction(SIGXCPU, &a, NULL);
        getrusage(RUSAGE_SELF, &ru);
        library_limit(MIMIR_LIMIT_CPU_TIME, (uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec + 1) * 1000000000, MIMIR_UNLIMITED);
        while (!cpu_signals) {
        }
    }
    if (strcmp(what, "everything") == 0) {
        host_limit(RLIMIT_DATA, 0);
        host_limit(RLIMIT_AS, 4096);
        host_limit(RLIMIT_NPROC, 0);
        host_limit(RLIMIT_FSIZE, 0);
        host_limit(RLIMIT_NOFILE, 0);
    }
    if (strstr(what, "memory") || strstr(what, "address-space"))
        REQUIRE(mmap(NULL, MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    if (strstr(what, "processes") && getuid() != 0) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, idle_thread, NULL) == EAGAIN);
    }
}

/* What needs nothing that a limit can take away. */
static int always_works(const char *name) {
    static const char *const names[] = {"version", "abi", "last_error", "status_text", "limit_get", "limit_support",
        "group_create", "signal_reset", "job_pid", "job_kill", "job_wait", "job_signal", "job_enforcement", "job_close",
        "path_normalize", "path_join", "path_executable", "path_separator", "path_directory", "usage_measure",
        "usage_page", "usage_refresh", "priority_get"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return 1;
    return 0;
}

static unsigned long counts[16];
static unsigned long long_calls;
static int may_fail; /* everything */

static void call(const struct entry *e) {
    double start = now();
    int32_t status = e->call(&c);
    if (now() - start > 10) long_calls++;
    if (status > 0 || status < -15) fail("%s: status %d", e->name, status);
    counts[-status]++;
    if (status == MIMIR_EINTERNAL) {
        mimir_error error = {.size = sizeof error};
        l.last_error(&error);
        fail("%s: %s: %s", e->name, error.step, error.message);
    }
    if (status != e->want && !may_fail && always_works(e->name)) {
        mimir_error error = {.size = sizeof error};
        l.last_error(&error);
        fail("%s: status %d at a limit that should not matter to it: %s: %s", e->name, status, error.step, error.message);
    }
}

static void call_all(long calls) {
    for (long n = 0, round = 0; n < calls; round++)
        for (const struct entry *e = entries; e->name && n < calls; e++) {
            if (e->slow && round % 50) continue;
            call(e);
            n++;
        }
}

int main(int argc, char **argv) {
    REQUIRE(argc >= 5);
    const char *what = argv[2];
    long calls = atol(argv[3]), idle = atol(argv[4]);
    if (argc > 5) {
        unsigned id = (unsigned)atoi(argv[5]);
        REQUIRE(setgroups(0, NULL) == 0 && setresgid(id, id, id) == 0 && setresuid(id, id, id) == 0);
    }
    if (strcmp(what, "budget-memory") == 0 || strcmp(what, "budget-address-space") == 0) {
        int memory = strcmp(what, "budget-memory") == 0;
        int32_t limit = memory ? MIMIR_LIMIT_MEMORY : MIMIR_LIMIT_ADDRESS_SPACE;
        uint64_t before = status_kb(memory ? "VmData:" : "VmSize:") / 1024, asked = 512;
        library_load(&l, argv[1]);
        calls_begin(&c, &l);
        library_limit(limit, asked * MB, asked * MB);
        uint64_t got = can_have(), due = asked - before;
        if (got * 100 < due * 95 || got * 100 > due * 105) fail("%llu MB of %llu", (unsigned long long)got, (unsigned long long)due);
        call_all(calls);
        uint64_t later = can_have();
        if (later * 100 < due * 95) fail("%llu MB of %llu after many calls", (unsigned long long)later, (unsigned long long)due);
        printf("%llu of %llu MB\n", (unsigned long long)got, (unsigned long long)due);
        return 0;
    }
    if (strcmp(what, "loaded-under") == 0) { /* the limit stands already: dlopen must not end the process */
        void *handle;
        uint32_t abi = 0;
        uint64_t soft, hard;
        /* at the least what works after a fork is there; the rest works, or says that it cannot */
        if ((handle = dlopen(argv[1], RTLD_NOW)) == NULL) {
            printf("refused: %s\n", dlerror());
            return 0;
        }
        library_bind(&l, handle);
        REQUIRE(l.abi(&abi) == MIMIR_OK && abi == MIMIR_ABI);
        REQUIRE(l.limit_get(0, MIMIR_LIMIT_OPEN_FILES, &soft, &hard, NULL) == MIMIR_OK);
        mimir_system s = {.size = sizeof s};
        int32_t status = l.system_get(&s);
        printf("status %d\n", status);
        memset(c.long_path, 'a', sizeof c.long_path - 1);
        c.l = &l;
        if (status == MIMIR_OK) {
            may_fail = 1; /* there may be no room for a command, or its pipes */
            call_all(calls);
            return 0;
        }
        REQUIRE(status == MIMIR_ENOMEM);
        for (const struct entry *e = entries; e->name; e++) {
            if (strcmp(e->name, "library_reload") == 0) continue;
            int32_t got = e->call(&c), want = e->works_after_fork ? e->want : MIMIR_ENOMEM;
            if (got != want) fail("%s: status %d", e->name, got);
        }
        pid_t child = fork(); /* where the limit allows it */
        if (child == 0) _exit(call_limit_get(&c) != MIMIR_OK);
        return child > 0 ? await_child(child, 10) : 0;
    }
    library_load(&l, argv[1]);
    calls_begin(&c, &l);
    pthread_t thread;
    pthread_create(&thread, NULL, idle_thread, NULL); /* a host has threads of its own */
    if (strcmp(what, "nothing") == 0) call_all(200); /* the kept descriptor, the threads for jobs */
    REQUIRE(call_usage_measure(&c) == MIMIR_OK);
    take_limit(what);
    int threads = count_threads(), descriptors = count_descriptors();
    memset(counts, 0, sizeof counts);
    call_all(calls);
    int later = count_threads(), later_descriptors = count_descriptors();
    if (strcmp(what, "nothing") == 0 && (later > threads || later_descriptors != descriptors))
        fail("threads: %d, then %d; descriptors: %d, then %d", threads, later, descriptors, later_descriptors);
    if (idle > 0) {
        double end = now() + (double)idle;
        while (now() < end) pause_ms(1000);
        call_all(calls / 10 + 100);
    }
    if (long_calls) fail("%lu calls took more than 10 s", long_calls);
    for (int i = 0; i < 16; i++)
        if (counts[i]) printf("status %d: %lu\n", -i, counts[i]);
    return 0;
}
