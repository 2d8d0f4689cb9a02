/* Loading on Windows: see load.c. While a library is loaded no other thread can begin, so that Go's runtime starts after
 * LoadLibrary has returned; the first call of a mimir_* function waits for it. None may be called from a DllMain. */
#include "internal.h"

#include <windows.h>

#include <psapi.h>

static struct mimir_memory memory_before, reserve;
static UINT error_mode;

/* What a limit of memory counts here is commit. */
struct mimir_memory mimir_load_memory(void) {
    struct mimir_memory m = {0, 0};
    PROCESS_MEMORY_COUNTERS counters = {.cb = sizeof counters};
    if (K32GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters)) m.data = counters.PagefileUsage;
    return m;
}

__attribute__((constructor)) static void save(void) {
    HMODULE self;
    memory_before = mimir_load_memory();
    error_mode = GetErrorMode();
    /* A Go runtime cannot be unloaded. */
    GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN, (LPCWSTR)(void *)&save, &self);
}

/* Go has turned the system's dialogues of errors off for the whole process: a host that has them keeps them. */
void mimir_load_ready(void) {
    const UINT by_go = SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX | SEM_NOOPENFILEERRORBOX;
    if ((GetErrorMode() & ~by_go) == (error_mode & ~by_go)) SetErrorMode(error_mode);
    mimir_load_took_since(memory_before);
}

void mimir_load_took_since(struct mimir_memory then) {
    struct mimir_memory now = mimir_load_memory();
    if (now.data > then.data) reserve.data += now.data - then.data;
}

void mimir_load_reserve(uint64_t *address_space, uint64_t *data) {
    *address_space = reserve.address_space;
    *data = reserve.data;
}

/* Windows limits no handles. */
void mimir_load_files(uint64_t *soft, uint64_t *hard) { *soft = *hard = MIMIR_UNLIMITED; }
