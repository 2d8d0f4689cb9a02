/* A program linked with the library, of which a thread forks while the library is still being loaded: it starts before any
 * constructor of a library runs. */
#include "host.h"

static atomic_int loaded, forks, wrong;
static pthread_t thread;

static int works(void) {
    uint64_t soft, hard, job;
    const char *argv[] = {"true"};
    mimir_measure m = {.size = sizeof m};
    if (mimir_limit_get(0, MIMIR_LIMIT_OPEN_FILES, &soft, &hard, NULL) != MIMIR_OK) return 11;
    if (mimir_limit_set(0, MIMIR_LIMIT_OPEN_FILES, soft < 100 ? soft : 100, hard, NULL) != MIMIR_OK) return 12;
    if (mimir_usage_measure(0, 0, &m) != MIMIR_OK || m.memory_bytes == 0) return 13;
    if (mimir_job_create(argv, 1, &job) != MIMIR_EFORKED) return 14;
    return 0;
}

static void *fork_on(void *unused) {
    (void)unused;
    for (int after = 0; after < 20; after += loaded) {
        pid_t child = fork();
        if (child == 0) _exit(works());
        int end = await_child(child, 10);
        forks++;
        if (end != 0) {
            fprintf(stderr, "fork %d, %s: ended with %d\n", forks, loaded ? "loaded" : "while loading", end);
            if (++wrong == 3) break;
        }
    }
    return NULL;
}

static void begin(int argc, char **argv, char **environment) {
    (void)argc, (void)argv, (void)environment;
    pthread_create(&thread, NULL, fork_on, NULL);
    pause_ms(argc > 1 ? atoi(argv[1]) : 0);
}

__attribute__((section(".preinit_array"), used)) static void (*const before_libraries)(int, char **, char **) = begin;

int main(void) {
    loaded = 1;
    pthread_join(thread, NULL);
    printf("%d forks\n", forks);
    return wrong != 0;
}
