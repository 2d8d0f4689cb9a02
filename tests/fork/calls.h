/* One call of each exported function that a program might make again and again, with the status that it must answer.
 * support.py makes a table of them; a function that is not here fails a test of its own. */
#ifndef CALLS_H
#define CALLS_H

#include "host.h"

/* What the calls of one thread are made on. */
struct calls {
    const struct library *l;
    uint64_t prepared, ended; /* jobs */
    uint64_t monitor;
    char long_path[4096];     /* makes calls allocate */
    char buffer[8192];
};

#define QUICK(name, want) static int32_t call_##name(struct calls *c)
#define SLOW(name, want) QUICK(name, want) /* starts a process, or reads of many */

static const char *const calls_true[] = {"/bin/sh", "-c", "echo out; echo err >&2"};

__attribute__((unused)) static void calls_begin(struct calls *c, const struct library *l) {
    mimir_verdict v = {.size = sizeof v};
    c->l = l;
    memset(c->long_path, 'a', sizeof c->long_path - 1);
    for (size_t i = 0; i < sizeof c->long_path - 1; i += 7) c->long_path[i] = '/';
    c->long_path[sizeof c->long_path - 1] = 0;
    REQUIRE(l->job_create(calls_true, 3, &c->prepared) == MIMIR_OK);
    REQUIRE(l->job_create(calls_true, 3, &c->ended) == MIMIR_OK);
    REQUIRE(l->job_set_stream(c->ended, MIMIR_STREAM_OUTPUT, MIMIR_MODE_CAPTURE, 0) == MIMIR_OK);
    REQUIRE(l->job_set_stream(c->ended, MIMIR_STREAM_ERROR, MIMIR_MODE_NULL, 0) == MIMIR_OK);
    int32_t status = l->job_run(c->ended, MIMIR_UNLIMITED, &v);
    while (status == MIMIR_EINTR) status = l->job_wait(c->ended, MIMIR_UNLIMITED, &v);
    REQUIRE(status == MIMIR_OK);
    /* One sample, and no other: each opens descriptors for a moment, which are counted here. */
    REQUIRE(l->monitor_create(MIMIR_MONITOR_PROCESS, 0, UINT64_MAX, 50, &c->monitor) == MIMIR_OK);
}

__attribute__((unused)) static void calls_end(struct calls *c) {
    REQUIRE(c->l->job_close(c->prepared) == MIMIR_OK);
    REQUIRE(c->l->job_close(c->ended) == MIMIR_OK);
    REQUIRE(c->l->monitor_close(c->monitor) == MIMIR_OK);
}

QUICK(version, MIMIR_OK) { return c->l->version(c->buffer, sizeof c->buffer, NULL); }

QUICK(abi, MIMIR_OK) {
    uint32_t abi;
    return c->l->abi(&abi);
}

QUICK(last_error, MIMIR_OK) {
    mimir_error e = {.size = sizeof e};
    return c->l->last_error(&e);
}

QUICK(status_text, MIMIR_OK) { return c->l->status_text(MIMIR_ESRCH, c->buffer, sizeof c->buffer, NULL); }

QUICK(library_reload, MIMIR_ESTATE) {
    uint64_t handle;
    return c->l->library_reload(&handle);
}

QUICK(system_get, MIMIR_OK) {
    mimir_system s = {.size = sizeof s};
    return c->l->system_get(&s);
}

SLOW(system_measure, MIMIR_OK) {
    mimir_system_usage u = {.size = sizeof u};
    return c->l->system_measure(&u);
}

QUICK(container_get, MIMIR_OK) {
    mimir_container found = {.size = sizeof found};
    return c->l->container_get(&found);
}

QUICK(container_text, MIMIR_OK) {
    return c->l->container_text(MIMIR_CONTAINER_TEXT_RUNTIME, c->buffer, sizeof c->buffer, NULL);
}

QUICK(system_text, MIMIR_OK) { return c->l->system_text(MIMIR_SYSTEM_DISTRIBUTION, c->buffer, sizeof c->buffer, NULL); }

QUICK(limit_set, MIMIR_OK) {
    uint64_t soft, hard;
    int32_t status = c->l->limit_get(0, MIMIR_LIMIT_FILE_SIZE, &soft, &hard, NULL);
    return status ? status : c->l->limit_set(0, MIMIR_LIMIT_FILE_SIZE, soft, hard, NULL);
}

QUICK(limit_get, MIMIR_OK) {
    uint64_t soft, hard;
    int32_t kept;
    return c->l->limit_get(0, MIMIR_LIMIT_PROCESSES, &soft, &hard, &kept);
}

QUICK(limit_support, MIMIR_OK) {
    int32_t kept;
    return c->l->limit_support(MIMIR_LIMIT_MEMORY, MIMIR_SCOPE_JOB, &kept);
}

QUICK(usage_get, MIMIR_OK) {
    mimir_usage u = {.size = sizeof u};
    return c->l->usage_get(0, MIMIR_USAGE_ALL, &u);
}

QUICK(usage_measure, MIMIR_OK) {
    mimir_measure m = {.size = sizeof m};
    return c->l->usage_measure(1 << 30, 100, &m);
}

QUICK(usage_page, MIMIR_OK) {
    uint64_t address;
    return c->l->usage_page(&address);
}

QUICK(usage_refresh, MIMIR_OK) { return c->l->usage_refresh(); }

QUICK(priority_get, MIMIR_OK) {
    int32_t priority;
    return c->l->priority_get(0, &priority);
}

QUICK(priority_set, MIMIR_OK) {
    int32_t priority;
    int32_t status = c->l->priority_get(0, &priority);
    return status ? status : c->l->priority_set(0, priority);
}

QUICK(group_create, MIMIR_OK) { return c->l->group_create(NULL); }

QUICK(group_kill, MIMIR_OK) { return c->l->group_kill(getpgrp(), 0); }

QUICK(process_identify, MIMIR_OK) {
    uint64_t start;
    return c->l->process_identify(0, &start);
}

SLOW(process_children, MIMIR_OK) {
    uint64_t count;
    int64_t pids[64];
    int32_t status = c->l->process_children(getpid(), 1, pids, 64, &count);
    return status == MIMIR_ERANGE ? MIMIR_OK : status; /* other threads run jobs */
}

SLOW(process_kill_tree, MIMIR_OK) {
    static const char *const sleeps[] = {"/bin/sh", "-c", "sleep 100 & wait"};
    uint64_t job;
    int64_t pid;
    int32_t status = c->l->job_create(sleeps, 3, &job), closed;
    if (status) return status;
    status = c->l->job_start(job);
    if (!status) status = c->l->job_pid(job, &pid);
    if (!status) status = c->l->process_kill_tree(pid);
    closed = c->l->job_close(job);
    return status ? status : closed;
}

QUICK(signal_reset, MIMIR_OK) { return c->l->signal_reset(SIGUSR2); }

QUICK(job_create, MIMIR_OK) {
    uint64_t job;
    int32_t status = c->l->job_create(calls_true, 3, &job);
    return status ? status : c->l->job_close(job);
}

QUICK(job_set_limit, MIMIR_OK) { return c->l->job_set_limit(c->prepared, MIMIR_LIMIT_MEMORY, 1 << 30); }

QUICK(job_set_limits, MIMIR_OK) {
    static const int32_t limits[] = {MIMIR_LIMIT_MEMORY, MIMIR_LIMIT_CPU_TIME};
    static const uint64_t values[] = {1 << 30, UINT64_C(10000000000)};
    return c->l->job_set_limits(c->prepared, limits, values, 2);
}

SLOW(run, MIMIR_OK) {
    static const int32_t limits[] = {MIMIR_LIMIT_MEMORY, MIMIR_LIMIT_CPU_TIME};
    static const uint64_t values[] = {1 << 30, UINT64_C(10000000000)};
    static const char *const quiet[] = {"/bin/true"};
    mimir_verdict v = {.size = sizeof v};
    int32_t kept[2];
    uint64_t job;
    int32_t status = c->l->run(quiet, 1, limits, values, 2, MIMIR_UNLIMITED, &v, kept, &job), closed;
    if (!job) return status;
    while (status == MIMIR_EINTR) status = c->l->job_wait(job, MIMIR_UNLIMITED, &v);
    closed = c->l->job_close(job);
    return status ? status : closed;
}

QUICK(job_set_directory, MIMIR_OK) { return c->l->job_set_directory(c->prepared, "/tmp"); }

QUICK(job_set_environment, MIMIR_OK) {
    static const char *const variables[] = {"PATH=/bin", "EMPTY="};
    return c->l->job_set_environment(c->prepared, variables, 2);
}

QUICK(job_set_input, MIMIR_OK) { return c->l->job_set_input(c->prepared, c->long_path, sizeof c->long_path); }

QUICK(job_set_stream, MIMIR_OK) {
    return c->l->job_set_stream(c->prepared, MIMIR_STREAM_OUTPUT, MIMIR_MODE_CAPTURE, 0);
}

QUICK(job_set_priority, MIMIR_OK) { return c->l->job_set_priority(c->prepared, MIMIR_PRIORITY_NORMAL); }

QUICK(job_set_option, MIMIR_OK) { return c->l->job_set_option(c->prepared, MIMIR_OPTION_UMASK, 022); }

QUICK(job_set_user, MIMIR_OK) {
    uint32_t groups[] = {1, 2};
    return c->l->job_set_user(c->prepared, 0, 0, groups, 2);
}

QUICK(job_set_writable, MIMIR_OK) {
    static const char *const directories[] = {"/tmp", "/var/tmp"};
    int32_t status = c->l->job_set_writable(c->prepared, directories, 2);
    return status == MIMIR_ENOTSUP ? MIMIR_OK : status; /* a kernel without Landlock */
}

SLOW(job_start, MIMIR_OK) {
    mimir_verdict v = {.size = sizeof v};
    uint64_t job;
    int32_t status = c->l->job_create(calls_true, 3, &job), closed;
    if (status) return status;
    c->l->job_set_stream(job, MIMIR_STREAM_OUTPUT, MIMIR_MODE_CAPTURE, 0);
    c->l->job_set_stream(job, MIMIR_STREAM_ERROR, MIMIR_MODE_OUTPUT, 0);
    status = c->l->job_start(job);
    if (!status)
        while ((status = c->l->job_wait(job, MIMIR_UNLIMITED, &v)) == MIMIR_EINTR) {
        }
    closed = c->l->job_close(job);
    return status ? status : closed;
}

SLOW(job_run, MIMIR_OK) {
    mimir_verdict v = {.size = sizeof v};
    uint64_t job;
    int32_t status = c->l->job_create(calls_true, 3, &job), closed;
    if (status) return status;
    c->l->job_set_stream(job, MIMIR_STREAM_OUTPUT, MIMIR_MODE_CAPTURE, 0);
    c->l->job_set_stream(job, MIMIR_STREAM_ERROR, MIMIR_MODE_NULL, 0);
    c->l->job_set_limit(job, MIMIR_LIMIT_MEMORY, 1 << 30);
    c->l->job_set_limit(job, MIMIR_LIMIT_CPU_TIME, UINT64_C(10000000000));
    status = c->l->job_run(job, MIMIR_UNLIMITED, &v);
    while (status == MIMIR_EINTR) status = c->l->job_wait(job, MIMIR_UNLIMITED, &v);
    closed = c->l->job_close(job);
    return status ? status : closed;
}

QUICK(job_wait, MIMIR_OK) {
    mimir_verdict v = {.size = sizeof v};
    return c->l->job_wait(c->ended, MIMIR_UNLIMITED, &v);
}

QUICK(job_kill, MIMIR_OK) { return c->l->job_kill(c->ended); }

QUICK(job_signal, MIMIR_ESRCH) { return c->l->job_signal(c->ended, SIGTERM); }

QUICK(job_pid, MIMIR_OK) {
    int64_t pid;
    return c->l->job_pid(c->ended, &pid);
}

QUICK(job_usage, MIMIR_ESRCH) {
    mimir_usage u = {.size = sizeof u};
    return c->l->job_usage(c->ended, &u);
}

QUICK(job_read, MIMIR_OK) {
    uint64_t count;
    return c->l->job_read(c->ended, MIMIR_STREAM_OUTPUT, c->buffer, sizeof c->buffer, &count);
}

QUICK(job_enforcement, MIMIR_OK) {
    int32_t kept;
    return c->l->job_enforcement(c->ended, MIMIR_LIMIT_MEMORY, &kept);
}

QUICK(job_close, MIMIR_EBADHANDLE) { return c->l->job_close(UINT64_C(0xdead0000beef)); }

SLOW(monitor_create, MIMIR_OK) {
    uint64_t monitor;
    int32_t status = c->l->monitor_create(MIMIR_MONITOR_PROCESS, 0, 1000000, 1000, &monitor);
    return status ? status : c->l->monitor_close(monitor);
}

QUICK(monitor_latest, MIMIR_OK) {
    mimir_sample s = {.size = sizeof s};
    return c->l->monitor_latest(c->monitor, &s);
}

QUICK(monitor_history, MIMIR_OK) {
    mimir_sample some[20];
    uint64_t stored;
    some[0].size = sizeof some[0];
    return c->l->monitor_history(c->monitor, 1, some, 20, &stored);
}

QUICK(monitor_summarize, MIMIR_OK) {
    mimir_summary s = {.size = sizeof s};
    return c->l->monitor_summarize(c->monitor, MIMIR_METRIC_MEMORY_BYTES, MIMIR_UNLIMITED, &s);
}

QUICK(monitor_add_alert, MIMIR_OK) {
    uint32_t alert;
    int32_t status = c->l->monitor_add_alert(c->monitor, MIMIR_METRIC_THREADS, MIMIR_ALERT_ABOVE, 1, 1, 0, &alert);
    return status ? status : c->l->monitor_remove_alert(c->monitor, alert);
}

QUICK(monitor_remove_alert, MIMIR_ENOENT) { return c->l->monitor_remove_alert(c->monitor, UINT32_MAX); }

QUICK(monitor_next, MIMIR_OK) {
    mimir_event e = {.size = sizeof e};
    int32_t status = c->l->monitor_next(c->monitor, 0, &e);
    return status == MIMIR_ETIMEDOUT ? MIMIR_OK : status; /* the alert of another call was seen, or none */
}

QUICK(monitor_close, MIMIR_EBADHANDLE) { return c->l->monitor_close(UINT64_C(0xdead0000beef)); }

QUICK(path_normalize, MIMIR_OK) {
    return c->l->path_normalize(MIMIR_PATH_NATIVE, c->long_path, c->buffer, sizeof c->buffer, NULL);
}

QUICK(path_join, MIMIR_OK) {
    const char *parts[] = {"/", c->long_path, "b"};
    return c->l->path_join(MIMIR_PATH_POSIX, parts, 3, c->buffer, sizeof c->buffer, NULL);
}

QUICK(path_executable, MIMIR_OK) {
    return c->l->path_executable(MIMIR_PATH_WINDOWS, "python", c->buffer, sizeof c->buffer, NULL);
}

QUICK(path_separator, MIMIR_OK) { return c->l->path_separator(MIMIR_PATH_NATIVE, c->buffer, sizeof c->buffer, NULL); }

QUICK(path_directory, MIMIR_OK) {
    return c->l->path_directory(MIMIR_DIRECTORY_CONFIG, "mimir", c->buffer, sizeof c->buffer, NULL);
}

struct entry {
    const char *name;
    int works_after_fork, slow;
    int32_t want;
    int32_t (*call)(struct calls *);
};

__attribute__((unused)) static const struct entry entries[] = {MIMIR_CALLS};

#endif
