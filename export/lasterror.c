/* The last error of each thread. Eight bytes of static thread-local storage lead to a record that is allocated at a thread's
 * first failure: storage for all of it would take what the loader keeps for every library together. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#ifndef _WIN32
#include <pthread.h>
#endif

#if defined(__ELF__)
static __thread mimir_error *record __attribute__((tls_model("initial-exec")));
#else
static _Thread_local mimir_error *record;
#endif

/* Where memory is out, and in a forked child, in which nothing may be allocated. */
static mimir_error spare;

#ifndef _WIN32
static pthread_key_t freeing;
static pthread_once_t freeing_once = PTHREAD_ONCE_INIT;

static void make_key(void) { pthread_key_create(&freeing, free); }
#endif

static mimir_error *record_of_thread(void) {
    if (record) return record;
    if (mimir_gate_forked()) return &spare;
    mimir_error *made = calloc(1, sizeof *made);
    if (!made) return &spare;
#ifndef _WIN32
    pthread_once(&freeing_once, make_key);
    if (pthread_setspecific(freeing, made) != 0) {
        free(made);
        return &spare;
    }
#endif
    return record = made;
}

/* Copies as much of text as fits, and no part of a character. */
static void copy_text(char *to, size_t space, const char *text) {
    size_t n = strlen(text);
    if (n >= space) {
        n = space - 1;
        while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) n--;
    }
    memcpy(to, text, n);
    to[n] = 0;
}

int32_t mimir_error_set(int32_t status, int32_t os_code, const char *step, const char *text) {
    mimir_error *e = record_of_thread();
    e->status = status;
    e->os_code = os_code;
    copy_text(e->step, sizeof e->step, step);
    copy_text(e->message, sizeof e->message, text);
    return status;
}

int32_t mimir_error_copy(mimir_error *error) {
    static const mimir_error none;
    if (!error || error->size < sizeof *error || error->size > MIMIR_LARGEST_STRUCT)
        return MIMIR_EINVAL; /* recording it would overwrite what was asked for */
    const mimir_error *e = record ? record : mimir_gate_forked() ? &spare : &none;
    *error = *e;
    error->size = sizeof *error;
    return MIMIR_OK;
}
