/* The gate: a forked child inherits Go's memory without its threads, so that any call into it can hang. */
#include "internal.h"

#ifdef _WIN32

enum { open_gate, after_fork, no_runtime };
static const int closed = open_gate;
int mimir_gate_forked(void) { return 0; }
void mimir_gate_install(void) {}
void mimir_gate_close_on_fork(int descriptor) { (void)descriptor; }

#else

#include <pthread.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

/* Go's way back into C on a thread's exit (runtime/cgo). A thread that had called Go before the fork, and exits in the child,
 * would enter the dead runtime by it. */
extern void *x_crosscall2_ptr;

/* Closed until the library has been loaded: a child forked from a thread while another loads it has it half made. */
static volatile enum { open_gate, after_fork, no_runtime } closed = after_fork;

/* A descriptor that children must not hold open, and what it is: the host may have closed it and used its number. */
static struct {
    int descriptor;
    dev_t device;
    ino_t ino;
} parents_own = {-1, 0, 0};

void mimir_gate_close_on_fork(int descriptor) {
    struct stat st;
    if (fstat(descriptor, &st) != 0) return;
    parents_own.device = st.st_dev;
    parents_own.ino = st.st_ino;
    parents_own.descriptor = descriptor;
}

static void close_gate(void) {
    struct stat st;
    if (parents_own.descriptor >= 0 && fstat(parents_own.descriptor, &st) == 0 && st.st_dev == parents_own.device &&
        st.st_ino == parents_own.ino)
        close(parents_own.descriptor);
    parents_own.descriptor = -1;
    if (closed == open_gate) closed = after_fork;
    x_crosscall2_ptr = NULL;
}

int mimir_gate_forked(void) { return closed; }

void mimir_gate_no_runtime(void) { closed = no_runtime; }

void mimir_gate_install(void) {
    pthread_atfork(NULL, NULL, close_gate);
    closed = open_gate;
}

#endif

int32_t mimir_gate_refuse(const char *function) {
    if (closed == no_runtime)
        return mimir_error_set(MIMIR_ENOMEM, 0, function,
                               "the library was loaded under a limit of memory, address space or processes that leaves its "
                               "runtime no room; only what works after fork is there");
    return mimir_error_set(MIMIR_EFORKED, 0, function,
                           "this process was forked from the one that loaded the library; the function needs the whole "
                           "library, which is there again after exec or in a fresh copy");
}
