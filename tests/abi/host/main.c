/* A C99 program that calls every function of the library, well and badly, and checks what it answers.
 * `host_c only TEXT` runs the cases whose sentence holds TEXT. */
#define CHECK_MAIN
#define CALLS_MAIN
#include "host.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

const char *host_program, *host_chores;

pid_t host_sleeper(void) {
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) pause();
    }
    return pid;
}

void host_reap(pid_t pid) {
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

pid_t host_gone(void) {
    pid_t pid = host_sleeper();
    host_reap(pid);
    return pid;
}

int host_runs(pid_t pid) {
    char name[64], state = 'X';
    FILE *file;
    snprintf(name, sizeof name, "/proc/%d/stat", (int)pid);
    file = fopen(name, "r");
    if (!file) return 0;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) state = 'X';
    fclose(file);
    return state != 'Z' && state != 'X';
}

void host_pause_ms(long ms) {
    struct timespec time;
    time.tv_sec = ms / 1000;
    time.tv_nsec = ms % 1000 * 1000000;
    while (nanosleep(&time, &time) < 0 && errno == EINTR) {
    }
}

static void every_exported_function_was_called(void) {
    unsigned i;
    for (i = 0; i < COUNT(calls); i++) {
        if (!calls[i].count) {
            printf("     no case calls %s\n", calls[i].name);
            check_failures++;
        }
    }
}

static const check_case last_case[] = {{"every exported function was called", every_exported_function_was_called}};

int main(int argc, char **argv) {
    unsigned failed, count;
    char path[4096], chores[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length < 0) return 2;
    path[length] = 0;
    host_program = path;
    snprintf(chores, sizeof chores, "%.*s/chores", (int)(strrchr(path, '/') - path), path);
    host_chores = chores;
    if (argc == 3 && !strcmp(argv[1], "only")) {
        check_only = argv[2];
    } else if (argc > 1) {
        return !strcmp(argv[1], "raise") ? host_raises_limits() : 2;
    }

    setvbuf(stdout, NULL, _IOLBF, 0);
    failed = check_all(library_cases, library_count);
    failed += check_all(system_cases, system_count);
    failed += check_all(limit_cases, limit_count);
    failed += check_all(usage_cases, usage_count);
    failed += check_all(process_cases, process_count);
    failed += check_all(job_cases, job_count);
    failed += check_all(monitor_cases, monitor_count);
    failed += check_all(path_cases, path_count);
    failed += check_all(fork_cases, fork_count);
    if (check_only) return failed > 0;
    failed += check_all(last_case, 1);
    count = library_count + system_count + limit_count + usage_count + process_count + job_count + monitor_count +
            path_count + fork_count + 1;
    printf("C99 program: %u cases, %u failed\n", count, failed);
    return failed > 0;
}
