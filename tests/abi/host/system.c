#include "host.h"

#include <sys/utsname.h>
#include <time.h>

static void the_numbers_of_the_system_are_those_of_libc(void) {
    mimir_system facts;
    SIZED(facts);
    WORKS(mimir_system_get(&facts));
    CHECK(facts.size == sizeof facts);
    CHECK(facts.platform == MIMIR_PLATFORM_LINUX);
    CHECK(facts.logical_cpu_count == (uint32_t)sysconf(_SC_NPROCESSORS_ONLN));
    CHECK(facts.usable_cpu_count >= 1 && facts.usable_cpu_count <= facts.logical_cpu_count);
    CHECK(facts.page_size_bytes == (uint64_t)sysconf(_SC_PAGESIZE));
    CHECK(facts.total_memory_bytes == (uint64_t)sysconf(_SC_PHYS_PAGES) * facts.page_size_bytes);
    CHECK(facts.available_memory_bytes > 0 && facts.available_memory_bytes <= facts.total_memory_bytes);
    CHECK(facts.boot_time_seconds > 0 && facts.boot_time_seconds <= (uint64_t)time(NULL));
}

static void a_struct_of_another_size_is_refused_or_filled_as_far_as_known(void) {
    mimir_system facts;
    union {
        mimir_system facts;
        unsigned char bytes[4096];
    } newer;
    size_t i;
    int intact = 1;
    FAILS(MIMIR_EINVAL, mimir_system_get(NULL));
    REFUSES_WRONG_SIZES(facts, mimir_system_get(&facts));
    memset(&newer, 0x5a, sizeof newer);
    newer.facts.size = (uint32_t)sizeof newer;
    WORKS(mimir_system_get(&newer.facts));
    CHECK(newer.facts.size == sizeof facts);
    CHECK(newer.facts.platform == MIMIR_PLATFORM_LINUX);
    for (i = sizeof facts; i < sizeof newer; i++) intact &= newer.bytes[i] == 0x5a;
    CHECK(intact);
}

static void the_names_of_the_system_are_those_of_uname(void) {
    struct utsname names;
    char text[256];
    int32_t item;
    CHECK(uname(&names) == 0);
    WORKS(mimir_system_text(MIMIR_SYSTEM_PLATFORM, text, sizeof text, NULL));
    CHECK(!strcmp(text, names.sysname));
    WORKS(mimir_system_text(MIMIR_SYSTEM_ARCHITECTURE, text, sizeof text, NULL));
    CHECK(!strcmp(text, names.machine));
    WORKS(mimir_system_text(MIMIR_SYSTEM_RELEASE, text, sizeof text, NULL));
    CHECK(!strcmp(text, names.release));
    WORKS(mimir_system_text(MIMIR_SYSTEM_HOSTNAME, text, sizeof text, NULL));
    CHECK(!strcmp(text, names.nodename));
    for (item = MIMIR_SYSTEM_PLATFORM; item <= MIMIR_SYSTEM_HOSTNAME; item++)
        WRITES_TEXT(mimir_system_text(item, buffer, length, needed));
    FAILS(MIMIR_EINVAL, mimir_system_text(0, text, sizeof text, NULL));
    FAILS(MIMIR_EINVAL, mimir_system_text(-1, text, sizeof text, NULL));
    FAILS(MIMIR_EINVAL, mimir_system_text(MIMIR_SYSTEM_HOSTNAME + 1, text, sizeof text, NULL));
}

static void the_system_is_measured(void) {
    mimir_system_usage first, second;
    const uint32_t all = MIMIR_SYSTEM_USAGE_CPU | MIMIR_SYSTEM_USAGE_MEMORY | MIMIR_SYSTEM_USAGE_SWAP | MIMIR_SYSTEM_USAGE_COMMIT
        | MIMIR_SYSTEM_USAGE_PAGING | MIMIR_SYSTEM_USAGE_QUEUE | MIMIR_SYSTEM_USAGE_PROCESSES | MIMIR_SYSTEM_USAGE_THREADS;
    volatile unsigned long turns;
    time_t start = time(NULL);
    SIZED(first);
    WORKS(mimir_system_measure(&first));
    CHECK(first.fields == all);
    CHECK(first.total_memory_bytes == (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
    CHECK(first.available_memory_bytes > 0 && first.available_memory_bytes < first.total_memory_bytes);
    CHECK(first.swap_used_bytes <= first.swap_total_bytes);
    CHECK(first.processes >= 1 && first.threads >= first.processes && first.run_queue >= 1);
    while (time(NULL) < start + 2)
        for (turns = 0; turns < 1000000; turns++) {
        }
    SIZED(second);
    WORKS(mimir_system_measure(&second));
    CHECK(second.user_time_ns + second.system_time_ns >= first.user_time_ns + first.system_time_ns + SECOND / 2);
    CHECK(second.idle_time_ns >= first.idle_time_ns && second.page_ins >= first.page_ins);
    REFUSES_WRONG_SIZES(first, mimir_system_measure(&first));
    FAILS(MIMIR_EINVAL, mimir_system_measure(NULL));
}

static void the_limits_around_the_caller_are_told(void) {
    mimir_container found;
    SIZED(found);
    WORKS(mimir_container_get(&found));
    if (found.kind == MIMIR_CONTAINER_NONE)
        CHECK(found.memory_limit_bytes == MIMIR_UNLIMITED && found.cpu_rate_limit == MIMIR_UNLIMITED
              && found.process_limit == MIMIR_UNLIMITED);
    else
        CHECK(found.kind == MIMIR_CONTAINER_CONTROL_GROUP
              && (found.memory_limit_bytes != MIMIR_UNLIMITED || found.cpu_rate_limit != MIMIR_UNLIMITED
                  || found.process_limit != MIMIR_UNLIMITED));
    CHECK(found.usable_cpu_rate > 0 && found.usable_cpu_rate <= (uint64_t)sysconf(_SC_NPROCESSORS_CONF) * 1000);
    CHECK(found.usable_memory_bytes > MIB && found.usable_memory_bytes <= found.memory_limit_bytes);
    CHECK(found.available_memory_bytes > 0 && found.available_memory_bytes <= found.usable_memory_bytes);
    REFUSES_WRONG_SIZES(found, mimir_container_get(&found));
    FAILS(MIMIR_EINVAL, mimir_container_get(NULL));
}

static void what_is_around_the_caller_has_names_or_none(void) {
    int32_t item;
    char text[256];
    for (item = MIMIR_CONTAINER_TEXT_RUNTIME; item <= MIMIR_CONTAINER_TEXT_SERVICE; item++) {
        uint64_t needed = 0;
        WORKS(mimir_container_text(item, text, sizeof text, &needed));
        CHECK(needed == strlen(text) + 1);
    }
    FAILS(MIMIR_EINVAL, mimir_container_text(0, text, sizeof text, NULL));
    FAILS(MIMIR_EINVAL, mimir_container_text(MIMIR_CONTAINER_TEXT_SERVICE + 1, text, sizeof text, NULL));
    WRITES_TEXT(mimir_container_text(MIMIR_CONTAINER_TEXT_CLOUD, buffer, length, needed));
}

const check_case system_cases[] = {
    {"the numbers of the system are those of libc", the_numbers_of_the_system_are_those_of_libc},
    {"a struct of another size is refused, or filled as far as it is known",
     a_struct_of_another_size_is_refused_or_filled_as_far_as_known},
    {"the names of the system are those of uname", the_names_of_the_system_are_those_of_uname},
    {"the system is measured", the_system_is_measured},
    {"the limits around the caller are told", the_limits_around_the_caller_are_told},
    {"what is around the caller has names, or none", what_is_around_the_caller_has_names_or_none},
};
const unsigned system_count = COUNT(system_cases);
