#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

static uint64_t job_of(const char *const *command, unsigned count) {
    uint64_t job = 0;
    WORKS(mimir_job_create(command, count, &job));
    CHECK(job != 0);
    return job;
}

/* A job of /bin/sh with its output captured. */
static uint64_t shell(const char *script) {
    const char *command[] = {"/bin/sh", "-c", NULL};
    uint64_t job;
    command[2] = script;
    job = job_of(command, 3);
    WORKS(mimir_job_set_stream(job, MIMIR_STREAM_INPUT, MIMIR_MODE_NULL, 0));
    WORKS(mimir_job_set_stream(job, MIMIR_STREAM_OUTPUT, MIMIR_MODE_CAPTURE, 0));
    WORKS(mimir_job_set_stream(job, MIMIR_STREAM_ERROR, MIMIR_MODE_CAPTURE, 0));
    return job;
}

/* A job of the program chores.c. */
static uint64_t chore(const char *name, const char *first, const char *second) {
    const char *command[4];
    uint64_t job;
    command[0] = host_chores;
    command[1] = name;
    command[2] = first;
    command[3] = second;
    job = job_of(command, second ? 4 : first ? 3 : 2);
    WORKS(mimir_job_set_stream(job, MIMIR_STREAM_OUTPUT, MIMIR_MODE_CAPTURE, 0));
    return job;
}

static mimir_verdict run(uint64_t job) {
    mimir_verdict verdict;
    SIZED(verdict);
    WORKS(mimir_job_run(job, 60 * SECOND, &verdict));
    CHECK(verdict.size == sizeof verdict);
    return verdict;
}

/* The captured output of a job that has ended: whole, as a string. */
static const char *captured(uint64_t job, int32_t stream) {
    static char text[65536];
    uint64_t available = 0, count = 0;
    WORKS(mimir_job_read(job, stream, NULL, 0, &available));
    CHECK(available < sizeof text);
    WORKS(mimir_job_read(job, stream, text, sizeof text - 1, &count));
    CHECK(count == available);
    text[count < sizeof text ? count : 0] = 0;
    return text;
}

static void a_command_runs_and_its_output_and_exit_code_are_kept(void) {
    uint64_t job = shell("echo out; echo err >&2; sleep 0.05; exit 42"), count = 7;
    mimir_verdict verdict = run(job);
    CHECK(verdict.reason == MIMIR_REASON_NONE && verdict.exit_code == 42 && verdict.signal == 0);
    CHECK(verdict.wall_time_ns > 0 && verdict.wall_time_ns < 30 * SECOND);
    CHECK(verdict.peak_memory_bytes > 0);
    CHECK(verdict.output_bytes == 8);
    CHECK(!strcmp(captured(job, MIMIR_STREAM_OUTPUT), "out\n"));
    CHECK(!strcmp(captured(job, MIMIR_STREAM_ERROR), "err\n"));
    WORKS(mimir_job_read(job, MIMIR_STREAM_OUTPUT, NULL, 0, &count));
    CHECK(count == 0);
    WORKS(mimir_job_close(job));
}

static void a_signal_that_ends_the_command_is_told(void) {
    uint64_t job = shell("kill -TERM $$");
    mimir_verdict verdict = run(job);
    CHECK(verdict.reason == MIMIR_REASON_NONE && verdict.signal == SIGTERM && verdict.exit_code == -1);
    WORKS(mimir_job_close(job));
}

static void a_command_gets_its_input_directory_and_environment(void) {
    const char *environment[] = {"GREETING=hello", "PATH=/usr/bin:/bin", "EMPTY="};
    uint64_t job = shell("cat; pwd; echo $GREETING; env | grep -c HOME");
    setenv("HOME", "/tmp", 1);
    WORKS(mimir_job_set_input(job, "in\0put\n", 7));
    WORKS(mimir_job_set_directory(job, "/usr"));
    WORKS(mimir_job_set_environment(job, environment, 3));
    run(job);
    {
        char text[256];
        uint64_t count = 0;
        WORKS(mimir_job_read(job, MIMIR_STREAM_OUTPUT, text, sizeof text, &count));
        CHECK(count == 20 && !memcmp(text, "in\0put\n/usr\nhello\n0\n", 20));
    }
    WORKS(mimir_job_close(job));
}

static void a_command_inherits_the_environment_of_now(void) {
    uint64_t job;
    setenv("MIMIR_TEST_LATER", "yes", 1); /* after the library was loaded */
    job = shell("echo $MIMIR_TEST_LATER");
    run(job);
    CHECK(!strcmp(captured(job, MIMIR_STREAM_OUTPUT), "yes\n"));
    WORKS(mimir_job_close(job));
}

static void streams_lead_where_they_are_told(void) {
    char text[64];
    int pipe_ends[2];
    ssize_t length;
    uint64_t job = shell("echo one; echo two >&2"), count = 1;
    WORKS(mimir_job_set_stream(job, MIMIR_STREAM_ERROR, MIMIR_MODE_OUTPUT, 0));
    run(job);
    CHECK(!strcmp(captured(job, MIMIR_STREAM_OUTPUT), "one\ntwo\n"));
    WORKS(mimir_job_close(job));

    CHECK(pipe2(pipe_ends, O_CLOEXEC) == 0);
    job = shell("echo one; echo two >&2");
    WORKS(mimir_job_set_stream(job, MIMIR_STREAM_OUTPUT, MIMIR_MODE_DESCRIPTOR, pipe_ends[1]));
    WORKS(mimir_job_set_stream(job, MIMIR_STREAM_ERROR, MIMIR_MODE_NULL, 0));
    run(job);
    length = read(pipe_ends[0], text, sizeof text);
    CHECK(length == 4 && !memcmp(text, "one\n", 4));
    CHECK(fcntl(pipe_ends[1], F_GETFD) >= 0); /* stays the caller's */
    FAILS(MIMIR_EINVAL, mimir_job_read(job, MIMIR_STREAM_OUTPUT, text, sizeof text, &count));
    WORKS(mimir_job_close(job));
    close(pipe_ends[0]);
    close(pipe_ends[1]);

    job = shell("exit 3");
    WORKS(mimir_job_set_stream(job, MIMIR_STREAM_INPUT, MIMIR_MODE_INHERIT, 0));
    WORKS(mimir_job_set_stream(job, MIMIR_STREAM_OUTPUT, MIMIR_MODE_INHERIT, 0));
    WORKS(mimir_job_set_stream(job, MIMIR_STREAM_ERROR, MIMIR_MODE_INHERIT, 0));
    CHECK(run(job).exit_code == 3);
    WORKS(mimir_job_close(job));
}

static void limits_are_in_force_before_the_command_begins(void) {
    uint64_t job = chore("limits", NULL, NULL);
    struct rlimit before[3], after[3];
    int32_t enforcement = -1;
    getrlimit(RLIMIT_AS, &before[0]);
    getrlimit(RLIMIT_CPU, &before[1]);
    getrlimit(RLIMIT_NOFILE, &before[2]);
    WORKS(mimir_job_set_limit(job, MIMIR_LIMIT_ADDRESS_SPACE, UINT64_C(8) << 30));
    WORKS(mimir_job_set_limit(job, MIMIR_LIMIT_CPU_TIME, 100 * SECOND));
    WORKS(mimir_job_set_limit(job, MIMIR_LIMIT_OPEN_FILES, 77));
    WORKS(mimir_job_set_limit(job, MIMIR_LIMIT_FILE_SIZE, 1234567));
    CHECK(run(job).exit_code == 0);
    {
        unsigned long long space = 0, cpu = 0, files = 0, size = 0;
        CHECK(sscanf(captured(job, MIMIR_STREAM_OUTPUT), "%llu %llu %llu %llu", &space, &cpu, &files, &size) == 4);
        CHECK(space == UINT64_C(8) << 30 && files == 77 && size == 1234567);
        CHECK(cpu >= 100 && cpu <= 102);
    }
    WORKS(mimir_job_enforcement(job, MIMIR_LIMIT_OPEN_FILES, &enforcement));
    CHECK(enforcement == MIMIR_ENFORCEMENT_KERNEL);
    WORKS(mimir_job_enforcement(job, MIMIR_LIMIT_MEMORY, &enforcement));
    CHECK(enforcement == MIMIR_ENFORCEMENT_NONE);
    FAILS(MIMIR_EINVAL, mimir_job_enforcement(job, 0, &enforcement));
    FAILS(MIMIR_EINVAL, mimir_job_enforcement(job, 99, &enforcement));
    FAILS(MIMIR_EINVAL, mimir_job_enforcement(job, MIMIR_LIMIT_MEMORY, NULL));
    getrlimit(RLIMIT_AS, &after[0]);
    getrlimit(RLIMIT_CPU, &after[1]);
    getrlimit(RLIMIT_NOFILE, &after[2]);
    CHECK(!memcmp(before, after, sizeof before)); /* the caller's own stay */
    WORKS(mimir_job_close(job));
}

static void limits_are_given_in_one_call_or_none_of_them(void) {
    const int32_t limits[] = {MIMIR_LIMIT_OPEN_FILES, MIMIR_LIMIT_FILE_SIZE}, wrong[] = {MIMIR_LIMIT_OPEN_FILES, 99};
    const uint64_t values[] = {78, 1234568};
    const char *command[] = {"/bin/sh", "-c", "ulimit -n; ulimit -f"};
    uint64_t job = job_of(command, 3);
    int32_t enforcement = -1;
    FAILS(MIMIR_EINVAL, mimir_job_set_limits(job, wrong, values, 2));
    FAILS(MIMIR_EINVAL, mimir_job_set_limits(job, NULL, values, 1));
    FAILS(MIMIR_EINVAL, mimir_job_set_limits(job, limits, NULL, 1));
    FAILS(MIMIR_EINVAL, mimir_job_set_limits(job, limits, values, 65537));
    FAILS(MIMIR_EBADHANDLE, mimir_job_set_limits(0, limits, values, 2));
    WORKS(mimir_job_set_limits(job, NULL, NULL, 0));
    WORKS(mimir_job_set_limits(job, limits + 1, values + 1, 1));
    WORKS(mimir_job_set_stream(job, MIMIR_STREAM_OUTPUT, MIMIR_MODE_CAPTURE, 0));
    run(job);
    WORKS(mimir_job_enforcement(job, MIMIR_LIMIT_OPEN_FILES, &enforcement));
    CHECK(enforcement == MIMIR_ENFORCEMENT_NONE); /* what was refused set nothing */
    WORKS(mimir_job_enforcement(job, MIMIR_LIMIT_FILE_SIZE, &enforcement));
    CHECK(enforcement == MIMIR_ENFORCEMENT_KERNEL);
    FAILS(MIMIR_ESTATE, mimir_job_set_limits(job, limits, values, 2));
    WORKS(mimir_job_close(job));
}

static void a_command_is_run_to_its_end_in_one_call(void) {
    const int32_t limits[] = {MIMIR_LIMIT_OPEN_FILES, MIMIR_LIMIT_WALL_TIME}, wrong[] = {99};
    const uint64_t values[] = {78, SECOND / 4}, long_values[] = {78, 60 * SECOND};
    const char *asks[] = {"/bin/sh", "-c", "exit $(ulimit -n)"}, *sleeps[] = {"/bin/sleep", "73"}, *naps[] = {"/bin/sleep", "0.2"};
    const char *missing[] = {"/nonexistent/program"};
    int32_t kept[] = {-1, -1, -1};
    uint64_t job = 7;
    mimir_verdict verdict;
    SIZED(verdict);
    WORKS(mimir_run(asks, 3, limits, long_values, 2, MIMIR_UNLIMITED, &verdict, kept, &job));
    CHECK(verdict.exit_code == 78 && verdict.reason == MIMIR_REASON_NONE && job == 0);
    CHECK(kept[0] == MIMIR_ENFORCEMENT_KERNEL && kept[1] == MIMIR_ENFORCEMENT_WATCHDOG && kept[2] == -1);
    WORKS(mimir_run(sleeps, 2, limits, values, 2, MIMIR_UNLIMITED, &verdict, NULL, &job));
    CHECK(verdict.reason == MIMIR_REASON_WALL_TIME && job == 0);
    WORKS(mimir_run(asks, 1, NULL, NULL, 0, MIMIR_UNLIMITED, &verdict, NULL, &job));

    /* One that takes longer goes on as a job. */
    kept[0] = -1;
    FAILS(MIMIR_ETIMEDOUT, mimir_run(naps, 2, limits, long_values, 1, SECOND / 100, &verdict, kept, &job));
    CHECK(job != 0 && kept[0] == MIMIR_ENFORCEMENT_KERNEL && kept[1] == MIMIR_ENFORCEMENT_WATCHDOG);
    WORKS(mimir_job_wait(job, MIMIR_UNLIMITED, &verdict));
    CHECK(verdict.exit_code == 0 && verdict.wall_time_ns >= SECOND / 5);
    WORKS(mimir_job_close(job));

    job = 7;
    FAILS(MIMIR_EINVAL, mimir_run(asks, 3, NULL, values, 1, 0, &verdict, kept, &job));
    FAILS(MIMIR_EINVAL, mimir_run(asks, 3, limits, NULL, 1, 0, &verdict, kept, &job));
    FAILS(MIMIR_EINVAL, mimir_run(asks, 3, limits, values, UINT64_MAX, 0, &verdict, kept, &job));
    FAILS(MIMIR_EINVAL, mimir_run(asks, 3, limits, values, 2, 0, NULL, kept, &job));
    FAILS(MIMIR_EINVAL, mimir_run(asks, 3, limits, values, 2, 0, &verdict, kept, NULL));
    FAILS(MIMIR_EINVAL, mimir_run(NULL, 1, limits, values, 2, 0, &verdict, kept, &job));
    FAILS(MIMIR_EINVAL, mimir_run(asks, 0, limits, values, 2, 0, &verdict, kept, &job));
    REFUSES_WRONG_SIZES(verdict, mimir_run(asks, 3, limits, values, 2, 0, &verdict, kept, &job));
    CHECK(job == 7);
    FAILS(MIMIR_EINVAL, mimir_run(asks, 3, wrong, values, 1, 0, &verdict, kept, &job));
    FAILS(MIMIR_ENOENT, mimir_run(missing, 1, limits, values, 2, 0, &verdict, kept, &job));
    CHECK(job == 0);
}

static void a_command_that_takes_too_much_memory_ends_for_memory(void) {
    uint64_t job = chore("eat", "2000000000", NULL);
    mimir_verdict verdict;
    WORKS(mimir_job_set_limit(job, MIMIR_LIMIT_MEMORY, 64 * MIB));
    verdict = run(job);
    CHECK(verdict.reason == MIMIR_REASON_MEMORY);
    CHECK(verdict.peak_memory_bytes > 48 * MIB && verdict.peak_memory_bytes < 80 * MIB);
    WORKS(mimir_job_close(job));
}

static void a_command_that_spins_ends_for_cpu_time(void) {
    uint64_t job = chore("spin", NULL, NULL);
    mimir_verdict verdict;
    WORKS(mimir_job_set_limit(job, MIMIR_LIMIT_CPU_TIME, SECOND));
    verdict = run(job);
    CHECK(verdict.reason == MIMIR_REASON_CPU_TIME);
    CHECK(verdict.user_time_ns + verdict.system_time_ns > SECOND / 2);
    CHECK(verdict.user_time_ns + verdict.system_time_ns < 3 * SECOND);
    WORKS(mimir_job_close(job));
}

static void a_command_that_sleeps_ends_for_wall_time_with_its_children(void) {
    uint64_t job = shell("sleep 71 & echo $!; sleep 72");
    mimir_verdict verdict;
    WORKS(mimir_job_set_limit(job, MIMIR_LIMIT_WALL_TIME, SECOND / 4));
    verdict = run(job);
    CHECK(verdict.reason == MIMIR_REASON_WALL_TIME);
    CHECK(verdict.wall_time_ns >= SECOND / 4 && verdict.wall_time_ns < 20 * SECOND);
    {
        int child = atoi(captured(job, MIMIR_STREAM_OUTPUT));
        CHECK(child > 0 && !host_runs(child));
    }
    WORKS(mimir_job_close(job));
}

static void a_command_that_writes_a_large_file_ends_for_file_size(void) {
    char file[] = "/tmp/mimir-abi-XXXXXX";
    struct stat facts;
    int fd = mkstemp(file);
    uint64_t job = chore("fill", file, "1000000");
    mimir_verdict verdict;
    CHECK(fd >= 0);
    WORKS(mimir_job_set_limit(job, MIMIR_LIMIT_FILE_SIZE, 65536));
    verdict = run(job);
    CHECK(verdict.reason == MIMIR_REASON_FILE_SIZE && verdict.signal == SIGXFSZ);
    CHECK(stat(file, &facts) == 0 && facts.st_size == 65536);
    WORKS(mimir_job_close(job));
    close(fd);
    unlink(file);
}

static void a_command_that_writes_too_much_ends_for_output(void) {
    uint64_t job = shell("yes"), count = 0;
    mimir_verdict verdict;
    WORKS(mimir_job_set_limit(job, MIMIR_LIMIT_OUTPUT, 10000));
    verdict = run(job);
    CHECK(verdict.reason == MIMIR_REASON_OUTPUT);
    WORKS(mimir_job_read(job, MIMIR_STREAM_OUTPUT, NULL, 0, &count));
    CHECK(count <= 10000);
    WORKS(mimir_job_close(job));
}

static void a_started_job_is_watched_measured_signalled_and_killed(void) {
    uint64_t job = shell("trap 'echo caught' USR1; echo ready; while :; do sleep 0.05; done");
    mimir_verdict verdict;
    mimir_usage usage;
    int64_t pid = 0;
    uint64_t count = 0, tries;
    SIZED(verdict);
    SIZED(usage);
    WORKS(mimir_job_start(job));
    WORKS(mimir_job_pid(job, &pid));
    CHECK(pid > 1 && getpgid((pid_t)pid) == pid);
    CHECK(mimir_job_wait(job, 0, &verdict) == MIMIR_ETIMEDOUT);
    for (tries = 0; tries < 1000 && count < 6; tries++) {
        WORKS(mimir_job_read(job, MIMIR_STREAM_OUTPUT, NULL, 0, &count));
        host_pause_ms(10);
    }
    CHECK(count == 6);
    WORKS(mimir_job_usage(job, &usage));
    CHECK(usage.resident_bytes > 0);
    REFUSES_WRONG_SIZES(usage, mimir_job_usage(job, &usage));
    FAILS(MIMIR_EINVAL, mimir_job_usage(job, NULL));
    WORKS(mimir_job_signal(job, SIGUSR1));
    FAILS(MIMIR_EINVAL, mimir_job_signal(job, -1));
    FAILS(MIMIR_EINVAL, mimir_job_signal(job, 65));
    for (tries = 0; tries < 1000 && count < 13; tries++) {
        WORKS(mimir_job_read(job, MIMIR_STREAM_OUTPUT, NULL, 0, &count));
        host_pause_ms(10);
    }
    CHECK(count == 13);
    FAILS(MIMIR_ETIMEDOUT, mimir_job_wait(job, SECOND / 50, &verdict));
    WORKS(mimir_job_kill(job));
    WORKS(mimir_job_wait(job, 60 * SECOND, &verdict));
    CHECK(verdict.reason == MIMIR_REASON_KILLED && verdict.signal == SIGKILL && verdict.exit_code == -1);
    SIZED(verdict);
    WORKS(mimir_job_wait(job, 0, &verdict)); /* again, after the end */
    CHECK(verdict.reason == MIMIR_REASON_KILLED);
    CHECK(!strcmp(captured(job, MIMIR_STREAM_OUTPUT), "ready\ncaught\n"));
    WORKS(mimir_job_kill(job)); /* is left as it is */
    FAILS(MIMIR_ESRCH, mimir_job_signal(job, SIGTERM));
    FAILS(MIMIR_ESRCH, mimir_job_usage(job, &usage));
    CHECK(!host_runs((pid_t)pid));
    WORKS(mimir_job_close(job));
}

static void a_run_that_times_out_goes_on_and_can_be_waited_for(void) {
    uint64_t job = shell("sleep 0.3; exit 5");
    mimir_verdict verdict;
    SIZED(verdict);
    FAILS(MIMIR_ETIMEDOUT, mimir_job_run(job, SECOND / 20, &verdict));
    FAILS(MIMIR_ESTATE, mimir_job_run(job, 0, &verdict));
    WORKS(mimir_job_wait(job, MIMIR_UNLIMITED, &verdict));
    CHECK(verdict.exit_code == 5 && verdict.reason == MIMIR_REASON_NONE);
    WORKS(mimir_job_close(job));
}

static void on_signal(int number) {
    (void)number;
}

static void *interrupts(void *thread) {
    host_pause_ms(200);
    pthread_kill(*(pthread_t *)thread, SIGUSR1);
    return NULL;
}

static void a_signal_interrupts_a_wait(void) {
    uint64_t job = shell("sleep 30");
    pthread_t self = pthread_self(), other;
    struct sigaction action, before;
    mimir_verdict verdict;
    SIZED(verdict);
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGUSR1, &action, &before);
    WORKS(mimir_job_start(job));
    CHECK(pthread_create(&other, NULL, interrupts, &self) == 0);
    FAILS(MIMIR_EINTR, mimir_job_wait(job, 20 * SECOND, &verdict));
    pthread_join(other, NULL);
    sigaction(SIGUSR1, &before, NULL);
    WORKS(mimir_job_close(job));
}

struct waiter {
    uint64_t job;
    int32_t status;
    mimir_verdict verdict;
};

static void *waits(void *argument) {
    struct waiter *waiter = argument;
    SIZED(waiter->verdict);
    waiter->status = mimir_job_wait(waiter->job, 60 * SECOND, &waiter->verdict);
    return NULL;
}

static void several_threads_wait_for_one_job(void) {
    uint64_t job = shell("sleep 0.2; exit 9");
    struct waiter waiters[4];
    pthread_t threads[4];
    unsigned i;
    WORKS(mimir_job_start(job));
    for (i = 0; i < 4; i++) {
        waiters[i].job = job;
        CHECK(pthread_create(&threads[i], NULL, waits, &waiters[i]) == 0);
    }
    for (i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CHECK(waiters[i].status == MIMIR_OK && waiters[i].verdict.exit_code == 9);
    }
    WORKS(mimir_job_close(job));
}

static void closing_ends_the_command_and_the_waits_for_it(void) {
    uint64_t job = shell("sleep 60");
    struct waiter waiter;
    pthread_t thread;
    int64_t pid = 0;
    WORKS(mimir_job_start(job));
    WORKS(mimir_job_pid(job, &pid));
    waiter.job = job;
    CHECK(pthread_create(&thread, NULL, waits, &waiter) == 0);
    host_pause_ms(100);
    WORKS(mimir_job_close(job));
    pthread_join(thread, NULL);
    CHECK(waiter.status == MIMIR_OK || waiter.status == MIMIR_EBADHANDLE);
    CHECK(!host_runs((pid_t)pid));
    FAILS(MIMIR_EBADHANDLE, mimir_job_close(job));
}

static void a_handle_that_is_none_is_refused_by_every_function(void) {
    const char *command[] = {"/bin/true"}, *environment[] = {"A=b"};
    uint64_t closed = job_of(command, 1), handles[4], count = 0;
    mimir_verdict verdict;
    mimir_usage usage;
    int64_t pid;
    int32_t enforcement;
    char text[16];
    unsigned i;
    SIZED(verdict);
    SIZED(usage);
    WORKS(mimir_job_close(closed));
    handles[0] = closed;
    handles[1] = 0;
    handles[2] = UINT64_MAX;
    handles[3] = closed + 1000;
    for (i = 0; i < 4; i++) {
        uint64_t job = handles[i];
        FAILS(MIMIR_EBADHANDLE, mimir_job_set_limit(job, MIMIR_LIMIT_MEMORY, 1));
        FAILS(MIMIR_EBADHANDLE, mimir_job_set_directory(job, "/"));
        FAILS(MIMIR_EBADHANDLE, mimir_job_set_environment(job, environment, 1));
        FAILS(MIMIR_EBADHANDLE, mimir_job_set_input(job, "a", 1));
        FAILS(MIMIR_EBADHANDLE, mimir_job_set_stream(job, MIMIR_STREAM_OUTPUT, MIMIR_MODE_NULL, 0));
        FAILS(MIMIR_EBADHANDLE, mimir_job_start(job));
        FAILS(MIMIR_EBADHANDLE, mimir_job_run(job, 0, &verdict));
        FAILS(MIMIR_EBADHANDLE, mimir_job_wait(job, 0, &verdict));
        FAILS(MIMIR_EBADHANDLE, mimir_job_kill(job));
        FAILS(MIMIR_EBADHANDLE, mimir_job_signal(job, SIGTERM));
        FAILS(MIMIR_EBADHANDLE, mimir_job_pid(job, &pid));
        FAILS(MIMIR_EBADHANDLE, mimir_job_usage(job, &usage));
        FAILS(MIMIR_EBADHANDLE, mimir_job_read(job, MIMIR_STREAM_OUTPUT, text, sizeof text, &count));
        FAILS(MIMIR_EBADHANDLE, mimir_job_enforcement(job, MIMIR_LIMIT_MEMORY, &enforcement));
        FAILS(MIMIR_EBADHANDLE, mimir_job_close(job));
    }
}

static void what_does_not_fit_the_state_of_a_job_is_refused(void) {
    const char *command[] = {"/bin/true"}, *environment[] = {"A=b"};
    uint64_t job = job_of(command, 1), count;
    mimir_verdict verdict;
    mimir_usage usage;
    int64_t pid;
    int32_t enforcement;
    SIZED(verdict);
    SIZED(usage);
    FAILS(MIMIR_ESTATE, mimir_job_wait(job, 0, &verdict));
    FAILS(MIMIR_ESTATE, mimir_job_kill(job));
    FAILS(MIMIR_ESTATE, mimir_job_signal(job, SIGTERM));
    FAILS(MIMIR_ESTATE, mimir_job_pid(job, &pid));
    FAILS(MIMIR_ESTATE, mimir_job_usage(job, &usage));
    FAILS(MIMIR_ESTATE, mimir_job_enforcement(job, MIMIR_LIMIT_MEMORY, &enforcement));
    FAILS(MIMIR_EINVAL, mimir_job_read(job, MIMIR_STREAM_OUTPUT, NULL, 0, &count)); /* not captured */
    run(job);
    FAILS(MIMIR_ESTATE, mimir_job_set_limit(job, MIMIR_LIMIT_MEMORY, MIB));
    FAILS(MIMIR_ESTATE, mimir_job_set_directory(job, "/"));
    FAILS(MIMIR_ESTATE, mimir_job_set_environment(job, environment, 1));
    FAILS(MIMIR_ESTATE, mimir_job_set_input(job, "a", 1));
    FAILS(MIMIR_ESTATE, mimir_job_set_stream(job, MIMIR_STREAM_OUTPUT, MIMIR_MODE_NULL, 0));
    FAILS(MIMIR_ESTATE, mimir_job_start(job));
    FAILS(MIMIR_ESTATE, mimir_job_run(job, 0, &verdict));
    WORKS(mimir_job_close(job));
}

static void impossible_jobs_are_refused(void) {
    const char *command[] = {"/bin/true", NULL}, *empty[] = {""}, *nameless[] = {"=value"}, *bare[] = {"bare"};
    uint64_t job = 7, count;
    mimir_verdict verdict;
    char text[16];
    FAILS(MIMIR_EINVAL, mimir_job_create(NULL, 1, &job));
    FAILS(MIMIR_EINVAL, mimir_job_create(command, 0, &job));
    FAILS(MIMIR_EINVAL, mimir_job_create(command, 2, &job)); /* the second is NULL */
    FAILS(MIMIR_EINVAL, mimir_job_create(command, 65537, &job));
    FAILS(MIMIR_EINVAL, mimir_job_create(command, UINT64_MAX, &job));
    FAILS(MIMIR_EINVAL, mimir_job_create(command, 1, NULL));
    FAILS(MIMIR_EINVAL, mimir_job_create(empty, 1, &job));
    CHECK(job == 7);

    job = job_of(command, 1);
    FAILS(MIMIR_EINVAL, mimir_job_set_limit(job, 0, 1));
    FAILS(MIMIR_EINVAL, mimir_job_set_limit(job, -1, 1));
    FAILS(MIMIR_EINVAL, mimir_job_set_limit(job, 99, 1));
    FAILS(MIMIR_EINVAL, mimir_job_set_directory(job, NULL));
    FAILS(MIMIR_EINVAL, mimir_job_set_directory(job, ""));
    FAILS(MIMIR_EINVAL, mimir_job_set_environment(job, NULL, 1));
    FAILS(MIMIR_EINVAL, mimir_job_set_environment(job, command, 65537));
    FAILS(MIMIR_EINVAL, mimir_job_set_environment(job, nameless, 1));
    FAILS(MIMIR_EINVAL, mimir_job_set_environment(job, bare, 1));
    FAILS(MIMIR_EINVAL, mimir_job_set_input(job, NULL, 1));
    FAILS(MIMIR_EINVAL, mimir_job_set_stream(job, 3, MIMIR_MODE_NULL, 0));
    FAILS(MIMIR_EINVAL, mimir_job_set_stream(job, -1, MIMIR_MODE_NULL, 0));
    FAILS(MIMIR_EINVAL, mimir_job_set_stream(job, MIMIR_STREAM_OUTPUT, 9, 0));
    FAILS(MIMIR_EINVAL, mimir_job_set_stream(job, MIMIR_STREAM_OUTPUT, -1, 0));
    FAILS(MIMIR_EINVAL, mimir_job_set_stream(job, MIMIR_STREAM_INPUT, MIMIR_MODE_CAPTURE, 0));
    FAILS(MIMIR_EINVAL, mimir_job_set_stream(job, MIMIR_STREAM_OUTPUT, MIMIR_MODE_OUTPUT, 0));
    FAILS(MIMIR_EINVAL, mimir_job_set_stream(job, MIMIR_STREAM_OUTPUT, MIMIR_MODE_DESCRIPTOR, -1));
    FAILS(MIMIR_EINVAL, mimir_job_run(job, 0, NULL));
    FAILS(MIMIR_EINVAL, mimir_job_wait(job, 0, NULL));
    REFUSES_WRONG_SIZES(verdict, mimir_job_run(job, 0, &verdict));
    REFUSES_WRONG_SIZES(verdict, mimir_job_wait(job, 0, &verdict));
    FAILS(MIMIR_EINVAL, mimir_job_pid(job, NULL));
    WORKS(mimir_job_set_stream(job, MIMIR_STREAM_OUTPUT, MIMIR_MODE_CAPTURE, 0));
    run(job);
    FAILS(MIMIR_EINVAL, mimir_job_read(job, MIMIR_STREAM_INPUT, text, sizeof text, &count));
    FAILS(MIMIR_EINVAL, mimir_job_read(job, MIMIR_STREAM_ERROR, text, sizeof text, &count));
    FAILS(MIMIR_EINVAL, mimir_job_read(job, 9, text, sizeof text, &count));
    FAILS(MIMIR_EINVAL, mimir_job_read(job, MIMIR_STREAM_OUTPUT, NULL, 5, &count));
    FAILS(MIMIR_EINVAL, mimir_job_read(job, MIMIR_STREAM_OUTPUT, text, sizeof text, NULL));
    WORKS(mimir_job_close(job));
}

static void fails_to_start(const char *program, const char *directory, int32_t status) {
    uint64_t job = job_of(&program, 1);
    mimir_verdict verdict;
    SIZED(verdict);
    if (directory) WORKS(mimir_job_set_directory(job, directory));
    FAILS(status, mimir_job_start(job));
    WORKS(mimir_job_close(job));
    job = job_of(&program, 1);
    if (directory) WORKS(mimir_job_set_directory(job, directory));
    FAILS(status, mimir_job_run(job, MIMIR_UNLIMITED, &verdict));
    WORKS(mimir_job_close(job));
}

static void a_command_that_cannot_start_says_why(void) {
    char file[] = "/tmp/mimir-abi-XXXXXX";
    int fd = mkstemp(file);
    close(fd);
    fails_to_start("/nowhere/program", NULL, MIMIR_ENOENT);
    fails_to_start("no-program-has-this-name", NULL, MIMIR_ENOENT);
    fails_to_start("/bin/true", "/nowhere", MIMIR_ENOENT);
    fails_to_start(file, NULL, MIMIR_EPERM);
    fails_to_start("/", NULL, MIMIR_EPERM);
    CHECK(chmod(file, 0700) == 0);
    unlink(file);
}

static void options_are_those_of_the_command(void) {
    uint64_t job = shell("umask; nice");
    uint32_t group = 0;
    const char *directories[] = {"/tmp"};
    int32_t status;
    WORKS(mimir_job_set_option(job, MIMIR_OPTION_UMASK, 027));
    WORKS(mimir_job_set_priority(job, MIMIR_PRIORITY_LOW));
    FAILS(MIMIR_EINVAL, mimir_job_set_priority(job, 20));
    FAILS(MIMIR_ENOTSUP, mimir_job_set_option(job, MIMIR_OPTION_NO_DESKTOP, 1));
    FAILS(MIMIR_EINVAL, mimir_job_set_option(job, MIMIR_OPTION_UMASK, 01000));
    FAILS(MIMIR_EINVAL, mimir_job_set_option(job, 99, 1));
    FAILS(MIMIR_EINVAL, mimir_job_set_user(job, 0, 0, NULL, 1));
    FAILS(MIMIR_EINVAL, mimir_job_set_writable(job, NULL, 1));
    run(job);
    CHECK(strcmp(captured(job, MIMIR_STREAM_OUTPUT), "0027\n19\n") == 0);
    WORKS(mimir_job_close(job));
    job = shell("true");
    WORKS(mimir_job_set_user(job, (uint32_t)getuid(), (uint32_t)getgid(), &group, 0));
    status = mimir_job_set_writable(job, directories, 1);
    CHECK(status == MIMIR_OK || status == MIMIR_ENOTSUP);
    WORKS(mimir_job_close(job));
}

static void many_jobs_leave_nothing_open(void) {
    mimir_usage before, after;
    unsigned i;
    SIZED(before);
    SIZED(after);
    WORKS(mimir_usage_get(0, MIMIR_USAGE_DESCRIPTORS, &before));
    for (i = 0; i < 100; i++) {
        uint64_t job = shell("echo x");
        run(job);
        WORKS(mimir_job_close(job));
    }
    WORKS(mimir_usage_get(0, MIMIR_USAGE_DESCRIPTORS, &after));
    CHECK(after.descriptors <= before.descriptors);
}

const check_case job_cases[] = {
    {"a command runs, and its output and exit code are kept", a_command_runs_and_its_output_and_exit_code_are_kept},
    {"a signal that ends the command is told", a_signal_that_ends_the_command_is_told},
    {"a command gets its input, directory and environment", a_command_gets_its_input_directory_and_environment},
    {"a command inherits the environment as it is now", a_command_inherits_the_environment_of_now},
    {"streams lead where they are told", streams_lead_where_they_are_told},
    {"limits are in force before the command begins", limits_are_in_force_before_the_command_begins},
    {"limits are given in one call or none of them", limits_are_given_in_one_call_or_none_of_them},
    {"a command is run to its end in one call", a_command_is_run_to_its_end_in_one_call},
    {"a command that takes too much memory ends for memory", a_command_that_takes_too_much_memory_ends_for_memory},
    {"a command that spins ends for CPU time", a_command_that_spins_ends_for_cpu_time},
    {"a command that sleeps ends for wall time, with its children",
     a_command_that_sleeps_ends_for_wall_time_with_its_children},
    {"a command that writes a large file ends for file size", a_command_that_writes_a_large_file_ends_for_file_size},
    {"a command that writes too much ends for output", a_command_that_writes_too_much_ends_for_output},
    {"a started job is watched, measured, signalled and killed", a_started_job_is_watched_measured_signalled_and_killed},
    {"a run that times out goes on and can be waited for", a_run_that_times_out_goes_on_and_can_be_waited_for},
    {"a signal interrupts a wait", a_signal_interrupts_a_wait},
    {"several threads wait for one job", several_threads_wait_for_one_job},
    {"closing ends the command and the waits for it", closing_ends_the_command_and_the_waits_for_it},
    {"a handle that is none is refused by every function", a_handle_that_is_none_is_refused_by_every_function},
    {"what does not fit the state of a job is refused", what_does_not_fit_the_state_of_a_job_is_refused},
    {"impossible jobs are refused", impossible_jobs_are_refused},
    {"a command that cannot start says why", a_command_that_cannot_start_says_why},
    {"options are those of the command", options_are_those_of_the_command},
    {"many jobs leave nothing open", many_jobs_leave_nothing_open},
};
const unsigned job_count = COUNT(job_cases);
