// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_TESTING_DETAIL_RUN_SERVICE_HPP
#define PORTUNUS_TESTING_DETAIL_RUN_SERVICE_HPP

#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/event.hpp>

#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/query.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace portunus::testing::detail {

/// What one started coroutine threw, and whether the test has seen it.
struct thrown_in_background {
    std::exception_ptr exception;
    bool seen = false;
};

/// What the kit knows about one context: who runs it, who waits for it to become idle, what waits in the
/// kit's own operations.
class run_service : public boost::asio::execution_context::service {
  public:
    using key_type = run_service;
    inline static boost::asio::execution_context::id id;

    explicit run_service(boost::asio::execution_context& context) : service(context) {
        idle_.emplace(this->context().get_executor());
    }

    static run_service& of(boost::asio::execution_context& context) {
        return boost::asio::use_service<run_service>(context);
    }
    template <class Executor>
    requires(!std::is_convertible_v<Executor&, boost::asio::execution_context&>) static run_service& of(
        const Executor& executor) {
        return of(boost::asio::query(executor, boost::asio::execution::context));
    }

    boost::asio::io_context& context() {
        return static_cast<boost::asio::io_context&>(boost::asio::execution_context::service::context());
    }

    enum class progress { ran, nothing_ready, out_of_work, late };

    /// Runs one handler. Coroutines that wait for the context to be idle are woken when no other handler is
    /// ready; only when there are none of those either does it block, until `until`.
    progress step(std::chrono::steady_clock::time_point until, bool may_block);

    bool driven() const noexcept { return driven_; }
    void set_driven() noexcept { driven_ = true; }

    /// Completes when no handler is ready. The caller's frame waits once.
    auto idle_op() {
        ++settling_;
        return idle_->wait_op();
    }

    void note(std::shared_ptr<thrown_in_background> thrown) { thrown_.push_back(std::move(thrown)); }
    /// The first exception of a started coroutine that nobody has asked for.
    std::exception_ptr unseen() const;

    void begin_wait(std::string_view what) { ++waits_[what]; }
    void end_wait(std::string_view what) noexcept { --waits_[what]; }

    /// What is left, for an error text.
    std::string state();

  private:
    void shutdown() override {
        idle_.reset();
        thrown_.clear();
    }

    std::optional<portunus::detail::event> idle_;
    std::size_t settling_ = 0; // coroutines in `idle_op` since the last notification
    std::vector<std::shared_ptr<thrown_in_background>> thrown_;
    std::map<std::string_view, std::size_t> waits_;
    bool driven_ = false;
};

/// Marks a wait of the kit's own for as long as it lasts, so that `state` can name it.
class wait_note {
  public:
    wait_note(run_service& service, std::string_view what) : service_(service), what_(what) {
        service_.begin_wait(what_);
    }
    wait_note(const wait_note&) = delete;
    wait_note& operator=(const wait_note&) = delete;
    ~wait_note() { service_.end_wait(what_); }

  private:
    run_service& service_;
    std::string_view what_;
};

} // namespace portunus::testing::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/testing/detail/impl/run_service.ipp>
#endif

#endif
