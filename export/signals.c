/* The host's signals are for the host's threads. Go unblocks some signals in each of its threads (SIGCHLD and SIGPROF among
 * them) and in each of the host's that calls it first; a host that has blocked them everywhere, to wait for them in one
 * thread, would lose them there. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "internal.h"

#ifdef __linux__

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "_cgo_export.h"

/* What a Go thread has to take: faults of its own, which Go makes panics of. */
static int stays_open(int sig) { return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE; }

static void block_all_but_faults(sigset_t *set) {
    sigfillset(set);
    for (int sig = 1; sig < _NSIG; sig++)
        if (stays_open(sig)) sigdelset(set, sig);
}

/* Go leaves this signal, which the kernel does not use, unblocked in its threads, and programs do not use it. */
#define QUIET SIGSTKFLT

void mimir_signals_block(void) {
    sigset_t set;
    block_all_but_faults(&set);
    sigdelset(&set, QUIET); /* mimir_signals_quiet is still to come */
    pthread_sigmask(SIG_SETMASK, &set, NULL);
}

/* The threads of the runtime, as they are started. */
#define MOST_THREADS 1024
static pid_t threads[MOST_THREADS];
static int started;

static void remember(void) {
    int i = __atomic_fetch_add(&started, 1, __ATOMIC_RELAXED);
    if (i < MOST_THREADS) __atomic_store_n(&threads[i], (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
}

/* What runtime/cgo starts a thread with. */
struct thread_start {
    uintptr_t *g, *tls;
    void (*run)(void);
};

static void (*run)(void);

static void run_and_remember(void) {
    remember();
    __atomic_load_n(&run, __ATOMIC_ACQUIRE)();
}

void __real_x_cgo_thread_start(struct thread_start *thread);

static void start(void *thread) {
    mimir_thread_starting = 1;
    __real_x_cgo_thread_start(thread);
    mimir_thread_starting = 0;
}

void __wrap_x_cgo_thread_start(struct thread_start *thread) {
    __atomic_store_n(&run, thread->run, __ATOMIC_RELEASE); /* the same for every thread */
    thread->run = run_and_remember;
    if (!mimir_load_does(start, thread)) start(thread);
}

static void *(*first)(void *);
static void *first_and_remember(void *argument) {
    remember();
    mimir_thread_starting = 1; /* it allocates itself, and frees at once */
    return first(argument);
}

void *(*mimir_signals_first(void *(*start)(void *)))(void *) {
    first = start;
    return first_and_remember;
}

static sem_t quiet;

/* The mask that a thread goes on with after a handler is the one in its context. */
static void on_quiet(int sig, siginfo_t *info, void *context) {
    (void)sig, (void)info;
    int error = errno;
    block_all_but_faults(&((ucontext_t *)context)->uc_sigmask);
    sem_post(&quiet);
    errno = error;
}

/* Called by one thread at a time. */
void mimir_signals_quiet(void) {
    static int known; /* how many of the threads have been told already */
    struct sigaction action, old;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_quiet;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    sigfillset(&action.sa_mask);
    if (sem_init(&quiet, 0, 0) != 0 || sigaction(QUIET, &action, &old) != 0) return;
    int told = 0, count = __atomic_load_n(&started, __ATOMIC_ACQUIRE);
    for (int i = known; i < count && i < MOST_THREADS; i++) {
        pid_t tid;
        while ((tid = __atomic_load_n(&threads[i], __ATOMIC_ACQUIRE)) == 0) usleep(10);
        if (syscall(SYS_tgkill, getpid(), tid, QUIET) == 0) told++;
    }
    /* A thread that blocks the signal, being still at its start, takes it as it unblocks it. */
    for (int i = 0; i < told; i++) {
        struct timespec end;
        clock_gettime(CLOCK_REALTIME, &end);
        end.tv_sec += 1;
        while (sem_timedwait(&quiet, &end) != 0 && errno == EINTR) {
        }
    }
    sigaction(QUIET, &old, NULL);
    known = count;
}

__thread char mimir_thread_entered;

/* The first call from a thread is one that does next to nothing: what Go does to the thread's mask at it is put back at once. */
void mimir_thread_enter(void) {
    sigset_t mask;
    uint32_t abi;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    mimirgo_abi(&abi);
    for (int sig = 1; sig < _NSIG; sig++)
        if (stays_open(sig)) sigdelset(&mask, sig);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    mimir_thread_entered = 1;
}

#else

void mimir_signals_block(void) {}
void mimir_signals_quiet(void) {}

#endif
