// SPDX-License-Identifier: BSL-1.0
// What the tests of everything that waits share: a context with a clock that the test moves, and a place
// where log lines are kept.
#ifndef PORTUNUS_TESTS_SUPPORT_WORLD_HPP
#define PORTUNUS_TESTS_SUPPORT_WORLD_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/logger.hpp>
#include <portunus/core/result.hpp>
#include <portunus/testing/start.hpp>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portunus_tests {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using portunus::awaitable;

/// The value, or an exception that fails the test with the error's own text.
template <class T>
T must(portunus::result<T> outcome) {
    return std::move(outcome).value();
}
inline void must(portunus::result<void> outcome) {
    outcome.value();
}

/// The error of an outcome that should be one; an empty error, equal to nothing, where it is not.
template <class T>
portunus::error error_of(const portunus::result<T>& outcome) {
    return outcome ? portunus::error() : outcome.error();
}

/// A context for a test, with the test's own clock: nothing that waits for time goes on until `time.advance`.
class world {
  public:
    enum class clock { manual, real };

    explicit world(clock c = clock::manual) : time(portunus::deadline_service::of(context)) {
        if (c == clock::manual) time.use_manual_time();
    }

    /// Starts a coroutine. What it throws, a failed REQUIRE included, comes out of `run` and `until`.
    void spawn(awaitable<void> body) { spawn(std::move(body), asio::cancellation_slot()); }
    /// The same for a coroutine that can be cancelled.
    void spawn(awaitable<void> body, asio::cancellation_signal& signal) {
        spawn(std::move(body), signal.slot());
    }

    /// Starts a coroutine whose outcome the test wants to look at.
    template <class T>
    [[nodiscard]] portunus::testing::started<T> start(awaitable<T> body) {
        return portunus::testing::start(context.get_executor(), std::move(body));
    }

    /// Runs until nothing is left to do. That it ends is part of the test: a timer or a wait that was
    /// forgotten keeps a context alive.
    void run() {
        context.restart();
        context.run_for(patience);
        rethrow();
        if (!context.stopped()) throw std::runtime_error("watchdog: the context did not run out of work");
    }
    void run(awaitable<void> body) {
        spawn(std::move(body));
        run();
    }

    /// Runs until `reached()`. Not asked again once it was true.
    template <class Condition>
    void until(Condition reached) {
        const auto end = std::chrono::steady_clock::now() + patience;
        while (!reached()) {
            context.restart();
            context.run_one_for(10ms);
            rethrow();
            if (std::chrono::steady_clock::now() > end)
                throw std::runtime_error("watchdog: what the test waits for did not come");
        }
    }

    /// Runs what is ready now and waits for nothing.
    void settle() {
        context.restart();
        while (context.poll() != 0) context.restart();
        rethrow();
    }

    /// Moves time and runs what becomes ready.
    void pass(portunus::steady_clock::duration by) {
        settle();
        time.advance(by);
        settle();
    }

    asio::io_context context{1};
    portunus::deadline_service& time;

  private:
    static constexpr auto patience = 30s;

    void spawn(awaitable<void> body, const asio::cancellation_slot& slot) {
        portunus::testing::detail::spawn(context.get_executor(), std::move(body), slot,
                                         [this](std::exception_ptr thrown) { remember(thrown); });
    }
    void remember(std::exception_ptr thrown) {
        if (thrown && !thrown_) thrown_ = thrown;
    }
    void rethrow() {
        if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
    }

    std::exception_ptr thrown_;
};

/// Collects what the library logs. A value; copies of the logger that it hands out write to the same place.
class log_book {
  public:
    struct line {
        portunus::log_level level;
        std::string text; // "text name=value name=value"
    };

    portunus::logger logger(portunus::log_level threshold = portunus::log_level::info) const {
        return portunus::logger(
            [to = state_](portunus::log_level level, std::string_view text,
                          std::span<const portunus::log_field> fields) {
                line l{level, std::string(text)};
                for (const auto& f : fields)
                    l.text.append(" ").append(f.name()).append("=").append(f.value());
                const std::lock_guard lock(to->mutex);
                to->lines.push_back(std::move(l));
            },
            threshold);
    }

    std::vector<line> lines() const {
        const std::lock_guard lock(state_->mutex);
        return state_->lines;
    }
    std::size_t count(portunus::log_level level) const {
        std::size_t n = 0;
        for (const line& l : lines()) n += l.level == level;
        return n;
    }
    /// How many lines contain this.
    std::size_t count(std::string_view part) const {
        std::size_t n = 0;
        for (const line& l : lines()) n += l.text.find(part) != std::string::npos;
        return n;
    }
    std::string text() const {
        std::string all;
        for (const line& l : lines()) all.append(to_string(l.level)).append(": ").append(l.text).append("\n");
        return all;
    }

  private:
    struct state {
        std::mutex mutex;
        std::vector<line> lines;
    };
    std::shared_ptr<state> state_ = std::make_shared<state>();
};

} // namespace portunus_tests

#endif
