#include "host.h"

#include <pthread.h>
#include <signal.h>

static uint64_t monitor_of(int32_t target, uint64_t id, uint64_t interval_ns) {
    uint64_t monitor = 0;
    WORKS(mimir_monitor_create(target, id, interval_ns, 100, &monitor));
    return monitor;
}

static int has(const mimir_sample *sample, int32_t metric) { return (int)(sample->fields >> metric & 1); }

/* Waits until a monitor has made its sample of a number, and gives it. */
static mimir_sample sample_from(uint64_t monitor, uint64_t number) {
    mimir_sample sample;
    int i;
    for (i = 0; i < 20000; i++) {
        SIZED(sample);
        WORKS(mimir_monitor_latest(monitor, &sample));
        if (sample.number >= number) return sample;
        host_pause_ms(1);
    }
    CHECK(!"the monitor makes samples");
    return sample;
}

static mimir_event next(uint64_t monitor) {
    mimir_event event;
    SIZED(event);
    WORKS(mimir_monitor_next(monitor, 20 * SECOND, &event));
    return event;
}

static void the_caller_is_monitored(void) {
    uint64_t monitor = monitor_of(MIMIR_MONITOR_PROCESS, 0, SECOND / 500), count = 0, stored = 0, i;
    mimir_sample first, some[50], last;
    mimir_summary summary;
    SIZED(first);
    WORKS(mimir_monitor_history(monitor, 1, &first, 1, &stored));
    CHECK(stored == 1 && first.number == 1);
    CHECK(first.size == sizeof first && first.memory_bytes > MIB && first.memory_percent > 0 && first.memory_percent < 100);
    CHECK(has(&first, MIMIR_METRIC_THREADS) && first.descriptors >= 3 && first.virtual_bytes > first.memory_bytes);
    CHECK(!has(&first, MIMIR_METRIC_SWAP_BYTES) && first.swap_bytes == 0);
    last = sample_from(monitor, 20);
    CHECK(has(&last, MIMIR_METRIC_CPU_PERCENT) && last.elapsed_ns >= 19 * (SECOND / 500));
    WORKS(mimir_monitor_history(monitor, 1, NULL, 0, &count));
    CHECK(count >= 2 && count <= 100);
    memset(some, 0x5a, sizeof some);
    some[0].size = sizeof some[0];
    WORKS(mimir_monitor_history(monitor, 1, some, 3, &stored));
    CHECK(stored >= 1 && stored <= 3 && some[0].number == 1 && some[0].time_ns == first.time_ns && some[3].number == UINT64_C(0x5a5a5a5a5a5a5a5a));
    WORKS(mimir_monitor_history(monitor, 5, some, 50, &stored));
    CHECK(stored >= 1 && some[0].number >= 5);
    for (i = 1; i < stored; i++) CHECK(some[i].number > some[i - 1].number && some[i].size == sizeof some[i]);
    WORKS(mimir_monitor_history(monitor, UINT64_MAX, some, 50, &stored));
    CHECK(stored == 0);
    SIZED(summary);
    WORKS(mimir_monitor_summarize(monitor, MIMIR_METRIC_MEMORY_BYTES, MIMIR_UNLIMITED, &summary));
    CHECK(summary.samples >= 2 && summary.least > (double)MIB && summary.mean >= summary.least && summary.mean <= summary.most);
    SIZED(summary);
    WORKS(mimir_monitor_summarize(monitor, MIMIR_METRIC_CPU_TIME_NS, 0, &summary));
    CHECK(summary.samples == 1 && summary.first == summary.last && summary.slope_per_second == 0);
    SIZED(summary);
    WORKS(mimir_monitor_summarize(monitor, MIMIR_METRIC_SWAP_BYTES, MIMIR_UNLIMITED, &summary));
    CHECK(summary.samples == 0 && summary.most == 0);
    WORKS(mimir_monitor_close(monitor));
}

/* A program that knows twice the struct, and one that knows it as it is, see the same samples. */
static void samples_lie_as_far_apart_as_their_size_says(void) {
    struct {
        mimir_sample sample;
        uint64_t more[5];
    } wide[4];
    uint64_t monitor = monitor_of(MIMIR_MONITOR_PROCESS, 0, SECOND / 500), stored = 0, i;
    (void)sample_from(monitor, 8);
    memset(wide, 0x5a, sizeof wide);
    wide[0].sample.size = sizeof wide[0];
    WORKS(mimir_monitor_history(monitor, 1, &wide[0].sample, 3, &stored));
    CHECK(stored == 3);
    for (i = 0; i < stored; i++)
        CHECK(wide[i].sample.size == sizeof(mimir_sample) && wide[i].sample.memory_bytes > MIB && wide[i].more[0] == UINT64_C(0x5a5a5a5a5a5a5a5a));
    CHECK(wide[3].sample.number == UINT64_C(0x5a5a5a5a5a5a5a5a));
    WORKS(mimir_monitor_close(monitor));
}

static void a_process_is_monitored_to_its_end(void) {
    pid_t child = host_sleeper();
    uint64_t monitor = monitor_of(MIMIR_MONITOR_PROCESS, (uint64_t)child, SECOND / 1000);
    mimir_event event;
    mimir_sample last;
    SIZED(event);
    FAILS(MIMIR_ETIMEDOUT, mimir_monitor_next(monitor, 0, &event));
    FAILS(MIMIR_ETIMEDOUT, mimir_monitor_next(monitor, SECOND / 50, &event));
    host_reap(child);
    event = next(monitor);
    CHECK(event.kind == MIMIR_EVENT_ENDED && event.alert == 0 && event.lost == 0);
    FAILS(MIMIR_ESRCH, mimir_monitor_next(monitor, MIMIR_UNLIMITED, &event));
    last = sample_from(monitor, 1);
    CHECK(last.number == event.number);
    WORKS(mimir_monitor_close(monitor));
    FAILS(MIMIR_ESRCH, mimir_monitor_create(MIMIR_MONITOR_PROCESS, (uint64_t)child, SECOND, 10, &monitor));
}

static void a_job_is_monitored_against_its_limit(void) {
    const char *command[3];
    uint64_t job = 0, monitor = 0;
    uint32_t alert = 0;
    mimir_event event;
    mimir_sample last;
    command[0] = host_chores;
    command[1] = "eat";
    command[2] = "209715200";
    WORKS(mimir_job_create(command, 3, &job));
    WORKS(mimir_job_set_limit(job, MIMIR_LIMIT_MEMORY, 256 * MIB));
    WORKS(mimir_job_set_limit(job, MIMIR_LIMIT_WALL_TIME, 60 * SECOND));
    FAILS(MIMIR_ESTATE, mimir_monitor_create(MIMIR_MONITOR_JOB, job, SECOND / 1000, 100, &monitor));
    WORKS(mimir_job_start(job));
    monitor = monitor_of(MIMIR_MONITOR_JOB, job, SECOND / 1000);
    WORKS(mimir_monitor_add_alert(monitor, MIMIR_METRIC_MEMORY_PERCENT, MIMIR_ALERT_ABOVE, 20, 10, 0, &alert));
    event = next(monitor);
    CHECK(event.kind == MIMIR_EVENT_RAISED && event.metric == MIMIR_METRIC_MEMORY_PERCENT && event.alert == alert);
    CHECK(event.value > 20 && event.value < 100 && event.threshold == 20);
    last = sample_from(monitor, event.number);
    CHECK(last.memory_bytes > 51 * MIB);
    FAILS(MIMIR_EBADHANDLE, mimir_job_kill(monitor)); /* a handle of one kind is none of the other */
    FAILS(MIMIR_EBADHANDLE, mimir_monitor_close(job));
    WORKS(mimir_job_kill(job));
    do event = next(monitor);
    while (event.kind == MIMIR_EVENT_CLEARED); /* it may have been seen with less */
    CHECK(event.kind == MIMIR_EVENT_ENDED);
    WORKS(mimir_job_close(job));
    WORKS(mimir_monitor_close(monitor));
}

static void the_system_is_monitored(void) {
    uint64_t monitor = monitor_of(MIMIR_MONITOR_SYSTEM, 0, SECOND / 50);
    mimir_sample last = sample_from(monitor, 10);
    CHECK(last.memory_percent > 0 && last.memory_percent < 100 && last.processes > 0 && has(&last, MIMIR_METRIC_RUN_QUEUE));
    CHECK(has(&last, MIMIR_METRIC_SWAP_BYTES) && !has(&last, MIMIR_METRIC_DESCRIPTORS));
    CHECK(!has(&last, MIMIR_METRIC_CPU_PERCENT) || (last.cpu_percent >= 0 && last.cpu_percent <= 100));
    WORKS(mimir_monitor_close(monitor));
}

static void an_alert_that_was_removed_tells_nothing(void) {
    uint64_t monitor = monitor_of(MIMIR_MONITOR_PROCESS, 0, SECOND / 1000);
    uint32_t above = 0, below = 0;
    mimir_event event;
    WORKS(mimir_monitor_add_alert(monitor, MIMIR_METRIC_MEMORY_BYTES, MIMIR_ALERT_ABOVE, 0, 0, SECOND / 50, &above));
    WORKS(mimir_monitor_add_alert(monitor, MIMIR_METRIC_MEMORY_BYTES, MIMIR_ALERT_BELOW, 1, 1, 0, &below));
    CHECK(above != below && above > 0 && below > 0);
    event = next(monitor);
    CHECK(event.alert == above && event.value >= 1 && event.number > 1); /* not before it has lasted */
    WORKS(mimir_monitor_remove_alert(monitor, above));
    FAILS(MIMIR_ENOENT, mimir_monitor_remove_alert(monitor, above));
    SIZED(event);
    FAILS(MIMIR_ETIMEDOUT, mimir_monitor_next(monitor, SECOND / 20, &event));
    WORKS(mimir_monitor_close(monitor));
}

struct waiter {
    uint64_t monitor;
    int32_t status;
};

static void *waits(void *argument) {
    struct waiter *w = (struct waiter *)argument;
    mimir_event event;
    SIZED(event);
    do w->status = (mimir_monitor_next)(w->monitor, MIMIR_UNLIMITED, &event);
    while (w->status == MIMIR_EINTR);
    return NULL;
}

static void who_waits_is_told_of_the_close(void) {
    struct waiter waiter;
    pthread_t thread;
    waiter.monitor = monitor_of(MIMIR_MONITOR_PROCESS, 0, 3600 * SECOND);
    waiter.status = 1;
    CHECK(pthread_create(&thread, NULL, waits, &waiter) == 0);
    host_pause_ms(50);
    WORKS(mimir_monitor_close(waiter.monitor));
    pthread_join(thread, NULL);
    CHECK(waiter.status == MIMIR_ESTATE || waiter.status == MIMIR_EBADHANDLE);
    FAILS(MIMIR_EBADHANDLE, mimir_monitor_close(waiter.monitor));
}

static void impossible_monitors_are_refused(void) {
    uint64_t monitor = 7, count = 7, closed = monitor_of(MIMIR_MONITOR_PROCESS, 0, SECOND), handles[4];
    uint32_t alert = 7;
    mimir_sample sample;
    mimir_summary summary;
    mimir_event event;
    unsigned i;
    FAILS(MIMIR_EINVAL, mimir_monitor_create(MIMIR_MONITOR_PROCESS, 0, SECOND, 10, NULL));
    FAILS(MIMIR_EINVAL, mimir_monitor_create(3, 0, SECOND, 10, &monitor));
    FAILS(MIMIR_EINVAL, mimir_monitor_create(-1, 0, SECOND, 10, &monitor));
    FAILS(MIMIR_EINVAL, mimir_monitor_create(MIMIR_MONITOR_PROCESS, UINT64_MAX, SECOND, 10, &monitor));
    FAILS(MIMIR_EINVAL, mimir_monitor_create(MIMIR_MONITOR_SYSTEM, 1, SECOND, 10, &monitor));
    FAILS(MIMIR_EINVAL, mimir_monitor_create(MIMIR_MONITOR_PROCESS, 0, 0, 10, &monitor));
    FAILS(MIMIR_EINVAL, mimir_monitor_create(MIMIR_MONITOR_PROCESS, 0, SECOND / 1000 - 1, 10, &monitor));
    FAILS(MIMIR_EINVAL, mimir_monitor_create(MIMIR_MONITOR_PROCESS, 0, SECOND, 0, &monitor));
    FAILS(MIMIR_EINVAL, mimir_monitor_create(MIMIR_MONITOR_PROCESS, 0, SECOND, 1000001, &monitor));
    FAILS(MIMIR_EINVAL, mimir_monitor_create(MIMIR_MONITOR_PROCESS, 0, SECOND, UINT64_MAX, &monitor));
    FAILS(MIMIR_ESRCH, mimir_monitor_create(MIMIR_MONITOR_PROCESS, (uint64_t)host_gone(), SECOND, 10, &monitor));
    FAILS(MIMIR_EBADHANDLE, mimir_monitor_create(MIMIR_MONITOR_JOB, closed, SECOND, 10, &monitor));
    CHECK(monitor == 7);

    monitor = closed;
    REFUSES_WRONG_SIZES(sample, mimir_monitor_latest(monitor, &sample));
    REFUSES_WRONG_SIZES(sample, mimir_monitor_history(monitor, 1, &sample, 1, &count));
    REFUSES_WRONG_SIZES(summary, mimir_monitor_summarize(monitor, MIMIR_METRIC_THREADS, 0, &summary));
    REFUSES_WRONG_SIZES(event, mimir_monitor_next(monitor, 0, &event));
    FAILS(MIMIR_EINVAL, mimir_monitor_latest(monitor, NULL));
    FAILS(MIMIR_EINVAL, mimir_monitor_history(monitor, 1, NULL, 1, &count));
    FAILS(MIMIR_EINVAL, mimir_monitor_history(monitor, 1, &sample, 1, NULL));
    FAILS(MIMIR_EINVAL, mimir_monitor_history(monitor, 1, &sample, UINT64_MAX, &count));
    FAILS(MIMIR_EINVAL, mimir_monitor_summarize(monitor, MIMIR_METRIC_THREADS, 0, NULL));
    FAILS(MIMIR_EINVAL, mimir_monitor_summarize(monitor, -1, 0, &summary));
    FAILS(MIMIR_EINVAL, mimir_monitor_summarize(monitor, MIMIR_METRIC_RUN_QUEUE + 1, 0, &summary));
    FAILS(MIMIR_EINVAL, mimir_monitor_next(monitor, 0, NULL));
    FAILS(MIMIR_EINVAL, mimir_monitor_add_alert(monitor, MIMIR_METRIC_THREADS, MIMIR_ALERT_ABOVE, 1, 1, 0, NULL));
    FAILS(MIMIR_EINVAL, mimir_monitor_add_alert(monitor, 99, MIMIR_ALERT_ABOVE, 1, 1, 0, &alert));
    FAILS(MIMIR_EINVAL, mimir_monitor_add_alert(monitor, MIMIR_METRIC_THREADS, 2, 1, 1, 0, &alert));
    FAILS(MIMIR_EINVAL, mimir_monitor_add_alert(monitor, MIMIR_METRIC_THREADS, MIMIR_ALERT_ABOVE, 1, 2, 0, &alert));
    FAILS(MIMIR_EINVAL, mimir_monitor_add_alert(monitor, MIMIR_METRIC_THREADS, MIMIR_ALERT_BELOW, 2, 1, 0, &alert));
    FAILS(MIMIR_EINVAL, mimir_monitor_add_alert(monitor, MIMIR_METRIC_THREADS, MIMIR_ALERT_ABOVE, strtod("nan", NULL), 1, 0, &alert));
    FAILS(MIMIR_EINVAL, mimir_monitor_add_alert(monitor, MIMIR_METRIC_THREADS, MIMIR_ALERT_ABOVE, strtod("inf", NULL), 1, 0, &alert));
    CHECK(alert == 7 && count == 7);
    WORKS(mimir_monitor_close(closed));

    handles[0] = closed;
    handles[1] = 0;
    handles[2] = UINT64_MAX;
    handles[3] = closed + 1000;
    SIZED(sample);
    SIZED(summary);
    SIZED(event);
    for (i = 0; i < 4; i++) {
        FAILS(MIMIR_EBADHANDLE, mimir_monitor_latest(handles[i], &sample));
        FAILS(MIMIR_EBADHANDLE, mimir_monitor_history(handles[i], 1, NULL, 0, &count));
        FAILS(MIMIR_EBADHANDLE, mimir_monitor_summarize(handles[i], MIMIR_METRIC_THREADS, 0, &summary));
        FAILS(MIMIR_EBADHANDLE, mimir_monitor_add_alert(handles[i], MIMIR_METRIC_THREADS, MIMIR_ALERT_ABOVE, 1, 1, 0, &alert));
        FAILS(MIMIR_EBADHANDLE, mimir_monitor_remove_alert(handles[i], 1));
        FAILS(MIMIR_EBADHANDLE, mimir_monitor_next(handles[i], MIMIR_UNLIMITED, &event));
        FAILS(MIMIR_EBADHANDLE, mimir_monitor_close(handles[i]));
    }
}

const check_case monitor_cases[] = {
    {"the caller is monitored", the_caller_is_monitored},
    {"samples lie as far apart as their size says", samples_lie_as_far_apart_as_their_size_says},
    {"a process is monitored to its end", a_process_is_monitored_to_its_end},
    {"a job is monitored against its limit", a_job_is_monitored_against_its_limit},
    {"the system is monitored", the_system_is_monitored},
    {"an alert that was removed tells nothing", an_alert_that_was_removed_tells_nothing},
    {"who waits is told of the close", who_waits_is_told_of_the_close},
    {"impossible monitors are refused", impossible_monitors_are_refused},
};
const unsigned monitor_count = COUNT(monitor_cases);
