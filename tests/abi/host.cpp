// A C++17 program that uses the library as a C++ person would.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#define CHECK_MAIN
#include "check.h"

static_assert(std::is_same_v<decltype(&mimir_abi), std::int32_t (*)(std::uint32_t *)>, "mimir_abi has another type");
static_assert(std::is_same_v<decltype(&mimir_job_run), std::int32_t (*)(std::uint64_t, std::uint64_t, mimir_verdict *)>,
              "mimir_job_run has another type");
static_assert(std::is_same_v<decltype(MIMIR_UNLIMITED), decltype(UINT64_MAX)>, "MIMIR_UNLIMITED has another type");

template <typename Struct>
constexpr bool begins_with_its_size = std::is_standard_layout_v<Struct> && std::is_trivially_copyable_v<Struct> &&
    offsetof(Struct, size) == 0 && std::is_same_v<decltype(Struct::size), std::uint32_t>;

static_assert(begins_with_its_size<mimir_error> && begins_with_its_size<mimir_system> && begins_with_its_size<mimir_usage> &&
                  begins_with_its_size<mimir_measure> && begins_with_its_size<mimir_verdict>,
              "a struct does not begin with its size");

namespace {

template <typename Struct>
Struct sized() {
    Struct value{};
    value.size = static_cast<std::uint32_t>(sizeof value);
    return value;
}

class Job {
public:
    explicit Job(const std::vector<std::string> &command) {
        std::vector<const char *> argv;
        std::transform(command.begin(), command.end(), std::back_inserter(argv), [](const auto &word) { return word.c_str(); });
        WORKS(mimir_job_create(argv.data(), argv.size(), &handle_));
    }
    Job(const Job &) = delete;
    Job &operator=(const Job &) = delete;
    ~Job() { WORKS(mimir_job_close(handle_)); }

    operator std::uint64_t() const { return handle_; }

private:
    std::uint64_t handle_ = 0;
};

template <typename Call>
std::string text(Call call) {
    std::uint64_t needed = 0;
    std::int32_t status = call(nullptr, 0, &needed);
    CHECK(status == MIMIR_ERANGE && needed > 0);
    std::string result(needed, '?');
    WORKS(call(result.data(), needed, &needed));
    CHECK(!result.empty() && result.back() == '\0');
    result.pop_back();
    return result;
}

void a_text_fills_a_string_of_the_size_asked_for() {
    auto version = text([](auto... where) { return mimir_version(where...); });
    CHECK(std::count(version.begin(), version.end(), '.') == 2);
    auto directory = text([](auto... where) { return mimir_path_directory(MIMIR_DIRECTORY_TEMP, nullptr, where...); });
    CHECK(!directory.empty() && directory.find('\0') == std::string::npos);
}

void the_output_of_a_command_arrives_whole() {
    Job job({"/bin/sh", "-c", "seq 1 100000"});
    WORKS(mimir_job_set_stream(job, MIMIR_STREAM_OUTPUT, MIMIR_MODE_CAPTURE, 0));
    auto verdict = sized<mimir_verdict>();
    WORKS(mimir_job_run(job, MIMIR_UNLIMITED, &verdict));
    CHECK(verdict.reason == MIMIR_REASON_NONE && verdict.exit_code == 0);
    std::uint64_t count = 0;
    WORKS(mimir_job_read(job, MIMIR_STREAM_OUTPUT, nullptr, 0, &count));
    std::vector<char> output(count);
    WORKS(mimir_job_read(job, MIMIR_STREAM_OUTPUT, output.data(), output.size(), &count));
    CHECK(count == output.size() && count == 588895 && verdict.output_bytes == count);
    CHECK(std::count(output.begin(), output.end(), '\n') == 100000);
}

void jobs_run_on_many_threads_at_once() {
    std::vector<int> codes(8, -1);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < codes.size(); i++)
        threads.emplace_back([i, &codes] {
            const std::string script = "exit " + std::to_string(i);
            const char *argv[] = {"/bin/sh", "-c", script.c_str()};
            std::uint64_t job = 0;
            auto verdict = sized<mimir_verdict>();
            if (mimir_job_create(argv, 3, &job) == MIMIR_OK && mimir_job_run(job, MIMIR_UNLIMITED, &verdict) == MIMIR_OK)
                codes[i] = verdict.exit_code;
            mimir_job_close(job);
        });
    for (auto &thread : threads) thread.join();
    for (std::size_t i = 0; i < codes.size(); i++) CHECK(codes[i] == static_cast<int>(i));
}

void a_missing_program_is_told_by_name() {
    Job job({"/nowhere/program"});
    FAILS(MIMIR_ENOENT, mimir_job_start(job));
    auto error = sized<mimir_error>();
    WORKS(mimir_last_error(&error));
    CHECK(std::string(error.message).find("/nowhere/program") != std::string::npos);
}

void an_exception_passes_through_a_program_that_uses_the_library() {
    auto measure = sized<mimir_measure>();
    bool caught = false;
    try {
        WORKS(mimir_usage_measure(0, 0, &measure));
        throw measure.memory_bytes;
    } catch (std::uint64_t bytes) {
        caught = bytes == measure.memory_bytes && bytes > 0;
    }
    CHECK(caught);
}

const check_case cases[] = {
    {"a text fills a string of the size asked for", a_text_fills_a_string_of_the_size_asked_for},
    {"the output of a command arrives whole", the_output_of_a_command_arrives_whole},
    {"jobs run on many threads at once", jobs_run_on_many_threads_at_once},
    {"a missing program is told by name", a_missing_program_is_told_by_name},
    {"an exception passes through a program that uses the library", an_exception_passes_through_a_program_that_uses_the_library},
};

} // namespace

int main() {
    unsigned failed = check_all(cases, static_cast<unsigned>(std::size(cases)));
    std::printf("C++17 program: %zu cases, %u failed\n", std::size(cases), failed);
    return failed > 0;
}
