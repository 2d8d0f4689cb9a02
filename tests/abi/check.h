/* The few lines that the C and C++ programs here need to test something. One file of a program defines CHECK_MAIN. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <string.h>

#include "libmimir.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The condition holds. */
#define CHECK(condition) check_true(__FILE__, __LINE__, #condition, !!(condition))
/* The call succeeds. */
#define WORKS(call) check_status(__FILE__, __LINE__, #call, (call), MIMIR_OK)
/* The call fails with a status, and mimir_last_error tells of it: the status, a step and a sentence. */
#define FAILS(status, call) check_failure(__FILE__, __LINE__, #call, (call), (status))

typedef struct check_case {
    const char *sentence;
    void (*run)(void);
} check_case;

extern int check_failures;     /* of the case that runs */
extern const char *check_only; /* runs only the cases whose sentence holds this, if not NULL */

void check_true(const char *file, int line, const char *condition, int holds);
int check_status(const char *file, int line, const char *call, int32_t got, int32_t want);
int check_failure(const char *file, int line, const char *call, int32_t got, int32_t want);
/* Runs the cases and gives how many failed. */
unsigned check_all(const check_case *cases, unsigned count);

#ifdef CHECK_MAIN

int check_failures;
const char *check_only;

void check_true(const char *file, int line, const char *condition, int holds) {
    if (holds) return;
    printf("     %s:%d: not so: %s\n", file, line, condition);
    check_failures++;
}

int check_status(const char *file, int line, const char *call, int32_t got, int32_t want) {
    mimir_error error;
    if (got == want) return 1;
    memset(&error, 0, sizeof error);
    error.size = (uint32_t)sizeof error;
    (void)(mimir_last_error)(&error);
    printf("     %s:%d: %s: status %d, not %d (last error: %d, %s: %s)\n", file, line, call, (int)got, (int)want,
           (int)error.status, error.step, error.message);
    check_failures++;
    return 0;
}

int check_failure(const char *file, int line, const char *call, int32_t got, int32_t want) {
    mimir_error error;
    if (!check_status(file, line, call, got, want)) return 0;
    memset(&error, 0, sizeof error);
    error.size = (uint32_t)sizeof error;
    if ((mimir_last_error)(&error) == MIMIR_OK && error.status == want && error.step[0] && error.message[0]) return 1;
    printf("     %s:%d: %s: the last error does not tell: %d, \"%s\", \"%s\"\n", file, line, call, (int)error.status,
           error.step, error.message);
    check_failures++;
    return 0;
}

unsigned check_all(const check_case *cases, unsigned count) {
    unsigned i, failed = 0;
    for (i = 0; i < count; i++) {
        if (check_only && !strstr(cases[i].sentence, check_only)) continue;
        check_failures = 0;
        cases[i].run();
        printf("%s %s\n", check_failures ? "FAIL" : "ok  ", cases[i].sentence);
        fflush(stdout);
        failed += check_failures > 0;
    }
    return failed;
}

#endif

#ifdef __cplusplus
}
#endif

#endif
