#include "host.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* Limits that this process can have, far above what it uses, and the rlimit behind each. */
static const struct {
    int32_t limit;
    uint64_t value;
    int resource;
    rlim_t in_kernel;
} table[] = {
    {MIMIR_LIMIT_MEMORY, UINT64_C(1) << 42, RLIMIT_DATA, (rlim_t)1 << 42},
    {MIMIR_LIMIT_ADDRESS_SPACE, UINT64_C(1) << 43, RLIMIT_AS, (rlim_t)1 << 43},
    {MIMIR_LIMIT_CPU_TIME, 9000 * SECOND + 1, RLIMIT_CPU, 9001},
    {MIMIR_LIMIT_PROCESSES, 20000, RLIMIT_NPROC, 20000},
    {MIMIR_LIMIT_OPEN_FILES, 200, RLIMIT_NOFILE, 200},
    {MIMIR_LIMIT_FILE_SIZE, UINT64_C(1) << 41, RLIMIT_FSIZE, (rlim_t)1 << 41},
};

/* What the library may add to a limit of this process for what it took itself. */
static uint64_t added(int32_t limit) {
    return limit == MIMIR_LIMIT_MEMORY || limit == MIMIR_LIMIT_ADDRESS_SPACE ? UINT64_C(4) << 30 : 0;
}

static void a_limit_of_the_caller_is_set_in_the_kernel_and_read_back(void) {
    unsigned i;
    for (i = 0; i < COUNT(table); i++) {
        struct rlimit before, now;
        uint64_t soft = 0, hard = 0;
        int32_t set = -1, got = -1;
        uint64_t old_hard;
        getrlimit(table[i].resource, &before);
        WORKS(mimir_limit_get(0, table[i].limit, NULL, &old_hard, NULL));
        WORKS(mimir_limit_set(0, table[i].limit, table[i].value, old_hard, &set));
        getrlimit(table[i].resource, &now);
        CHECK(now.rlim_cur >= table[i].in_kernel && now.rlim_max == before.rlim_max);
        CHECK(now.rlim_cur - table[i].in_kernel <= added(table[i].limit));
        WORKS(mimir_limit_get(0, table[i].limit, &soft, &hard, &got));
        CHECK(table[i].limit == MIMIR_LIMIT_CPU_TIME ? soft == 9001 * SECOND : soft == table[i].value);
        CHECK(hard == old_hard);
        CHECK(set == got && set != MIMIR_ENFORCEMENT_NONE);
        setrlimit(table[i].resource, &before);
    }
}

static void a_limit_of_another_process_is_set_and_read_back(void) {
    pid_t pid = host_sleeper();
    unsigned i;
    for (i = 0; i < COUNT(table); i++) {
        struct rlimit now;
        uint64_t soft = 0, hard = 0;
        int32_t enforcement = -1;
        WORKS(mimir_limit_set(pid, table[i].limit, table[i].value, table[i].value, &enforcement));
        CHECK(prlimit(pid, table[i].resource, NULL, &now) == 0);
        CHECK(now.rlim_cur == table[i].in_kernel && now.rlim_max == table[i].in_kernel);
        WORKS(mimir_limit_get(pid, table[i].limit, &soft, &hard, NULL));
        CHECK(soft == hard && soft >= table[i].value);
        CHECK(enforcement != MIMIR_ENFORCEMENT_NONE);
    }
    host_reap(pid);
}

static void memory_also_sets_the_limit_that_programs_read_back(void) {
    pid_t pid = host_sleeper();
    struct rlimit rss;
    WORKS(mimir_limit_set(pid, MIMIR_LIMIT_MEMORY, 512 * MIB, 512 * MIB, NULL));
    CHECK(prlimit(pid, RLIMIT_RSS, NULL, &rss) == 0);
    CHECK(rss.rlim_cur == 512 * MIB);
    host_reap(pid);
}

static void unlimited_and_zero_are_two_things(void) {
    pid_t pid = host_sleeper();
    uint64_t soft = 7, hard = 7;
    WORKS(mimir_limit_set(pid, MIMIR_LIMIT_FILE_SIZE, 0, MIMIR_UNLIMITED, NULL));
    WORKS(mimir_limit_get(pid, MIMIR_LIMIT_FILE_SIZE, &soft, &hard, NULL));
    CHECK(soft == 0 && hard == MIMIR_UNLIMITED);
    host_reap(pid);
}

static void impossible_limits_are_refused(void) {
    uint64_t before = 0, after = 0, value;
    int32_t enforcement;
    pid_t gone = host_gone();
    WORKS(mimir_limit_get(0, MIMIR_LIMIT_OPEN_FILES, &before, NULL, NULL));
    FAILS(MIMIR_EINVAL, mimir_limit_set(0, 0, 1, 1, NULL));
    FAILS(MIMIR_EINVAL, mimir_limit_set(0, -1, 1, 1, NULL));
    FAILS(MIMIR_EINVAL, mimir_limit_set(0, 99, 1, 1, NULL));
    FAILS(MIMIR_EINVAL, mimir_limit_set(0, MIMIR_LIMIT_OPEN_FILES, 10, 9, NULL));
    FAILS(MIMIR_EINVAL, mimir_limit_set(0, MIMIR_LIMIT_OPEN_FILES, MIMIR_UNLIMITED, 9, NULL));
    FAILS(MIMIR_ENOTSUP, mimir_limit_set(0, MIMIR_LIMIT_WALL_TIME, 1, 1, NULL));
    FAILS(MIMIR_ENOTSUP, mimir_limit_set(0, MIMIR_LIMIT_OUTPUT, 1, 1, &enforcement));
    FAILS(MIMIR_ESRCH, mimir_limit_set(gone, MIMIR_LIMIT_OPEN_FILES, 10, 10, NULL));
    FAILS(MIMIR_EINVAL, mimir_limit_set(-5, MIMIR_LIMIT_OPEN_FILES, 10, 10, NULL));
    FAILS(MIMIR_EINVAL, mimir_limit_set(INT64_MIN, MIMIR_LIMIT_OPEN_FILES, 10, 10, NULL));
    FAILS(MIMIR_EINVAL, mimir_limit_set(INT64_C(1) << 40, MIMIR_LIMIT_OPEN_FILES, 10, 10, NULL));
    WORKS(mimir_limit_get(0, MIMIR_LIMIT_OPEN_FILES, &after, NULL, NULL));
    CHECK(before == after);

    FAILS(MIMIR_EINVAL, mimir_limit_get(0, 0, &value, &value, NULL));
    FAILS(MIMIR_EINVAL, mimir_limit_get(0, 99, NULL, NULL, NULL));
    FAILS(MIMIR_ENOTSUP, mimir_limit_get(0, MIMIR_LIMIT_WALL_TIME, &value, NULL, NULL));
    FAILS(MIMIR_ENOTSUP, mimir_limit_get(0, MIMIR_LIMIT_OUTPUT, &value, NULL, NULL));
    FAILS(MIMIR_ESRCH, mimir_limit_get(gone, MIMIR_LIMIT_OPEN_FILES, &value, NULL, NULL));
    FAILS(MIMIR_EINVAL, mimir_limit_get(-1, MIMIR_LIMIT_OPEN_FILES, &value, NULL, NULL));
    FAILS(MIMIR_EINVAL, mimir_limit_get(INT64_C(1) << 40, MIMIR_LIMIT_OPEN_FILES, &value, NULL, NULL));
    WORKS(mimir_limit_get(0, MIMIR_LIMIT_OPEN_FILES, NULL, NULL, NULL));
}

int host_raises_limits(void) {
    struct rlimit hard = {50, 60};
    int32_t enforcement = -1;
    uint64_t soft_now = 0, hard_now = 0, job = 0;
    const char *command[] = {"/bin/true"};
    mimir_error error;
    check_failures = 0;
    CHECK(setrlimit(RLIMIT_NOFILE, &hard) == 0);
    FAILS(MIMIR_ELIMIT, mimir_limit_set(0, MIMIR_LIMIT_OPEN_FILES, 50, 61, &enforcement));
    SIZED(error);
    WORKS(mimir_last_error(&error));
    CHECK(strstr(error.message, "61") && strstr(error.message, "60")); /* what was asked, what is allowed */
    CHECK(enforcement == -1);
    WORKS(mimir_limit_get(0, MIMIR_LIMIT_OPEN_FILES, &soft_now, &hard_now, NULL));
    CHECK(soft_now == 50 && hard_now == 60);
    WORKS(mimir_job_create(command, 1, &job));
    WORKS(mimir_job_set_limit(job, MIMIR_LIMIT_OPEN_FILES, 61));
    FAILS(MIMIR_ELIMIT, mimir_job_start(job));
    WORKS(mimir_job_close(job));
    return check_failures > 0;
}

static void a_limit_above_the_hard_one_is_refused_with_both_numbers(void) {
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        /* Root may raise hard limits by this capability; what is no longer in the bounding set is gone after exec. */
        enum { cap_sys_resource = 24 };
        if (geteuid() == 0 && prctl(PR_CAPBSET_DROP, cap_sys_resource, 0, 0, 0) != 0) _exit(6);
        execl(host_program, host_program, "raise", (char *)NULL);
        _exit(7);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void support_is_told_for_every_limit_and_scope(void) {
    int32_t limit, scope, enforcement;
    for (limit = MIMIR_LIMIT_MEMORY; limit <= MIMIR_LIMIT_OUTPUT; limit++) {
        for (scope = MIMIR_SCOPE_SELF; scope <= MIMIR_SCOPE_JOB; scope++) {
            enforcement = -1;
            WORKS(mimir_limit_support(limit, scope, &enforcement));
            CHECK(enforcement >= MIMIR_ENFORCEMENT_NONE && enforcement <= MIMIR_ENFORCEMENT_ADVISORY);
        }
    }
    WORKS(mimir_limit_support(MIMIR_LIMIT_WALL_TIME, MIMIR_SCOPE_SELF, &enforcement));
    CHECK(enforcement == MIMIR_ENFORCEMENT_NONE);
    WORKS(mimir_limit_support(MIMIR_LIMIT_WALL_TIME, MIMIR_SCOPE_JOB, &enforcement));
    CHECK(enforcement == MIMIR_ENFORCEMENT_WATCHDOG);
    WORKS(mimir_limit_support(MIMIR_LIMIT_OPEN_FILES, MIMIR_SCOPE_PROCESS, &enforcement));
    CHECK(enforcement == MIMIR_ENFORCEMENT_KERNEL);
    FAILS(MIMIR_EINVAL, mimir_limit_support(0, MIMIR_SCOPE_SELF, &enforcement));
    FAILS(MIMIR_EINVAL, mimir_limit_support(99, MIMIR_SCOPE_SELF, &enforcement));
    FAILS(MIMIR_EINVAL, mimir_limit_support(MIMIR_LIMIT_MEMORY, 0, &enforcement));
    FAILS(MIMIR_EINVAL, mimir_limit_support(MIMIR_LIMIT_MEMORY, 4, &enforcement));
    FAILS(MIMIR_EINVAL, mimir_limit_support(MIMIR_LIMIT_MEMORY, MIMIR_SCOPE_SELF, NULL));
}

const check_case limit_cases[] = {
    {"a limit of the caller is set in the kernel and read back", a_limit_of_the_caller_is_set_in_the_kernel_and_read_back},
    {"a limit of another process is set and read back", a_limit_of_another_process_is_set_and_read_back},
    {"the memory limit also sets the one that programs read back", memory_also_sets_the_limit_that_programs_read_back},
    {"unlimited and zero are two things", unlimited_and_zero_are_two_things},
    {"impossible limits are refused and change nothing", impossible_limits_are_refused},
    {"a limit above the hard one is refused with both numbers", a_limit_above_the_hard_one_is_refused_with_both_numbers},
    {"support is told for every limit and scope", support_is_told_for_every_limit_and_scope},
};
const unsigned limit_count = COUNT(limit_cases);
