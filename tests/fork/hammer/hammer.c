#include "calls.h"

static struct library l;
static atomic_int stop;

static void *call_all(void *number) {
    struct calls *c = calloc(1, sizeof *c);
    calls_begin(c, &l);
    long calls = 0;
    for (int round = (int)(intptr_t)number; !stop; round++)
        for (const struct entry *e = entries; e->name && !stop; e++) {
            if (e->slow && round % 20) continue;
            int32_t status = e->call(c);
            if (status != e->want) fail("%s: status %d", e->name, status);
            calls++;
        }
    calls_end(c);
    free(c);
    return (void *)calls;
}

int64_t hammer_run(int threads, double seconds);
int64_t hammer_run(int threads, double seconds) {
    pthread_t t[64];
    int64_t calls = 0;
#define X(name, works) l.name = mimir_##name;
    MIMIR_FUNCTIONS(X)
#undef X
    for (int i = 0; i < threads; i++) REQUIRE(pthread_create(&t[i], NULL, call_all, (void *)(intptr_t)i) == 0);
    pause_ms((long)(seconds * 1000));
    stop = 1;
    for (int i = 0; i < threads; i++) {
        void *made;
        pthread_join(t[i], &made);
        calls += (long)made;
    }
    return calls;
}
