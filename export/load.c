/* Loading the library changes nothing that the host can see. Go's runtime, as it starts, takes the host's signals and raises
 * its limit of open files; both are put back before dlopen returns. */
#include "internal.h"

#if defined(__linux__)

#include <errno.h>
#include <semaphore.h>
#include <stddef.h>
#include <signal.h>
#include <sys/resource.h>

static struct rlimit files;
static struct sigaction before[_NSIG];
static int known[_NSIG];
static sem_t ready;

/* Go turns these into panics, which the library makes a status of; without them a fault of its own would be the host's
 * death. For faults elsewhere it calls the handler that was there before. */
static int needed_by_go(int sig) { return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE; }

/* Runs before Go's own constructor, which has no priority. */
__attribute__((constructor(101))) static void save(void) {
    getrlimit(RLIMIT_NOFILE, &files);
    for (int sig = 1; sig < _NSIG; sig++) known[sig] = sigaction(sig, NULL, &before[sig]) == 0;
    sem_init(&ready, 0, 0);
    mimir_gate_install();
}

/* Runs after it, being later in the link. */
__attribute__((constructor)) static void restore(void) {
    /* Go starts in a thread of its own; what it does to the host it has done when it reaches mimir_load_ready. */
    while (sem_wait(&ready) != 0 && errno == EINTR) {
    }
    for (int sig = 1; sig < _NSIG; sig++)
        if (known[sig] && !needed_by_go(sig)) sigaction(sig, &before[sig], NULL);
}

void mimir_load_ready(void) { sem_post(&ready); }

void mimir_load_files(uint64_t *soft, uint64_t *hard) {
    *soft = files.rlim_cur;
    *hard = files.rlim_max;
}

#else

void mimir_load_ready(void) {}

#endif
