/* Memory that Go's runtime is given where the system refuses it. What the runtime keeps beside its heap grows now and then by
 * a mapping, and a refusal is the end of the process; a host may have come to its limit of memory. */
#include "internal.h"

#ifdef __linux__

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#define POOL (UINT64_C(16) << 20)
#define PAGE UINT64_C(4096)

/* Mapped as the library is loaded, and not resident before it is used. It is given out once, from the start to the end. */
static char *pool;
static uint64_t given;

void mimir_pool_make(void) {
    void *p = mmap(NULL, POOL, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p != MAP_FAILED) pool = p;
}

uintptr_t __real_x_cgo_mmap(void *address, uintptr_t length, int32_t protection, int32_t flags, int32_t fd, uint32_t offset);

/* By this the runtime maps memory. A failure is a small number, the error. */
uintptr_t __wrap_x_cgo_mmap(void *address, uintptr_t length, int32_t protection, int32_t flags, int32_t fd, uint32_t offset) {
    uintptr_t got = __real_x_cgo_mmap(address, length, protection, flags, fd, offset);
    if (got != ENOMEM || !pool || !(flags & MAP_ANONYMOUS) || flags & MAP_FIXED || length > POOL) return got;
    uint64_t size = (length + PAGE - 1) / PAGE * PAGE;
    uint64_t at = __atomic_fetch_add(&given, size, __ATOMIC_RELAXED);
    if (at + size > POOL) {
        __atomic_fetch_sub(&given, size, __ATOMIC_RELAXED);
        return got;
    }
    return (uintptr_t)(pool + at);
}

#else

void mimir_pool_make(void) {}

#endif
