// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_DEADLINE_HPP
#define PORTUNUS_CORE_DEADLINE_HPP

#include <portunus/core/detail/intrusive_list.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace portunus {

/// The clock of every limit in the library. Only `deadline_service` reads it, and a test can take its place.
using steady_clock = std::chrono::steady_clock;

class deadline;

/// The time of one execution context: it watches every `deadline` of the context with one coarse and one
/// precise timer, so that a limit costs no timer operation per message.
///
/// Limits of a second or more are watched coarsely: re-arming stores a number, and expiry comes up to two
/// ticks (0.2 s) late, never early. Shorter ones are watched precisely. The timers run only while something
/// is armed, so a context still runs out of work (up to a tick later). Single-threaded, as its context is.
///
/// Tests call `use_manual_time()` first and then move time with `advance()`; nothing sleeps.
class deadline_service : public boost::asio::execution_context::service {
  public:
    using key_type = deadline_service;
    inline static boost::asio::execution_context::id id;

    static constexpr steady_clock::duration tick = std::chrono::milliseconds(100);
    static constexpr steady_clock::duration precise_below = std::chrono::seconds(1);
    static constexpr steady_clock::duration longest = std::chrono::hours(24 * 365);

    explicit deadline_service(boost::asio::execution_context& context) : service(context) {}

    /// The service of a context, or of the context behind an executor.
    static deadline_service& of(boost::asio::execution_context& context) {
        return boost::asio::use_service<deadline_service>(context);
    }
    template <class Executor>
    requires(!std::is_convertible_v<Executor&, boost::asio::execution_context&>) static deadline_service& of(
        const Executor& executor) {
        return of(boost::asio::query(executor, boost::asio::execution::context));
    }

    /// The context's present: the steady clock, or what the test says.
    steady_clock::time_point now() const noexcept { return manual_ ? manual_now_ : steady_clock::now(); }

    /// From now on time moves only by `advance()`, and limits expire to the moment. To be called before
    /// anything is armed. With `ticks`, limits of a second or more are watched as coarsely as with the real
    /// clock.
    void use_manual_time(bool ticks = false) noexcept {
        manual_ = true;
        exact_ = !ticks;
        manual_now_ = steady_clock::now();
        origin_ = manual_now_;
        swept_ = 0;
    }
    bool manual() const noexcept { return manual_; }

    /// Moves manual time and lets expire what is due. To be called on the context's thread.
    void advance(steady_clock::duration by);

    /// How many deadlines are armed: what keeps the context alive.
    std::size_t armed() const noexcept { return armed_; }

  private:
    friend class deadline;
    using list = detail::intrusive_list<deadline>;
    static constexpr std::uint32_t slots = 512; // 51 s a turn; later deadlines are relinked once a turn

    void shutdown() override;
    std::uint32_t tick_of(steady_clock::time_point t) const noexcept {
        return t <= origin_ ? 0 : static_cast<std::uint32_t>((t - origin_) / tick);
    }
    void link_coarse(deadline& d);
    void link_precise(deadline& d);
    void unlinked_precise() noexcept;
    void sweep_coarse(steady_clock::time_point now);
    void sweep_precise(steady_clock::time_point now);
    void run_coarse_timer();
    void run_precise_timer();
    boost::asio::io_context& context_of_timers();

    std::array<list, slots> wheel_;
    list precise_; // ascending by time
    std::optional<boost::asio::steady_timer> coarse_timer_;
    std::optional<boost::asio::steady_timer> precise_timer_;
    steady_clock::time_point origin_ = steady_clock::now();
    steady_clock::time_point manual_now_{};
    std::size_t armed_ = 0;
    std::uint32_t swept_ = 0; // the last tick whose slot was swept; stale while the timer does not run
    bool coarse_running_ = false;
    bool precise_running_ = false;
    bool manual_ = false;
    bool exact_ = false; // manual, and without ticks
    bool down_ = false;
};

/// One limit in time: calls a function once when it passes. A member of whatever it limits; it may be armed
/// again and again, moved later for the price of a store, and destroyed at any time, also from inside its own
/// function.
class deadline : private detail::intrusive_hook {
  public:
    using expired_function = void (*)(void* owner);

    deadline(deadline_service& service, void* owner, expired_function expired) noexcept
        : service_(&service), owner_(owner), expired_(expired) {}
    deadline(const deadline&) = delete;
    deadline& operator=(const deadline&) = delete;
    ~deadline() { disarm(); }

    /// Calls the function `after` from now; replaces what was armed. Zero or less expires at the next
    /// opportunity, never inside this call; more than a year is a year.
    void arm(steady_clock::duration after) {
        if (after > deadline_service::longest) after = deadline_service::longest;
        if (after < deadline_service::precise_below || service_->exact_) {
            const auto least = steady_clock::duration::zero();
            return arm_at(service_->now() + (after < least ? least : after));
        }
        arm_coarse(after);
    }

    /// The same for a moment; always precise.
    void arm_at(steady_clock::time_point when);

    void disarm() noexcept;
    bool armed() const noexcept { return mode_ != mode::off; }

  private:
    friend class deadline_service;
    friend class detail::intrusive_list<deadline>;
    enum class mode : std::uint8_t { off, coarse, precise };

    void arm_coarse(steady_clock::duration after);
    void expire() {
        // Unlinked and off before the call: the function may arm again or destroy this object.
        mode_ = mode::off;
        --service_->armed_;
        expired_(owner_);
    }

    deadline_service* service_;
    void* owner_;
    expired_function expired_;
    struct coarse_time {
        std::uint32_t due;       // the tick in which it expires
        std::uint32_t slot_tick; // the tick whose slot it is linked in, at most due
    };
    union { // which one: mode_
        steady_clock::time_point when_{};
        coarse_time coarse_;
    };
    mode mode_ = mode::off;
};

inline void deadline::arm_coarse(steady_clock::duration after) {
    deadline_service& s = *service_;
    if (s.down_) return;
    if (!s.coarse_running_ && !s.manual_) {
        s.swept_ = s.tick_of(steady_clock::now());
        s.run_coarse_timer();
    }
    // The cached tick may be one tick old, and the present tick has partly passed: two more never expire
    // early.
    const auto ticks = static_cast<std::uint32_t>(
        (after + deadline_service::tick - steady_clock::duration(1)) / deadline_service::tick);
    const std::uint32_t due = s.swept_ + ticks + 1;
    if (mode_ == mode::coarse && coarse_.slot_tick <= due) { // linked early enough: the sweep moves it on
        coarse_.due = due;
        return;
    }
    if (mode_ == mode::off) ++s.armed_;
    unlink();
    if (mode_ == mode::precise) s.unlinked_precise();
    mode_ = mode::coarse;
    coarse_ = {due, 0};
    s.link_coarse(*this);
}

inline void deadline::disarm() noexcept {
    if (mode_ == mode::off) return;
    unlink();
    --service_->armed_;
    if (mode_ == mode::precise) service_->unlinked_precise();
    mode_ = mode::off;
}

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/core/impl/deadline.ipp>
#endif

#endif
