/* A program for jobs to run. It does not know the library, which could not start under some of the limits. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* eat BYTES: touches that much memory at 500 MB/s. A burst is met by RLIMIT_DATA, not by the watchdog tested with this. */
static int eat(const char *bytes) {
    unsigned long long left = strtoull(bytes, NULL, 10), step = 1 << 20;
    for (; left >= step; left -= step) {
        char *piece = malloc((size_t)step);
        struct timespec pause = {0, 2000000};
        if (!piece) return 3;
        memset(piece, 1, (size_t)step);
        nanosleep(&pause, NULL);
    }
    return 0;
}

/* spin: uses CPU time for as long as it can. */
static void spin(void) {
    volatile unsigned long i;
    for (i = 0;; i++) {
    }
}

/* fill FILE BYTES: writes a file of that size. */
static int fill(const char *file, const char *bytes) {
    unsigned long long left = strtoull(bytes, NULL, 10);
    char block[4096];
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0) return 3;
    memset(block, 'x', sizeof block);
    for (; left >= sizeof block; left -= sizeof block) {
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block) return 4;
    }
    return 0;
}

/* limits: prints the soft limits that it was started with. */
static int limits(void) {
    struct rlimit as, cpu, files, size;
    getrlimit(RLIMIT_AS, &as);
    getrlimit(RLIMIT_CPU, &cpu);
    getrlimit(RLIMIT_NOFILE, &files);
    getrlimit(RLIMIT_FSIZE, &size);
    printf("%llu %llu %llu %llu\n", (unsigned long long)as.rlim_cur, (unsigned long long)cpu.rlim_cur,
           (unsigned long long)files.rlim_cur, (unsigned long long)size.rlim_cur);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && !strcmp(argv[1], "eat")) return eat(argv[2]);
    if (argc == 2 && !strcmp(argv[1], "spin")) spin();
    if (argc == 4 && !strcmp(argv[1], "fill")) return fill(argv[2], argv[3]);
    if (argc == 2 && !strcmp(argv[1], "limits")) return limits();
    return 2;
}
