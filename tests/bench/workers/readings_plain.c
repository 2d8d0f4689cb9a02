/* What the library's reading costs without the library: the same two readings and the same arithmetic, in plain C.
 * Reads lines "NAME COUNT" and answers each with the nanoseconds that COUNT readings took. */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct reading {
    uint64_t memory_bytes, peak_bytes;
    double memory_mb, memory_percent, cpu_seconds, cpu_percent;
    int memory_exceeded, cpu_exceeded;
};

static int statm = -1;
static uint64_t page_bytes;

/* Field 2 of /proc/self/statm. */
static uint64_t resident_pages(const char *text, ssize_t length) {
    ssize_t i = 0;
    uint64_t pages = 0;
    while (i < length && text[i] != ' ') i++;
    for (i++; i < length && text[i] >= '0' && text[i] <= '9'; i++) pages = pages * 10 + (uint64_t)(text[i] - '0');
    return pages;
}

static int fill(struct reading *r, uint64_t pages, uint64_t memory_limit, uint64_t cpu_limit) {
    struct rusage ru;
    if (getrusage(RUSAGE_SELF, &ru) != 0) return -1;
    r->memory_bytes = pages * page_bytes;
    r->peak_bytes = (uint64_t)ru.ru_maxrss * 1024;
    r->memory_mb = (double)r->memory_bytes / (1024 * 1024);
    r->cpu_seconds = (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
                     (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
    r->memory_percent = memory_limit ? (double)r->memory_bytes / (double)memory_limit * 100 : 0;
    r->cpu_percent = cpu_limit ? r->cpu_seconds / (double)cpu_limit * 100 : 0;
    r->memory_exceeded = memory_limit != 0 && r->memory_bytes > memory_limit;
    r->cpu_exceeded = cpu_limit != 0 && r->cpu_seconds > (double)cpu_limit;
    return 0;
}

static int read_kept_open(struct reading *r) {
    char text[128];
    ssize_t n = pread(statm, text, sizeof text, 0);
    return n <= 0 ? -1 : fill(r, resident_pages(text, n), UINT64_C(1) << 30, 300);
}

static int read_opened_anew(struct reading *r) {
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0) close(fd);
    return n <= 0 ? -1 : fill(r, resident_pages(text, n), UINT64_C(1) << 30, 300);
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

int main(void) {
    char name[64];
    uint64_t count;
    page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (statm < 0) {
        perror("/proc/self/statm");
        return 1;
    }
    while (scanf("%63s %" SCNu64, name, &count) == 2) {
        struct reading r;
        int (*take)(struct reading *) = strcmp(name, "plain-open") == 0 ? read_opened_anew : read_kept_open;
        uint64_t begun = now_ns();
        for (uint64_t i = 0; i < count; i++) {
            if (take(&r) != 0) {
                perror(name);
                return 1;
            }
        }
        printf("%" PRIu64 "\n", now_ns() - begun);
        fflush(stdout);
        if (r.memory_bytes == 0) return 1; /* the readings are used, so that none can be left out */
    }
    return 0;
}
