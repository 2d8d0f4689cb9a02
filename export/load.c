/* Loading the library changes nothing that the host can see. Go's runtime, as it starts, takes the host's signals and raises
 * its limit of open files; both are put back before dlopen returns. */
#include "internal.h"

#if defined(__linux__)

#include <link.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <unistd.h>

static struct mimir_memory memory_before, reserve;
static struct rlimit files;
static struct sigaction before[_NSIG];
static int known[_NSIG];
static sigset_t mask;
static sem_t ready;

/* Go turns these into panics, which the library makes a status of; without them a fault of its own would be the host's
 * death. For faults elsewhere it calls the handler that was there before. */
static int needed_by_go(int sig) { return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE; }

static struct sigaction gos[_NSIG];

/* Between the kernel and Go's handler: what another program, or the host itself, has sent with kill is no fault, and is the
 * host's. Go would take it for a fault of its own and end the process. */
static void on_fault(int sig, siginfo_t *info, void *context) {
    if (info->si_code > 0) {
        gos[sig].sa_sigaction(sig, info, context);
    } else if (before[sig].sa_flags & SA_SIGINFO) {
        before[sig].sa_sigaction(sig, info, context);
    } else if (before[sig].sa_handler == SIG_DFL) {
        signal(sig, SIG_DFL);
        raise(sig); /* it is blocked until this handler returns */
    } else if (before[sig].sa_handler != SIG_IGN) {
        before[sig].sa_handler(sig);
    }
}

/* Reads fields 1 and 6 of /proc/self/statm. */
struct mimir_memory mimir_load_memory(void) {
    struct mimir_memory m = {0, 0};
    char bytes[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return m;
    ssize_t n = read(fd, bytes, sizeof bytes);
    close(fd);
    uint64_t fields[7] = {0}, page = (uint64_t)sysconf(_SC_PAGESIZE);
    for (ssize_t i = 0, field = 0; i < n && field < 7; i++) {
        if (bytes[i] == ' ')
            field++;
        else if (bytes[i] >= '0' && bytes[i] <= '9')
            fields[field] = fields[field] * 10 + (uint64_t)(bytes[i] - '0');
    }
    m.address_space = fields[0] * page;
    m.data = fields[5] * page;
    return m;
}

/* What Go's runtime takes as it starts beside the stacks of its threads: measured, and somewhat more, since the C library sets address
 * space aside for one thread more or less. */
#define ADDRESS_SPACE (UINT64_C(1600) << 20)
#define DATA (UINT64_C(260) << 20)
#define THREADS 20

static int lacks(int resource, uint64_t used, uint64_t needed) {
    struct rlimit limit;
    return getrlimit(resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
           (limit.rlim_cur < used || limit.rlim_cur - used < needed);
}

/* Whether the runtime can start: refused memory or a thread, it would end the process. */
static int can_start(void) {
    struct rlimit stack;
    uint64_t stacks = THREADS * (UINT64_C(8) << 20);
    if (getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur != RLIM_INFINITY) stacks = THREADS * stack.rlim_cur;
    return !lacks(RLIMIT_AS, memory_before.address_space, ADDRESS_SPACE + stacks) &&
           !lacks(RLIMIT_DATA, memory_before.data, DATA + stacks) && mimir_threads_possible(THREADS);
}

static void await(sem_t *semaphore) {
    while (sem_wait(semaphore) != 0) {
    }
}

/* What the loading thread does while it waits for Go. */
static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER;
static sem_t answered;
static int waits;
static void (*asked)(void *);
static void *asked_for;

int mimir_load_does(void (*what)(void *), void *argument) {
    pthread_mutex_lock(&asking);
    int served = waits;
    if (served) {
        asked_for = argument;
        asked = what;
        sem_post(&ready);
        await(&answered);
    }
    pthread_mutex_unlock(&asking);
    return served;
}

static void wait_for_go(void) {
    for (await(&ready); asked; await(&ready)) {
        asked(asked_for);
        asked = NULL;
        sem_post(&answered);
    }
}

void __real_x_cgo_sys_thread_create(void *(*start)(void *), void *argument);

/* By this Go's constructor starts the thread in which the runtime begins. */
void __wrap_x_cgo_sys_thread_create(void *(*start)(void *), void *argument) {
    if (can_start()) {
        waits = 1;
        __real_x_cgo_sys_thread_create(mimir_signals_first(start), argument);
    } else {
        mimir_gate_no_runtime();
        sem_post(&ready);
    }
}

/* Runs before Go's own constructor, which has no priority. */
__attribute__((constructor(101))) static void save(void) {
    sigset_t all;
    memory_before = mimir_load_memory();
    mimir_pool_make();
    getrlimit(RLIMIT_NOFILE, &files);
    for (int sig = 1; sig < _NSIG; sig++) known[sig] = sigaction(sig, NULL, &before[sig]) == 0;
    /* A fault that is ignored ends a process all the same; Go's handler, told to ignore it, would go round for ever. */
    for (int sig = 1; sig < _NSIG; sig++)
        if (needed_by_go(sig) && known[sig] && before[sig].sa_handler == SIG_IGN) signal(sig, SIG_DFL);
    sem_init(&ready, 0, 0);
    sem_init(&answered, 0, 0);
    mimir_gate_install();
    /* Go's threads inherit the mask of this one: the host's signals are for the host's threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
}

extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

/* Whether this code is part of the program itself, as in Go's tests: there Go starts from main, after all constructors. */
static int in_program(void) { return getauxval(AT_PHDR) == (uintptr_t)&__ehdr_start + __ehdr_start.e_phoff; }

/* Runs after it, being later in the link. */
__attribute__((constructor)) static void restore(void) {
    /* Go starts in a thread of its own; what it does to the host it has done when it reaches mimir_load_ready. */
    if (!in_program()) wait_for_go();
    for (int sig = 1; sig < _NSIG; sig++) {
        if (!known[sig]) continue;
        if (!needed_by_go(sig)) {
            sigaction(sig, &before[sig], NULL);
        } else if (sigaction(sig, NULL, &gos[sig]) == 0 && gos[sig].sa_flags & SA_SIGINFO) {
            struct sigaction ours = gos[sig];
            ours.sa_sigaction = on_fault;
            sigaction(sig, &ours, NULL);
        }
    }
    mimir_load_took_since(memory_before);
    mimir_signals_quiet();
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

static void add(uint64_t *to, uint64_t before, uint64_t now) {
    if (now > before) __atomic_fetch_add(to, now - before, __ATOMIC_RELAXED);
}

void mimir_load_took_since(struct mimir_memory then) {
    struct mimir_memory now = mimir_load_memory();
    add(&reserve.address_space, then.address_space, now.address_space);
    add(&reserve.data, then.data, now.data);
}

void mimir_load_ready(void) {
    pthread_mutex_lock(&asking);
    waits = 0;
    pthread_mutex_unlock(&asking);
    sem_post(&ready);
}

void mimir_load_files(uint64_t *soft, uint64_t *hard) {
    *soft = files.rlim_cur;
    *hard = files.rlim_max;
}

void mimir_load_reserve(uint64_t *address_space, uint64_t *data) {
    *address_space = __atomic_load_n(&reserve.address_space, __ATOMIC_RELAXED);
    *data = __atomic_load_n(&reserve.data, __ATOMIC_RELAXED);
}

#elif !defined(__APPLE__) && !defined(_WIN32)

void mimir_load_ready(void) {}

#endif
