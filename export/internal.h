/* What the parts of the library say to each other. Nothing here is visible outside. */
#ifndef MIMIR_INTERNAL_H
#define MIMIR_INTERNAL_H

#include "libmimir.h"

#include <stddef.h>

/* The largest size that a struct of a later version can be believed to have; structs_gen.go has the same. */
#define MIMIR_LARGEST_STRUCT 4096

/* gate.c: whether Go may not be entered: in a forked child of the process that loaded the library, and where the runtime was
 * not started. */
int mimir_gate_forked(void);
/* Records why a function that needs the whole library is not there, and returns MIMIR_EFORKED or MIMIR_ENOMEM. */
int32_t mimir_gate_refuse(const char *function);
/* Closes the gate for good in a process in which Go's runtime was not started, for want of memory or threads. */
void mimir_gate_no_runtime(void);
/* Makes forked children close a descriptor, if it is still what it is now. */
void mimir_gate_close_on_fork(int descriptor);
/* Makes the gate close in children forked from now on. Called once, as the library is loaded. */
void mimir_gate_install(void);

/* signals.c: called before each call of Go, which changes the mask of the thread that calls it first. */
#if defined(__ELF__)
extern __thread char mimir_thread_entered __attribute__((visibility("hidden"), tls_model("initial-exec")));
void mimir_thread_enter(void);
static inline void mimir_enter(void) {
    if (__builtin_expect(!mimir_thread_entered, 0)) mimir_thread_enter();
}
#else
static inline void mimir_enter(void) {}
#endif
/* Blocks the host's signals in the calling thread, one of Go's. */
void mimir_signals_block(void);
/* Blocks them in all threads that Go has started so far. */
void mimir_signals_quiet(void);
/* Wraps the function of Go's first thread, to know it. */
void *(*mimir_signals_first(void *(*start)(void *)))(void *);

/* lasterror.c: the last error of each thread. step and text are UTF-8 and are copied, cut to fit. Returns status. */
int32_t mimir_error_set(int32_t status, int32_t os_code, const char *step, const char *text);
int32_t mimir_error_copy(mimir_error *error);

/* load.c: called by Go's own initialization, once the host's limits are as they were and the runtime is warm. */
void mimir_load_ready(void);
/* Has the thread that loads the library do something, and waits for it. Returns 0 when it does not wait for Go any more. */
int mimir_load_does(void (*what)(void *), void *argument);
/* The soft and hard RLIMIT_NOFILE that the host had before Go's runtime changed them. */
void mimir_load_files(uint64_t *soft, uint64_t *hard);
/* What RLIMIT_AS and RLIMIT_DATA count of this process now, in bytes; 0 where that cannot be read. */
struct mimir_memory {
    uint64_t address_space, data;
};
struct mimir_memory mimir_load_memory(void);
/* What the library took at load of what RLIMIT_AS and RLIMIT_DATA count, in bytes: it is not the host's use. */
void mimir_load_reserve(uint64_t *address_space, uint64_t *data);
/* Adds to it what has been taken since a reading of mimir_load_memory. */
void mimir_load_took_since(struct mimir_memory before);

/* pool.c: sets memory aside for Go's runtime. Called before it starts. */
void mimir_pool_make(void);

/* environment.c: copies what fits of the environment, each variable with its final zero, and returns the bytes that all take. */
size_t mimir_environment_copy(char *to, size_t room);

/* arena.c: set while the calling thread starts one of Go's. */
#if defined(__linux__)
extern __thread char mimir_thread_starting __attribute__((visibility("hidden"), tls_model("initial-exec")));
#endif

/* threads.c: whether n more threads can be started now. */
int mimir_threads_possible(int n);

/* forked.c: remembers how a limit of this process was asked for: the kernel's value holds the library's reserve too. */
void mimir_forked_note(int32_t limit, uint64_t soft, uint64_t hard);
/* What the caller itself uses: mimir_usage_get of pid 0. */
int32_t mimir_own_usage(uint32_t fields, mimir_usage *usage);
extern mimir_measure mimir_page; /* what mimir_usage_refresh fills */
/* Opens the descriptor that readings of the own memory use, while one can still be opened. */
void mimir_forked_prepare(void);

#endif
