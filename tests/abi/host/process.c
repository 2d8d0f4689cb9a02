#include "host.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

static void the_caller_becomes_the_leader_of_its_group_once(void) {
    int64_t group = 0, again = 0;
    WORKS(mimir_group_create(&group));
    CHECK(group == getpgrp() && group == getpid());
    WORKS(mimir_group_create(&again));
    CHECK(again == group);
    WORKS(mimir_group_create(NULL));
}

static void a_signal_reaches_every_process_of_a_group(void) {
    pid_t first = host_sleeper(), second = host_sleeper();
    int status = 0;
    CHECK(setpgid(first, first) == 0 && setpgid(second, first) == 0);
    WORKS(mimir_group_kill(first, 0));
    WORKS(mimir_group_kill(first, SIGTERM));
    CHECK(waitpid(first, &status, 0) == first && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    CHECK(waitpid(second, &status, 0) == second && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    FAILS(MIMIR_ESRCH, mimir_group_kill(first, 0));
    FAILS(MIMIR_ESRCH, mimir_group_kill(first, SIGTERM));
}

static void impossible_groups_and_signals_are_refused(void) {
    FAILS(MIMIR_EINVAL, mimir_group_kill(0, SIGTERM));
    FAILS(MIMIR_EINVAL, mimir_group_kill(-1, SIGTERM));
    FAILS(MIMIR_EINVAL, mimir_group_kill(INT64_MIN, SIGTERM));
    FAILS(MIMIR_EINVAL, mimir_group_kill(getpgrp(), -1));
    FAILS(MIMIR_EINVAL, mimir_group_kill(getpgrp(), 65));
    FAILS(MIMIR_EINVAL, mimir_group_kill(INT64_C(1) << 40, SIGTERM));
}

static void a_signal_gets_its_default_and_is_unblocked(void) {
    struct sigaction now;
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigaddset(&blocked, SIGUSR2);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    WORKS(mimir_signal_reset(SIGUSR1));
    sigaction(SIGUSR1, NULL, &now);
    CHECK(now.sa_handler == SIG_DFL);
    sigaction(SIGUSR2, NULL, &now);
    CHECK(now.sa_handler == SIG_IGN); /* the others stay */
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    CHECK(!sigismember(&blocked, SIGUSR1) && sigismember(&blocked, SIGUSR2));
    WORKS(mimir_signal_reset(SIGUSR2));
    FAILS(MIMIR_EINVAL, mimir_signal_reset(SIGKILL));
    FAILS(MIMIR_EINVAL, mimir_signal_reset(SIGSTOP));
    FAILS(MIMIR_EINVAL, mimir_signal_reset(-1));
    FAILS(MIMIR_EINVAL, mimir_signal_reset(65));
    FAILS(MIMIR_EINVAL, mimir_signal_reset(INT32_MIN));
}

static void the_children_of_a_process_are_listed_and_its_tree_is_ended(void) {
    pid_t first = host_sleeper(), second = host_sleeper();
    int64_t children[64];
    uint64_t count = 0, i, found = 0;
    int status = 0;
    WORKS(mimir_process_children(0, 0, children, COUNT(children), &count));
    for (i = 0; i < count && i < COUNT(children); i++)
        if (children[i] == first || children[i] == second) found++;
    CHECK(found == 2);
    FAILS(MIMIR_ESRCH, mimir_process_children(host_gone(), 1, children, COUNT(children), &count));
    FAILS(MIMIR_EINVAL, mimir_process_children(-1, 1, children, COUNT(children), &count));
    WORKS(mimir_process_kill_tree(first));
    CHECK(waitpid(first, &status, 0) == first && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK(host_runs(second));
    host_reap(second);
    FAILS(MIMIR_EINVAL, mimir_process_kill_tree(0));
    FAILS(MIMIR_EINVAL, mimir_process_kill_tree(getpid()));
    FAILS(MIMIR_ESRCH, mimir_process_kill_tree(host_gone()));
}

static void a_process_is_told_from_others_by_its_start(void) {
    pid_t first = host_sleeper(), second;
    uint64_t own = 0, one = 0, other = 0, again = 7;
    struct timespec pause = {0, 50000000}; /* the kernel counts in steps of 10 ms */
    nanosleep(&pause, NULL);
    second = host_sleeper();
    WORKS(mimir_process_identify(0, &own));
    WORKS(mimir_process_identify(getpid(), &again));
    CHECK(own > 0 && own == again);
    WORKS(mimir_process_identify(first, &one));
    WORKS(mimir_process_identify(second, &other));
    CHECK(own <= one && one < other);
    kill(first, SIGKILL);
    CHECK(waitid(P_PID, (id_t)first, NULL, WEXITED | WNOWAIT) == 0); /* ended, and still there */
    again = 7;
    FAILS(MIMIR_ESRCH, mimir_process_identify(first, &again));
    CHECK(again == 7);
    host_reap(first);
    host_reap(second);
    FAILS(MIMIR_ESRCH, mimir_process_identify(second, &again));
    FAILS(MIMIR_EINVAL, mimir_process_identify(-1, &again));
    FAILS(MIMIR_EINVAL, mimir_process_identify(0, NULL));
}

/* A process that is ended by the test is one of the others: what is lowered cannot be raised without a privilege. */
static void the_priority_of_a_process_is_read_and_set(void) {
    pid_t other = host_sleeper();
    int32_t found = 99;
    WORKS(mimir_priority_get(0, &found));
    CHECK(found == getpriority(PRIO_PROCESS, 0));
    WORKS(mimir_priority_set(0, found));
    WORKS(mimir_priority_set(other, MIMIR_PRIORITY_BELOW_NORMAL));
    CHECK(getpriority(PRIO_PROCESS, (id_t)other) == 10);
    WORKS(mimir_priority_get(other, &found));
    CHECK(found == MIMIR_PRIORITY_BELOW_NORMAL);
    FAILS(MIMIR_EINVAL, mimir_priority_set(other, 20));
    FAILS(MIMIR_EINVAL, mimir_priority_set(other, -21));
    FAILS(MIMIR_EINVAL, mimir_priority_set(-1, 0));
    FAILS(MIMIR_EINVAL, mimir_priority_get(0, NULL));
    FAILS(MIMIR_EINVAL, mimir_priority_get(INT64_C(1) << 40, &found));
    CHECK(getpriority(PRIO_PROCESS, (id_t)other) == 10);
    host_reap(other);
    FAILS(MIMIR_ESRCH, mimir_priority_set(host_gone(), 0));
    FAILS(MIMIR_ESRCH, mimir_priority_get(host_gone(), &found));
}

const check_case process_cases[] = {
    {"the caller becomes the leader of its group, once", the_caller_becomes_the_leader_of_its_group_once},
    {"a signal reaches every process of a group", a_signal_reaches_every_process_of_a_group},
    {"impossible groups and signals are refused", impossible_groups_and_signals_are_refused},
    {"a signal gets its default disposition and is unblocked", a_signal_gets_its_default_and_is_unblocked},
    {"the children of a process are listed, and its tree is ended",
     the_children_of_a_process_are_listed_and_its_tree_is_ended},
    {"a process is told from others by its start", a_process_is_told_from_others_by_its_start},
    {"the priority of a process is read and set", the_priority_of_a_process_is_read_and_set},
};
const unsigned process_count = COUNT(process_cases);
