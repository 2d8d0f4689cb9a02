/* The library's reading called from C. Reads lines "NAME COUNT" and answers each with the nanoseconds that it took. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <libmimir.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

int main(void) {
    char name[64];
    uint64_t count;
    mimir_measure measure;
    measure.size = sizeof measure;
    while (scanf("%63s %" SCNu64, name, &count) == 2) {
        uint64_t begun = now_ns();
        for (uint64_t i = 0; i < count; i++) {
            int32_t status = mimir_usage_measure(UINT64_C(1) << 30, 300, &measure);
            if (status != MIMIR_OK) {
                fprintf(stderr, "mimir_usage_measure answered %" PRId32 "\n", status);
                return 1;
            }
        }
        printf("%" PRIu64 "\n", now_ns() - begun);
        fflush(stdout);
    }
    return 0;
}
