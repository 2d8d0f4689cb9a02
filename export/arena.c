/* Go's threads take no memory of the C library's. At the first piece that a thread allocates or frees the C library sets 64 MB
 * of address space aside for it, and a host may have a limit of that; and runtime/cgo frees, in each thread that it starts, what
 * it has started it with. So that is a place of our own. */
#include "internal.h"

#ifdef __linux__

#include <stddef.h>

/* More than runtime/cgo takes for a thread, and more places than there are threads that have been started and have not begun. */
#define PLACE 64
#define PLACES 64
static _Alignas(16) char place[PLACES][PLACE];
static char taken[PLACES];

__thread char mimir_thread_starting;

void *__real_malloc(size_t size);
void __real_free(void *memory);

/* What this library itself allocates comes here, and nothing of the host. */
void *__wrap_malloc(size_t size) {
    if (mimir_thread_starting && size <= PLACE)
        for (int i = 0; i < PLACES; i++)
            if (!__atomic_test_and_set(&taken[i], __ATOMIC_ACQUIRE)) return place[i];
    return __real_malloc(size);
}

void __wrap_free(void *memory) {
    char *p = memory;
    if (p >= place[0] && p < place[0] + sizeof place)
        __atomic_clear(&taken[(p - place[0]) / PLACE], __ATOMIC_RELEASE);
    else
        __real_free(memory);
}

#endif
