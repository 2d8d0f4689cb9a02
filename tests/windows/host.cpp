// A C++17 program that loads the DLL while it runs, as programs do that can do without it.
#include <cstdint>
#include <cstdio>
#include <string>
#include <type_traits>
#include <vector>

#include <windows.h>

#include "libmimir.h"

static_assert(std::is_same_v<decltype(&mimir_abi), std::int32_t (*)(std::uint32_t *)>, "mimir_abi has another type");

namespace {

template <typename Function>
Function *find(HMODULE library, const char *name) {
    return reinterpret_cast<Function *>(reinterpret_cast<void *>(GetProcAddress(library, name)));
}

int fail(const char *what, int status) {
    std::printf("FAIL %s (%d)\n", what, status);
    return 1;
}

} // namespace

int main(int argc, char **argv) {
    if (argc < 2) return fail("the DLL is the first argument", 0);
    const HMODULE library = LoadLibraryA(argv[1]);
    if (library == nullptr) return fail("LoadLibrary", static_cast<int>(GetLastError()));
    // The first call waits until the library's runtime has started.
    std::uint32_t abi = 0;
    if (const auto status = find<decltype(mimir_abi)>(library, "mimir_abi")(&abi); status != MIMIR_OK || abi != MIMIR_ABI)
        return fail("mimir_abi", status);
    const auto create = find<decltype(mimir_job_create)>(library, "mimir_job_create");
    const auto run = find<decltype(mimir_job_run)>(library, "mimir_job_run");
    const auto close = find<decltype(mimir_job_close)>(library, "mimir_job_close");
    for (const int code : {0, 3, 255}) {
        const std::vector<std::string> command{"cmd", "/c", "exit " + std::to_string(code)};
        std::vector<const char *> words;
        for (const auto &word : command) words.push_back(word.c_str());
        std::uint64_t job = 0;
        if (const auto status = create(words.data(), words.size(), &job); status != MIMIR_OK) return fail("mimir_job_create", status);
        mimir_verdict verdict{};
        verdict.size = sizeof verdict;
        if (const auto status = run(job, MIMIR_UNLIMITED, &verdict); status != MIMIR_OK) return fail("mimir_job_run", status);
        if (verdict.exit_code != code) return fail("exit code", verdict.exit_code);
        if (const auto status = close(job); status != MIMIR_OK) return fail("mimir_job_close", status);
    }
    FreeLibrary(library);
    if (const auto status = find<decltype(mimir_abi)>(library, "mimir_abi")(&abi); status != MIMIR_OK) return fail("unloaded", status);
    std::printf("ok   a C++ program loads the library while it runs, and runs jobs\n");
    return 0;
}
