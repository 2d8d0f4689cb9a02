/* Many calls leave nothing behind, and handles and threads can be misused. */
#include <malloc.h>

#include "calls.h"

static struct library l;

/* How often memory is measured: garbage that waits to be collected comes and goes, a leak grows every time. */
enum { ROUNDS = 4 };

struct held {
    int descriptors, threads;
    long memory;
};

static struct held held(void) { return (struct held){count_descriptors(), count_threads(), resident()}; }

static int more_memory(struct held from, struct held to) { return to.memory - from.memory > 1 << 20; }

static int grew(struct held from, struct held to) {
    return to.descriptors != from.descriptors || to.threads > from.threads || more_memory(from, to);
}

/* What was left as text, in one buffer. */
static const char *growth(struct held from, struct held to) {
    static char text[100];
    snprintf(text, sizeof text, "%d descriptors, %d threads, %ld KB", to.descriptors - from.descriptors, to.threads - from.threads,
             (to.memory - from.memory) >> 10);
    return text;
}

static int each(const char *path, long calls) {
    static struct calls c;
    int wrong = 0;
    library_load(&l, path);
    calls_begin(&c, &l);
    for (const struct entry *e = entries; e->name; e++) {
        /* Enough before for what is collected in portions to have been. */
        long n = e->slow ? calls / 100 : calls, warm = n / 4 + (e->slow ? 400 : 4000);
        for (long i = 0; i < warm; i++) e->call(&c);
        struct held first = held(), before, after = first;
        int round = 0;
        do {
            before = after;
            for (long i = 0; i < n; i++) {
                int32_t status = e->call(&c);
                if (status != e->want) fail("%s: status %d in call %ld", e->name, status, i);
            }
            after = held();
        } while (more_memory(before, after) && ++round < ROUNDS);
        first.memory = before.memory;
        if (grew(first, after)) {
            fprintf(stderr, "%s: %ld calls left %s\n", e->name, n, growth(first, after));
            wrong++;
        }
    }
    calls_end(&c);
    return wrong > 0;
}

/* Threads come and go, each with a first call and a failure of its own. */
static void *fail_once(void *unused) {
    mimir_error e = {.size = sizeof e};
    if (l.job_close(7) != MIMIR_EBADHANDLE || l.last_error(&e) != MIMIR_OK || e.status != MIMIR_EBADHANDLE) fail("no last error");
    return unused;
}

static int threads_come_and_go(const char *path, int turns) {
    library_load(&l, path);
    struct held first = {0}, before = first, after = held();
    for (int round = -4; round < ROUNDS; round++) { /* what is kept for threads is spread over Go's processors, and grows for a while */
        before = after;
        if (round <= 0) first = before;
        for (int i = 0; i < turns; i++) {
            pthread_t t;
            if (pthread_create(&t, NULL, fail_once, NULL) != 0) fail("thread %d", i);
            pthread_join(t, NULL);
        }
        /* The last one to be joined can still be listed for a moment. */
        for (int i = 0; i < 1000 && count_threads() > before.threads; i++) pause_ms(1);
        after = held();
        if (round >= 0 && !more_memory(before, after)) break;
    }
    first.memory = before.memory;
    if (grew(first, after)) fail("%d threads left %s", turns, growth(first, after));
    return 0;
}

static uint64_t new_job(const char *script) {
    const char *argv[] = {"/bin/sh", "-c", script};
    uint64_t job;
    REQUIRE(l.job_create(argv, 3, &job) == MIMIR_OK);
    return job;
}

/* Every function that takes a handle, with one that is not open. */
static void all_refuse(uint64_t job) {
    const char *const texts[] = {"A=b"};
    mimir_verdict v = {.size = sizeof v};
    mimir_usage u = {.size = sizeof u};
    char buffer[8];
    uint64_t count;
    int64_t pid;
    int32_t kept;
#define STALE(call) \
    do { \
        int32_t status = (call); \
        if (status != MIMIR_EBADHANDLE) fail("%s answered %d for handle %#llx", #call, status, (unsigned long long)job); \
    } while (0)
    STALE(l.job_set_limit(job, MIMIR_LIMIT_MEMORY, 1));
    STALE(l.job_set_limits(job, NULL, NULL, 0));
    STALE(l.job_set_directory(job, "/"));
    STALE(l.job_set_environment(job, texts, 1));
    STALE(l.job_set_input(job, "x", 1));
    STALE(l.job_set_stream(job, MIMIR_STREAM_OUTPUT, MIMIR_MODE_NULL, 0));
    STALE(l.job_set_priority(job, MIMIR_PRIORITY_NORMAL));
    STALE(l.job_set_option(job, MIMIR_OPTION_UMASK, 022));
    STALE(l.job_set_user(job, 1, 1, NULL, 0));
    STALE(l.job_set_writable(job, NULL, 0));
    STALE(l.job_start(job));
    STALE(l.job_run(job, 0, &v));
    STALE(l.job_wait(job, 0, &v));
    STALE(l.job_kill(job));
    STALE(l.job_signal(job, 0));
    STALE(l.job_pid(job, &pid));
    STALE(l.job_usage(job, &u));
    STALE(l.job_read(job, MIMIR_STREAM_OUTPUT, buffer, sizeof buffer, &count));
    STALE(l.job_enforcement(job, MIMIR_LIMIT_MEMORY, &kept));
    STALE(l.job_close(job));
    mimir_sample sample = {.size = sizeof sample};
    mimir_summary summary = {.size = sizeof summary};
    mimir_event event = {.size = sizeof event};
    uint32_t alert;
    uint64_t monitor;
    STALE(l.monitor_create(MIMIR_MONITOR_JOB, job, 1000000, 10, &monitor));
    STALE(l.monitor_latest(job, &sample));
    STALE(l.monitor_history(job, 1, NULL, 0, &count));
    STALE(l.monitor_summarize(job, MIMIR_METRIC_THREADS, 0, &summary));
    STALE(l.monitor_add_alert(job, MIMIR_METRIC_THREADS, MIMIR_ALERT_ABOVE, 1, 1, 0, &alert));
    STALE(l.monitor_remove_alert(job, 1));
    STALE(l.monitor_next(job, MIMIR_UNLIMITED, &event));
    STALE(l.monitor_close(job));
}

static int stale(const char *path) {
    library_load(&l, path);
    const uint64_t forged[] = {0, 1, 2, UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 32, UINT64_C(1) << 63, (uint64_t)(uintptr_t)&l};
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) all_refuse(forged[i]);
    uint64_t first = new_job("true"), started = new_job("sleep 100"), ended = new_job("true");
    mimir_verdict v = {.size = sizeof v};
    REQUIRE(l.job_start(started) == MIMIR_OK && l.job_run(ended, MIMIR_UNLIMITED, &v) == MIMIR_OK);
    const uint64_t closed[] = {first, started, ended};
    for (int i = 0; i < 3; i++) {
        REQUIRE(l.job_close(closed[i]) == MIMIR_OK);
        all_refuse(closed[i]);
    }
    for (int i = 0; i < 1000; i++) { /* a number is not given out again */
        uint64_t job = new_job("true");
        for (int j = 0; j < 3; j++) REQUIRE(job != closed[j]);
        REQUIRE(l.job_close(job) == MIMIR_OK);
    }
    for (int i = 0; i < 3; i++) all_refuse(closed[i]);
    return 0;
}

struct waiter {
    uint64_t job;
    int32_t status;
    int32_t reason;
};

static void *wait_for(void *waiter) {
    struct waiter *w = waiter;
    mimir_verdict v = {.size = sizeof v};
    w->status = l.job_wait(w->job, MIMIR_UNLIMITED, &v);
    w->reason = v.reason;
    return NULL;
}

static int close_while_waiting(const char *path, int turns) {
    library_load(&l, path);
    for (int i = 0; i < turns; i++) {
        struct waiter w[3];
        pthread_t t[3];
        uint64_t job = new_job("sleep 1000");
        REQUIRE(l.job_start(job) == MIMIR_OK);
        for (int k = 0; k < 3; k++) {
            w[k].job = job;
            pthread_create(&t[k], NULL, wait_for, &w[k]);
        }
        if (i % 2) pause_ms(2);
        double start = now();
        REQUIRE(l.job_close(job) == MIMIR_OK);
        if (now() - start > 10) fail("closing took %f s", now() - start);
        for (int k = 0; k < 3; k++) {
            pthread_join(t[k], NULL);
            /* It had the verdict, or came too late. */
            if (!(w[k].status == MIMIR_OK && w[k].reason == MIMIR_REASON_KILLED) && w[k].status != MIMIR_EBADHANDLE)
                fail("a waiter got status %d, reason %d", w[k].status, w[k].reason);
        }
        all_refuse(job);
    }
    return 0;
}

static atomic_uint_fast64_t shared;
static atomic_int stop;

static void *use_shared(void *unused) {
    mimir_verdict v = {.size = sizeof v};
    mimir_usage u = {.size = sizeof u};
    char buffer[256];
    uint64_t count;
    int64_t pid;
    int32_t kept;
    for (unsigned n = 0; !stop; n++) {
        uint64_t job = shared;
        switch (n % 12) {
        case 0: l.job_set_limit(job, MIMIR_LIMIT_MEMORY, UINT64_C(1) << 40); break;
        case 1: l.job_set_stream(job, MIMIR_STREAM_OUTPUT, MIMIR_MODE_CAPTURE, 0); break;
        case 2: l.job_set_input(job, buffer, 100); break;
        case 3: l.job_start(job); break;
        case 4: l.job_run(job, 1000000, &v); break;
        case 5: l.job_wait(job, 500000, &v); break;
        case 6: l.job_usage(job, &u); break;
        case 7: l.job_read(job, MIMIR_STREAM_OUTPUT, buffer, sizeof buffer, &count); break;
        case 8: l.job_pid(job, &pid); break;
        case 9: l.job_enforcement(job, MIMIR_LIMIT_MEMORY, &kept); break;
        case 10: if (n % 7 == 0) l.job_kill(job); break;
        case 11: if (n % 5 == 0) l.job_signal(job, SIGCONT); break;
        }
    }
    return unused;
}

/* One handle in many threads, closed under them again and again. */
static int share(const char *path, double seconds) {
    pthread_t t[8];
    library_load(&l, path);
    shared = new_job("echo a; sleep 0.01");
    for (int i = 0; i < 8; i++) pthread_create(&t[i], NULL, use_shared, NULL);
    double end = now() + seconds;
    while (now() < end) {
        uint64_t old = shared;
        pause_ms(3);
        shared = new_job("echo a; sleep 0.01");
        REQUIRE(l.job_close(old) == MIMIR_OK);
    }
    stop = 1;
    for (int i = 0; i < 8; i++) pthread_join(t[i], NULL);
    REQUIRE(l.job_close(shared) == MIMIR_OK);
    return 0;
}

static void *call_all(void *number) {
    struct calls *c = calloc(1, sizeof *c);
    calls_begin(c, &l);
    long calls = 0;
    for (int round = (int)(intptr_t)number; !stop; round++)
        for (const struct entry *e = entries; e->name && !stop; e++) {
            if (e->slow && round % 40) continue;
            int32_t status = e->call(c);
            if (status != e->want) {
                mimir_error error = {.size = sizeof error};
                l.last_error(&error);
                fail("%s: status %d, %s: %s", e->name, status, error.step, error.message);
            }
            calls++;
        }
    calls_end(c);
    free(c);
    return (void *)calls;
}

static int threads(const char *path, int n, double seconds) {
    pthread_t t[64];
    long calls = 0;
    library_load(&l, path);
    for (int i = 0; i < n; i++) pthread_create(&t[i], NULL, call_all, (void *)(intptr_t)i);
    pause_ms((long)(seconds * 1000));
    stop = 1;
    for (int i = 0; i < n; i++) {
        void *made;
        pthread_join(t[i], &made);
        calls += (long)made;
    }
    printf("%ld calls\n", calls);
    return 0;
}

int main(int argc, char **argv) {
    REQUIRE(argc >= 3);
    const char *what = argv[2];
    double n = argc > 3 ? atof(argv[3]) : 0;
    if (strcmp(what, "each") == 0) return each(argv[1], (long)n);
    if (strcmp(what, "come-and-go") == 0) return threads_come_and_go(argv[1], (int)n);
    if (strcmp(what, "stale") == 0) return stale(argv[1]);
    if (strcmp(what, "close-while-waiting") == 0) return close_while_waiting(argv[1], (int)n);
    if (strcmp(what, "share") == 0) return share(argv[1], n);
    if (strcmp(what, "threads") == 0) return threads(argv[1], argc > 4 ? atoi(argv[4]) : 32, n);
    return 2;
}
