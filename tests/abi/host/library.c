#include "host.h"

#include <pthread.h>

static void the_version_is_written_to_the_callers_buffer(void) {
    char version[32];
    WRITES_TEXT(mimir_version(buffer, length, needed));
    WORKS(mimir_version(version, sizeof version, NULL));
    CHECK(strchr(version, '.') && strspn(version, "0123456789.-abcdefghijklmnopqrstuvwxyz") == strlen(version));
}

static void the_abi_is_that_of_the_header(void) {
    uint32_t abi = 0;
    WORKS(mimir_abi(&abi));
    CHECK(abi == MIMIR_ABI);
    FAILS(MIMIR_EINVAL, mimir_abi(NULL));
}

static void every_status_has_a_text(void) {
    int32_t status;
    for (status = MIMIR_OK; status >= MIMIR_EINTERNAL; status--)
        WRITES_TEXT(mimir_status_text(status, buffer, length, needed));
    FAILS(MIMIR_EINVAL, mimir_status_text(1, NULL, 0, NULL));
    FAILS(MIMIR_EINVAL, mimir_status_text(MIMIR_EINTERNAL - 1, NULL, 0, NULL));
    FAILS(MIMIR_EINVAL, mimir_status_text(INT32_MIN, NULL, 0, NULL));
}

static void the_last_error_outlives_calls_that_succeed(void) {
    mimir_error error;
    uint32_t abi;
    FAILS(MIMIR_ESRCH, mimir_limit_get(host_gone(), MIMIR_LIMIT_OPEN_FILES, NULL, NULL, NULL));
    WORKS(mimir_abi(&abi));
    SIZED(error);
    WORKS(mimir_last_error(&error));
    CHECK(error.status == MIMIR_ESRCH);
    CHECK(error.os_code == 3); /* ESRCH of Linux */
    CHECK(error.size == sizeof error);
    CHECK(error.reserved0 == 0);
}

static void the_last_error_refuses_a_wrong_size_and_stays(void) {
    mimir_error error;
    FAILS(MIMIR_EINVAL, mimir_abi(NULL));
    SIZED(error);
    error.size = 3;
    CHECK(mimir_last_error(&error) == MIMIR_EINVAL);
    error.size = 4097;
    CHECK(mimir_last_error(&error) == MIMIR_EINVAL);
    CHECK(mimir_last_error(NULL) == MIMIR_EINVAL);
}

struct worker {
    int32_t status;
    int right;
};

static void *fails_many_times(void *argument) {
    struct worker *worker = argument;
    mimir_error error;
    unsigned i;
    SIZED(error);
    worker->right = mimir_last_error(&error) == MIMIR_OK && error.status == MIMIR_OK; /* none in a new thread */
    for (i = 0; i < 2000; i++) {
        int32_t got = worker->status == MIMIR_EINVAL ? mimir_abi(NULL) : mimir_job_kill(UINT64_MAX);
        SIZED(error);
        worker->right &= got == worker->status && mimir_last_error(&error) == MIMIR_OK && error.status == got;
    }
    return NULL;
}

static void each_thread_has_its_own_last_error(void) {
    struct worker workers[6];
    pthread_t threads[6];
    mimir_error error;
    unsigned i;
    FAILS(MIMIR_ENOTSUP, mimir_limit_set(0, MIMIR_LIMIT_WALL_TIME, 1, 1, NULL));
    for (i = 0; i < COUNT(workers); i++) {
        workers[i].status = i % 2 ? MIMIR_EINVAL : MIMIR_EBADHANDLE;
        workers[i].right = 0;
        CHECK(pthread_create(&threads[i], NULL, fails_many_times, &workers[i]) == 0);
    }
    for (i = 0; i < COUNT(workers); i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(workers[i].right);
    }
    SIZED(error);
    WORKS(mimir_last_error(&error));
    CHECK(error.status == MIMIR_ENOTSUP);
}

const check_case library_cases[] = {
    {"the version is written to the caller's buffer", the_version_is_written_to_the_callers_buffer},
    {"the ABI number is that of the header", the_abi_is_that_of_the_header},
    {"every status has a text", every_status_has_a_text},
    {"the last error outlives calls that succeed", the_last_error_outlives_calls_that_succeed},
    {"the last error refuses a wrong size", the_last_error_refuses_a_wrong_size_and_stays},
    {"each thread has its own last error", each_thread_has_its_own_last_error},
};
const unsigned library_count = COUNT(library_cases);
