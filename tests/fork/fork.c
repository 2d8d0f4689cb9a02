/* Calls in forked children: the same answers as before the fork, or MIMIR_EFORKED, and never a hang. */
#include <grp.h>
#include <sys/mman.h>

#include "calls.h"

static const struct library *l;
static char said[1 << 16];
static size_t said_length;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    said_length += (size_t)vsnprintf(said + said_length, sizeof said - said_length, format, arguments);
    va_end(arguments);
    REQUIRE(said_length < sizeof said);
}

/* A status, and what mimir_last_error tells of it: all but the sentence. */
static int32_t told(int32_t status) {
    mimir_error e = {.size = sizeof e};
    say(" %d", status);
    if (status == MIMIR_OK || status == MIMIR_ERANGE) return status;
    REQUIRE(l->last_error(&e) == MIMIR_OK);
    if (e.status == status) say(" (errno %d, %s%s)", e.os_code, e.step, e.message[0] ? "" : ", NO SENTENCE");
    return status;
}

static pid_t gone; /* the id of a process that has ended */

static int64_t pid_of(const char *whose) {
    if (strcmp(whose, "zero") == 0) return 0;
    if (strcmp(whose, "self") == 0) return getpid();
    if (strcmp(whose, "parent") == 0) return getppid();
    if (strcmp(whose, "first") == 0) return 1;
    if (strcmp(whose, "gone") == 0) return gone;
    if (strcmp(whose, "negative") == 0) return -1;
    return INT64_C(1) << 40;
}

static void get(const char *whose, int32_t limit) {
    uint64_t soft = 7, hard = 7;
    int32_t kept = 77;
    say(" get");
    told(l->limit_get(pid_of(whose), limit, &soft, &hard, &kept));
    say(" %llu %llu %d;", (unsigned long long)soft, (unsigned long long)hard, kept);
}

static void set(const char *whose, int32_t limit, uint64_t soft, uint64_t hard) {
    int32_t kept = 77;
    say(" set");
    told(l->limit_set(pid_of(whose), limit, soft, hard, &kept));
    say(" %d;", kept);
    get(whose, limit);
}

#define LIMITS \
    {"zero", MIMIR_LIMIT_MEMORY, 3ULL << 30, 4ULL << 30}, {"self", MIMIR_LIMIT_MEMORY, 3ULL << 30, 4ULL << 30}, \
    {"zero", MIMIR_LIMIT_MEMORY, MIMIR_UNLIMITED, MIMIR_UNLIMITED}, {"zero", MIMIR_LIMIT_MEMORY, 3ULL << 30, MIMIR_UNLIMITED}, \
    {"zero", MIMIR_LIMIT_ADDRESS_SPACE, 30ULL << 30, 40ULL << 30}, {"self", MIMIR_LIMIT_ADDRESS_SPACE, 30ULL << 30, 40ULL << 30}, \
    {"zero", MIMIR_LIMIT_ADDRESS_SPACE, UINT64_MAX - 1, UINT64_MAX - 1}, \
    {"zero", MIMIR_LIMIT_CPU_TIME, 1500000000, 7000000000}, {"zero", MIMIR_LIMIT_CPU_TIME, 1000000000000, MIMIR_UNLIMITED}, \
    {"zero", MIMIR_LIMIT_CPU_TIME, 500000000001, 500000000001}, {"zero", MIMIR_LIMIT_CPU_TIME, UINT64_MAX - 1, UINT64_MAX - 1}, \
    {"zero", MIMIR_LIMIT_PROCESSES, 900, 1000}, {"zero", MIMIR_LIMIT_PROCESSES, 0, 1}, \
    {"zero", MIMIR_LIMIT_OPEN_FILES, 100, 150}, {"self", MIMIR_LIMIT_OPEN_FILES, 100, 150}, {"zero", MIMIR_LIMIT_OPEN_FILES, 0, 0}, \
    {"zero", MIMIR_LIMIT_OPEN_FILES, MIMIR_UNLIMITED, MIMIR_UNLIMITED}, {"zero", MIMIR_LIMIT_OPEN_FILES, 1ULL << 40, 1ULL << 40}, \
    {"zero", MIMIR_LIMIT_FILE_SIZE, 0, 0}, {"zero", MIMIR_LIMIT_FILE_SIZE, 1, 1ULL << 62}, \
    {"zero", MIMIR_LIMIT_WALL_TIME, 1, 1}, {"zero", MIMIR_LIMIT_OUTPUT, 1, 1}, {"gone", MIMIR_LIMIT_OUTPUT, 1, 1}, \
    {"zero", 0, 1, 1}, {"zero", 9, 1, 1}, {"zero", -1, 1, 1}, {"zero", INT32_MAX, 1, 1}, {"negative", 99, 2, 1}, \
    {"zero", MIMIR_LIMIT_FILE_SIZE, 2, 1}, {"zero", MIMIR_LIMIT_MEMORY, 2, 1}, {"gone", MIMIR_LIMIT_FILE_SIZE, 2, 1}, \
    {"gone", MIMIR_LIMIT_FILE_SIZE, 1, 1}, {"gone", MIMIR_LIMIT_MEMORY, 1, 1}, {"gone", MIMIR_LIMIT_PROCESSES, 1, 1}, \
    {"negative", MIMIR_LIMIT_FILE_SIZE, 1, 1}, {"huge", MIMIR_LIMIT_FILE_SIZE, 1, 1}, \
    {"first", MIMIR_LIMIT_FILE_SIZE, MIMIR_UNLIMITED, MIMIR_UNLIMITED}, \
    {"parent", MIMIR_LIMIT_FILE_SIZE, 1ULL << 50, MIMIR_UNLIMITED}

static const struct limit_case {
    const char *whose;
    int32_t limit;
    uint64_t soft, hard;
} limit_cases[] = {LIMITS};

static void lower_and_raise(void) {
    static const int32_t limits[] = {MIMIR_LIMIT_OPEN_FILES, MIMIR_LIMIT_FILE_SIZE, MIMIR_LIMIT_PROCESSES, MIMIR_LIMIT_CPU_TIME};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        uint64_t unit = limits[i] == MIMIR_LIMIT_CPU_TIME ? 1000000000 : 1;
        set("zero", limits[i], 100 * unit, 120 * unit);
        set("zero", limits[i], 110 * unit, 120 * unit);
        set("zero", limits[i], 110 * unit, 121 * unit);
        set("zero", limits[i], MIMIR_UNLIMITED, MIMIR_UNLIMITED);
        set("self", limits[i], 120 * unit, 120 * unit);
    }
}

static void answers_may_be_left_out(void) {
    told(l->limit_set(0, MIMIR_LIMIT_FILE_SIZE, 1 << 20, 1 << 20, NULL));
    told(l->limit_get(0, MIMIR_LIMIT_FILE_SIZE, NULL, NULL, NULL));
    told(l->group_create(NULL));
}

static void groups(void) {
    int64_t group = 0;
    told(l->group_create(&group));
    say(" %s", group == getpid() ? "self" : "other");
    told(l->group_create(&group));
    say(" %s", group == getpid() && getpgrp() == getpid() ? "self" : "other");
    told(l->group_kill(getpid(), 0));
    signal(SIGUSR1, SIG_IGN);
    told(l->group_kill(getpid(), SIGUSR1));
    signal(64, SIG_IGN);
    told(l->group_kill(getpid(), 64));
}

static void priorities(void) {
    int32_t found = 99;
    told(l->priority_get(0, &found));
    say(" %d", found == getpriority(PRIO_PROCESS, 0));
    told(l->priority_get(getpid(), &found));
    told(l->priority_set(0, found + 1));
    say(" %d", getpriority(PRIO_PROCESS, 0) == found + 1);
    told(l->priority_set(getpid(), 15));
    told(l->priority_get(0, &found));
    say(" %d %d", found, getpriority(PRIO_PROCESS, 0));
    told(l->priority_set(0, 20));
    told(l->priority_set(0, -21));
    told(l->priority_set(0, INT32_MIN));
    told(l->priority_set(-1, 0));
    told(l->priority_set(INT64_C(1) << 40, 0));
    told(l->priority_get(-1, &found));
    told(l->priority_get(0, NULL));
}

static void group_of_a_session(void) {
    int64_t group = 0;
    pid_t session = setsid();
    told(l->group_create(&group));
    say(" %d %d", session == getpid(), group == getpid());
}

static void groups_that_are_none(void) {
    told(l->group_kill(0, 0));
    told(l->group_kill(-1, 0));
    told(l->group_kill(INT64_C(1) << 40, 0));
    told(l->group_kill(INT64_MIN, 9));
    told(l->group_kill(gone, 0));
    told(l->group_kill(gone, SIGTERM));
    told(l->group_kill(getpgrp(), 65));
    told(l->group_kill(getpgrp(), -1));
    told(l->group_kill(getpgrp(), 1000));
}

static void group_of_another_user(void) {
    told(l->group_kill(1, 0));
    told(l->group_kill(getpgid(getppid()), 0));
}

static void on_signal(int s) { (void)s; }

static void take_signals(void) {
    sigset_t all;
    for (int s = 1; s <= 64; s++)
        if (s != 32 && s != 33 && s != SIGSEGV && s != SIGBUS && s != SIGFPE) signal(s, s % 2 ? on_signal : SIG_IGN);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
}

static void one_signal(void) {
    take_signals();
    for (int s = -1; s <= 66; s++) told(l->signal_reset(s == 0 ? -2 : s));
    told(l->signal_reset(INT32_MIN));
    told(l->signal_reset(INT32_MAX));
}

static void two_signals(void) {
    take_signals();
    told(l->signal_reset(SIGPIPE));
    told(l->signal_reset(SIGRTMAX));
}

static void all_signals(void) {
    take_signals();
    told(l->signal_reset(0));
}

static void usage(int64_t pid, uint32_t fields) {
    mimir_usage u;
    memset(&u, 0x55, sizeof u);
    u.size = sizeof u;
    int32_t status = told(l->usage_get(pid, fields, &u));
    if (status != MIMIR_OK) return;
    say(" size %u, fields %u:%s%s%s%s%s%s%s", u.size, u.fields, u.resident_bytes ? " resident" : "",
        u.peak_resident_bytes >= u.resident_bytes && u.peak_resident_bytes ? " peak" : "",
        u.virtual_bytes > u.resident_bytes ? " virtual" : "", u.user_time_ns + u.system_time_ns ? " time" : "",
        u.threads == (fields & MIMIR_USAGE_THREADS ? (uint32_t)count_threads() : 0) ? " threads" : "",
        u.descriptors == (fields & MIMIR_USAGE_DESCRIPTORS ? (uint32_t)count_descriptors() : 0) ? " descriptors" : "",
        fields & MIMIR_USAGE_MEMORY && labs((long)u.resident_bytes - resident()) > 4 << 20 ? " FAR OFF" : "");
}

static void own_usage(void) {
    for (uint32_t fields = 0; fields <= 17; fields++) usage(0, fields);
    usage(0, UINT32_MAX);
    usage(getpid(), MIMIR_USAGE_ALL);
    usage(-1, MIMIR_USAGE_ALL);
    usage(INT64_C(1) << 40, MIMIR_USAGE_ALL);
    usage(-1, 0);
}

static void sizes_of_structs(void) {
    static union {
        uint32_t size;
        char bytes[8192];
        mimir_usage usage;
    } u;
    static union {
        uint32_t size;
        char bytes[8192];
        mimir_measure measure;
    } m;
    static union {
        uint32_t size;
        char bytes[8192];
        mimir_error error;
    } e;
    const uint32_t sizes[] = {0, 1, 4, 8, sizeof u.usage - 1, sizeof u.usage + 8, 4096, 4097, UINT32_MAX};
    told(l->usage_get(0, MIMIR_USAGE_ALL, NULL));
    told(l->usage_measure(0, 0, NULL));
    told(l->last_error(NULL));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        u.size = m.size = e.size = sizes[i];
        told(l->usage_get(0, MIMIR_USAGE_ALL, &u.usage));
        say(" %u", u.size);
        told(l->usage_measure(0, 0, &m.measure));
        say(" %u", m.size);
        e.size = sizes[i];
        say(" %d %u", l->last_error(&e.error), e.size);
    }
}

static void measures(void) {
    const uint64_t limits[][2] = {{0, 0}, {1, 1}, {1ULL << 50, 1000000}, {UINT64_MAX, UINT64_MAX}};
    for (size_t i = 0; i < 4; i++) {
        mimir_measure m = {.size = sizeof m};
        told(l->usage_measure(limits[i][0], limits[i][1], &m));
        say(" %u %d %d %d %d %d %d", m.size, m.memory_limit_exceeded, m.cpu_limit_exceeded, m.memory_bytes > 100000,
            m.memory_mb == (double)m.memory_bytes / 1048576, m.memory_percent > 0, m.peak_memory_bytes >= m.memory_bytes);
        say(" %d", (m.cpu_percent > 0) == (limits[i][1] > 0 && m.cpu_time_seconds > 0));
    }
}

static void versions(void) {
    char buffer[64];
    uint64_t needed = 0;
    uint32_t abi = 0;
    told(l->version(NULL, 0, &needed));
    say(" %llu", (unsigned long long)needed);
    told(l->version(NULL, 0, NULL));
    told(l->version(NULL, 8, &needed));
    for (uint64_t length = 0; length <= 7; length++) {
        memset(buffer, '#', sizeof buffer);
        needed = 99;
        told(l->version(buffer, length, &needed));
        say(" %.12s %llu", buffer, (unsigned long long)needed);
    }
    told(l->abi(&abi));
    say(" %u", abi);
    told(l->abi(NULL));
}

/* What the kernel has of this process. */
static void state(void) {
    static const int resources[] = {RLIMIT_AS, RLIMIT_DATA, RLIMIT_RSS, RLIMIT_CPU, RLIMIT_NPROC, RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_CORE};
    uint64_t mask = 0;
    for (size_t i = 0; i < sizeof resources / sizeof *resources; i++) {
        struct rlimit r;
        getrlimit(resources[i], &r);
        say(" rlimit%d=%llu/%llu", resources[i], (unsigned long long)r.rlim_cur, (unsigned long long)r.rlim_max);
    }
    say(" leads=%d", getpgrp() == getpid());
    for (int s = 1; s <= 64; s++) {
        struct {
            void *handler;
            unsigned long flags, restorer, mask;
        } a = {0};
        /* Go's three, and the C library's two. */
        if (s == SIGSEGV || s == SIGBUS || s == SIGFPE || s == 32 || s == 33) continue;
        syscall(SYS_rt_sigaction, s, NULL, &a, 8);
        say("%s", a.handler == (void *)SIG_DFL ? "d" : a.handler == (void *)SIG_IGN ? "i" : "h");
    }
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &mask, 8);
    say(" mask=%llx", (unsigned long long)mask);
}

static const struct sentence {
    const char *words;
    void (*run)(void);
} sentences[] = {
    {"limits lowered and raised", lower_and_raise},
    {"answers left out", answers_may_be_left_out},
    {"groups", groups},
    {"group of a session", group_of_a_session},
    {"groups that are none", groups_that_are_none},
    {"priorities", priorities},
    {"group of another user", group_of_another_user},
    {"signals one by one", one_signal},
    {"two signals", two_signals},
    {"all signals", all_signals},
    {"own usage", own_usage},
    {"sizes of structs", sizes_of_structs},
    {"measures", measures},
    {"versions", versions},
};

/* Runs each case in a process of its own: one that loads the library, or a forked child of one that has. */
static int table(const char *path, int forked, unsigned user) {
    static struct library loaded;
    const size_t limits = sizeof limit_cases / sizeof *limit_cases, all = limits + sizeof sentences / sizeof *sentences;
    int failures = 0;
    if (user) REQUIRE(setgroups(0, NULL) == 0 && setresgid(user, user, user) == 0 && setresuid(user, user, user) == 0);
    if ((gone = fork()) == 0) _exit(0);
    await_child(gone, 10);
    l = &loaded;
    if (forked) {
        static struct calls c;
        library_load(&loaded, path);
        calls_begin(&c, &loaded);
        calls_end(&c);
    }
    for (size_t i = 0; i < all; i++) {
        pid_t child = fork();
        if (child == 0) {
            if (!forked) library_load(&loaded, path);
            if (i < limits) {
                const struct limit_case *c = &limit_cases[i];
                say("limit %d of %s to %llu/%llu:", c->limit, c->whose, (unsigned long long)c->soft, (unsigned long long)c->hard);
                set(c->whose, c->limit, c->soft, c->hard);
            } else {
                say("%s:", sentences[i - limits].words);
                sentences[i - limits].run();
            }
            state();
            say("\n");
            _exit(write(1, said, said_length) != (ssize_t)said_length);
        }
        int end = await_child(child, 10);
        if (end != 0) {
            fprintf(stderr, "case %zu ended with %d\n", i, end);
            failures++;
        }
    }
    return failures != 0;
}

/* Every function in a forked child: it works, or it answers MIMIR_EFORKED, at once. Returns how many did not. */
static int all_functions(struct calls *c) {
    int wrong = 0;
    for (const struct entry *e = entries; e->name; e++) {
        if (strcmp(e->name, "library_reload") == 0) continue;
        double start = now();
        int32_t status = e->call(c), want = e->works_after_fork ? e->want : MIMIR_EFORKED;
        mimir_error error = {.size = sizeof error};
        if (status != want) {
            fprintf(stderr, "%s: status %d\n", e->name, status);
            wrong++;
        } else if (want == MIMIR_EFORKED && (c->l->last_error(&error) != MIMIR_OK || error.status != want || (!strstr(error.step, e->name) && !e->slow))) {
            fprintf(stderr, "%s: the last error is %d, %s\n", e->name, error.status, error.step);
            wrong++;
        }
        if (now() - start > 1) {
            fprintf(stderr, "%s: took %f s\n", e->name, now() - start);
            wrong++;
        }
    }
    return wrong;
}

static atomic_int stop;

/* A thread of the parent that is inside Go most of the time: allocating and collecting, running jobs, reading, failing. */
struct busy {
    const struct library *l;
    int what;
};
static void *be_busy(void *busy) {
    const struct busy *b = busy;
    struct calls *c = calloc(1, sizeof *c);
    mimir_usage u = {.size = sizeof u};
    calls_begin(c, b->l);
    while (!stop) switch (b->what) {
        case 0: call_path_join(c); break;
        case 1: REQUIRE(call_job_run(c) == MIMIR_OK); break;
        case 2:
            b->l->usage_get(getppid(), MIMIR_USAGE_ALL, &u);
            b->l->job_pid(UINT64_C(12345) << 32, NULL);
            call_system_text(c);
            break;
        case 3: REQUIRE(call_job_start(c) == MIMIR_OK); break;
        }
    calls_end(c);
    free(c);
    return NULL;
}

#define BUSY 4
static struct busy busy[BUSY];
static pthread_t busy_threads[BUSY];

static void start_busy(const struct library *library) {
    for (int i = 0; i < BUSY; i++) {
        busy[i] = (struct busy){library, i};
        pthread_create(&busy_threads[i], NULL, be_busy, &busy[i]);
    }
    pause_ms(50);
}

static void end_busy(void) {
    stop = 1;
    for (int i = 0; i < BUSY; i++) pthread_join(busy_threads[i], NULL);
}

static int refusals(const char *path) {
    static struct library loaded;
    static struct calls c;
    library_load(&loaded, path);
    calls_begin(&c, &loaded);
    start_busy(&loaded);
    int wrong = 0;
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) _exit(all_functions(&c) > 0);
        int end = await_child(child, 20);
        if (end != 0) wrong++, fprintf(stderr, "a child ended with %d\n", end);
    }
    end_busy();
    return wrong != 0;
}

static int generations(const char *path, int left) {
    static struct library loaded;
    static struct calls c;
    if (!loaded.handle) {
        library_load(&loaded, path);
        calls_begin(&c, &loaded);
    }
    if (left == 0) return 0;
    pid_t child = fork();
    if (child == 0) _exit(all_functions(&c) > 0 || generations(path, left - 1) != 0);
    return await_child(child, 30);
}

/* A forked child whose only thread, which had called Go, ends by pthread_exit: so does the process then. */
static void *fork_here(void *ended) {
    struct calls c;
    calls_begin(&c, l);
    pid_t child = fork();
    if (child == 0) {
        if (call_usage_measure(&c) != MIMIR_OK || call_job_create(&c) != MIMIR_EFORKED) _exit(9);
        pthread_exit(NULL);
    }
    *(int *)ended = await_child(child, 10);
    calls_end(&c);
    return NULL;
}

static void *call_and_end(void *calls) {
    return (void *)(intptr_t)(call_usage_measure(calls) != MIMIR_OK || call_job_create(calls) != MIMIR_EFORKED);
}

static int threads_end(const char *path, int turns) {
    static struct library loaded;
    static struct calls c;
    library_load(&loaded, path);
    l = &loaded;
    calls_begin(&c, l);
    start_busy(&loaded);
    for (int i = 0; i < turns; i++) {
        int ended = -1;
        pthread_t thread;
        pthread_create(&thread, NULL, fork_here, &ended);
        pthread_join(thread, NULL);
        if (ended != 0) fail("a child whose thread ends ended with %d (turn %d)", ended, i);
        pid_t child = fork(); /* and one that starts threads of its own */
        if (child == 0) {
            void *wrong = NULL;
            for (int t = 0; t < 3; t++) {
                if (pthread_create(&thread, NULL, call_and_end, &c) != 0 || pthread_join(thread, &wrong) != 0 || wrong) _exit(8);
            }
            exit(0); /* with what runs at exit */
        }
        ended = await_child(child, 10);
        if (ended != 0) fail("a child with threads of its own ended with %d (turn %d)", ended, i);
    }
    end_busy();
    return 0;
}

/* Forks while other threads load copies of the library. */
static const char *const *copies;
static int copies_count;
static atomic_int loading;
static void *load_copies(void *unused) {
    (void)unused;
    for (int i; (i = loading++) < copies_count;) {
        struct library other;
        struct calls c;
        library_load(&other, copies[i]);
        calls_begin(&c, &other);
        if (call_path_join(&c) != MIMIR_OK) fail("a copy does not work");
        calls_end(&c);
    }
    stop = 1;
    return NULL;
}

static int while_loading(const char *path, const char *const *files) {
    static struct library loaded;
    static struct calls c;
    pthread_t threads[2];
    library_load(&loaded, path);
    calls_begin(&c, &loaded);
    for (copies = files; files[copies_count]; copies_count++) {
    }
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, load_copies, NULL);
    int forks = 0, wrong = 0;
    while (!stop) {
        pid_t child = fork();
        if (child == 0) _exit(all_functions(&c) > 0);
        int end = await_child(child, 10);
        if (end != 0) wrong++, fprintf(stderr, "fork %d ended with %d\n", forks, end);
        forks++;
    }
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    printf("%d forks\n", forks);
    return wrong != 0;
}

static int set_all(const struct library *from) {
    uint64_t soft, hard;
    if (from->limit_set(0, MIMIR_LIMIT_MEMORY, UINT64_C(8) << 30, UINT64_C(8) << 30, NULL) != MIMIR_OK) return 11;
    if (from->limit_set(0, MIMIR_LIMIT_CPU_TIME, UINT64_C(600000000000), UINT64_C(600000000000), NULL) != MIMIR_OK) return 12;
    if (from->limit_set(0, MIMIR_LIMIT_OPEN_FILES, 200, 200, NULL) != MIMIR_OK) return 13;
    if (from->limit_get(0, MIMIR_LIMIT_PROCESSES, &soft, &hard, NULL) != MIMIR_OK) return 14;
    if (from->limit_set(0, MIMIR_LIMIT_PROCESSES, hard, hard, NULL) != MIMIR_OK) return 14;
    if (from->limit_set(0, MIMIR_LIMIT_FILE_SIZE, 1 << 30, 1 << 30, NULL) != MIMIR_OK) return 15;
    if (from->group_create(NULL) != MIMIR_OK || getpgrp() != getpid()) return 16;
    if (from->signal_reset(0) != MIMIR_OK || from->signal_reset(SIGTERM) != MIMIR_OK) return 17;
    mimir_usage u = {.size = sizeof u};
    mimir_measure m = {.size = sizeof m};
    if (from->usage_get(0, MIMIR_USAGE_ALL, &u) != MIMIR_OK || u.threads != 1) return 18;
    if (from->usage_measure(1, 1, &m) != MIMIR_OK || !m.memory_limit_exceeded) return 19;
    struct rlimit r;
    getrlimit(RLIMIT_NOFILE, &r);
    return r.rlim_cur == 200 && r.rlim_max == 200 ? 0 : 20;
}

/* In a forked child: a whole library again, and a command run with it. */
static int reload_and_run(const struct library *old) {
    static struct library fresh;
    static struct calls c;
    uint64_t handle = 0;
    if (old->library_reload(&handle) != MIMIR_OK) {
        mimir_error e = {.size = sizeof e};
        old->last_error(&e);
        fprintf(stderr, "reload: %s: %s\n", e.step, e.message);
        return 31;
    }
    library_bind(&fresh, (void *)(uintptr_t)handle);
    calls_begin(&c, &fresh);
    if (call_path_join(&c) != MIMIR_OK) return 32;
    if (call_job_start(&c) != MIMIR_OK) return 33;
    calls_end(&c);
    return 0;
}

static int stress(const char *path, int forks) {
    static struct library loaded;
    library_load(&loaded, path);
    start_busy(&loaded);
    int hangs = 0, crashes = 0, wrong = 0;
    for (int i = 0; i < forks; i++) {
        pid_t child = fork();
        if (child < 0) fail("fork %d: errno %d", i, errno);
        if (child == 0) {
            int end = set_all(&loaded);
            if (end == 0 && i % 10 == 9) end = reload_and_run(&loaded);
            _exit(end);
        }
        int end = await_child(child, 20);
        if (end == 0) continue;
        fprintf(stderr, "fork %d ended with %d\n", i, end);
        if (end == 2000)
            hangs++;
        else if (end > 1000)
            crashes++;
        else
            wrong++;
    }
    end_busy();
    printf("%d forks: %d hangs, %d crashes, %d wrong\n", forks, hangs, crashes, wrong);
    return hangs + crashes + wrong > 0;
}

static int raise_soft(const struct library *library) {
    uint64_t soft, hard;
    return library->limit_get(0, MIMIR_LIMIT_MEMORY, &soft, &hard, NULL) == MIMIR_OK ? (int)(hard >> 30) * 16 + (int)(soft >> 30) : 0;
}

/* A child is told of its parent's limits what the parent asked for, which the kernel's value does not say. */
static int asked(const char *path, const char *whose) {
    static struct library loaded;
    library_load(&loaded, path);
    REQUIRE(loaded.limit_set(pid_of(whose), MIMIR_LIMIT_MEMORY, UINT64_C(3) << 30, UINT64_C(5) << 30, NULL) == MIMIR_OK);
    REQUIRE(raise_soft(&loaded) == 5 * 16 + 3);
    pid_t child = fork();
    if (child == 0) _exit(raise_soft(&loaded));
    int end = await_child(child, 10);
    printf("%d/%d\n", end % 16, end / 16);
    return 0;
}

int main(int argc, char **argv) {
    REQUIRE(argc >= 3);
    const char *path = argv[1], *what = argv[2];
    int n = argc > 3 ? atoi(argv[3]) : 0;
    if (strcmp(what, "normal") == 0) return table(path, 0, (unsigned)n);
    if (strcmp(what, "forked") == 0) return table(path, 1, (unsigned)n);
    if (strcmp(what, "refusals") == 0) return refusals(path);
    if (strcmp(what, "generations") == 0) return generations(path, n);
    if (strcmp(what, "threads-end") == 0) return threads_end(path, n);
    if (strcmp(what, "while-loading") == 0) return while_loading(path, (const char *const *)argv + 3);
    if (strcmp(what, "stress") == 0) return stress(path, n);
    if (strcmp(what, "asked") == 0) return asked(path, argv[3]);
    return 2;
}
