// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_DETAIL_IMPL_CHANNEL_CORE_IPP
#define PORTUNUS_CHANNEL_DETAIL_IMPL_CHANNEL_CORE_IPP

#include <portunus/channel/detail/channel_core.hpp>

#include <portunus/channel/auth_gate.hpp>
#include <portunus/channel/json_lines.hpp>
#include <portunus/channel/pure_json.hpp>
#include <portunus/channel/struct_json.hpp>
#include <portunus/framing/escaped_codec.hpp>
#include <portunus/framing/length_prefix_codec.hpp>
#include <portunus/framing/line_codec.hpp>
#include <portunus/net/peer_info.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <string>

/// \file
/// A connection of a channel: bytes in, messages to their handlers, answers out.

namespace portunus {
namespace detail {

template <class F>
std::unique_ptr<channel_wire> make_wire(F framing, channel_encoding encoding) {
    switch (encoding) {
    case channel_encoding::struct_json:
        return std::make_unique<channel_wire_of<F, struct_json>>(std::move(framing));
    case channel_encoding::json_lines:
        return std::make_unique<channel_wire_of<F, json_lines>>(std::move(framing));
    case channel_encoding::pure_json:
        break;
    }
    return std::make_unique<channel_wire_of<F, pure_json>>(std::move(framing));
}

PORTUNUS_DECL std::unique_ptr<channel_wire> make_wire(const channel_options& o) {
    if (o.wire) return o.wire();
    const std::size_t most = o.limits.max_frame;
    switch (o.framing) {
    case channel_framing::line: {
        line_options lines;
        lines.max_frame = most;
        return std::make_unique<channel_wire_of<line_codec, json_lines>>(line_codec(line_mode::lf, lines));
    }
    case channel_framing::length_prefix: {
        length_prefix_options prefix;
        prefix.max_frame = most;
        return make_wire(length_prefix_codec(prefix), o.encoding);
    }
    case channel_framing::escaped:
        break;
    }
    escaped_options stp;
    stp.max_frame = most;
    return make_wire(escaped_codec(stp), o.encoding);
}

PORTUNUS_DECL void channel_core::check(const channel_options& o, channel_role role) {
    if (!o.wire && o.framing == channel_framing::line && o.encoding != channel_encoding::json_lines)
        throw failure(
            error(errc::invalid_option,
                  "lines carry json_lines only: the checksum of the other encodings may contain an LF"));
    if (o.limits.max_queued == 0)
        throw failure(error(errc::invalid_option, "channel_limits::max_queued is 0"));
    (void)make_wire(o); // throws for a max_frame out of its range
    (void)(role == channel_role::client ? channel_name::client(o.name) : channel_name::server(o.name));
    (void)pending_requests<call_ptr>(o.limits.pending);
}

PORTUNUS_DECL channel_core::channel_core(const boost::asio::any_io_executor& executor, channel_role role,
                                         std::shared_ptr<const channel_options> options, bool lasting)
    : executor_(executor), time_(deadline_service::of(executor)), options_(std::move(options)),
      pending_(options_->limits.pending), unhandled_(options_->limits.unhandled),
      order_(options_->limits.max_handlers),
      name_(role == channel_role::client ? channel_name::client(options_->name)
                                         : channel_name::server(options_->name)),
      changed_(executor), arrived_(executor), events_(executor, 64), tasks_(executor, options_->log),
      timer_(time_, this, [](void* self) { static_cast<channel_core*>(self)->tick(); }), role_(role),
      lasting_(lasting) {}

PORTUNUS_DECL void channel_core::attach(any_stream stream) {
    stream_ = std::move(stream);
}

// the life of a connection

PORTUNUS_DECL void channel_core::begin_link() {
    wire_ = make_wire(*options_);
    auth_ = options_->auth ? options_->auth.make(stream_) : nullptr;
    auth_failure_ = {};
    end_reason_ = {};
    ended_ = orderly_ = false;
    asked_for_life_ = false;
    heard_ = true;
    up_ = true;
    ++counts_.links;
    pending_.reopen();
    if (const auto named = name_.connected()) put(*named);
    if (auth_) perform(auth_->connected(time_.now()));
    update_phase();
    if (options_->limits.keep_alive.count() > 0) {
        next_look_ = time_.now() + options_->limits.keep_alive;
        arm_for(next_look_);
    }
}

/// Takes what is in the buffer. False when the connection has ended. `run` holds the channel meanwhile, since
/// a handler may destroy its handle.
PORTUNUS_DECL bool channel_core::step() {
    do {
        if (ended_ || dropped_) return false;
        pumping_ = true;
        if (held_ && !order_.full()) {
            queued work = std::move(*held_);
            held_.reset();
            run_waiting(std::move(work));
        }
        auto pumped = wire_->pump(*this);
        pumping_ = false;
        if (!pumped) end(std::move(pumped).error(), false);
        const bool paused = !wants_more();
        flush();
        if (!paused) break;
    } while (wants_more());
    if (auth_ && !trusted_ && role_ == channel_role::server) {
        // twice, as stp may double a byte; and what stands around the data
        const std::size_t most = 2 * auth_->most_data() + 512;
        if (wire_->unread() > most)
            end(error(errc::frame_too_large, std::to_string(wire_->unread()) +
                                                 " bytes of one message before trust; the limit is " +
                                                 std::to_string(most)),
                false);
    }
    return !ended_ && !dropped_;
}

PORTUNUS_DECL bool channel_core::wants_more() const noexcept {
    return !ended_ && !dropped_ && !held_ && out_.size() < options_->limits.max_queued;
}

PORTUNUS_DECL boost::asio::mutable_buffer channel_core::room() {
    const auto space = wire_->prepare();
    return {space.data(), space.size()};
}

PORTUNUS_DECL void channel_core::heard(const result<std::size_t>& got, bool stop) {
    if (got) {
        wire_->commit(*got);
        heard_ = true;
        return;
    }
    if (got.error() == errc::end_of_stream && wire_->unread() != 0)
        return end(error(errc::partial_frame, "the connection ended inside of a message, after " +
                                                  std::to_string(wire_->unread()) + " bytes of it"),
                   true);
    if (got.error() == errc::canceled && !stop && !dropped_ && stream_.is_open())
        return; // woken to look around
    end(got.error(), got.error() == errc::end_of_stream || got.error() == errc::shutting_down);
}

PORTUNUS_DECL awaitable<error> channel_core::run(pointer self) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    self->begin_link();
    while (self->step()) {
        if (!self->wants_more()) { // somebody has to make room first
            co_await self->changed_.wait_op();
            if (stop_asked(asked)) self->end(errc::canceled, false);
            continue;
        }
        auto got = co_await self->stream_.read_some(self->room());
        self->heard(got, stop_asked(asked));
    }
    if (self->orderly_ && !self->dropped_) {
        const auto limit = self->options_->limits.drain;
        const call_limit late(self->time_, self->changed_, limit);
        for (;;) {
            self->flush();
            if (!self->busy() || late.passed || self->dropped_ || stop_asked(asked)) break;
            co_await self->changed_.wait_op();
        }
        if (!late.passed && !self->dropped_) {
            auto closed = co_await self->stream_.close(limit);
            (void)closed; // the reason is known
        }
    }
    self->stream_.abort();
    while (self->writing_ && !self->dropped_) co_await self->changed_.wait_op();
    const error why = self->end_reason_;
    self->end_link();
    co_return why;
}

PORTUNUS_DECL awaitable<void> channel_core::run_alone(pointer self) {
    error why = co_await run(self);
    self->close_for_good(why);
}

PORTUNUS_DECL void channel_core::end(error why, bool orderly) noexcept {
    if (ended_) return;
    ended_ = true;
    orderly_ = orderly;
    end_reason_ = std::move(why);
    stream_.cancel_read();
    changed_.notify();
}

PORTUNUS_DECL void channel_core::end_link() {
    up_ = trusted_ = false;
    timer_.disarm();
    armed_for_ = time_point::max();
    const bool expected = end_reason_ == errc::end_of_stream || end_reason_ == errc::shutting_down ||
                          end_reason_ == errc::closed_locally;
    if (!dropped_) // by whoever destroyed the handle, and knows
        options_->log(expected ? log_level::info : log_level::warning, "a channel has lost its connection",
                      {{"channel", name_.name()}, {"why", end_reason_.message()}});
    const error lost(errc::not_connected,
                     "the connection was lost while the request was in flight: " + end_reason_.message());
    std::vector<call_ptr> again;
    pending_.close(stopping_ ? error(errc::shutting_down) : lost, [&](call_ptr&& call, const error& e) {
        if (lasting_ && !stopping_ && call->how.idempotent && call->ends > time_.now()) {
            call->at = stage::parked;
            again.push_back(std::move(call));
        } else {
            finish(*call, e);
        }
    });
    parked_.insert(parked_.begin(), again.begin(), again.end());
    for (const call_ptr& call : parked_) arm_for(call->ends);
    out_.consume(out_.size());
    held_.reset();
    order_ = ordered_handlers<queued>(options_->limits.max_handlers);
    running_ = 0;
    auth_.reset();
    if (lasting_ && !stopping_ && !is_closed()) set_phase(channel_phase::down, end_reason_);
}

PORTUNUS_DECL void channel_core::close_for_good(const error& why) {
    if (is_closed()) return;
    if (dropped_)
        over_ = errc::canceled;
    else if (why == errc::unauthenticated || why == errc::shutting_down || why == errc::closed_locally ||
             why == errc::aborted_locally)
        over_ = why;
    else
        over_ = error(errc::not_connected, "the channel has lost its connection: " + why.message());
    fail_all(over_);
    set_phase(channel_phase::closed, why);
    timer_.disarm();
    events_.close();
    arrived_.notify();
}

PORTUNUS_DECL void channel_core::cut(const error& why, bool dropped) noexcept {
    if (dropped_) return;
    dropped_ = dropped;
    stopping_ = true;
    if (on_stop) on_stop();
    over_ = why;
    const auto self = weak_from_this().lock(); // what is failed may be all that holds this
    fail_all(why);
    end(why, false);
    stream_.abort();
    timer_.disarm();
    if (!is_closed() && (dropped || !up_)) {
        set_phase(channel_phase::closed, why);
        events_.close();
    }
    arrived_.notify();
    if (!dropped) return;
    tasks_.cancel();
    handlers_ = {};
    unused_.clear();
}

// phases and trust

PORTUNUS_DECL void channel_core::update_phase() {
    trusted_ = auth_ && auth_->state() == auth_state::trusted;
    if (is_closed() || !up_) return;
    set_phase(!auth_ || trusted_ ? channel_phase::established : channel_phase::connected, {});
    send_parked();
}

PORTUNUS_DECL void channel_core::set_phase(channel_phase p, const error& cause) {
    if (phase_ == p) return;
    phase_ = p;
    channel_event what;
    what.phase = p;
    what.cause = cause;
    if (events_.size() == events_.capacity() && events_.try_pop()) ++missed_events_;
    what.missed = missed_events_;
    if (events_.push(std::move(what))) {
    } // closed: nobody asks any more
    changed_.notify();
}

PORTUNUS_DECL void channel_core::perform(auth_step step) {
    if (step.send) put(*step.send);
    if (step.failed.code().failed()) {
        auth_failure_ = step.failed;
        options_->log(log_level::warning, "authentication failed",
                      {{"channel", name_.name()},
                       {"peer", to_string(stream_.remote_endpoint())},
                       {"why", step.failed.message()}});
        if (role_ == channel_role::client) {
            // whoever waits for trust learns of it now
            std::deque<call_ptr> waiting;
            if (!lasting_) waiting.swap(parked_);
            for (const call_ptr& call : waiting) finish(*call, auth_failure_);
            if (lasting_) step.close = true;
        }
        changed_.notify();
    }
    update_phase();
    if (const auto ends = auth_->deadline()) arm_for(*ends);
    if (step.close) end(step.failed.code().failed() ? step.failed : error(errc::unauthenticated), true);
}

// messages

PORTUNUS_DECL void channel_core::take(const message_view& m) {
    ++counts_.received;
    const bool of_auth = m.service == service_id::auth_request || m.service == service_id::auth_response;
    if (auth_ && (of_auth || !trusted_)) {
        auth_step step = auth_->received(m, time_.now());
        const bool taken = step.taken;
        if (taken) {
            if (step.failed.code().failed()) ++counts_.refused;
            return perform(std::move(step));
        }
        if (role_ == channel_role::server) {
            const gate_answer gate = pass_gate(trusted_, options_->open_to_all, options_->services, m);
            if (!gate.open) {
                ++counts_.refused;
                if (gate.refusal) put(*gate.refusal);
                return;
            }
        }
    } else if (of_auth) { // nobody has to prove anything here
        if (m.service == service_id::auth_request)
            answer(service_id::auth_response, m.id, message_status::service_or_data_unknown);
        return;
    }
    if (m.service == service_id::channel_name_request || m.service == service_id::channel_name_response) {
        if (auto named = name_.received(m)) {
            if (!named->warning.empty()) options_->log(log_level::warning, named->warning);
            if (named->send) put(*named->send);
            return;
        }
    }
    if (m.id == sign_of_life) {
        if (m.service == service_id::read_request)
            return answer(service_id::read_response, m.id, message_status::okay);
        if (m.service == service_id::read_response) return;
    }
    std::optional<service_id> response = options_->services.response_of(m.service);
    if (!response && options_->services.is_response(m.service)) {
        auto told = pending_.take(m.service, m.id);
        if (told.kind == answer_kind::late) return;
        if (told.kind == answer_kind::expected) {
            channel_call& call = **told.payload;
            call.answer.status = m.status;
            call.answer.service = m.service;
            call.answer.id = m.id;
            call.answer.data.assign(m.data);
            return finish(call, {});
        }
    }
    const handler_ptr* const found = handlers_.find(m.service, m.id);
    if (!found) return leave_unhandled(m, response);
    const handler_ptr handler = *found;
    if (!handler->waits()) return run_plain(*handler, m, response);
    run_waiting(queued{handler, message(m), response});
}

PORTUNUS_DECL void channel_core::leave_unhandled(const message_view& m, std::optional<service_id> response) {
    ++counts_.unhandled;
    const bool kept = unhandled_.put(m);
    if (kept) arrived_.notify();
    if (response)
        answer(*response, m.id,
               kept ? message_status::buffering_unhandled_request : message_status::service_or_data_unknown);
}

PORTUNUS_DECL void channel_core::damaged(const error& why, const result<message_view>& numbers) {
    ++counts_.damaged;
    options_->log(log_level::debug, "a damaged message", {{"channel", name_.name()}, {"why", why.message()}});
    if (!(why == errc::checksum_mismatch) || !numbers) return;
    if (auth_ && !trusted_ && role_ == channel_role::server) return;
    if (const auto response = options_->services.response_of(numbers->service))
        answer(*response, numbers->id, message_status::checksum_error);
}

PORTUNUS_DECL void channel_core::put(const message_view& m) {
    if (auto written = wire_->put(out_, m); !written)
        options_->log(log_level::error, "a message cannot be sent",
                      {{"message", options_->services.describe(m)}, {"why", written.error().message()}});
    else
        ++counts_.sent;
    flush_soon();
}

PORTUNUS_DECL void channel_core::answer(service_id response, data_id id, message_status status) {
    put(message_view{status, response, id, "null"});
}

PORTUNUS_DECL result<void> channel_core::push(const message_view& m) {
    if (phase_ != channel_phase::established || ended_) return errc::not_connected;
    if (out_.size() + m.data.size() > options_->limits.max_queued)
        return error(errc::queue_full, std::to_string(out_.size()) + " bytes wait for this peer");
    if (auto written = wire_->put(out_, m); !written) return written;
    ++counts_.sent;
    flush_soon();
    return {};
}

// handlers

/// What is told here and not to the peer.
PORTUNUS_DECL void channel_core::note(const handled& how, const message_view& request) {
    if (!how.why.code().failed()) return;
    ++counts_.handler_failures;
    // what a peer sends in the wrong shape is no failure of ours
    options_->log(how.why == errc::malformed_data || how.why == condition::denied ? log_level::info
                                                                                  : log_level::error,
                  "a request failed in its handler",
                  {{"channel", name_.name()},
                   {"request", options_->services.describe(request.service, request.id)},
                   {"why", how.why.message()}});
}

PORTUNUS_DECL void channel_core::run_plain(message_handler& h, const message_view& m,
                                           std::optional<service_id> response) {
    std::string* json = &plain_;
    plain_.clear();
    if (response) json = &wire_->open(message_view{message_status::okay, *response, m.id, {}});
    handled how;
    try {
        how = h.answer(m, *json);
    } catch (...) {
        how = {message_status::callback_error, error(errc::remote_error, text_of(std::current_exception()))};
    }
    note(how, m);
    if (!response || dropped_) return;
    if (how.why.code().failed()) return answer(*response, m.id, how.status);
    if (how.status != message_status::okay) {
        const std::string_view data = wire_->opened_data();
        return put(message_view{how.status, *response, m.id, data.empty() ? "null" : data});
    }
    if (auto written = wire_->finish(out_); !written) {
        note(handled{message_status::callback_error, written.error()}, m);
        return answer(*response, m.id, message_status::callback_error);
    }
    ++counts_.sent;
    flush_soon();
}

PORTUNUS_DECL void channel_core::run_waiting(queued work) {
    switch (order_.begin(work.request.service, work.request.id, work)) {
    case handler_turn::queued:
        return;
    case handler_turn::refused:
        held_.emplace(std::move(work));
        return;
    case handler_turn::now:
        break;
    }
    ++running_;
    tasks_.spawn(serve(shared_from_this(), std::move(work)));
}

PORTUNUS_DECL awaitable<void> channel_core::serve(pointer self, queued work) {
    const std::uint64_t link = self->counts_.links;
    for (;;) {
        std::string json;
        handled how;
        std::exception_ptr thrown;
        try {
            auto body = work.handler->run(work.request, json);
            how = co_await std::move(body);
        } catch (...) {
            thrown = std::current_exception();
        }
        if (thrown) how = {message_status::callback_error, error(errc::remote_error, text_of(thrown))};
        self->note(how, work.request);
        if (self->dropped_ || !self->up_ || link != self->counts_.links) co_return; // nobody to answer
        self->handler_done(link, work, std::move(how), json);
        auto next = self->order_.finished(work.request.service, work.request.id);
        if (!next) break;
        work = std::move(*next);
    }
    --self->running_;
    self->changed_.notify();
}

PORTUNUS_DECL void channel_core::handler_done(std::uint64_t, const queued& work, handled how,
                                              std::string& json) {
    if (!work.response) return;
    if (how.why.code().failed() || json.empty()) json = "null";
    const message_view out{how.status, *work.response, work.request.id, json};
    if (auto written = wire_->put(out_, out); !written) {
        note(handled{message_status::callback_error, written.error()}, work.request);
        return answer(*work.response, work.request.id, message_status::callback_error);
    }
    ++counts_.sent;
    flush_soon();
}

// output

/// Once for all that is said in this turn of the context.
PORTUNUS_DECL void channel_core::flush_soon() {
    if (pumping_ || flush_posted_ || writing_ || !up_) return;
    flush_posted_ = true;
    boost::asio::post(executor_, [self = shared_from_this()] {
        self->flush_posted_ = false;
        self->flush();
    });
}

PORTUNUS_DECL void channel_core::flush() {
    if (writing_ || !up_ || dropped_) return;
    while (out_.size() != 0) {
        const auto sent = stream_.try_write_some(out_.data());
        if (sent) {
            out_.consume(*sent);
            continue;
        }
        if (sent.error() == errc::would_block) {
            writing_ = tasks_.spawn(write_rest(shared_from_this()));
            return;
        }
        out_.consume(out_.size()); // nobody will get it
        return end(sent.error(), false);
    }
    if (!parked_.empty()) send_parked();
}

PORTUNUS_DECL awaitable<void> channel_core::write_rest(pointer self) {
    for (;;) {
        auto ready = co_await self->stream_.wait_writable();
        if (self->dropped_ || !self->up_) break;
        if (!ready) {
            self->out_.consume(self->out_.size());
            self->end(ready.error(), false);
            break;
        }
        const auto sent = self->stream_.try_write_some(self->out_.data());
        if (sent) self->out_.consume(*sent);
        if (sent ? self->out_.size() == 0 : !(sent.error() == errc::would_block)) {
            if (!sent) {
                self->out_.consume(self->out_.size());
                self->end(sent.error(), false);
            }
            break;
        }
        self->changed_.notify(); // there is some room
    }
    self->writing_ = false;
    self->changed_.notify();
    if (self->up_ && !self->ended_ && !self->parked_.empty()) self->send_parked();
}

// time

PORTUNUS_DECL void channel_core::arm_for(time_point when) {
    if (when >= armed_for_ || dropped_) return;
    armed_for_ = when;
    timer_.arm(when - time_.now());
}

PORTUNUS_DECL void channel_core::tick() {
    const auto self = shared_from_this();
    armed_for_ = time_point::max();
    const auto now = time_.now();
    const std::uint32_t most_misses = options_->limits.most_misses;
    while (auto late = pending_.expire(now)) {
        ++counts_.timeouts;
        const channel_call& call = *late->payload;
        finish(*late->payload,
               error(errc::read_timeout, "no answer to " +
                                             options_->services.describe(call.asked.service, call.asked.id) +
                                             " within " + limit_text(call.how.limit)));
        if (most_misses != 0 && late->misses >= most_misses)
            end(error(errc::read_timeout,
                      std::to_string(late->misses) + " requests of one kind in a row had no answer"),
                false);
    }
    for (std::size_t i = 0; i < parked_.size();) {
        if (parked_[i]->ends > now) {
            arm_for(parked_[i++]->ends);
            continue;
        }
        const call_ptr call = parked_[i];
        parked_.erase(parked_.begin() + static_cast<std::ptrdiff_t>(i));
        finish(*call, error(errc::connect_timeout,
                            "the channel was not established within " + limit_text(call->how.limit)));
    }
    if (auth_) {
        if (const auto ends = auth_->deadline(); ends && *ends <= now) perform(auth_->timed_out(now));
        if (auth_)
            if (const auto ends = auth_->deadline()) arm_for(*ends);
    }
    if (up_ && !ended_ && options_->limits.keep_alive.count() > 0) {
        if (next_look_ <= now) {
            next_look_ = now + options_->limits.keep_alive;
            keep_alive();
        }
        arm_for(next_look_);
    }
    if (pending_.waiting() != 0)
        if (const auto next = pending_.next_deadline()) arm_for(*next);
}

PORTUNUS_DECL void channel_core::keep_alive() {
    if (std::exchange(heard_, false)) {
        asked_for_life_ = false;
        return;
    }
    if (asked_for_life_)
        return end(
            error(errc::idle_timeout, "no sign of life for " + limit_text(2 * options_->limits.keep_alive)),
            false);
    asked_for_life_ = true;
    if (role_ == channel_role::client)
        put(message_view{message_status::okay, service_id::channel_name_request, data_id::channel_name,
                         "null"});
    else
        put(message_view{message_status::okay, service_id::read_request, sign_of_life, "null"});
}

PORTUNUS_DECL channel_counters channel_core::counters() const noexcept {
    channel_counters now = counts_;
    now.dropped = unhandled_.dropped();
    now.late = pending_.late();
    return now;
}

} // namespace detail
} // namespace portunus

#endif
