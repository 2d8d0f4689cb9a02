/* What the parts of the library say to each other. Nothing here is visible outside. */
#ifndef MIMIR_INTERNAL_H
#define MIMIR_INTERNAL_H

#include "libmimir.h"

/* gate.c: whether this process is a forked child of the one that loaded the library, where Go may not be entered. */
int mimir_gate_forked(void);
/* Records MIMIR_EFORKED for a function that needs the whole library, and returns it. */
int32_t mimir_gate_refuse(const char *function);
/* Makes the gate close in children forked from now on. Called once, as the library is loaded. */
void mimir_gate_install(void);

/* lasterror.c: the last error of each thread. step and text are UTF-8 and are copied, cut to fit. Returns status. */
int32_t mimir_error_set(int32_t status, int32_t os_code, const char *step, const char *text);
int32_t mimir_error_copy(mimir_error *error);

/* load.c: called by Go's own initialization, once the host's limits are as they were. */
void mimir_load_ready(void);
/* The soft and hard RLIMIT_NOFILE that the host had before Go's runtime changed them. */
void mimir_load_files(uint64_t *soft, uint64_t *hard);

#endif
