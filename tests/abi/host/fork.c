#include "host.h"

#include <dlfcn.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

/* Runs act in a forked child, which must be done within a few seconds, and takes over its count of failures. */
static void in_child(void (*act)(void)) {
    int status = 0, tries;
    pid_t pid, ended = 0;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        check_failures = 0;
        act();
        fflush(stdout);
        _exit(check_failures > 100 ? 100 : check_failures);
    }
    for (tries = 0; tries < 1000 && ended == 0; tries++) {
        struct timespec pause = {0, 10000000};
        ended = waitpid(pid, &status, WNOHANG);
        if (ended == 0) nanosleep(&pause, NULL);
    }
    if (ended == 0) host_reap(pid);
    CHECK(ended == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void functions_that_work(void) {
    uint64_t address = 0;
    char version[32];
    uint32_t abi = 0;
    uint64_t soft = 0, hard = 0;
    int32_t enforcement = -1, priority = 0;
    int64_t group = 0;
    mimir_usage usage;
    mimir_measure measure;
    struct rlimit files;
    struct sigaction now;
    WORKS(mimir_version(version, sizeof version, NULL));
    CHECK(strchr(version, '.'));
    WRITES_TEXT(mimir_version(buffer, length, needed));
    WORKS(mimir_abi(&abi));
    CHECK(abi == MIMIR_ABI);
    WORKS(mimir_limit_set(0, MIMIR_LIMIT_OPEN_FILES, 60, 70, &enforcement));
    getrlimit(RLIMIT_NOFILE, &files);
    CHECK(files.rlim_cur == 60 && files.rlim_max == 70 && enforcement == MIMIR_ENFORCEMENT_KERNEL);
    WORKS(mimir_limit_get(0, MIMIR_LIMIT_OPEN_FILES, &soft, &hard, &enforcement));
    CHECK(soft == 60 && hard == 70);
    WORKS(mimir_limit_set(0, MIMIR_LIMIT_MEMORY, 1024 * MIB, 2048 * MIB, NULL));
    WORKS(mimir_limit_set(0, MIMIR_LIMIT_CPU_TIME, 1000 * SECOND, 2000 * SECOND, NULL));
    WORKS(mimir_limit_set(0, MIMIR_LIMIT_FILE_SIZE, 100 * MIB, 100 * MIB, NULL));
    WORKS(mimir_limit_get(0, MIMIR_LIMIT_MEMORY, &soft, &hard, NULL));
    CHECK(soft == 1024 * MIB && hard == 2048 * MIB);
    WORKS(mimir_priority_set(0, MIMIR_PRIORITY_BELOW_NORMAL));
    WORKS(mimir_priority_get(0, &priority));
    CHECK(priority == 10 && getpriority(PRIO_PROCESS, 0) == 10);
    WORKS(mimir_group_create(&group));
    CHECK(group == getpid() && getpgrp() == getpid());
    WORKS(mimir_group_kill(group, 0));
    signal(SIGINT, SIG_IGN);
    WORKS(mimir_signal_reset(SIGINT));
    sigaction(SIGINT, NULL, &now);
    CHECK(now.sa_handler == SIG_DFL);
    WORKS(mimir_signal_reset(0));
    SIZED(usage);
    WORKS(mimir_usage_get(0, MIMIR_USAGE_MEMORY | MIMIR_USAGE_CPU, &usage));
    CHECK(usage.fields == (MIMIR_USAGE_MEMORY | MIMIR_USAGE_CPU));
    CHECK(usage.resident_bytes > 0 && usage.peak_resident_bytes > 0 && usage.virtual_bytes > usage.resident_bytes);
    SIZED(measure);
    WORKS(mimir_usage_measure(MIB, 0, &measure));
    CHECK(measure.memory_bytes > 0 && measure.memory_percent > 0);
    WORKS(mimir_usage_page(&address));
    if (address != 0) ((mimir_measure *)(uintptr_t)address)->memory_bytes = 0;
    WORKS(mimir_usage_refresh());
    CHECK(address != 0 && ((const mimir_measure *)(uintptr_t)address)->memory_bytes > 0);
}

static void bad_input(void) {
    mimir_usage usage;
    mimir_measure measure;
    FAILS(MIMIR_EINVAL, mimir_abi(NULL));
    FAILS(MIMIR_EINVAL, mimir_limit_set(0, 99, 1, 1, NULL));
    FAILS(MIMIR_EINVAL, mimir_limit_set(0, MIMIR_LIMIT_OPEN_FILES, 2, 1, NULL));
    FAILS(MIMIR_EINVAL, mimir_limit_set(-1, MIMIR_LIMIT_OPEN_FILES, 1, 1, NULL));
    FAILS(MIMIR_ENOTSUP, mimir_limit_set(0, MIMIR_LIMIT_WALL_TIME, 1, 1, NULL));
    FAILS(MIMIR_ENOTSUP, mimir_limit_get(0, MIMIR_LIMIT_OUTPUT, NULL, NULL, NULL));
    FAILS(MIMIR_EINVAL, mimir_limit_get(INT64_C(1) << 40, MIMIR_LIMIT_MEMORY, NULL, NULL, NULL));
    FAILS(MIMIR_EINVAL, mimir_priority_set(0, 20));
    FAILS(MIMIR_EINVAL, mimir_priority_get(0, NULL));
    FAILS(MIMIR_EINVAL, mimir_group_kill(0, SIGTERM));
    FAILS(MIMIR_EINVAL, mimir_signal_reset(SIGKILL));
    FAILS(MIMIR_EINVAL, mimir_signal_reset(-1));
    REFUSES_WRONG_SIZES(usage, mimir_usage_get(0, MIMIR_USAGE_ALL, &usage));
    FAILS(MIMIR_EINVAL, mimir_usage_get(0, 0, &usage));
    FAILS(MIMIR_EINVAL, mimir_usage_get(-1, MIMIR_USAGE_ALL, &usage));
    FAILS(MIMIR_EINVAL, mimir_usage_get(0, MIMIR_USAGE_ALL, NULL));
    REFUSES_WRONG_SIZES(measure, mimir_usage_measure(0, 0, &measure));
    FAILS(MIMIR_EINVAL, mimir_usage_measure(0, 0, NULL));
    FAILS(MIMIR_EINVAL, mimir_usage_page(NULL));
}

static void functions_that_are_refused(void) {
    const char *command[] = {"/bin/true"};
    char text[64];
    uint64_t job = 0, count;
    int64_t pid;
    int32_t number;
    mimir_system facts;
    mimir_verdict verdict;
    mimir_usage usage;
    SIZED(facts);
    SIZED(verdict);
    SIZED(usage);
    FAILS(MIMIR_EFORKED, mimir_status_text(MIMIR_OK, text, sizeof text, NULL));
    FAILS(MIMIR_EFORKED, mimir_system_get(&facts));
    FAILS(MIMIR_EFORKED, mimir_system_measure(NULL));
    FAILS(MIMIR_EFORKED, mimir_container_get(NULL));
    FAILS(MIMIR_EFORKED, mimir_container_text(MIMIR_CONTAINER_TEXT_RUNTIME, text, sizeof text, NULL));
    FAILS(MIMIR_EFORKED, mimir_system_text(MIMIR_SYSTEM_RELEASE, text, sizeof text, NULL));
    FAILS(MIMIR_EFORKED, mimir_limit_support(MIMIR_LIMIT_MEMORY, MIMIR_SCOPE_SELF, &number));
    FAILS(MIMIR_EFORKED, mimir_job_create(command, 1, &job));
    FAILS(MIMIR_EFORKED, mimir_job_set_limit(1, MIMIR_LIMIT_MEMORY, 1));
    FAILS(MIMIR_EFORKED, mimir_job_set_limits(1, NULL, NULL, 0));
    FAILS(MIMIR_EFORKED, mimir_run(command, 1, NULL, NULL, 0, 0, &verdict, NULL, &job));
    FAILS(MIMIR_EFORKED, mimir_job_set_directory(1, "/"));
    FAILS(MIMIR_EFORKED, mimir_job_set_environment(1, command, 0));
    FAILS(MIMIR_EFORKED, mimir_job_set_input(1, "a", 1));
    FAILS(MIMIR_EFORKED, mimir_job_set_stream(1, MIMIR_STREAM_OUTPUT, MIMIR_MODE_NULL, 0));
    FAILS(MIMIR_EFORKED, mimir_process_identify(0, &count));
    FAILS(MIMIR_EFORKED, mimir_job_set_priority(1, 0));
    FAILS(MIMIR_EFORKED, mimir_job_start(1));
    FAILS(MIMIR_EFORKED, mimir_job_run(1, 0, &verdict));
    FAILS(MIMIR_EFORKED, mimir_job_wait(1, 0, &verdict));
    FAILS(MIMIR_EFORKED, mimir_job_kill(1));
    FAILS(MIMIR_EFORKED, mimir_job_signal(1, SIGTERM));
    FAILS(MIMIR_EFORKED, mimir_job_pid(1, &pid));
    FAILS(MIMIR_EFORKED, mimir_job_usage(1, &usage));
    FAILS(MIMIR_EFORKED, mimir_job_read(1, MIMIR_STREAM_OUTPUT, text, sizeof text, &count));
    FAILS(MIMIR_EFORKED, mimir_job_enforcement(1, MIMIR_LIMIT_MEMORY, &number));
    FAILS(MIMIR_EFORKED, mimir_job_close(1));
    FAILS(MIMIR_EFORKED, mimir_monitor_create(MIMIR_MONITOR_PROCESS, 0, SECOND, 10, &job));
    FAILS(MIMIR_EFORKED, mimir_monitor_latest(1, NULL));
    FAILS(MIMIR_EFORKED, mimir_monitor_history(1, 1, NULL, 0, &count));
    FAILS(MIMIR_EFORKED, mimir_monitor_summarize(1, MIMIR_METRIC_THREADS, 0, NULL));
    FAILS(MIMIR_EFORKED, mimir_monitor_add_alert(1, MIMIR_METRIC_THREADS, MIMIR_ALERT_ABOVE, 1, 1, 0, NULL));
    FAILS(MIMIR_EFORKED, mimir_monitor_remove_alert(1, 1));
    FAILS(MIMIR_EFORKED, mimir_monitor_next(1, 0, NULL));
    FAILS(MIMIR_EFORKED, mimir_monitor_close(1));
    FAILS(MIMIR_EFORKED, mimir_path_normalize(MIMIR_PATH_NATIVE, "a", text, sizeof text, NULL));
    FAILS(MIMIR_EFORKED, mimir_path_join(MIMIR_PATH_NATIVE, command, 1, text, sizeof text, NULL));
    FAILS(MIMIR_EFORKED, mimir_path_executable(MIMIR_PATH_NATIVE, "a", text, sizeof text, NULL));
    FAILS(MIMIR_EFORKED, mimir_path_separator(MIMIR_PATH_NATIVE, text, sizeof text, NULL));
    FAILS(MIMIR_EFORKED, mimir_path_directory(MIMIR_DIRECTORY_TEMP, NULL, text, sizeof text, NULL));
    {
        mimir_error error;
        SIZED(error);
        WORKS(mimir_last_error(&error));
        CHECK(strstr(error.message, "mimir_path_directory") || strstr(error.step, "mimir_path_directory"));
    }
}

static void what_works_after_a_fork_works(void) {
    in_child(functions_that_work);
}

static void bad_input_is_refused_after_a_fork_as_before(void) {
    in_child(bad_input);
}

static void what_needs_the_whole_library_is_refused_after_a_fork(void) {
    in_child(functions_that_are_refused);
}

/* The function of a copy of the library; C has no cast from void * to a function. */
#define FROM_COPY(copy, name, function)                                        \
    do {                                                                       \
        void *symbol = dlsym((copy), (name));                                  \
        CHECK(symbol != NULL);                                                 \
        if (!symbol) return;                                                   \
        memcpy(&(function), &symbol, sizeof symbol);                           \
    } while (0)

static void uses_a_fresh_copy(void) {
    const char *command[] = {"/bin/sh", "-c", "exit 11"};
    int32_t (*create)(const char *const *, uint64_t, uint64_t *);
    int32_t (*run)(uint64_t, uint64_t, mimir_verdict *);
    int32_t (*close_job)(uint64_t);
    uint64_t handle = 0, job = 0;
    mimir_verdict verdict;
    void *copy;
    FAILS(MIMIR_EINVAL, mimir_library_reload(NULL));
    if (!WORKS(mimir_library_reload(&handle))) return;
    copy = (void *)(uintptr_t)handle;
    FROM_COPY(copy, "mimir_job_create", create);
    FROM_COPY(copy, "mimir_job_run", run);
    FROM_COPY(copy, "mimir_job_close", close_job);
    SIZED(verdict);
    CHECK(create(command, 3, &job) == MIMIR_OK);
    CHECK(run(job, 60 * SECOND, &verdict) == MIMIR_OK && verdict.exit_code == 11);
    CHECK(close_job(job) == MIMIR_OK);
    FAILS(MIMIR_EFORKED, mimir_job_create(command, 3, &job)); /* the old copy, for ever */
}

static void finds_no_room_for_a_copy(void) {
    struct rlimit space = {UINT64_C(1) << 30, UINT64_C(1) << 30};
    uint64_t handle = 0;
    CHECK(setrlimit(RLIMIT_AS, &space) == 0);
    FAILS(MIMIR_EFORKED, mimir_library_reload(&handle));
    CHECK(handle == 0);
}

static void a_forked_worker_gets_the_whole_library_again(void) {
    uint64_t handle = 0;
    FAILS(MIMIR_ESTATE, mimir_library_reload(&handle));
    FAILS(MIMIR_EINVAL, mimir_library_reload(NULL));
    in_child(uses_a_fresh_copy);
}

static void a_copy_that_has_no_room_is_refused(void) {
    in_child(finds_no_room_for_a_copy);
}

static void forks_again(void) {
    in_child(functions_that_work);
    in_child(functions_that_are_refused);
}

static void a_child_of_a_child_is_a_child(void) {
    in_child(forks_again);
}

static void the_parent_works_as_before(void) {
    mimir_system facts;
    SIZED(facts);
    WORKS(mimir_system_get(&facts));
}

const check_case fork_cases[] = {
    {"what works after a fork works", what_works_after_a_fork_works},
    {"bad input is refused after a fork as before it", bad_input_is_refused_after_a_fork_as_before},
    {"what needs the whole library is refused after a fork", what_needs_the_whole_library_is_refused_after_a_fork},
    {"a forked worker gets the whole library again", a_forked_worker_gets_the_whole_library_again},
    {"a copy of the library that has no room is refused", a_copy_that_has_no_room_is_refused},
    {"a forked child's child is one too", a_child_of_a_child_is_a_child},
    {"the parent works as before", the_parent_works_as_before},
};
const unsigned fork_count = COUNT(fork_cases);
