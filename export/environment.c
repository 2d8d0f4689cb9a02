/* The host's environment as it is now: Go's copy is as old as the runtime. */
#include "internal.h"

#ifndef _WIN32

#include <string.h>

extern char **environ;

size_t mimir_environment_copy(char *to, size_t room) {
    size_t needed = 0;
    for (char **variable = environ; variable && *variable; variable++) {
        size_t length = strlen(*variable) + 1;
        if (needed + length <= room) memcpy(to + needed, *variable, length);
        needed += length;
    }
    return needed;
}

#else

/* Go asks the system each time, and C has one environment for each copy of its runtime. */
size_t mimir_environment_copy(char *to, size_t room) {
    (void)to, (void)room;
    return 0;
}

#endif
