// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_IMPL_CHANNEL_IPP
#define PORTUNUS_CHANNEL_IMPL_CHANNEL_IPP

#include <portunus/channel/channel.hpp>

#include <portunus/json/read.hpp>

#include <algorithm>
#include <string>

/// \file
/// The handle, and what it asks of the channel: requests and waits.

namespace portunus {
namespace detail {

PORTUNUS_DECL call_ptr channel_core::prepare(service_id service, data_id id, const request_options& how,
                                             bool wants_answer) {
    call_ptr call;
    if (unused_.empty()) {
        call.reset(new channel_call(executor_));
    } else {
        call = std::move(unused_.back());
        unused_.pop_back();
    }
    call->asked.status = message_status::okay;
    call->asked.service = service;
    call->asked.id = id;
    call->asked.data = "null";
    call->failed = {};
    call->how = how;
    call->wants_answer = wants_answer;
    call->at = stage::unused;
    return call;
}

PORTUNUS_DECL void channel_core::begin(channel_call& call) {
    if (call.failed.code().failed()) {
        call.at = stage::done;
        return;
    }
    if (phase_ == channel_phase::closed || stopping_)
        return finish(call, over_.code().failed() ? over_ : error(errc::shutting_down));
    const auto longest = deadline_service::longest;
    call.ends = time_.now() + std::min(call.how.limit, longest);
    if (!up_ && !call.how.wait_for_link) return finish(call, errc::not_connected);
    if (may_send(call) && parked_.empty() && out_.size() < options_->limits.max_queued) return transmit(call);
    if (parked_.size() >= options_->limits.pending.most)
        return finish(call, error(errc::queue_full, std::to_string(parked_.size()) +
                                                        " requests wait for the connection already"));
    if (!lasting_ && role_ == channel_role::client && up_ && auth_failure_.code().failed() && !may_send(call))
        return finish(call, auth_failure_);
    call.at = stage::parked;
    parked_.emplace_back(&call);
    arm_for(call.ends);
}

/// It goes out now.
PORTUNUS_DECL void channel_core::transmit(channel_call& call) {
    call.at = stage::in_flight;
    if (call.wants_answer) {
        const auto response = options_->services.response_of(call.asked.service);
        if (!response)
            return finish(call, error(errc::invalid_option,
                                      options_->services.describe(call.asked.service, call.asked.id) +
                                          " is no request of a service, so there is no answer"));
        auto added = pending_.add(*response, call.asked.id, call.ends, call_ptr(&call));
        if (!added) return finish(call, std::move(added).error());
        call.handle = *added;
    }
    if (auto written = wire_->put(out_, call.asked.view()); !written) {
        if (call.wants_answer) pending_.withdraw(call.handle);
        return finish(call, std::move(written).error());
    }
    ++counts_.sent;
    if (call.wants_answer)
        arm_for(call.ends);
    else
        finish(call, {});
    flush_soon();
}

PORTUNUS_DECL void channel_core::finish(channel_call& call, error why) noexcept {
    call.at = stage::done;
    call.failed = std::move(why);
    call.changed.notify();
}

PORTUNUS_DECL bool channel_core::is_over(channel_call& call, const boost::asio::cancellation_state& asked) {
    if (call.at == stage::done) return true;
    if (!stop_asked(asked)) return false;
    call.failed = errc::canceled; // `leave` takes it out
    return true;
}

PORTUNUS_DECL void channel_core::leave(call_ptr call) noexcept {
    if (call->at == stage::in_flight && call->wants_answer)
        pending_.cancel(call->handle, time_.now()); // its late answer is nobody else's
    if (call->at == stage::parked)
        if (const auto at = std::find(parked_.begin(), parked_.end(), call); at != parked_.end())
            parked_.erase(at);
    call->at = stage::unused;
    constexpr std::size_t most_unused = 64, most_text = 4096;
    if (dropped_ || unused_.size() >= most_unused || call->asked.data.capacity() > most_text ||
        call->answer.data.capacity() > most_text)
        return;
    if (unused_.capacity() == 0) unused_.reserve(most_unused);
    unused_.push_back(std::move(call));
}

PORTUNUS_DECL bool channel_core::may_send(const channel_call& call) const noexcept {
    if (!up_ || ended_) return false;
    if (!auth_ || trusted_) return true;
    if (options_->open_to_all.contains(call.asked.service, call.asked.id)) return true;
    // who does not mean to authenticate is told so by the peer
    return role_ == channel_role::client && !auth_->automatic() && auth_->state() == auth_state::untrusted;
}

PORTUNUS_DECL void channel_core::send_parked() {
    while (!parked_.empty() && out_.size() < options_->limits.max_queued && may_send(*parked_.front())) {
        const call_ptr call = std::move(parked_.front());
        parked_.pop_front();
        transmit(*call);
    }
}

PORTUNUS_DECL void channel_core::fail_all(const error& why) noexcept {
    pending_.close(why, [this](call_ptr&& call, const error& e) { finish(*call, e); });
    while (!parked_.empty()) {
        const call_ptr call = std::move(parked_.front());
        parked_.pop_front();
        finish(*call, why);
    }
}

PORTUNUS_DECL awaitable<result<message>> channel_core::ask(pointer self, call_ptr call) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    const call_stay stay(*self, call);
    while (!self->is_over(*call, asked)) co_await call->changed.wait_op();
    if (call->failed.code().failed()) co_return call->failed;
    co_return call->answer;
}

PORTUNUS_DECL awaitable<result<void>> channel_core::tell(pointer self, call_ptr call) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    const call_stay stay(*self, call);
    while (!self->is_over(*call, asked)) co_await call->changed.wait_op();
    if (call->failed.code().failed()) co_return call->failed;
    co_return result<void>();
}

PORTUNUS_DECL awaitable<result<message>> channel_core::receive(pointer self, service_id service, data_id id,
                                                               steady_clock::duration limit) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    const call_limit late(self->time_, self->arrived_, limit);
    for (;;) {
        if (auto found = self->unhandled_.take(service, id)) co_return std::move(*found);
        if (self->is_closed()) co_return self->over_;
        if (stop_asked(asked)) co_return errc::canceled;
        if (late.passed)
            co_return error(errc::read_timeout, "no message of " +
                                                    self->options_->services.describe(service, id) +
                                                    " within " + limit_text(limit));
        co_await self->arrived_.wait_op();
    }
}

PORTUNUS_DECL awaitable<result<void>> channel_core::wait_established(pointer self,
                                                                     steady_clock::duration limit) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    const call_limit late(self->time_, self->changed_, limit);
    for (;;) {
        if (self->phase_ == channel_phase::established) co_return result<void>();
        if (self->is_closed()) co_return self->over_;
        if (!self->lasting_ && self->auth_failure_.code().failed()) co_return self->auth_failure_;
        if (stop_asked(asked)) co_return errc::canceled;
        if (late.passed)
            co_return error(errc::connect_timeout, "not established within " + limit_text(limit));
        co_await self->changed_.wait_op();
    }
}

PORTUNUS_DECL awaitable<result<void>> channel_core::authenticate(pointer self) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    if (!self->up_) co_return errc::not_connected;
    if (!self->auth_)
        co_return error(errc::invalid_option, "this channel has no secret to authenticate with");
    self->auth_failure_ = {};
    auth_step step = self->auth_->start(self->time_.now());
    if (step.failed.code().failed() && !step.send) co_return step.failed;
    self->perform(std::move(step));
    self->flush_soon();
    for (;;) { // the machine has a limit of its own
        if (self->trusted_) co_return result<void>();
        if (self->auth_failure_.code().failed()) co_return self->auth_failure_;
        if (!self->up_) co_return self->end_reason_;
        if (stop_asked(asked)) co_return errc::canceled;
        co_await self->changed_.wait_op();
    }
}

PORTUNUS_DECL awaitable<error> channel_core::wait_closed(pointer self) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    while (!self->is_closed()) {
        if (stop_asked(asked)) co_return errc::canceled;
        co_await self->changed_.wait_op();
    }
    co_return self->over_;
}

PORTUNUS_DECL awaitable<result<channel_event>> channel_core::next_event(pointer self) {
    auto one = co_await self->events_.pop();
    co_return one;
}

PORTUNUS_DECL awaitable<result<void>> channel_core::close(pointer self, steady_clock::duration limit) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    self->stopping_ = true;
    if (self->on_stop) self->on_stop();
    if (self->up_ || !self->lasting_) self->stream_.request_stop();
    const call_limit late(self->time_, self->changed_, limit);
    while (!self->is_closed()) {
        if (late.passed) {
            self->cut(errc::drain_timeout, false);
            co_return error(errc::drain_timeout, "the channel was cut off after " + limit_text(limit));
        }
        if (stop_asked(asked)) co_return errc::canceled;
        co_await self->changed_.wait_op();
    }
    co_return result<void>();
}

} // namespace detail

PORTUNUS_DECL channel::channel(std::shared_ptr<detail::channel_core> core) noexcept
    : core_(std::move(core)) {}
PORTUNUS_DECL channel::channel(channel_role role, any_stream stream, channel_options options) {
    detail::channel_core::check(options, role);
    const auto executor = stream.get_executor();
    if (!executor) throw failure(error(errc::not_connected, "a channel needs a connected stream"));
    core_ = std::make_shared<detail::channel_core>(
        executor, role, std::make_shared<const channel_options>(std::move(options)), false);
    core_->attach(std::move(stream));
    core_->start_alone();
}
PORTUNUS_DECL channel::channel(channel&&) noexcept = default;
PORTUNUS_DECL channel& channel::operator=(channel&& other) noexcept {
    if (this != &other) {
        if (core_) core_->cut(errc::canceled, true);
        core_ = std::move(other.core_);
    }
    return *this;
}
PORTUNUS_DECL channel::~channel() {
    if (core_) core_->cut(errc::canceled, true);
}

PORTUNUS_DECL awaitable<result<message>> channel::request(service_id service, data_id id,
                                                          std::string_view json, const request_options& how) {
    auto call = core_->prepare(service, id, how, true);
    if (auto valid = json::validate(json); !valid)
        call->failed = error(errc::unencodable_payload, std::string(valid.error().detail()));
    else
        call->asked.data = json;
    return detail::channel_core::ask(core_, std::move(call));
}

PORTUNUS_DECL awaitable<result<void>> channel::send(service_id service, data_id id, std::string_view json,
                                                    message_status status, const request_options& how) {
    auto call = core_->prepare(service, id, how, false);
    call->asked.status = status;
    if (auto valid = json::validate(json); !valid)
        call->failed = error(errc::unencodable_payload, std::string(valid.error().detail()));
    else
        call->asked.data = json;
    return detail::channel_core::tell(core_, std::move(call));
}

PORTUNUS_DECL awaitable<result<message>> channel::receive(service_id service, data_id id,
                                                          steady_clock::duration limit) {
    return detail::channel_core::receive(core_, service, id, limit);
}
PORTUNUS_DECL void channel::remove_handler(std::optional<service_id> service, std::optional<data_id> id) {
    core_->handlers().erase(service, id);
}
PORTUNUS_DECL channel_phase channel::phase() const noexcept {
    return core_->phase();
}
PORTUNUS_DECL auth_state channel::authentication() const noexcept {
    return core_->auth() ? core_->auth()->state() : auth_state::untrusted;
}
PORTUNUS_DECL std::string channel::name() const {
    return core_->name();
}
PORTUNUS_DECL std::string channel::peer_name() const {
    return core_->auth() ? std::string(core_->auth()->peer_name()) : std::string();
}
PORTUNUS_DECL any_stream::endpoint_type channel::remote_endpoint() const noexcept {
    return core_->stream().remote_endpoint();
}
PORTUNUS_DECL awaitable<result<void>> channel::authenticate() {
    return detail::channel_core::authenticate(core_);
}
PORTUNUS_DECL awaitable<result<void>> channel::wait_established(steady_clock::duration limit) {
    return detail::channel_core::wait_established(core_, limit);
}
PORTUNUS_DECL awaitable<error> channel::wait_closed() {
    return detail::channel_core::wait_closed(core_);
}
PORTUNUS_DECL awaitable<result<channel_event>> channel::next_event() {
    return detail::channel_core::next_event(core_);
}
PORTUNUS_DECL awaitable<result<void>> channel::close(steady_clock::duration limit) {
    return detail::channel_core::close(core_, limit);
}
PORTUNUS_DECL void channel::abort() noexcept {
    core_->cut(errc::aborted_locally, false);
}
PORTUNUS_DECL channel_counters channel::counters() const noexcept {
    return core_->counters();
}
PORTUNUS_DECL boost::asio::any_io_executor channel::get_executor() const {
    return core_->executor();
}

} // namespace portunus

#endif
