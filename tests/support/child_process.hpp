// SPDX-License-Identifier: BSL-1.0
// Children of a test: the test program itself, started again to run one hidden test case in a process of its
// own (signals, limits of the process, privileges), or a program of the system as a peer that is not ours.
#ifndef PORTUNUS_TESTS_SUPPORT_CHILD_PROCESS_HPP
#define PORTUNUS_TESTS_SUPPORT_CHILD_PROCESS_HPP

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ; // NOLINT: POSIX has it nowhere else

namespace portunus_tests {

/// How a process ended.
struct exit_status {
    int code = -1;     ///< its exit code, -1 where a signal ended it
    int signal = 0;    ///< the signal that ended it, or 0
    bool hung = false; ///< it had to be killed because it did not end in time
};

/// A process with pipes to its standard input and output. Killed, if it still runs, when the object goes.
class child_process {
  public:
    using clock = std::chrono::steady_clock;
    /// No test waits longer than this for anything; it bounds what goes wrong and measures nothing.
    static constexpr clock::duration patience = std::chrono::seconds(60);

    child_process(std::string program, std::vector<std::string> arguments) {
        int in[2], out[2];
        if (::pipe2(in, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
        if (::pipe2(out, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
        to_ = in[1];
        from_ = out[0];
        std::vector<char*> argv{program.data()};
        for (std::string& a : arguments) argv.push_back(a.data());
        argv.push_back(nullptr);
        posix_spawn_file_actions_t files;
        ::posix_spawn_file_actions_init(&files);
        ::posix_spawn_file_actions_adddup2(&files, in[0], 0);
        ::posix_spawn_file_actions_adddup2(&files, out[1], 1);
        const int failed = ::posix_spawnp(&pid_, program.c_str(), &files, nullptr, argv.data(), environ);
        ::posix_spawn_file_actions_destroy(&files);
        ::close(in[0]);
        ::close(out[1]);
        if (failed != 0) {
            pid_ = -1;
            throw std::system_error(failed, std::generic_category(), program);
        }
    }
    child_process(const child_process&) = delete;
    child_process& operator=(const child_process&) = delete;
    ~child_process() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
        close_input();
        if (from_ >= 0) ::close(from_);
    }

    /// The test program again, running the hidden test case of this name.
    static child_process of_test(const std::string& test_case) {
        std::string pattern; // for Catch a comma stands between two names
        for (const char c : test_case) pattern.append(c == ',' ? "\\," : std::string(1, c));
        return child_process("/proc/self/exe", {pattern, "--durations", "no"});
    }

    void signal(int number) const { ::kill(pid_, number); }

    /// Waits until the process has no handler for this signal (any more). False when that did not come.
    bool wait_until_default(int number) const {
        const auto end = clock::now() + patience;
        while (clock::now() < end) {
            std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
            for (std::string line; std::getline(status, line);) {
                if (!line.starts_with("SigCgt:")) continue;
                if ((std::stoull(line.substr(7), nullptr, 16) >> (number - 1) & 1) == 0) return true;
            }
            ::sched_yield();
        }
        return false;
    }

    void write(std::string_view text) const {
        while (!text.empty()) {
            const auto n = ::write(to_, text.data(), text.size());
            if (n <= 0) throw std::system_error(errno, std::generic_category(), "writing to a child");
            text.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    void close_input() {
        if (to_ >= 0) ::close(std::exchange(to_, -1));
    }

    /// The next line that begins with `prefix`, without it; other lines (Catch's own) are skipped. Throws
    /// when the child ends without it.
    std::string line_after(std::string_view prefix) {
        const auto end = clock::now() + patience;
        for (;;) {
            for (std::size_t eol; (eol = unread_.find('\n')) != std::string::npos;) {
                const std::string line = unread_.substr(0, eol);
                unread_.erase(0, eol + 1);
                if (line.starts_with(prefix)) return line.substr(prefix.size());
                skipped_ += line + '\n';
            }
            if (!read_more(end))
                throw std::runtime_error("the child said no line that begins with \"" + std::string(prefix) +
                                         "\" but:\n" + skipped_ + unread_);
        }
    }

    /// Everything that it says until it closes its output.
    std::string rest() {
        const auto end = clock::now() + patience;
        while (read_more(end)) {
        }
        return std::exchange(unread_, {});
    }

    /// Waits for its end. Its output is read meanwhile, so that it never blocks on a full pipe.
    exit_status wait() {
        const auto end = clock::now() + patience;
        while (read_more(end)) {
        }
        exit_status result;
        if (clock::now() >= end) {
            result.hung = true;
            ::kill(pid_, SIGKILL);
        }
        int status = 0;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        if (WIFEXITED(status)) result.code = WEXITSTATUS(status);
        if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
        return result;
    }

    /// What it has said and nobody has asked for: for the message of a test that fails.
    std::string said() const { return skipped_ + unread_; }

  private:
    bool read_more(clock::time_point end) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - clock::now()).count();
        pollfd ready{from_, POLLIN, 0};
        if (left <= 0 || ::poll(&ready, 1, static_cast<int>(left)) <= 0) return false;
        char buffer[4096];
        const auto n = ::read(from_, buffer, sizeof buffer);
        if (n <= 0) return false;
        unread_.append(buffer, static_cast<std::size_t>(n));
        return true;
    }

    pid_t pid_ = -1;
    int to_ = -1;
    int from_ = -1;
    std::string unread_;
    std::string skipped_;
};

/// Says a line to the parent, from a hidden test case.
inline void tell_parent(const std::string& line) {
    const std::string text = line + '\n';
    [[maybe_unused]] const auto n = ::write(1, text.data(), text.size());
}

/// Whether a program of this name is on the PATH.
inline bool has_program(const std::string& name) {
    const char* path = std::getenv("PATH");
    std::string_view rest = path ? path : "/usr/bin:/bin";
    while (!rest.empty()) {
        const std::size_t colon = rest.find(':');
        const std::string file = std::string(rest.substr(0, colon)) + '/' + name;
        if (::access(file.c_str(), X_OK) == 0) return true;
        rest.remove_prefix(colon == std::string_view::npos ? rest.size() : colon + 1);
    }
    return false;
}

/// The processor time that this process has used, in seconds.
inline double cpu_seconds() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

} // namespace portunus_tests

#endif
