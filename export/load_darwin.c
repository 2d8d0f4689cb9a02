/* Loading on macOS: see load.c. Constructors there have no priorities: the build (cbuild) finds mimir_load_first and
 * mimir_load_last by their names, puts the one before Go's constructor and the other after it, and hides them. Nothing waits
 * for long in a constructor, because dyld's lock is held meanwhile; the host's signals are put back by Go's initialization
 * itself. */
#include "internal.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static struct rlimit files;
static struct sigaction before[NSIG];
static int known[NSIG], saved;
static sigset_t mask;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int ready;

/* Go turns these into panics, which the library makes a status of. For faults elsewhere it calls the handler that was there
 * before. */
static int needed_by_go(int sig) { return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE; }

#define FOUND_BY_THE_BUILD __attribute__((constructor, visibility("default")))

/* Called again, it does nothing. */
FOUND_BY_THE_BUILD void mimir_load_first(void) {
    sigset_t all;
    if (saved) return;
    saved = 1;
    getrlimit(RLIMIT_NOFILE, &files);
    for (int sig = 1; sig < NSIG; sig++) known[sig] = sigaction(sig, NULL, &before[sig]) == 0;
    mimir_gate_install();
    /* Go's threads inherit the mask of this one: the host's signals are for the host's threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
}

#define PATIENCE_NS 200000000

FOUND_BY_THE_BUILD void mimir_load_last(void) {
    struct timespec patience = {0, PATIENCE_NS};
    mimir_load_first();
    pthread_mutex_lock(&lock);
    while (!ready && pthread_cond_timedwait_relative_np(&changed, &lock, &patience) == 0) {
    }
    pthread_mutex_unlock(&lock);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

void mimir_load_ready(void) {
    for (int sig = 1; sig < NSIG; sig++)
        if (known[sig] && !needed_by_go(sig)) sigaction(sig, &before[sig], NULL);
    pthread_mutex_lock(&lock);
    ready = 1;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

void mimir_load_files(uint64_t *soft, uint64_t *hard) {
    *soft = files.rlim_cur;
    *hard = files.rlim_max;
}

/* macOS keeps no limit of memory: nothing is counted. */
struct mimir_memory mimir_load_memory(void) {
    struct mimir_memory none = {0, 0};
    return none;
}

void mimir_load_took_since(struct mimir_memory then) { (void)then; }

void mimir_load_reserve(uint64_t *address_space, uint64_t *data) {
    *address_space = 0;
    *data = 0;
}
