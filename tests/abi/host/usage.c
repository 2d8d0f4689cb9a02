#include "host.h"

#include <sys/resource.h>

static uint64_t nanoseconds(struct timeval t) {
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_usec * 1000;
}

static void the_callers_use_is_what_the_kernel_says(void) {
    mimir_usage usage;
    struct rusage before, after;
    SIZED(usage);
    getrusage(RUSAGE_SELF, &before);
    WORKS(mimir_usage_get(0, MIMIR_USAGE_ALL, &usage));
    getrusage(RUSAGE_SELF, &after);
    CHECK(usage.size == sizeof usage);
    CHECK(usage.fields == MIMIR_USAGE_ALL);
    CHECK(usage.peak_resident_bytes >= (uint64_t)before.ru_maxrss * 1024);
    CHECK(usage.resident_bytes > MIB && usage.resident_bytes < usage.virtual_bytes);
    CHECK(usage.user_time_ns >= nanoseconds(before.ru_utime) && usage.user_time_ns <= nanoseconds(after.ru_utime));
    CHECK(usage.system_time_ns >= nanoseconds(before.ru_stime) && usage.system_time_ns <= nanoseconds(after.ru_stime));
    CHECK(usage.threads >= 2); /* this one, and the library's */
    CHECK(usage.descriptors >= 3 && usage.descriptors < 100);
}

static void memory_that_is_touched_shows_at_once(void) {
    mimir_usage usage;
    mimir_measure measure;
    uint64_t before;
    size_t size = 64 * MIB;
    char *block;
    SIZED(usage);
    SIZED(measure);
    WORKS(mimir_usage_get(0, MIMIR_USAGE_MEMORY, &usage));
    before = usage.resident_bytes;
    block = malloc(size);
    CHECK(block != NULL);
    if (!block) return;
    memset(block, 1, size);
    WORKS(mimir_usage_get(0, MIMIR_USAGE_MEMORY, &usage));
    CHECK(usage.resident_bytes >= before + size - MIB && usage.resident_bytes <= before + size + 8 * MIB);
    CHECK(usage.peak_resident_bytes + MIB >= usage.resident_bytes);
    WORKS(mimir_usage_measure(0, 0, &measure));
    CHECK(measure.memory_bytes >= before + size - MIB && measure.memory_bytes <= before + size + 8 * MIB);
    free(block);
    WORKS(mimir_usage_get(0, MIMIR_USAGE_MEMORY, &usage));
    CHECK(usage.resident_bytes < before + size / 2);
    CHECK(usage.peak_resident_bytes > before + size / 2);
}

static void only_the_readings_asked_for_are_made(void) {
    mimir_usage usage;
    SIZED(usage);
    WORKS(mimir_usage_get(0, MIMIR_USAGE_THREADS, &usage));
    CHECK(usage.fields == MIMIR_USAGE_THREADS && usage.threads > 0);
    CHECK(usage.resident_bytes == 0 && usage.user_time_ns == 0 && usage.descriptors == 0);
}

static void another_process_is_read_by_its_id(void) {
    mimir_usage usage;
    pid_t pid = host_sleeper();
    SIZED(usage);
    WORKS(mimir_usage_get(pid, MIMIR_USAGE_ALL, &usage));
    CHECK(usage.fields == MIMIR_USAGE_ALL);
    CHECK(usage.threads == 1);
    CHECK(usage.resident_bytes > 0 && usage.virtual_bytes > usage.resident_bytes);
    host_reap(pid);
    FAILS(MIMIR_ESRCH, mimir_usage_get(pid, MIMIR_USAGE_ALL, &usage));
}

static void impossible_readings_are_refused(void) {
    mimir_usage usage;
    SIZED(usage);
    FAILS(MIMIR_EINVAL, mimir_usage_get(0, 0, &usage));
    FAILS(MIMIR_EINVAL, mimir_usage_get(0, 16, &usage));
    FAILS(MIMIR_EINVAL, mimir_usage_get(0, UINT32_MAX, &usage));
    FAILS(MIMIR_EINVAL, mimir_usage_get(-1, MIMIR_USAGE_ALL, &usage));
    FAILS(MIMIR_EINVAL, mimir_usage_get(INT64_MIN, MIMIR_USAGE_ALL, &usage));
    FAILS(MIMIR_EINVAL, mimir_usage_get(INT64_C(1) << 40, MIMIR_USAGE_ALL, &usage));
    FAILS(MIMIR_EINVAL, mimir_usage_get(INT64_MAX, MIMIR_USAGE_MEMORY, &usage));
    FAILS(MIMIR_EINVAL, mimir_usage_get(0, MIMIR_USAGE_ALL, NULL));
    REFUSES_WRONG_SIZES(usage, mimir_usage_get(0, MIMIR_USAGE_ALL, &usage));
}

static void a_measure_is_held_against_the_limits_given(void) {
    mimir_measure free_of, within, above;
    SIZED(free_of);
    SIZED(within);
    SIZED(above);
    WORKS(mimir_usage_measure(0, 0, &free_of));
    CHECK(free_of.memory_percent == 0 && free_of.cpu_percent == 0);
    CHECK(!free_of.memory_limit_exceeded && !free_of.cpu_limit_exceeded);
    CHECK(free_of.memory_mb > 1 && free_of.memory_mb < 4096 && free_of.cpu_time_seconds > 0);
    CHECK(free_of.peak_memory_bytes >= free_of.memory_bytes);
    WORKS(mimir_usage_measure(free_of.memory_bytes * 4, 1000000, &within));
    CHECK(within.memory_percent > 10 && within.memory_percent < 100);
    CHECK(within.cpu_percent > 0 && within.cpu_percent < 1);
    CHECK(!within.memory_limit_exceeded && !within.cpu_limit_exceeded);
    WORKS(mimir_usage_measure(1, 0, &above));
    CHECK(above.memory_limit_exceeded == 1 && above.memory_percent > 1e6);
    FAILS(MIMIR_EINVAL, mimir_usage_measure(0, 0, NULL));
    REFUSES_WRONG_SIZES(above, mimir_usage_measure(0, 0, &above));
}

static void the_page_holds_the_last_refresh(void) {
    const mimir_measure *page;
    uint64_t address = 0, again = 0, before;
    mimir_usage usage;
    size_t size = 16 * MIB;
    char *block;
    WORKS(mimir_usage_page(&address));
    WORKS(mimir_usage_page(&again));
    CHECK(address != 0 && address == again);
    if (address == 0) return;
    page = (const mimir_measure *)(uintptr_t)address;
    CHECK(page->size == sizeof *page);
    WORKS(mimir_usage_refresh());
    before = page->memory_bytes;
    SIZED(usage);
    WORKS(mimir_usage_get(0, MIMIR_USAGE_MEMORY | MIMIR_USAGE_CPU, &usage));
    CHECK(before <= usage.resident_bytes + MIB && usage.resident_bytes <= before + MIB);
    CHECK(page->memory_mb == (double)before / (1024 * 1024) && page->peak_memory_bytes >= before);
    CHECK(page->cpu_time_seconds > 0 && page->cpu_time_seconds * 1e9 <= (double)(usage.user_time_ns + usage.system_time_ns));
    block = malloc(size);
    CHECK(block != NULL);
    if (!block) return;
    memset(block, 1, size);
    CHECK(page->memory_bytes == before);
    WORKS(mimir_usage_refresh());
    CHECK(page->memory_bytes >= before + size - MIB && page->memory_percent == 0 && page->memory_limit_exceeded == 0);
    free(block);
    FAILS(MIMIR_EINVAL, mimir_usage_page(NULL));
}

const check_case usage_cases[] = {
    {"the caller's use is what the kernel says", the_callers_use_is_what_the_kernel_says},
    {"memory that is touched shows at once", memory_that_is_touched_shows_at_once},
    {"only the readings asked for are made", only_the_readings_asked_for_are_made},
    {"another process is read by its id, and its end is told", another_process_is_read_by_its_id},
    {"impossible readings are refused", impossible_readings_are_refused},
    {"the page holds the last refresh", the_page_holds_the_last_refresh},
    {"a measure is held against the limits given", a_measure_is_held_against_the_limits_given},
};
const unsigned usage_count = COUNT(usage_cases);
