#include "host.h"

static void paths_follow_the_rules_of_their_flavour(void) {
    char text[256];
    const char *posix[] = {"/usr", "lib", "/etc", "x"}, *windows[] = {"C:\\a", "b"};
    WORKS(mimir_path_normalize(MIMIR_PATH_POSIX, "/a/./b//../c/", text, sizeof text, NULL));
    CHECK(!strcmp(text, "/a/c"));
    WORKS(mimir_path_normalize(MIMIR_PATH_WINDOWS, "C:/a/./b/../c", text, sizeof text, NULL));
    CHECK(!strcmp(text, "C:\\a\\c"));
    WORKS(mimir_path_normalize(MIMIR_PATH_NATIVE, "", text, sizeof text, NULL));
    CHECK(!strcmp(text, "."));
    WORKS(mimir_path_normalize(MIMIR_PATH_POSIX, "a/\xff\xfe/..", text, sizeof text, NULL)); /* not UTF-8 */
    CHECK(!strcmp(text, "a"));
    WORKS(mimir_path_join(MIMIR_PATH_POSIX, posix, 2, text, sizeof text, NULL));
    CHECK(!strcmp(text, "/usr/lib"));
    WORKS(mimir_path_join(MIMIR_PATH_POSIX, posix, 4, text, sizeof text, NULL));
    CHECK(!strcmp(text, "/etc/x"));
    WORKS(mimir_path_join(MIMIR_PATH_WINDOWS, windows, 2, text, sizeof text, NULL));
    CHECK(!strcmp(text, "C:\\a\\b"));
    WORKS(mimir_path_executable(MIMIR_PATH_POSIX, "tool", text, sizeof text, NULL));
    CHECK(!strcmp(text, "tool"));
    WORKS(mimir_path_executable(MIMIR_PATH_WINDOWS, "tool", text, sizeof text, NULL));
    CHECK(!strcmp(text, "tool.exe"));
    WORKS(mimir_path_separator(MIMIR_PATH_WINDOWS, text, sizeof text, NULL));
    CHECK(!strcmp(text, "\\"));
    WORKS(mimir_path_separator(MIMIR_PATH_NATIVE, text, sizeof text, NULL));
    CHECK(!strcmp(text, "/"));
}

static void paths_are_written_to_the_callers_buffer(void) {
    const char *parts[] = {"a", "b"};
    WRITES_TEXT(mimir_path_normalize(MIMIR_PATH_NATIVE, "/a/b", buffer, length, needed));
    WRITES_TEXT(mimir_path_join(MIMIR_PATH_NATIVE, parts, 2, buffer, length, needed));
    WRITES_TEXT(mimir_path_executable(MIMIR_PATH_NATIVE, "a", buffer, length, needed));
    WRITES_TEXT(mimir_path_separator(MIMIR_PATH_NATIVE, buffer, length, needed));
    WRITES_TEXT(mimir_path_directory(MIMIR_DIRECTORY_TEMP, NULL, buffer, length, needed));
}

static void directories_follow_the_environment_of_now(void) {
    char text[256];
    setenv("HOME", "/tmp/somebody", 1);
    setenv("TMPDIR", "/tmp/elsewhere", 1);
    setenv("XDG_CONFIG_HOME", "/tmp/settings", 1);
    WORKS(mimir_path_directory(MIMIR_DIRECTORY_HOME, NULL, text, sizeof text, NULL));
    CHECK(!strcmp(text, "/tmp/somebody"));
    WORKS(mimir_path_directory(MIMIR_DIRECTORY_TEMP, NULL, text, sizeof text, NULL));
    CHECK(!strcmp(text, "/tmp/elsewhere"));
    WORKS(mimir_path_directory(MIMIR_DIRECTORY_CONFIG, "tool", text, sizeof text, NULL));
    CHECK(!strncmp(text, "/tmp/settings/", 14) && strstr(text, "tool"));
    unsetenv("TMPDIR");
    WORKS(mimir_path_directory(MIMIR_DIRECTORY_TEMP, NULL, text, sizeof text, NULL));
    CHECK(!strcmp(text, "/tmp"));
}

static void impossible_paths_are_refused(void) {
    const char *parts[] = {"a", "b"}, *hole[] = {"a", NULL};
    char text[64];
    int32_t flavour;
    for (flavour = -1; flavour <= 3; flavour += 4) {
        FAILS(MIMIR_EINVAL, mimir_path_normalize(flavour, "a", text, sizeof text, NULL));
        FAILS(MIMIR_EINVAL, mimir_path_join(flavour, parts, 2, text, sizeof text, NULL));
        FAILS(MIMIR_EINVAL, mimir_path_executable(flavour, "a", text, sizeof text, NULL));
        FAILS(MIMIR_EINVAL, mimir_path_separator(flavour, text, sizeof text, NULL));
    }
    FAILS(MIMIR_EINVAL, mimir_path_normalize(MIMIR_PATH_POSIX, NULL, text, sizeof text, NULL));
    FAILS(MIMIR_EINVAL, mimir_path_executable(MIMIR_PATH_POSIX, NULL, text, sizeof text, NULL));
    FAILS(MIMIR_EINVAL, mimir_path_join(MIMIR_PATH_POSIX, NULL, 2, text, sizeof text, NULL));
    FAILS(MIMIR_EINVAL, mimir_path_join(MIMIR_PATH_POSIX, hole, 2, text, sizeof text, NULL));
    FAILS(MIMIR_EINVAL, mimir_path_join(MIMIR_PATH_POSIX, parts, 0, text, sizeof text, NULL));
    FAILS(MIMIR_EINVAL, mimir_path_join(MIMIR_PATH_POSIX, parts, UINT64_MAX, text, sizeof text, NULL));
    FAILS(MIMIR_EINVAL, mimir_path_directory(0, NULL, text, sizeof text, NULL));
    FAILS(MIMIR_EINVAL, mimir_path_directory(99, NULL, text, sizeof text, NULL));
    FAILS(MIMIR_EINVAL, mimir_path_directory(MIMIR_DIRECTORY_CONFIG, NULL, text, sizeof text, NULL));
    FAILS(MIMIR_EINVAL, mimir_path_directory(MIMIR_DIRECTORY_CONFIG, "", text, sizeof text, NULL));
    FAILS(MIMIR_EINVAL, mimir_path_directory(MIMIR_DIRECTORY_CONFIG, "a/b", text, sizeof text, NULL));
}

const check_case path_cases[] = {
    {"paths follow the rules of their flavour", paths_follow_the_rules_of_their_flavour},
    {"paths are written to the caller's buffer", paths_are_written_to_the_callers_buffer},
    {"directories follow the environment as it is now", directories_follow_the_environment_of_now},
    {"impossible paths are refused", impossible_paths_are_refused},
};
const unsigned path_count = COUNT(path_cases);
