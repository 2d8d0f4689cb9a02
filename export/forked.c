/* What a forked child may call, as plain C on async-signal-safe functions: no allocation, no lock, nothing of Go. The results
 * and statuses are those of the Go functions of the same names; tests/fork runs both from one table. mimir_usage_measure, the
 * hottest, is this one always. */
#include "internal.h"

mimir_measure mimir_page = {.size = sizeof mimir_page};

#ifndef _WIN32

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __APPLE__
#include <libproc.h>
#define _NSIG NSIG
#else
#include <linux/capability.h>
#include <sys/syscall.h>
#endif

#include "forked_gen.h"

/* Texts for mimir_last_error, put together without stdio. */
struct text {
    char bytes[256];
    size_t length;
};

static void add(struct text *t, const char *s) {
    while (*s && t->length < sizeof t->bytes - 1) t->bytes[t->length++] = *s++;
    t->bytes[t->length] = 0;
}

static void add_number(struct text *t, uint64_t n) {
    char digits[21];
    char *p = digits + sizeof digits - 1;
    *p = 0;
    do *--p = (char)('0' + n % 10);
    while (n /= 10);
    add(t, p);
}

static void add_signed(struct text *t, int64_t n) {
    if (n < 0) add(t, "-");
    add_number(t, n < 0 ? -(uint64_t)n : (uint64_t)n);
}

static int32_t status_of(int error) {
    switch (error) {
    case EPERM:
    case EACCES:
        return MIMIR_EPERM;
    case ENOENT:
    case ENOTDIR:
        return MIMIR_ENOENT;
    case ESRCH:
        return MIMIR_ESRCH;
    case EINVAL:
        return MIMIR_EINVAL;
    case ENOMEM:
    case EAGAIN:
    case EMFILE:
    case ENFILE:
    case ENOSPC:
        return MIMIR_ENOMEM;
    case ENOSYS:
    case ENOTSUP:
        return MIMIR_ENOTSUP;
    case EINTR:
        return MIMIR_EINTR;
    case ETIMEDOUT:
        return MIMIR_ETIMEDOUT;
    default:
        return MIMIR_EOS;
    }
}

static int32_t os_error(int error, const char *step, struct text *t) {
    add(t, ": error ");
    add_number(t, (uint64_t)error);
    return mimir_error_set(status_of(error), error, step, t->bytes);
}

static int32_t invalid(const char *step, const char *before, int64_t n, const char *after) {
    struct text t = {.length = 0};
    add(&t, before);
    add_signed(&t, n);
    add(&t, after);
    return mimir_error_set(MIMIR_EINVAL, 0, step, t.bytes);
}

static int32_t null(const char *name) {
    struct text t = {.length = 0};
    add(&t, name);
    add(&t, " is NULL");
    return mimir_error_set(MIMIR_EINVAL, 0, "check arguments", t.bytes);
}

static int32_t check_pid(int64_t pid) {
    return pid < 0 || pid > INT32_MAX ? invalid("check process id", "", pid, " is not a process id") : MIMIR_OK;
}

/* For what a forked child can do on itself alone. */
static int32_t check_self(int64_t pid, const char *function) {
    return pid == 0 || pid == getpid() ? MIMIR_OK : mimir_gate_refuse(function);
}

/* The library itself. */

int32_t mimir_forked_version(char *buffer, uint64_t length, uint64_t *needed) {
    static const char version[] = MIMIR_VERSION;
    if (needed) *needed = sizeof version;
    if (!buffer) return length == 0 ? MIMIR_ERANGE : null("buffer");
    if (length < sizeof version)
        return mimir_error_set(MIMIR_ERANGE, 0, "copy text", "the buffer is too short");
    memcpy(buffer, version, sizeof version);
    return MIMIR_OK;
}

int32_t mimir_forked_abi(uint32_t *abi) {
    if (!abi) return null("abi");
    *abi = MIMIR_ABI;
    return MIMIR_OK;
}

int32_t mimir_forked_last_error(mimir_error *error) { return mimir_error_copy(error); }

/* Limits. */

#define SECOND UINT64_C(1000000000)

static const struct {
    int32_t limit;
    const char *name;
    int resource, advisory;
} limits[] = {
    {MIMIR_LIMIT_MEMORY, "memory", RLIMIT_DATA, RLIMIT_RSS},
    {MIMIR_LIMIT_ADDRESS_SPACE, "address space", RLIMIT_AS, -1},
    {MIMIR_LIMIT_CPU_TIME, "CPU time", RLIMIT_CPU, -1},
    {MIMIR_LIMIT_WALL_TIME, "wall time", -1, -1},
    {MIMIR_LIMIT_PROCESSES, "processes", RLIMIT_NPROC, -1},
    {MIMIR_LIMIT_OPEN_FILES, "open files", RLIMIT_NOFILE, -1},
    {MIMIR_LIMIT_FILE_SIZE, "file size", RLIMIT_FSIZE, -1},
    {MIMIR_LIMIT_OUTPUT, "output", -1, -1},
    {MIMIR_LIMIT_CPU_RATE, "CPU rate", -1, -1},
};

/* Finds the row of a limit, or says what is wrong with it or the process. */
static int32_t find_limit(int64_t pid, int32_t limit, size_t *row) {
    struct text t = {.length = 0};
    for (*row = 0; *row < sizeof limits / sizeof *limits; ++*row)
        if (limits[*row].limit == limit) break;
    if (*row == sizeof limits / sizeof *limits) return invalid("check limit", "", limit, " is not a limit");
    int32_t wrong = check_pid(pid);
    if (wrong != MIMIR_OK || limits[*row].resource >= 0) return wrong;
    add(&t, limits[*row].name);
    add(&t, " is a limit of jobs: a running process cannot have it");
    return mimir_error_set(MIMIR_ENOTSUP, 0, "find limit", t.bytes);
}

static uint64_t to_rlimit(int32_t limit, uint64_t value) {
    if (limit != MIMIR_LIMIT_CPU_TIME || value == MIMIR_UNLIMITED) return value;
    return value / SECOND + (value % SECOND != 0);
}

static uint64_t from_rlimit(int32_t limit, uint64_t value) {
    if (limit != MIMIR_LIMIT_CPU_TIME) return value;
    return value > MIMIR_UNLIMITED / SECOND ? MIMIR_UNLIMITED : value * SECOND;
}

#ifdef __APPLE__

/* macOS tells of no other process's limits; its "no limit" is the largest signed number. */
static int own(int64_t pid) {
    if (pid == 0) return 1; /* as core/internal/rlimit has it */
    errno = ENOTSUP;
    return 0;
}

static int set_rlimit(int64_t pid, int resource, uint64_t soft, uint64_t hard) {
    struct rlimit value;
    if (!own(pid)) return -1;
    value.rlim_cur = soft < RLIM_INFINITY ? soft : RLIM_INFINITY;
    value.rlim_max = hard < RLIM_INFINITY ? hard : RLIM_INFINITY;
    return setrlimit(resource, &value);
}

static int get_rlimit(int64_t pid, int resource, uint64_t *soft, uint64_t *hard) {
    struct rlimit value;
    if (!own(pid) || getrlimit(resource, &value) != 0) return -1;
    *soft = value.rlim_cur < RLIM_INFINITY ? value.rlim_cur : MIMIR_UNLIMITED;
    *hard = value.rlim_max < RLIM_INFINITY ? value.rlim_max : MIMIR_UNLIMITED;
    return 0;
}

#else

static int set_rlimit(int64_t pid, int resource, uint64_t soft, uint64_t hard) {
    uint64_t value[2] = {soft, hard};
    return (int)syscall(SYS_prlimit64, (pid_t)pid, resource, value, NULL);
}

static int get_rlimit(int64_t pid, int resource, uint64_t *soft, uint64_t *hard) {
    uint64_t value[2];
    if (syscall(SYS_prlimit64, (pid_t)pid, resource, NULL, value) != 0) return -1;
    *soft = value[0];
    *hard = value[1];
    return 0;
}

#endif

/* How a limit of this process was asked for before the fork, and the kernel's value that came of it. */
static struct {
    uint64_t asked[2], kernel[2];
    int noted;
} notes[sizeof limits / sizeof *limits];

void mimir_forked_note(int32_t limit, uint64_t soft, uint64_t hard) {
    static pthread_mutex_t noting = PTHREAD_MUTEX_INITIALIZER;
    uint64_t kernel[2];
    size_t row = 0;
    while (row < sizeof limits / sizeof *limits && limits[row].limit != limit) row++;
    if (row == sizeof limits / sizeof *limits || get_rlimit(0, limits[row].resource, &kernel[0], &kernel[1]) != 0) return;
    pthread_mutex_lock(&noting);
    /* A child forked meanwhile finds no note rather than half of one. */
    __atomic_store_n(&notes[row].noted, 0, __ATOMIC_SEQ_CST);
    memcpy(notes[row].kernel, kernel, sizeof kernel);
    notes[row].asked[0] = soft;
    notes[row].asked[1] = hard;
    __atomic_store_n(&notes[row].noted, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&noting);
}

/* What stands for the kernel's value of this process: what was asked for, if nobody has changed it since. */
static void as_asked(size_t row, uint64_t *soft, uint64_t *hard) {
    if (!notes[row].noted || notes[row].kernel[0] != *soft || notes[row].kernel[1] != *hard) return;
    *soft = to_rlimit(limits[row].limit, notes[row].asked[0]);
    *hard = to_rlimit(limits[row].limit, notes[row].asked[1]);
}

#ifdef __APPLE__

static int32_t enforcement_of(int64_t pid, int32_t limit) {
    (void)pid;
    switch (limit) {
    case MIMIR_LIMIT_MEMORY:
    case MIMIR_LIMIT_ADDRESS_SPACE:
        return MIMIR_ENFORCEMENT_ADVISORY;
    case MIMIR_LIMIT_PROCESSES:
        return geteuid() == 0 ? MIMIR_ENFORCEMENT_ADVISORY : MIMIR_ENFORCEMENT_KERNEL_PER_USER;
    default:
        return MIMIR_ENFORCEMENT_KERNEL;
    }
}

#else

static ssize_t read_file(const char *path, char *bytes, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    size_t total = 0;
    for (;;) {
        ssize_t n = read(fd, bytes + total, size - 1 - total);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        total += (size_t)n;
    }
    close(fd);
    bytes[total] = 0;
    return (ssize_t)total;
}

static uint64_t read_number(const char **p) {
    uint64_t n = 0;
    while (**p == ' ' || **p == '\t') ++*p;
    while (**p >= '0' && **p <= '9') n = n * 10 + (uint64_t)(*(*p)++ - '0');
    return n;
}

/* Whether the process may exceed RLIMIT_NPROC: it has the capability, in the first user namespace. */
static int exempt(int64_t pid) {
    char bytes[128];
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, (int)pid};
    struct __user_cap_data_struct data[2] = {{0, 0, 0}, {0, 0, 0}};
    if (read_file("/proc/self/uid_map", bytes, sizeof bytes) >= 0) {
        const char *p = bytes;
        uint64_t inside = read_number(&p), outside = read_number(&p), count = read_number(&p);
        if (inside != 0 || outside != 0 || count != UINT32_MAX) return 0;
    }
    if (syscall(SYS_capget, &header, data) != 0) return 0;
    return (data[0].effective & (1u << CAP_SYS_ADMIN | 1u << CAP_SYS_RESOURCE)) != 0;
}

static int32_t enforcement_of(int64_t pid, int32_t limit) {
    if (limit != MIMIR_LIMIT_PROCESSES) return MIMIR_ENFORCEMENT_KERNEL;
    return exempt(pid) ? MIMIR_ENFORCEMENT_ADVISORY : MIMIR_ENFORCEMENT_KERNEL_PER_USER;
}

#endif

static void add_limit(struct text *t, size_t row, int64_t pid) {
    add(t, limits[row].name);
    add(t, " of process ");
    add_signed(t, pid);
}

int32_t mimir_forked_limit_set(int64_t pid, int32_t limit, uint64_t soft, uint64_t hard, int32_t *enforcement) {
    struct text t = {.length = 0};
    size_t row;
    int32_t status = find_limit(pid, limit, &row);
    if (status != MIMIR_OK) return status;
    if (soft > hard) {
        add(&t, limits[row].name);
        add(&t, ": the soft limit is above the hard limit");
        return mimir_error_set(MIMIR_EINVAL, 0, "check limit", t.bytes);
    }
    soft = to_rlimit(limit, soft);
    hard = to_rlimit(limit, hard);
    uint64_t present, most;
    if (set_rlimit(pid, limits[row].resource, soft, hard) != 0) {
        int error = errno;
        if (error == EPERM && get_rlimit(pid, limits[row].resource, &present, &most) == 0 && hard > most) {
            add(&t, limits[row].name);
            add(&t, ": ");
            add_number(&t, from_rlimit(limit, hard));
            add(&t, " was asked, the hard limit allows ");
            add_number(&t, from_rlimit(limit, most));
            return mimir_error_set(MIMIR_ELIMIT, error, "setrlimit", t.bytes);
        }
        add_limit(&t, row, pid);
        return os_error(error, "setrlimit", &t);
    }
    int advisory = limits[row].advisory;
    if (advisory >= 0 && set_rlimit(pid, advisory, soft, hard) != 0 && get_rlimit(pid, advisory, &present, &most) == 0)
        set_rlimit(pid, advisory, soft < most ? soft : most, hard < most ? hard : most);
    if (enforcement) *enforcement = enforcement_of(pid, limit);
    return MIMIR_OK;
}

int32_t mimir_forked_limit_get(int64_t pid, int32_t limit, uint64_t *soft, uint64_t *hard, int32_t *enforcement) {
    struct text t = {.length = 0};
    size_t row;
    uint64_t value, most;
    int32_t status = find_limit(pid, limit, &row);
    if (status != MIMIR_OK) return status;
    if (get_rlimit(pid, limits[row].resource, &value, &most) != 0) {
        int error = errno;
        add_limit(&t, row, pid);
        return os_error(error, "getrlimit", &t);
    }
    if (pid == 0 || pid == getpid()) as_asked(row, &value, &most);
    if (soft) *soft = from_rlimit(limit, value);
    if (hard) *hard = from_rlimit(limit, most);
    if (enforcement) *enforcement = enforcement_of(pid, limit);
    return MIMIR_OK;
}

/* Groups and signals. */

int32_t mimir_forked_group_create(int64_t *group) {
    struct text t = {.length = 0};
    if (getpgrp() != getpid() && setpgid(0, 0) != 0) {
        int error = errno;
        add(&t, "new process group");
        return os_error(error, "setpgid", &t);
    }
    if (group) *group = getpid();
    return MIMIR_OK;
}

int32_t mimir_forked_group_kill(int64_t group, int32_t signal) {
    struct text t = {.length = 0};
    if (group < 1 || group > INT32_MAX) return invalid("check process group", "", group, " is not a process group");
    if (signal < 0 || signal >= _NSIG) return invalid("check signal", "", signal, " is not a signal");
    if (kill(-(pid_t)group, signal) != 0) {
        int error = errno;
        add(&t, "process group ");
        add_signed(&t, group);
        return os_error(error, "kill", &t);
    }
    return MIMIR_OK;
}

#ifndef __APPLE__

/* Calls visit with each name of a directory that has no dot in front, without opendir, which allocates. */
static int each_entry(const char *path, void (*visit)(const char *name, void *context), void *context) {
    char bytes[1024];
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -1;
    for (;;) {
        long got = syscall(SYS_getdents64, fd, bytes, sizeof bytes);
        if (got <= 0) break;
        /* struct linux_dirent64: the record's length at 16, its name from 19. */
        for (long at = 0; at < got;) {
            unsigned short length;
            memcpy(&length, bytes + at + 16, sizeof length);
            if (bytes[at + 19] != '.') visit(bytes + at + 19, context);
            at += length;
        }
    }
    close(fd);
    return 0;
}

#endif

/* Priority. */

int32_t mimir_forked_priority_get(int64_t pid, int32_t *priority) {
    struct text t = {.length = 0};
    int32_t wrong;
    if (!priority) return null("priority");
    if ((wrong = check_pid(pid)) != MIMIR_OK) return wrong;
    if ((wrong = check_self(pid, "mimir_priority_get")) != MIMIR_OK) return wrong;
    errno = 0; /* -1 is a priority, too */
    int found = getpriority(PRIO_PROCESS, 0);
    if (errno != 0) return os_error(errno, "getpriority", &t);
    *priority = found;
    return MIMIR_OK;
}

struct priority {
    int wanted, error;
};

#ifndef __APPLE__

static void set_priority_of(const char *thread, void *context) {
    struct priority *p = context;
    uint64_t id = 0;
    while (*thread >= '0' && *thread <= '9') id = id * 10 + (uint64_t)(*thread++ - '0');
    if (p->error == 0 && setpriority(PRIO_PROCESS, (id_t)id, p->wanted) != 0 && errno != ESRCH) p->error = errno;
}

#endif

int32_t mimir_forked_priority_set(int64_t pid, int32_t priority) {
    struct text t = {.length = 0};
    struct priority p = {priority, 0};
    int32_t wrong = check_pid(pid);
    if (wrong != MIMIR_OK) return wrong;
    if (priority < MIMIR_PRIORITY_HIGHEST || priority > MIMIR_PRIORITY_LOW)
        return invalid("check priority", "", priority, " is not within -20 and 19");
    if ((wrong = check_self(pid, "mimir_priority_set")) != MIMIR_OK) return wrong;
#ifdef __APPLE__
    if (setpriority(PRIO_PROCESS, 0, priority) != 0) p.error = errno; /* of all threads */
#else
    /* The calling thread first: what it may not do, no other may. Each thread has its own. */
    if (setpriority(PRIO_PROCESS, 0, priority) != 0)
        p.error = errno;
    else
        each_entry("/proc/self/task", set_priority_of, &p);
#endif
    if (p.error == 0) return MIMIR_OK;
    add_signed(&t, priority);
    return os_error(p.error, "setpriority", &t);
}

#ifdef __APPLE__

static int unblock(uint64_t signals) {
    sigset_t set = (sigset_t)signals;
    return pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

#else

static int unblock(uint64_t set) {
    return (int)syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &set, NULL, sizeof set);
}

#endif

int32_t mimir_forked_signal_reset(int32_t signal) {
    struct text t = {.length = 0};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    if (signal < 0 || signal >= _NSIG) return invalid("check signal", "", signal, " is not a signal");
    if (signal != 0) {
        if (sigaction(signal, &action, NULL) != 0) {
            int error = errno;
            add(&t, "signal ");
            add_signed(&t, signal);
            return os_error(error, "sigaction", &t);
        }
        unblock(UINT64_C(1) << (signal - 1));
        return MIMIR_OK;
    }
    /* SIGKILL, SIGSTOP and the C library's own two refuse; there is nothing to reset in them. */
    for (int s = 1; s < _NSIG; s++) {
        /* Go makes panics of its faults, and statuses of those. */
        if (!mimir_gate_forked() && (s == SIGSEGV || s == SIGBUS || s == SIGFPE)) continue;
        sigaction(s, &action, NULL);
    }
    unblock(~UINT64_C(0));
    return MIMIR_OK;
}

/* Usage. */

static uint64_t nanoseconds(struct timeval t) { return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_usec * 1000; }

#ifdef __APPLE__

void mimir_forked_prepare(void) {} /* no reading needs a descriptor */

static int32_t own_usage(uint32_t fields, mimir_usage *u) {
    struct text t;
    t.length = 0;
    struct rusage ru;
    struct proc_taskinfo task;
    memset(u, 0, sizeof *u);
    if (fields & (MIMIR_USAGE_MEMORY | MIMIR_USAGE_CPU)) {
        if (getrusage(RUSAGE_SELF, &ru) != 0) return os_error(errno, "getrusage", &t);
        u->user_time_ns = nanoseconds(ru.ru_utime);
        u->system_time_ns = nanoseconds(ru.ru_stime);
        u->peak_resident_bytes = (uint64_t)ru.ru_maxrss;
        u->fields |= MIMIR_USAGE_CPU;
    }
    if (fields & (MIMIR_USAGE_MEMORY | MIMIR_USAGE_THREADS)) {
        if (proc_pidinfo(getpid(), PROC_PIDTASKINFO, 0, &task, sizeof task) < (int)sizeof task)
            return os_error(errno, "proc_pidinfo", &t);
        if (fields & MIMIR_USAGE_MEMORY) {
            u->resident_bytes = task.pti_resident_size;
            u->virtual_bytes = task.pti_virtual_size;
            if (u->peak_resident_bytes < u->resident_bytes) u->peak_resident_bytes = u->resident_bytes;
            u->fields |= MIMIR_USAGE_MEMORY;
        }
        if (fields & MIMIR_USAGE_THREADS) {
            u->threads = (uint32_t)task.pti_threadnum;
            u->fields |= MIMIR_USAGE_THREADS;
        }
    }
    if (fields & MIMIR_USAGE_DESCRIPTORS) {
        /* Without a list to fill the kernel answers with the size of the table; what is open is asked one by one. */
        int size = proc_pidinfo(getpid(), PROC_PIDLISTFDS, 0, NULL, 0);
        if (size <= 0) return os_error(errno, "proc_pidinfo", &t);
        for (int fd = 0; fd < size / (int)PROC_PIDLISTFD_SIZE; fd++)
            if (fcntl(fd, F_GETFD) >= 0) u->descriptors++;
        u->fields |= MIMIR_USAGE_DESCRIPTORS;
    }
    return MIMIR_OK;
}

int32_t mimir_forked_library_reload(uint64_t *handle) {
    (void)handle;
    return mimir_gate_refuse("mimir_library_reload"); /* two Go runtimes in one process are for Linux alone */
}

#else

static void count_entry(const char *name, void *count) {
    (void)name;
    ++*(uint32_t *)count;
}

static int count_descriptors(uint32_t *count) {
    *count = 0;
    if (each_entry("/proc/self/fd", count_entry, count) != 0) return -1;
    --*count; /* the one that the count needs */
    return 0;
}

/* A descriptor of /proc/self/statm that is kept open: a reading costs a fifth of opening the file each time. The host can close
 * it and use its number for a file of its own, so a text whose first number is not that of the last reading is checked by
 * the file's identity. core/internal/procfs does the same for Go. */
static struct {
    int fd;
    dev_t device;
    ino_t ino;
    uint64_t pages;
} kept = {-1, 0, 0, 0};
static pthread_mutex_t keeping = PTHREAD_MUTEX_INITIALIZER;

/* Away from the numbers that a program closes, counts and reuses. */
#define KEPT_ABOVE 192

static int is_kept(int fd) {
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_dev == kept.device && st.st_ino == kept.ino;
}

/* A statm text has seven numbers, of which the fifth and the last are 0. */
static int parse_statm(const char *p, uint64_t *pages, uint64_t *resident) {
    uint64_t n[7];
    for (int i = 0; i < 7; i++) {
        if (*p < '0' || *p > '9') return -1;
        uint64_t value = 0;
        do value = value * 10 + (uint64_t)(*p++ - '0');
        while (*p >= '0' && *p <= '9');
        n[i] = value;
        if (*p++ != (i < 6 ? ' ' : '\n')) return -1;
    }
    *pages = n[0];
    *resident = n[1];
    return n[4] | n[6] ? -1 : 0;
}

static int pread_statm(int fd, uint64_t *pages, uint64_t *resident) {
    char bytes[128];
    ssize_t n = pread(fd, bytes, sizeof bytes - 1, 0);
    if (n <= 0) return -1;
    bytes[n] = 0;
    return parse_statm(bytes, pages, resident);
}

/* Opens the file and, outside of a forked child, keeps it; a descriptor that is no longer ours belongs to the host. */
static int open_statm(uint64_t *pages, uint64_t *resident) {
    struct stat st;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC), high, result;
    if (fd < 0) return -1;
    if (mimir_gate_forked()) {
        result = pread_statm(fd, pages, resident);
        close(fd);
        return result;
    }
    if ((high = fcntl(fd, F_DUPFD_CLOEXEC, KEPT_ABOVE)) >= 0) {
        close(fd);
        fd = high;
    }
    pthread_mutex_lock(&keeping);
    result = pread_statm(fd, pages, resident);
    int old = __atomic_load_n(&kept.fd, __ATOMIC_ACQUIRE);
    if (result != 0 || fstat(fd, &st) != 0 || (old >= 0 && is_kept(old))) {
        close(fd); /* another thread has been quicker */
    } else {
        kept.device = st.st_dev;
        kept.ino = st.st_ino;
        __atomic_store_n(&kept.pages, *pages, __ATOMIC_RELAXED);
        __atomic_store_n(&kept.fd, fd, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&keeping);
    return result;
}

static int own_memory(uint64_t *pages, uint64_t *resident) {
    int fd = __atomic_load_n(&kept.fd, __ATOMIC_ACQUIRE);
    if (fd >= 0 && !mimir_gate_forked() && pread_statm(fd, pages, resident) == 0) {
        if (*pages == __atomic_load_n(&kept.pages, __ATOMIC_RELAXED)) return 0;
        if (is_kept(fd)) {
            __atomic_store_n(&kept.pages, *pages, __ATOMIC_RELAXED);
            return 0;
        }
    }
    return open_statm(pages, resident);
}

void mimir_forked_prepare(void) {
    uint64_t pages, resident;
    own_memory(&pages, &resident);
}

/* Asked for once: a child may be forked before any constructor has run. */
static uint64_t page_size(void) {
    static uint64_t kept_size;
    uint64_t size = __atomic_load_n(&kept_size, __ATOMIC_RELAXED);
    if (size == 0) {
        size = (uint64_t)sysconf(_SC_PAGESIZE);
        __atomic_store_n(&kept_size, size, __ATOMIC_RELAXED);
    }
    return size;
}

static int32_t own_usage(uint32_t fields, mimir_usage *u) {
    struct text t;
    t.length = 0;
    struct rusage ru;
    char bytes[1024];
    memset(u, 0, sizeof *u);
    if (fields & (MIMIR_USAGE_MEMORY | MIMIR_USAGE_CPU)) {
        if (getrusage(RUSAGE_SELF, &ru) != 0) return os_error(errno, "getrusage", &t);
        u->user_time_ns = nanoseconds(ru.ru_utime);
        u->system_time_ns = nanoseconds(ru.ru_stime);
        u->peak_resident_bytes = (uint64_t)ru.ru_maxrss * 1024;
        u->fields |= MIMIR_USAGE_CPU;
    }
    if (fields & MIMIR_USAGE_MEMORY) {
        uint64_t pages, resident;
        if (own_memory(&pages, &resident) != 0) return os_error(errno, "read /proc/self/statm", &t);
        u->virtual_bytes = pages * page_size();
        u->resident_bytes = resident * page_size();
        if (u->peak_resident_bytes < u->resident_bytes) u->peak_resident_bytes = u->resident_bytes;
        u->fields |= MIMIR_USAGE_MEMORY;
    }
    if (fields & MIMIR_USAGE_THREADS) {
        if (read_file("/proc/self/stat", bytes, sizeof bytes) <= 0) return os_error(errno, "read /proc/self/stat", &t);
        const char *p = strrchr(bytes, ')');
        for (int field = 2; p && field < 20; field++) p = strchr(p + 1, ' ');
        if (!p) return os_error(EINVAL, "read /proc/self/stat", &t);
        u->threads = (uint32_t)read_number(&p);
        u->fields |= MIMIR_USAGE_THREADS;
    }
    if (fields & MIMIR_USAGE_DESCRIPTORS) {
        if (count_descriptors(&u->descriptors) != 0) return os_error(errno, "read /proc/<pid>/fd", &t);
        u->fields |= MIMIR_USAGE_DESCRIPTORS;
    }
    return MIMIR_OK;
}

#endif

static int32_t wrong_size(const char *name) {
    struct text t = {.length = 0};
    add(&t, name);
    add(&t, ".size is wrong: set it to the size of the struct");
    return mimir_error_set(MIMIR_EINVAL, 0, "check struct size", t.bytes);
}

static int32_t check_usage(uint32_t fields, const mimir_usage *usage) {
    if (!usage) return mimir_error_set(MIMIR_EINVAL, 0, "check struct size", "the pointer to mimir_usage is NULL");
    if (usage->size < sizeof *usage || usage->size > MIMIR_LARGEST_STRUCT) return wrong_size("mimir_usage");
    if (fields == 0 || fields & ~(uint32_t)MIMIR_USAGE_ALL)
        return invalid("check fields", "", fields, " does not select readings");
    return MIMIR_OK;
}

int32_t mimir_forked_usage_get(int64_t pid, uint32_t fields, mimir_usage *usage) {
    int32_t wrong = check_usage(fields, usage);
    if (wrong != MIMIR_OK) return wrong;
    if ((wrong = check_pid(pid)) != MIMIR_OK) return wrong;
    if ((wrong = check_self(pid, "mimir_usage_get")) != MIMIR_OK) return wrong;
    return mimir_own_usage(fields, usage);
}

int32_t mimir_own_usage(uint32_t fields, mimir_usage *usage) {
    mimir_usage u;
    int32_t wrong = check_usage(fields, usage);
    if (wrong != MIMIR_OK) return wrong;
    int32_t status = own_usage(fields, &u);
    if (status != MIMIR_OK) return status;
    *usage = u;
    usage->size = sizeof u;
    return MIMIR_OK;
}

/* The own use, held against no limit. */
static int32_t measured(mimir_measure *m) {
    mimir_usage u;
    int32_t status = own_usage(MIMIR_USAGE_MEMORY | MIMIR_USAGE_CPU, &u);
    if (status != MIMIR_OK) return status;
    memset(m, 0, sizeof *m);
    m->size = sizeof *m;
    m->memory_bytes = u.resident_bytes;
    m->memory_mb = (double)u.resident_bytes / (1 << 20);
    m->cpu_time_seconds = (double)(u.user_time_ns + u.system_time_ns) / 1e9;
    m->peak_memory_bytes = u.peak_resident_bytes;
    return MIMIR_OK;
}

int32_t mimir_forked_usage_measure(uint64_t memory_limit_bytes, uint64_t cpu_limit_seconds, mimir_measure *measure) {
    mimir_measure m;
    if (!measure) return mimir_error_set(MIMIR_EINVAL, 0, "check struct size", "the pointer to mimir_measure is NULL");
    if (measure->size < sizeof m || measure->size > MIMIR_LARGEST_STRUCT) return wrong_size("mimir_measure");
    int32_t status = measured(&m);
    if (status != MIMIR_OK) return status;
    if (memory_limit_bytes > 0) {
        m.memory_percent = (double)m.memory_bytes / (double)memory_limit_bytes * 100;
        m.memory_limit_exceeded = m.memory_bytes > memory_limit_bytes;
    }
    if (cpu_limit_seconds > 0) {
        m.cpu_percent = m.cpu_time_seconds / (double)cpu_limit_seconds * 100;
        m.cpu_limit_exceeded = m.cpu_time_seconds > (double)cpu_limit_seconds;
    }
    *measure = m;
    return MIMIR_OK;
}

int32_t mimir_forked_usage_page(uint64_t *address) {
    if (!address) return null("address");
    *address = (uint64_t)(uintptr_t)&mimir_page;
    return MIMIR_OK;
}

int32_t mimir_forked_usage_refresh(void) {
    mimir_measure m;
    int32_t status = measured(&m);
    if (status != MIMIR_OK) return status;
    __atomic_store_n(&mimir_page.memory_bytes, m.memory_bytes, __ATOMIC_RELAXED);
    __atomic_store(&mimir_page.memory_mb, &m.memory_mb, __ATOMIC_RELAXED);
    __atomic_store(&mimir_page.cpu_time_seconds, &m.cpu_time_seconds, __ATOMIC_RELAXED);
    __atomic_store_n(&mimir_page.peak_memory_bytes, m.peak_memory_bytes, __ATOMIC_RELAXED);
    return MIMIR_OK;
}

#else

int32_t mimir_own_usage(uint32_t fields, mimir_usage *usage) {
    (void)fields, (void)usage;
    return MIMIR_ENOTSUP;
}

void mimir_forked_note(int32_t limit, uint64_t soft, uint64_t hard) { (void)limit, (void)soft, (void)hard; }
void mimir_forked_prepare(void) {}

#endif
