// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_TESTING_FUSE_HPP
#define PORTUNUS_TESTING_FUSE_HPP

#include <portunus/core/error.hpp>
#include <portunus/testing/test_failure.hpp>

#include <boost/asio/error.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace portunus::testing {

/// Makes the n-th operation fail. Whatever can fail (`memory_stream`, or a mock of the user's) asks it before
/// each operation. Copies are the same fuse, so one can be given to several streams. For one thread.
class fuse {
  public:
    /// Never blows; only counts.
    fuse() : fuse(0) {}
    /// Blows at operation `at`, counted from 1, with `with`; 0: never.
    explicit fuse(std::size_t at, error with = error(make_error_code(boost::asio::error::connection_reset),
                                                     "blown by the fuse"))
        : state_(std::make_shared<state>(at, std::move(with))) {}

    /// Asked at the start of an operation: the error that it has to give, or nothing. `name` must be a
    /// literal, or live as long as the fuse.
    std::optional<error> operation(std::string_view name) {
        if (++state_->operations != state_->at) return std::nullopt;
        state_->name = name;
        return state_->with;
    }

    bool blown() const noexcept { return state_->at != 0 && state_->operations >= state_->at; }
    /// How many operations have asked.
    std::size_t operations() const noexcept { return state_->operations; }
    /// The operation that failed; empty before.
    std::string_view failed_operation() const noexcept { return state_->name; }
    const error& failure_given() const noexcept { return state_->with; }

    /// "operation 3 (read_some) fails", for the message of an assertion.
    friend std::ostream& operator<<(std::ostream& out, const fuse& f) {
        out << "operation " << f.state_->at;
        if (!f.state_->name.empty()) out << " (" << f.state_->name << ')';
        return out << " fails";
    }

  private:
    struct state {
        state(std::size_t n, error e) : at(n), with(std::move(e)) {}
        std::size_t at;
        std::size_t operations = 0;
        error with;
        std::string_view name;
    };
    std::shared_ptr<state> state_;
};

/// Calls `body(fuse&)` again and again, first with the 1st operation failing, then with the 2nd, and so on,
/// until it ran without a failure. Returns how many operations there were to fail.
///
///     for_each_failure([](fuse& f) {
///         run([&]() -> awaitable<void> {
///             auto [near, far] = make_memory_stream_pair(co_await asio::this_coro::executor);
///             near.attach(f);
///             ...                                 // what must hold whether or not an operation fails
///         });
///     });
///
/// What `body` throws is thrown on; a `test_failure` is given the operation that had failed. `test_failure`
/// when no operation asks the fuse at all, or after `most` rounds.
template <class Body>
std::size_t for_each_failure(Body body, std::size_t most = 10'000) {
    for (std::size_t n = 1; n <= most; ++n) {
        fuse f(n);
        try {
            body(f);
        } catch (const test_failure& e) {
            throw test_failure("with a fuse for operation " + std::to_string(n) +
                               (f.blown() ? " (" + std::string(f.failed_operation()) + ", blown): " : ": ") +
                               e.what());
        }
        if (f.operations() == 0)
            throw test_failure("no operation has asked the fuse: is it attached to anything?");
        if (!f.blown()) return n - 1;
    }
    throw test_failure("an operation still fails after " + std::to_string(most) + " rounds");
}

} // namespace portunus::testing

#endif
