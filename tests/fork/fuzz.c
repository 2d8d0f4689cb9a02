/* Bad input at the C boundary: bytes choose functions and arguments, right and wrong ones, from pools. Every call must answer
 * a status, write nothing outside of what it was given (build with -fsanitize=address), store nothing when it fails, and
 * explain the failure in UTF-8.
 *
 *     fuzz LIBRARY seeds              a fixed set of inputs for each function
 *     fuzz LIBRARY seconds N SEED     random inputs for that long
 *     fuzz LIBRARY files FILE...      inputs kept in files
 *
 * With "forked" before these it runs in a forked child. FUZZ_INPUT names a file that holds the input in use, for who finds
 * the program dead. LLVMFuzzerTestOneInput is there for libFuzzer, with the library's path in FUZZ_LIBRARY. */
#include <sys/mman.h>
#include <sys/prctl.h>

#include "calls.h"

static struct library l;
static int forked;
static const char *const quiet[] = {"/bin/true"};
static uint64_t prepared, ended, closed, monitor;
static pid_t helper, gone;
static const uint8_t *at, *end;
static const char *function;

static uint8_t byte(void) { return at < end ? *at++ : 0; }
static uint32_t below(uint32_t n) { return byte() % n; }
static uint64_t word(void) {
    uint64_t n = 0;
    for (int i = 0; i < 8; i++) n = n << 8 | byte();
    return n;
}

/* Memory of exactly so many bytes, at an odd address sometimes; freed after the call. */
static void *blocks[64];
static unsigned block_count;
static void *memory(size_t size, unsigned misaligned) {
    char *p = malloc(size + misaligned);
    REQUIRE(p && block_count < 64);
    blocks[block_count++] = p;
    memset(p, 0x5A, size + misaligned);
    return p + misaligned;
}
static void free_all(void) {
    while (block_count > 0) free(blocks[--block_count]);
}

static int32_t number32(void) {
    static const int32_t pool[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 63, 64, 65, 100, -1, -2, INT32_MAX, INT32_MIN, 4096};
    uint32_t which = below(24);
    return which < 20 ? pool[which] : (int32_t)word();
}

static uint64_t number64(void) {
    static const uint64_t pool[] = {0, 1, 2, 7, 100, 4096, 65535, 65536, 65537, 1ULL << 31, 1ULL << 32, 1ULL << 47, 1ULL << 48,
        1ULL << 62, 1ULL << 63, UINT64_MAX, UINT64_MAX - 1, (1ULL << 47) + 1, 1000000000, 077, 0777, 01000};
    uint32_t which = below(26);
    return which < 22 ? pool[which] : word();
}

static const char *const texts[] = {"", "a", "/", "/tmp", "/bin/true", "true", "a/b/../c", "//x//y/.", "C:\\a\\..\\b", "\\\\srv\\share\\x",
    "\xff\xfe\xfd", "\xc3\x28", "\xed\xa0\x80", "\xf0\x9f\x98\x80", "\xf0\x9f\x98", "A=b", "=", "=x", "A", "A=\xff", "PATH=/bin",
    "nonexistent", "/nonexistent/program", "/etc/passwd", "..", ".", "a\nb\t%s%n", "../../../../../../..", "con.exe", "a b c"};

/* A string in memory of its own, of exactly its length; NULL at times. */
static const char *text(void) {
    uint32_t which = below(34);
    if (which >= 33) return NULL;
    if (which >= 30) {
        static const size_t sizes[] = {255, 5000, 70000};
        size_t size = sizes[which - 30];
        char *p = memory(size + 1, byte() & 1);
        memset(p, which == 31 ? '/' : 'x', size);
        for (size_t i = 0; which == 30 && i < size; i++) p[i] = (char)(1 + (i * 37 + byte()) % 255);
        p[size] = 0;
        return p;
    }
    size_t size = strlen(texts[which]) + 1;
    return memcpy(memory(size, byte() % 3), texts[which], size);
}

/* A list of strings and a count: that of the list, a smaller one, or one that no list has. */
static const char *const *list(uint64_t *count) {
    uint32_t n = below(6);
    *count = n;
    if (byte() % 8 == 0) *count = 65537 + number64() % (UINT64_MAX - 65537);
    if (byte() % 12 == 0) return NULL;
    const char **p = memory((n ? n : 1) * sizeof *p, byte() % 16 == 0 ? 4 : 0);
    for (uint32_t i = 0; i < n; i++) {
        const char *one = text();
        memcpy(p + i, &one, sizeof one);
    }
    if (n && byte() % 10 == 0) memset(p + below(n), 0, sizeof *p);
    return p;
}

static char *buffer(uint64_t *length) {
    static const uint16_t sizes[] = {0, 1, 2, 5, 16, 300, 8192};
    *length = sizes[below(7)];
    if (byte() % 8 == 0) {
        *length = number64();
        return NULL;
    }
    return memory(*length ? *length : 1, byte() % 4);
}

#define OUT(type) (byte() % 8 == 0 ? NULL : (type *)memory(sizeof(type), byte() % 8 == 0 ? byte() % sizeof(type) : 0))

static uint64_t handle(void) {
    switch (below(9)) {
    case 8: return monitor;
    case 0: case 1: return prepared;
    case 2: case 3: return ended;
    case 4: return closed;
    case 5: return prepared ^ 1ULL << (byte() % 64);
    case 6: return number64();
    default: return word();
    }
}

/* Processes whose limits may be changed and whose usage is read; kept away from everybody else's. */
static int64_t process(void) {
    switch (below(6)) {
    case 0: case 1: return helper;
    case 2: return gone;
    case 3: return -(int64_t)(word() >> 1) - 1;
    case 4: return (int64_t)(INT32_MAX + 1ULL + (word() >> 2));
    default: return helper;
    }
}

/* A struct whose size may be wrong, in memory of that size. */
static void *sized(uint32_t right) {
    uint32_t size = right;
    switch (below(12)) {
    case 0: return NULL;
    case 1: size = 0; break;
    case 2: size = right - 1 - byte() % (right - 1); break;
    case 3: size = right + 1 + byte(); break;
    case 4: size = 4096; break;
    case 5: size = 4097; break;
    case 6: size = (uint32_t)word(); break;
    }
    size_t space = size < 4 ? 4 : size > 4096 ? 4 : size;
    void *p = memory(space, byte() % 8 == 0 ? byte() % 8 : 0);
    memcpy(p, &size, 4);
    return p;
}

/* A number for a threshold, and ones that are none. */
static double real(void) {
    static const double pool[] = {0, 1, -1, 1e300, -1e300, 50, 1e-300};
    uint32_t which = below(10);
    double d;
    uint64_t bits = word();
    if (which < 7) return pool[which];
    memcpy(&d, &bits, sizeof d);
    return d;
}

static uint64_t monitor_handle(void) { return byte() % 4 ? monitor : handle(); }

static int is_utf8(const char *text, size_t space) {
    const unsigned char *p = (const unsigned char *)text;
    size_t n = strnlen(text, space), i = 0;
    if (n == space) return 0;
    while (i < n) {
        int more = p[i] < 0x80 ? 0 : p[i] >= 0xC2 && p[i] < 0xE0 ? 1 : p[i] >= 0xE0 && p[i] < 0xF0 ? 2 : p[i] >= 0xF0 && p[i] < 0xF5 ? 3 : -1;
        if (more < 0 || i + (size_t)more >= n) return 0;
        for (int k = 1; k <= more; k++)
            if ((p[i + (size_t)k] & 0xC0) != 0x80) return 0;
        i += 1 + (size_t)more;
    }
    return 1;
}

static void check(int32_t status) {
    mimir_error e = {.size = sizeof e};
    if (status > 0 || status < -15) fail("%s: status %d", function, status);
    if (status == MIMIR_OK) return;
    if (l.last_error(&e) != MIMIR_OK) fail("%s: no last error", function);
    if (status == MIMIR_EINTERNAL) fail("%s: %s: %s", function, e.step, e.message);
    if (!is_utf8(e.step, sizeof e.step) || !is_utf8(e.message, sizeof e.message)) fail("%s: the last error is not UTF-8: %s", function, e.message);
    if (e.status == status && !e.message[0]) fail("%s: status %d without a sentence", function, status);
}

/* The call stored nothing: what it was given for its answers is as it was. */
static void untouched(int32_t status, const void *out, size_t size) {
    if (status == MIMIR_OK || !out) return;
    for (size_t i = 0; i < size; i++)
        if (((const unsigned char *)out)[i] != 0x5A) fail("%s: status %d, and an answer was stored", function, status);
}
static void untouched_struct(int32_t status, const void *out, size_t right) {
    uint32_t size;
    if (status == MIMIR_OK || !out) return;
    memcpy(&size, out, 4);
    if (size > 4 && size <= right) untouched(status, (const char *)out + 4, size - 4);
}

static void one_call(void) {
    int32_t status = MIMIR_OK;
    uint64_t length, count;
    switch (function = NULL, below(67)) {
#define CASE(n, name) \
    case n: \
        function = #name;
    CASE(0, version) {
        char *b = buffer(&length);
        status = l.version(b, length, OUT(uint64_t));
        break;
    }
    CASE(1, abi) {
        uint32_t *out = OUT(uint32_t);
        status = l.abi(out);
        untouched(status, out, sizeof *out);
        break;
    }
    CASE(2, last_error) {
        mimir_error *e = sized(sizeof *e);
        status = l.last_error(e);
        untouched_struct(status, e, sizeof *e);
        if (status != MIMIR_OK && status != MIMIR_EINVAL) fail("last_error: %d", status);
        free_all();
        return;
    }
    CASE(3, status_text) {
        char *b = buffer(&length);
        status = l.status_text(byte() % 2 ? -number32() : number32(), b, length, OUT(uint64_t));
        break;
    }
    CASE(4, library_reload) {
        uint64_t *out = byte() % 2 || forked ? NULL : OUT(uint64_t);
        status = l.library_reload(out);
        untouched(status, out, sizeof *out);
        break;
    }
    CASE(5, system_get) {
        mimir_system *s = sized(sizeof *s);
        status = l.system_get(s);
        untouched_struct(status, s, sizeof *s);
        break;
    }
    CASE(6, system_text) {
        char *b = buffer(&length);
        status = l.system_text(number32(), b, length, OUT(uint64_t));
        break;
    }
    CASE(7, limit_set) {
        int32_t *kept = OUT(int32_t);
        int64_t pid = process();
        status = l.limit_set(pid, number32(), number64(), number64(), kept);
        untouched(status, kept, sizeof *kept);
        break;
    }
    CASE(8, limit_set_self) { /* soft above hard, or what cannot be limited */
        uint64_t hard = number64();
        if (hard != UINT64_MAX) status = l.limit_set(byte() % 2 ? 0 : getpid(), number32(), hard + 1, hard, OUT(int32_t));
        if (status == MIMIR_OK && hard != UINT64_MAX) fail("a soft limit above the hard one was set");
        break;
    }
    CASE(9, limit_get) {
        uint64_t *soft = OUT(uint64_t), *hard = OUT(uint64_t);
        int32_t *kept = OUT(int32_t);
        status = l.limit_get(byte() % 2 ? 0 : process(), number32(), soft, hard, kept);
        untouched(status, soft, 8);
        untouched(status, hard, 8);
        untouched(status, kept, 4);
        break;
    }
    CASE(10, limit_support) {
        int32_t *kept = OUT(int32_t);
        status = l.limit_support(number32(), number32(), kept);
        untouched(status, kept, 4);
        break;
    }
    CASE(11, usage_get) {
        mimir_usage *u = sized(sizeof *u);
        status = l.usage_get(byte() % 2 ? 0 : process(), (uint32_t)number32(), u);
        untouched_struct(status, u, sizeof *u);
        break;
    }
    CASE(12, usage_measure) {
        mimir_measure *m = sized(sizeof *m);
        status = l.usage_measure(number64(), number64(), m);
        untouched_struct(status, m, sizeof *m);
        break;
    }
    CASE(13, group_create) {
        int64_t *out = OUT(int64_t);
        status = l.group_create(out);
        untouched(status, out, 8);
        break;
    }
    CASE(14, group_kill) { status = l.group_kill(byte() % 2 ? gone : process(), 0); break; }
    CASE(15, group_kill_signal) {
        int32_t signal = number32();
        if (signal >= 0 && signal <= 64) signal += 65;
        status = l.group_kill(byte() % 2 ? getpgrp() : (int64_t)word(), signal);
        if (status != MIMIR_EINVAL) fail("signal %d: %d", signal, status);
        break;
    }
    CASE(16, signal_reset) {
        int32_t signal = number32();
        if (signal == 0 || signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGABRT) break;
        status = l.signal_reset(signal);
        break;
    }
    CASE(17, process_children) {
        uint64_t space = byte() % 3 * 8;
        int64_t *pids = byte() % 8 == 0 ? NULL : memory(space ? space * 8 : 1, 0);
        status = l.process_children(byte() % 2 ? 0 : process(), number32(), pids, pids ? space : number64(), OUT(uint64_t));
        break;
    }
    CASE(18, process_kill_tree) {
        const int64_t pids[] = {0, getpid(), gone, -1, INT64_MIN, INT64_C(1) << 33, INT64_MAX};
        status = l.process_kill_tree(pids[below(7)]);
        if (status == MIMIR_OK) fail("a tree that is none was killed");
        break;
    }
    case 19: case 20: CASE(21, job_create) {
        uint64_t *job = OUT(uint64_t), made;
        const char *const *argv = list(&count);
        status = l.job_create(argv, count, job);
        untouched(status, job, 8);
        if (status != MIMIR_OK) break;
        memcpy(&made, job, 8);
        check(l.job_close(closed = made));
        break;
    }
    case 22: CASE(23, job_set_limit) { status = l.job_set_limit(handle(), number32(), number64()); break; }
    CASE(56, job_set_limits) {
        uint32_t n = below(4);
        int32_t *limits = byte() % 8 == 0 ? NULL : memory(n ? n * 4 : 1, 0);
        uint64_t *values = byte() % 8 == 0 ? NULL : memory(n ? n * 8 : 1, 0);
        status = l.job_set_limits(handle(), limits, values, byte() % 8 == 0 ? 65537 + (number64() >> 1) : n);
        break;
    }
    CASE(57, run) { /* its commands are not there, or there is none: what a job does is tried above */
        static const char *const missing[] = {"/nonexistent/program"};
        uint32_t n = below(4);
        int32_t *limits = memory(n ? n * 4 : 1, 0), *kept = byte() % 2 ? NULL : memory(n ? n * 4 : 1, 0);
        uint64_t *values = memory(n ? n * 8 : 1, 0), *job = OUT(uint64_t);
        mimir_verdict *v = sized(sizeof *v);
        status = l.run(missing, byte() % 4 ? 1 : 0, limits, values, byte() % 8 == 0 ? 65537 + (number64() >> 1) : n, number64(), v, kept, job);
        untouched_struct(status, v, sizeof *v);
        if (status == MIMIR_OK) fail("a program that is not there was run");
        break;
    }
    CASE(24, job_set_directory) { status = l.job_set_directory(handle(), text()); break; }
    case 25: CASE(26, job_set_environment) {
        const char *const *variables = list(&count);
        status = l.job_set_environment(handle(), variables, count);
        break;
    }
    CASE(27, job_set_input) {
        char *b = buffer(&length);
        if (!b || byte() % 8) {
            status = l.job_set_input(handle(), b, length);
        } else { /* more bytes than a pointer can span */
            status = l.job_set_input(handle(), b, (UINT64_C(1) << 47) + 1 + (number64() >> 1));
            if (status == MIMIR_OK) fail("more than memory was copied");
        }
        break;
    }
    CASE(28, job_set_stream) {
        status = l.job_set_stream(handle(), number32(), number32(), (int64_t)number64());
        break;
    }
    CASE(29, job_set_option) { status = l.job_set_option(handle(), number32(), number64()); break; }
    CASE(30, job_set_user) {
        uint32_t n = below(4), *groups = byte() % 8 == 0 ? NULL : memory(n ? n * 4 : 1, 0);
        status = l.job_set_user(handle(), (uint32_t)number32(), (uint32_t)number32(), groups, byte() % 8 == 0 ? 65537 + (number64() >> 1) : n);
        break;
    }
    CASE(31, job_set_writable) {
        const char *const *directories = list(&count);
        status = l.job_set_writable(handle(), directories, count);
        break;
    }
    CASE(32, job_start) { status = l.job_start(byte() % 16 == 0 ? prepared : ended); break; }
    CASE(33, job_run) {
        mimir_verdict *v = sized(sizeof *v);
        status = l.job_run(byte() % 16 == 0 ? prepared : ended, number64() % 2000000000, v);
        untouched_struct(status, v, sizeof *v);
        break;
    }
    CASE(34, job_wait) {
        mimir_verdict *v = sized(sizeof *v);
        uint64_t job = handle();
        status = l.job_wait(job, job == prepared ? 0 : number64(), v);
        untouched_struct(status, v, sizeof *v);
        break;
    }
    CASE(35, job_kill) { status = l.job_kill(handle()); break; }
    CASE(36, job_signal) { status = l.job_signal(handle(), number32()); break; }
    CASE(37, job_pid) {
        int64_t *out = OUT(int64_t);
        status = l.job_pid(handle(), out);
        untouched(status, out, 8);
        break;
    }
    CASE(38, job_usage) {
        mimir_usage *u = sized(sizeof *u);
        status = l.job_usage(handle(), u);
        untouched_struct(status, u, sizeof *u);
        break;
    }
    CASE(39, job_read) {
        char *b = buffer(&length);
        uint64_t *out = OUT(uint64_t);
        status = l.job_read(handle(), number32(), b, length, out);
        untouched(status, out, 8);
        break;
    }
    CASE(40, job_enforcement) {
        int32_t *out = OUT(int32_t);
        status = l.job_enforcement(handle(), number32(), out);
        untouched(status, out, 4);
        break;
    }
    CASE(41, job_close) {
        uint64_t job = handle();
        if (job == prepared || job == ended) job = closed;
        status = l.job_close(job);
        break;
    }
    CASE(42, path_normalize) {
        const char *path = text();
        char *b = buffer(&length);
        status = l.path_normalize(number32(), path, b, length, OUT(uint64_t));
        break;
    }
    case 43: CASE(44, path_join) {
        const char *const *parts = list(&count);
        char *b = buffer(&length);
        status = l.path_join(number32(), parts, count, b, length, OUT(uint64_t));
        break;
    }
    CASE(45, path_executable) {
        const char *base = text();
        char *b = buffer(&length);
        status = l.path_executable(number32(), base, b, length, OUT(uint64_t));
        break;
    }
    CASE(46, path_separator) {
        char *b = buffer(&length);
        status = l.path_separator(number32(), b, length, OUT(uint64_t));
        break;
    }
    CASE(47, path_directory) {
        const char *application = text();
        char *b = buffer(&length);
        status = l.path_directory(number32(), application, b, length, OUT(uint64_t));
        break;
    }
    CASE(48, usage_page) {
        uint64_t *out = OUT(uint64_t);
        status = l.usage_page(out);
        untouched(status, out, 8);
        break;
    }
    CASE(49, usage_refresh) {
        status = l.usage_refresh();
        break;
    }
    CASE(50, priority_get) {
        int32_t *out = OUT(int32_t);
        status = l.priority_get(byte() % 2 ? 0 : process(), out);
        untouched(status, out, 4);
        break;
    }
    CASE(51, priority_set) {
        int32_t before = 0, priority = number32();
        if (priority > 0 && priority <= 19) priority += 19; /* no way back from those without a privilege */
        REQUIRE(l.priority_get(0, &before) == MIMIR_OK);
        status = l.priority_set(byte() % 2 ? 0 : process(), priority);
        l.priority_set(0, before);
        break;
    }
    CASE(52, job_set_priority) { status = l.job_set_priority(handle(), number32()); break; }
    CASE(53, system_measure) {
        mimir_system_usage *u = sized(sizeof *u);
        status = l.system_measure(u);
        untouched_struct(status, u, sizeof *u);
        break;
    }
    CASE(55, process_identify) {
        uint64_t *start = OUT(uint64_t);
        status = l.process_identify(byte() % 2 ? gone : process(), start);
        untouched(status, start, 8);
        break;
    }
    CASE(54, container_get) {
        mimir_container *found = sized(sizeof *found);
        status = l.container_get(found);
        untouched_struct(status, found, sizeof *found);
        break;
    }
    CASE(58, monitor_create) {
        uint64_t *out = OUT(uint64_t), made, interval = number64();
        if (interval >= 1000000 && interval < 1000000000) interval = 1000000000; /* not one that is busy */
        status = l.monitor_create(number32(), byte() % 2 ? handle() : (uint64_t)process(), interval, byte() % 4 ? 10 : number64(), out);
        untouched(status, out, 8);
        if (status != MIMIR_OK) break;
        memcpy(&made, out, 8);
        check(l.monitor_close(made));
        break;
    }
    CASE(66, container_text) {
        char *b = buffer(&length);
        status = l.container_text(number32(), b, length, OUT(uint64_t));
        break;
    }
    CASE(59, monitor_latest) {
        mimir_sample *s = sized(sizeof *s);
        status = l.monitor_latest(monitor_handle(), s);
        untouched_struct(status, s, sizeof *s);
        break;
    }
    CASE(60, monitor_history) {
        mimir_sample *s = sized(sizeof *s);
        uint64_t *stored = OUT(uint64_t);
        status = l.monitor_history(monitor_handle(), byte() % 2 ? 1 : number64(), s, byte() % 4 ? 1 : UINT64_MAX - below(9), stored);
        untouched_struct(status, s, sizeof *s);
        untouched(status, stored, 8);
        break;
    }
    CASE(61, monitor_summarize) {
        mimir_summary *s = sized(sizeof *s);
        status = l.monitor_summarize(monitor_handle(), number32(), number64(), s);
        untouched_struct(status, s, sizeof *s);
        break;
    }
    CASE(62, monitor_add_alert) {
        uint32_t *alert = OUT(uint32_t), number;
        uint64_t m = monitor_handle();
        status = l.monitor_add_alert(m, number32(), number32(), real(), real(), number64(), alert);
        untouched(status, alert, 4);
        if (status != MIMIR_OK) break;
        memcpy(&number, alert, 4);
        check(l.monitor_remove_alert(m, number));
        break;
    }
    CASE(63, monitor_remove_alert) { status = l.monitor_remove_alert(monitor_handle(), (uint32_t)number32()); break; }
    CASE(64, monitor_next) {
        mimir_event *e = sized(sizeof *e);
        status = l.monitor_next(monitor_handle(), byte() % 2 ? 0 : number64() % 1000000, e);
        untouched_struct(status, e, sizeof *e);
        break;
    }
    CASE(65, monitor_close) {
        uint64_t m = handle();
        if (m != monitor) status = l.monitor_close(m);
        if (status == MIMIR_OK && m != monitor) fail("what is no monitor was closed");
        break;
    }
    }
    check(status);
    if (forked && status == MIMIR_EINTERNAL) fail("%s", function);
    free_all();
}

/* The jobs that calls are made on, anew when one was used up. */
static void ready(void) {
    mimir_verdict v = {.size = sizeof v};
    mimir_error e = {.size = sizeof e};
    if (forked) return;
    if (prepared && l.job_wait(prepared, 0, &v) == MIMIR_ESTATE && l.last_error(&e) == MIMIR_OK && strstr(e.message, "not been started")) return;
    if (prepared) l.job_close(prepared);
    REQUIRE(l.job_create(quiet, 1, &prepared) == MIMIR_OK);
    REQUIRE(l.job_set_stream(prepared, MIMIR_STREAM_OUTPUT, MIMIR_MODE_CAPTURE, 0) == MIMIR_OK);
    REQUIRE(l.job_set_stream(prepared, MIMIR_STREAM_ERROR, MIMIR_MODE_NULL, 0) == MIMIR_OK);
}

static void begin(const char *path) {
    mimir_verdict v = {.size = sizeof v};
    uint64_t job;
    if ((gone = fork()) == 0) _exit(0);
    await_child(gone, 10);
    if ((helper = fork()) == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setpgid(0, 0);
        for (int fd = 0; fd < 64; fd++) close(fd);
        for (;;) pause();
    }
    library_load(&l, path);
    REQUIRE(l.job_create(quiet, 1, &ended) == MIMIR_OK);
    REQUIRE(l.job_set_stream(ended, MIMIR_STREAM_OUTPUT, MIMIR_MODE_CAPTURE, 0) == MIMIR_OK);
    REQUIRE(l.job_set_stream(ended, MIMIR_STREAM_ERROR, MIMIR_MODE_NULL, 0) == MIMIR_OK);
    REQUIRE(l.job_run(ended, MIMIR_UNLIMITED, &v) == MIMIR_OK);
    REQUIRE(l.job_create(quiet, 1, &job) == MIMIR_OK && l.job_close(closed = job) == MIMIR_OK);
    REQUIRE(l.monitor_create(MIMIR_MONITOR_PROCESS, (uint64_t)helper, 20000000, 5, &monitor) == MIMIR_OK);
    ready();
}

static unsigned char *shown;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!l.handle) {
        const char *path = getenv("FUZZ_LIBRARY");
        if (!path) fail("FUZZ_LIBRARY is not set");
        begin(path);
    }
    if (shown && size <= 4092) {
        memcpy(shown, &size, 4);
        memcpy(shown + 4, data, size);
    }
    at = data;
    end = data + size;
    while (at < end) one_call();
    ready();
    return 0;
}

static uint64_t state;
static uint64_t random64(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static unsigned long run_random(double seconds, uint64_t seed) {
    static uint8_t input[1024];
    unsigned long inputs = 0;
    state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    double stop = now() + seconds;
    do {
        size_t size = 1 + random64() % sizeof input;
        for (size_t i = 0; i < size; i++) input[i] = (uint8_t)(random64() >> 32);
        /* Many right arguments and one that is wrong get deeper than wrong ones alone. */
        for (size_t i = 0, n = random64() % 4 * size / 4; i < n; i++) input[random64() % size] = (uint8_t)(1 + random64() % 4);
        LLVMFuzzerTestOneInput(input, size);
        inputs++;
    } while (now() < stop);
    return inputs;
}

static unsigned long run_seeds(void) {
    unsigned long inputs = 0;
    for (unsigned f = 0; f < 67; f++)
        for (unsigned k = 0; k < 400; k++) {
            uint8_t input[40];
            state = (f << 16) + k + 1;
            for (int i = 0; i < 8; i++) random64();
            for (size_t i = 0; i < sizeof input; i++) input[i] = k < 8 ? (uint8_t)k : (uint8_t)(random64() >> 24);
            input[0] = (uint8_t)f;
            LLVMFuzzerTestOneInput(input, sizeof input);
            inputs++;
        }
    return inputs;
}

#ifndef LIBFUZZER
int main(int argc, char **argv) {
    const char *kept = getenv("FUZZ_INPUT");
    unsigned long inputs = 0;
    REQUIRE(argc >= 3);
    if (kept) {
        int fd = open(kept, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        REQUIRE(fd >= 0 && ftruncate(fd, 4096) == 0);
        shown = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        REQUIRE(shown != MAP_FAILED);
        close(fd);
    }
    begin(argv[1]);
    int from = 2;
    if (strcmp(argv[from], "forked") == 0) {
        from++;
        pid_t child = fork();
        if (child != 0) {
            int ended_with = await_child(child, 3600);
            kill(helper, SIGKILL);
            return ended_with > 255 ? 99 : ended_with;
        }
        forked = 1;
    }
    if (strcmp(argv[from], "seeds") == 0) inputs = run_seeds();
    if (strcmp(argv[from], "seconds") == 0) inputs = run_random(atof(argv[from + 1]), strtoull(argv[from + 2], NULL, 10));
    if (strcmp(argv[from], "files") == 0)
        for (int i = from + 1; argv[i]; i++, inputs++) {
            static uint8_t input[1 << 16];
            int fd = open(argv[i], O_RDONLY);
            ssize_t n = read(fd, input, sizeof input);
            REQUIRE(fd >= 0 && n >= 0);
            close(fd);
            LLVMFuzzerTestOneInput(input, (size_t)n);
        }
    printf("%lu inputs\n", inputs);
    fflush(stdout);
    if (!forked) kill(helper, SIGKILL);
    _exit(0);
}
#endif
