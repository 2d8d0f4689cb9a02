/* A host with nothing left at its default loads the library and shows what it can see of itself before and after. */
#include <locale.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <fenv.h>
#include <spawn.h>

#include "calls.h"

extern char **environ;

struct kernel_action {
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
};

static atomic_int urgent, others;
static void on_urgent(int s) {
    (void)s;
    urgent++;
}
static void on_other(int s) {
    (void)s;
    others++;
}

/* What can be seen of this process, a line each. With inherited, only what a program has from the one that starts it. */
static void show(FILE *to, int inherited) {
    for (int i = 0; i < 16; i++) {
        struct rlimit r;
        if (getrlimit(i, &r) == 0) fprintf(to, "limit %d: %llu %llu\n", i, (unsigned long long)r.rlim_cur, (unsigned long long)r.rlim_max);
    }
    for (int s = 1; s <= 64; s++) {
        struct kernel_action a = {0};
        if (syscall(SYS_rt_sigaction, s, NULL, &a, 8) != 0) continue;
        if (inherited)
            fprintf(to, "signal %d: %s\n", s, a.handler == (void *)SIG_IGN ? "ignored" : "default");
        else
            fprintf(to, "signal %d: %p %lx %llx\n", s, a.handler, a.flags, (unsigned long long)a.mask);
    }
    uint64_t mask = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &mask, 8);
    fprintf(to, "mask: %llx\n", (unsigned long long)mask);
    stack_t stack;
    sigaltstack(NULL, &stack);
    if (!inherited) fprintf(to, "alternate stack: %p %zu %d\n", stack.ss_sp, stack.ss_size, stack.ss_flags);
    for (char **e = environ; *e; e++) fprintf(to, "environment: %s\n", *e);
    char path[4096];
    fprintf(to, "directory: %s\n", getcwd(path, sizeof path));
    mode_t mode = umask(0);
    umask(mode);
    fprintf(to, "umask: %o\n", (unsigned)mode);
    for (int fd = 0; fd < 1024; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags < 0) continue;
        char name[64];
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(name, path, sizeof path - 1);
        path[n > 0 ? n : 0] = 0;
        fprintf(to, "descriptor %d: %s %d %x %lld\n", fd, path, flags, (unsigned)fcntl(fd, F_GETFL), (long long)lseek(fd, 0, SEEK_CUR));
    }
    if (!inherited) fprintf(to, "locale: %s\n", setlocale(LC_ALL, NULL));
    fprintf(to, "group: %d, session: %d\n", getpgrp() == getppid(), getsid(0) == getppid());
    fprintf(to, "dumpable: %d, subreaper-free, death signal and slack: %d\n", prctl(PR_GET_DUMPABLE), prctl(PR_GET_TIMERSLACK));
    int death = 0, reaper = 0;
    prctl(PR_GET_PDEATHSIG, &death);
    prctl(PR_GET_CHILD_SUBREAPER, &reaper);
    if (!inherited) fprintf(to, "death signal: %d, subreaper: %d\n", death, reaper);
    char comm[32] = "";
    prctl(PR_GET_NAME, comm);
    if (!inherited) fprintf(to, "name: %s, rounding: %d\n", comm, fegetround());
    cpu_set_t cpus;
    sched_getaffinity(0, sizeof cpus, &cpus);
    fprintf(to, "cpus: %d, policy: %d, nice: %d\n", CPU_COUNT(&cpus), sched_getscheduler(0), getpriority(PRIO_PROCESS, 0));
    struct itimerval timer;
    getitimer(ITIMER_REAL, &timer);
    if (!inherited) fprintf(to, "timer: %ld\n", (long)timer.it_interval.tv_sec);
    fflush(to);
}

static void show_child(const char *self, const char *file, const char *label) {
    char where[4096];
    snprintf(where, sizeof where, "%s.%s", file, label);
    pid_t child = fork();
    if (child == 0) {
        execl(self, self, "show", where, NULL);
        _exit(127);
    }
    REQUIRE(await_child(child, 20) == 0);
}

static void set_everything(void) {
    static char stack[1 << 16];
    stack_t s = {.ss_sp = stack, .ss_size = sizeof stack};
    struct rlimit r;
    for (int i = 0; i < 16; i++) {
        if (getrlimit(i, &r) != 0) continue;
        switch (i) {
        case RLIMIT_NOFILE: r.rlim_cur = 256; break;
        case RLIMIT_CORE: r.rlim_cur = 0; break;
        case RLIMIT_STACK: r.rlim_cur = 4 << 20; break;
        case RLIMIT_CPU: r.rlim_cur = 500; break;
        case RLIMIT_FSIZE: r.rlim_cur = r.rlim_max = UINT64_C(1) << 40; break;
        case RLIMIT_DATA: r.rlim_cur = UINT64_C(1) << 40; break;
        case RLIMIT_AS: r.rlim_cur = UINT64_C(1) << 44; break;
        case RLIMIT_NPROC: if (r.rlim_max > 3000) r.rlim_cur = 3000; break;
        case RLIMIT_MEMLOCK: r.rlim_cur = r.rlim_cur < 65536 ? r.rlim_cur : 65536; break;
        case RLIMIT_SIGPENDING: r.rlim_cur = r.rlim_max > 900 ? 900 : r.rlim_max; break;
        }
        setrlimit(i, &r);
    }
    for (int sig = 1; sig <= 64; sig++) {
        struct sigaction a = {.sa_flags = sig % 2 ? SA_RESTART : 0};
        if (sig == 32 || sig == 33) continue;
        a.sa_handler = sig == SIGPIPE || sig == SIGHUP || sig == SIGXFSZ || sig % 13 == 0 ? SIG_IGN : on_other;
        if (sig == SIGURG) a.sa_handler = on_urgent;
        if (sig == SIGTTOU || sig == SIGCHLD) a.sa_handler = SIG_DFL;
        sigemptyset(&a.sa_mask);
        sigaddset(&a.sa_mask, 1 + sig % 31);
        if (sig % 3 == 0) a.sa_flags |= SA_ONSTACK | SA_SIGINFO;
        sigaction(sig, &a, NULL);
    }
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    sigaddset(&mask, SIGRTMIN + 3);
    sigaddset(&mask, SIGWINCH);
    sigaddset(&mask, SIGCHLD); /* as who takes it by signalfd */
    sigaddset(&mask, SIGPROF);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    sigaltstack(&s, NULL);
    setenv("MIMIR_HOST_OWN", "a b=c", 1);
    setenv("GOGC", "7", 1);
    putenv("without-equals");
    REQUIRE(chdir("/usr") == 0);
    umask(031);
    REQUIRE(dup2(open("/etc/passwd", O_RDONLY), 40) == 40);
    REQUIRE(dup2(open("/dev/null", O_WRONLY | O_NONBLOCK | O_CLOEXEC), 41) == 41);
    lseek(40, 10, SEEK_SET);
    setlocale(LC_ALL, "");
    prctl(PR_SET_NAME, "the-host");
    prctl(PR_SET_TIMERSLACK, 60000);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    fesetround(FE_UPWARD);
    setpriority(PRIO_PROCESS, 0, 3);
    struct itimerval timer = {{1000, 0}, {1000, 0}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static int load_and_show(const char *self, const char *path, const char *file) {
    static struct library l;
    static struct calls c;
    set_everything();
    /* Kept in memory until the end, so that showing opens nothing. */
    char name[4096], *text[4];
    size_t size[4];
    FILE *to[4];
    for (int i = 0; i < 4; i++) to[i] = open_memstream(&text[i], &size[i]);
    show_child(self, file, "child-before");
    show(to[0], 0);
    library_load(&l, path);
    show(to[1], 0);
    int threads = count_threads();
    show_child(self, file, "child-after");
    calls_begin(&c, &l);
    for (const struct entry *e = entries; e->name; e++) {
        if (strcmp(e->name, "signal_reset") == 0 || strcmp(e->name, "group_create") == 0) continue; /* change what is shown */
        int32_t status = e->call(&c);
        if (status != e->want) fail("%s: status %d", e->name, status);
    }
    calls_end(&c);
    show(to[2], 0);
    calls_begin(&c, &l);
    /* Each allocates 4 KB and more of Go's memory, a collection comes every 5 MB or so. */
    for (int i = 0; i < 120000; i++) REQUIRE(call_path_join(&c) == MIMIR_OK);
    calls_end(&c);
    show(to[3], 0);
    printf("threads %d %d\n", threads, count_threads());
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s.%d", file, i);
        int fd = open(name, O_WRONLY | O_CREAT, 0644);
        REQUIRE(fd >= 0 && write(fd, text[i], size[i]) == (ssize_t)size[i]);
        close(fd);
    }
    return 0;
}

/* Makes garbage and runs jobs in two threads until told to stop. */
static atomic_int stop, called;
static void *load_with_calls(void *library) {
    struct calls *c = calloc(1, sizeof *c);
    calls_begin(c, library);
    called++;
    while (!stop) {
        for (int i = 0; i < 200; i++) call_path_join(c);
        call_job_run(c);
        call_job_start(c);
    }
    calls_end(c);
    free(c);
    return NULL;
}

static int own_urgent(const char *path) {
    static struct library l;
    pthread_t threads[2];
    signal(SIGURG, on_urgent);
    library_load(&l, path);
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, load_with_calls, &l);
    for (int round = 0; round < 2; round++) {
        for (int i = 1; i <= 20; i++) {
            kill(getpid(), SIGURG);
            for (int wait = 0; wait < 20000 && urgent < i; wait++) pause_ms(1);
            REQUIRE(urgent == i);
        }
        pause_ms(1500);
        if (urgent != 20) fail("%d signals that nobody sent (round %d)", urgent - 20, round);
        urgent = 0;
        signal(SIGURG, on_urgent); /* and now one that was set after the load */
    }
    stop = 1;
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    return 0;
}

/* The host takes its signals with sigwait: a thread of the library that does not block them would be ended with it. */
static int blocked(const char *path, int before) {
    static struct library l;
    pthread_t threads[2];
    const int wanted[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGALRM, SIGPROF, SIGRTMIN + 1};
    sigset_t set;
    sigemptyset(&set);
    for (unsigned i = 0; i < sizeof wanted / sizeof *wanted; i++) sigaddset(&set, wanted[i]);
    if (before) pthread_sigmask(SIG_BLOCK, &set, NULL);
    library_load(&l, path);
    if (!before) pthread_sigmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, load_with_calls, &l);
    /* During its first call a thread may, for some microseconds, take SIGPROF, SIGCHLD or a signal of faults that it blocks. */
    while (called < 2) pause_ms(1);
    for (int round = 0; round < 40; round++)
        for (unsigned i = 0; i < sizeof wanted / sizeof *wanted; i++) {
            struct timespec patience = {30, 0};
            kill(getpid(), wanted[i]);
            int got = sigtimedwait(&set, NULL, &patience);
            if (got != wanted[i]) fail("signal %d was not there for sigwait: %d", wanted[i], got);
        }
    stop = 1;
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    return 0;
}

/* Dies as a program without the library would. */
static volatile int zero, one = 1;
static void *fault(void *how) {
    const char *name = how;
    if (strcmp(name, "segv") == 0) *(volatile int *)8 = 1;
    if (strcmp(name, "bus") == 0) {
        int fd = memfd_create("short", 0);
        *(volatile char *)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) = 1;
    }
    if (strcmp(name, "fpe") == 0) {
        zero = one / zero;
        raise(SIGFPE); /* where the processor does not mind */
    }
    if (strcmp(name, "ill") == 0) __builtin_trap();
    if (strcmp(name, "abrt") == 0) abort();
    if (strcmp(name, "kill-segv") == 0) kill(getpid(), SIGSEGV), pause();
    if (strcmp(name, "raise-segv") == 0) raise(SIGSEGV);
    return NULL;
}

static void on_fault(int sig, siginfo_t *info, void *context) {
    (void)context;
    printf("handler %d %p\n", sig, info->si_addr);
    fflush(stdout);
    _exit(42);
}

/* The words of what happens first: "handler" (the host has one, set before the load), "later" (set after), "ignored" or
 * "nothing", then "called" or "uncalled", then "main" or "thread". */
static int faults(const char *path, char **words) {
    static struct library l;
    static struct calls c;
    static char stack[1 << 16];
    stack_t s = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction a = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    const int sigs[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct rlimit core = {RLIM_INFINITY, RLIM_INFINITY};
    getrlimit(RLIMIT_CORE, &core);
    core.rlim_cur = core.rlim_max;
    setrlimit(RLIMIT_CORE, &core);
    if (strcmp(words[0], "handler") == 0) {
        sigaltstack(&s, NULL);
        for (int i = 0; i < 5; i++) sigaction(sigs[i], &a, NULL);
    }
    if (strcmp(words[0], "ignored") == 0)
        for (int i = 0; i < 5; i++) signal(sigs[i], SIG_IGN);
    if (strcmp(path, "none") != 0) library_load(&l, path);
    if (strcmp(words[0], "later") == 0)
        for (int i = 0; i < 5; i++) sigaction(sigs[i], &a, NULL);
    if (strcmp(words[1], "called") == 0 && strcmp(path, "none") != 0) {
        calls_begin(&c, &l);
        REQUIRE(call_path_join(&c) == MIMIR_OK);
    }
    if (strcmp(words[2], "thread") == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, fault, words[3]);
        pthread_join(thread, NULL);
    } else {
        fault(words[3]);
    }
    return 3;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "show") == 0) {
        char *text;
        size_t size;
        FILE *to = open_memstream(&text, &size);
        show(to, 1);
        int fd = open(argv[2], O_WRONLY | O_CREAT, 0644);
        return fd < 0 || write(fd, text, size) != (ssize_t)size;
    }
    REQUIRE(argc >= 3);
    if (strcmp(argv[2], "show") == 0) return load_and_show("/proc/self/exe", argv[1], argv[3]);
    if (strcmp(argv[2], "urgent") == 0) return own_urgent(argv[1]);
    if (strcmp(argv[2], "blocked") == 0) return blocked(argv[1], strcmp(argv[3], "before") == 0);
    if (strcmp(argv[2], "fault") == 0) return faults(argv[1], argv + 3);
    return 2;
}
