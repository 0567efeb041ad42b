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

inline void deadline::arm_at(steady_clock::time_point when) {
    deadline_service& s = *service_;
    if (s.down_) return;
    if (mode_ == mode::off) ++s.armed_;
    unlink();
    mode_ = mode::precise;
    when_ = when;
    s.link_precise(*this);
}

inline void deadline::disarm() noexcept {
    if (mode_ == mode::off) return;
    unlink();
    --service_->armed_;
    if (mode_ == mode::precise) service_->unlinked_precise();
    mode_ = mode::off;
}

inline void deadline_service::link_coarse(deadline& d) {
    const std::uint32_t last = swept_ + slots - 1;
    d.coarse_.slot_tick = d.coarse_.due < last ? d.coarse_.due : last;
    wheel_[d.coarse_.slot_tick % slots].push_back(d);
}

inline void deadline_service::link_precise(deadline& d) {
    // Equal limits are armed in order of time, so the place is nearly always at the end.
    deadline* after = precise_.back();
    while (after && after->when_ > d.when_) after = precise_.before(*after);
    precise_.insert_after(after, d);
    if (precise_.front() == &d && !manual_) run_precise_timer();
}

inline void deadline_service::unlinked_precise() noexcept {
    // A limit that comes and goes with every message costs no timer operation; but a timer with nothing to
    // watch must not keep the context alive for long.
    if (precise_.front() || !precise_running_ || precise_timer_->expiry() - steady_clock::now() <= tick)
        return;
    precise_running_ = false;
    precise_timer_->cancel();
}

inline void deadline_service::sweep_coarse(steady_clock::time_point now) {
    const std::uint32_t present = tick_of(now);
    while (swept_ != present) {
        ++swept_;
        // Taken out first: what expires may arm itself, or others, into the slot that is being swept.
        list due;
        due.splice(wheel_[swept_ % slots]);
        while (deadline* d = due.pop_front()) {
            if (d->coarse_.due <= swept_)
                d->expire();
            else
                link_coarse(*d);
        }
    }
}

inline void deadline_service::sweep_precise(steady_clock::time_point now) {
    // Taken out first: what expires may arm itself again for now, and must then wait for the next sweep.
    list due;
    while (precise_.front() && precise_.front()->when_ <= now) due.push_back(*precise_.pop_front());
    while (deadline* d = due.pop_front()) d->expire();
}

inline void deadline_service::advance(steady_clock::duration by) {
    manual_now_ += by;
    sweep_precise(manual_now_);
    if (!exact_) sweep_coarse(manual_now_);
}

inline boost::asio::io_context& deadline_service::context_of_timers() {
    return static_cast<boost::asio::io_context&>(context());
}

inline void deadline_service::run_coarse_timer() {
    if (!coarse_timer_) coarse_timer_.emplace(context_of_timers());
    coarse_running_ = true;
    coarse_timer_->expires_after(tick);
    coarse_timer_->async_wait([this](const boost::system::error_code& ec) {
        if (ec || down_) return;
        struct again { // also when a function throws: the other limits go on
            deadline_service& self;
            ~again() {
                self.coarse_running_ = false;
                if (self.armed_ != 0 && !self.down_) self.run_coarse_timer();
            }
        } next{*this};
        // Where the loop stood still (a handler that blocked, a stopped process), that time counts against
        // nobody, least of all against limits that were armed during it.
        const steady_clock::time_point present = steady_clock::now();
        if (const std::uint32_t reached = tick_of(present); reached > swept_ + 2)
            origin_ += tick * (reached - swept_ - 1);
        sweep_coarse(present);
    });
}

inline void deadline_service::run_precise_timer() {
    if (!precise_timer_) precise_timer_.emplace(context_of_timers());
    precise_running_ = true;
    precise_timer_->expires_at(precise_.front()->when_);
    precise_timer_->async_wait([this](const boost::system::error_code& ec) {
        if (ec || down_) return;
        precise_running_ = false;
        struct again {
            deadline_service& self;
            ~again() {
                if (self.precise_.front() && !self.precise_running_ && !self.down_) self.run_precise_timer();
            }
        } next{*this};
        sweep_precise(steady_clock::now());
    });
}

inline void deadline_service::shutdown() {
    down_ = true;
    coarse_timer_.reset();
    precise_timer_.reset();
    // A deadline may outlive the context with the handle it belongs to: let go of it, so that it lets go of
    // us.
    const auto let_go = [](list& l) {
        while (deadline* d = l.pop_front()) d->mode_ = deadline::mode::off;
    };
    for (list& slot : wheel_) let_go(slot);
    let_go(precise_);
}

} // namespace portunus

#endif
