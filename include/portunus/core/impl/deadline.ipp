// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CORE_IMPL_DEADLINE_IPP
#define PORTUNUS_CORE_IMPL_DEADLINE_IPP

#include <portunus/core/deadline.hpp>

#include <portunus/core/detail/config.hpp>

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstdint>

namespace portunus {

PORTUNUS_DECL void deadline::arm_at(steady_clock::time_point when) {
    deadline_service& s = *service_;
    if (s.down_) return;
    if (mode_ == mode::off) ++s.armed_;
    unlink();
    mode_ = mode::precise;
    when_ = when;
    s.link_precise(*this);
}

PORTUNUS_DECL void deadline_service::link_coarse(deadline& d) {
    const std::uint32_t last = swept_ + slots - 1;
    d.coarse_.slot_tick = d.coarse_.due < last ? d.coarse_.due : last;
    wheel_[d.coarse_.slot_tick % slots].push_back(d);
}

PORTUNUS_DECL void deadline_service::link_precise(deadline& d) {
    // Equal limits are armed in order of time, so the place is nearly always at the end.
    deadline* after = precise_.back();
    while (after && after->when_ > d.when_) after = precise_.before(*after);
    precise_.insert_after(after, d);
    if (precise_.front() == &d && !manual_) run_precise_timer();
}

PORTUNUS_DECL void deadline_service::unlinked_precise() noexcept {
    // A limit that comes and goes with every message costs no timer operation; but a timer with nothing to
    // watch must not keep the context alive for long.
    if (precise_.front() || !precise_running_ || precise_timer_->expiry() - steady_clock::now() <= tick)
        return;
    precise_running_ = false;
    precise_timer_->cancel();
}

PORTUNUS_DECL void deadline_service::sweep_coarse(steady_clock::time_point now) {
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

PORTUNUS_DECL void deadline_service::sweep_precise(steady_clock::time_point now) {
    // Taken out first: what expires may arm itself again for now, and must then wait for the next sweep.
    list due;
    while (precise_.front() && precise_.front()->when_ <= now) due.push_back(*precise_.pop_front());
    while (deadline* d = due.pop_front()) d->expire();
}

PORTUNUS_DECL void deadline_service::advance(steady_clock::duration by) {
    manual_now_ += by;
    sweep_precise(manual_now_);
    if (!exact_) sweep_coarse(manual_now_);
}

PORTUNUS_DECL boost::asio::io_context& deadline_service::context_of_timers() {
    return static_cast<boost::asio::io_context&>(context());
}

PORTUNUS_DECL void deadline_service::run_coarse_timer() {
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

PORTUNUS_DECL void deadline_service::run_precise_timer() {
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

PORTUNUS_DECL void deadline_service::shutdown() {
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
