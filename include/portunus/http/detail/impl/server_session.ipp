// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_DETAIL_IMPL_SERVER_SESSION_IPP
#define PORTUNUS_HTTP_DETAIL_IMPL_SERVER_SESSION_IPP

#include <portunus/http/detail/server_session.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/http/date.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <string>

namespace portunus::http::detail {

/// "Sun, 06 Nov 1994 08:49:37 GMT", of this second. Valid until the thread asks again.
PORTUNUS_DECL std::string_view date_now() {
    thread_local http_date text{http_time()};
    thread_local http_time of{};
    const http_time now(std::chrono::seconds(std::time(nullptr)));
    if (now != of) {
        text = http_date(now);
        of = now;
    }
    return text.text();
}

PORTUNUS_DECL session::session(any_stream peer, std::shared_ptr<server_state> of, bool secure)
    : stream_(std::move(peer)), server_(std::move(of)), parser_(slots_, server_->options.head),
      limit_(deadline_service::of(stream_.get_executor()), this,
             [](void* self) { static_cast<session*>(self)->time_is_up(); }),
      look_(deadline_service::of(stream_.get_executor()), this,
            [](void* self) { static_cast<session*>(self)->look_for_client(); }),
      secure_(secure) {}

PORTUNUS_DECL void session::watch(phase what, steady_clock::duration after) {
    phase_ = what;
    if (what == phase::none || after <= steady_clock::duration::zero())
        limit_.disarm();
    else
        limit_.arm(after);
}

PORTUNUS_DECL void session::time_is_up() {
    // A body that nobody waits for holds up nobody but the handler.
    late_ = phase_ == phase::body && !reading_body_ ? phase::handler : phase_;
    if (late_ == phase::handler)
        cancel_.emit(boost::asio::cancellation_type::terminal);
    else
        stream_.cancel_read();
}

PORTUNUS_DECL void session::body_is_over() {
    if (phase_ != phase::body) return;
    if (working_)
        watch(phase::handler, server_->options.handler_limit);
    else
        watch(phase::none, {});
}

PORTUNUS_DECL void session::working(bool on) {
    working_ = on;
    // It is not disarmed in the end: where many requests are short it costs nothing but this question.
    if (on && !look_.armed()) look_.arm(look_period);
}

PORTUNUS_DECL void session::look_for_client() {
    if (!working_) return;
    if (!stream_.is_broken() && !(server_->options.half_close_is_gone && stream_.peer_finished()))
        return look_.arm(look_period);
    watch(phase::none, {});
    late_ = phase::gone;
    closing_ = true;
    server_state::bump(server_->counts.client_gone);
    cancel_.emit(boost::asio::cancellation_type::terminal);
}

PORTUNUS_DECL bool session::is_last() {
    if (!stream_.stop_requested()) return false;
    if (!body_done_) return head().chunked() || body_left_ >= unread().size();
    if (begin_ != end_ || more_begin_ != more_end_) return false;
    // Not into `in_`, where the head still is. `end_request` fetches it from there.
    if (more_.empty()) more_.resize(body_room);
    const auto n = stream_.try_read_some(boost::asio::buffer(more_));
    more_begin_ = 0;
    more_end_ = n ? *n : 0;
    return more_end_ == 0;
}

PORTUNUS_DECL boost::asio::mutable_buffer session::room() {
    if (begin_ == end_) begin_ = end_ = 0;
    if (in_.size() > most_kept && end_ == 0) in_ = {};
    if (in_.empty()) in_.resize(first_room);
    if (end_ == in_.size() && begin_ != 0) {
        std::copy(in_.begin() + static_cast<std::ptrdiff_t>(begin_),
                  in_.begin() + static_cast<std::ptrdiff_t>(end_), in_.begin());
        end_ -= begin_;
        begin_ = 0;
    }
    if (end_ == in_.size()) in_.resize(in_.size() * 2); // the limits of the head bound it
    return boost::asio::buffer(in_.data() + end_, in_.size() - end_);
}

PORTUNUS_DECL awaitable<result<void>> session::flush(pointer s) {
    if (s->out_.empty()) co_return result<void>();
    auto sent = co_await s->stream_.write(s->out_);
    s->out_.clear();
    if (s->out_.capacity() > 2 * most_out) s->out_.shrink_to_fit();
    co_return sent;
}

PORTUNUS_DECL void session::append(const response& answer) {
    answer_form form;
    const request_head& asked = head();
    form.http_1_0 = asked.version() == http_version::v1_0;
    form.head_only = asked.method() == verb::head;
    if (answer.takes_over()) {
        const auto number = static_cast<unsigned>(answer.code());
        form.hands_over = true;
        form.keep_alive = number == 101 || (number / 100 == 2 && asked.method() == verb::connect);
        form.http_1_0 = false;
        closing_ = true;
        return write_head(answer, form);
    }
    if (answer.source()) {
        form.length = answer.source_length();
        form.chunked = !form.length && !form.http_1_0;
        form.until_close = !form.length && form.http_1_0;
    }
    form.keep_alive = will_keep() && !answer.closes() && !form.until_close && !is_last();
    if (!form.keep_alive) closing_ = true;
    write_head(answer, form);
}

PORTUNUS_DECL void session::write_head(const response& answer, const answer_form& form) {
    detail::append(out_, answer, form, date_now());
    server_state::bump(
        server_->counts.answers[std::min<std::size_t>(static_cast<unsigned>(answer.code()) / 100, 5)]);
}

PORTUNUS_DECL http::status session::objection(const response& answer) const noexcept {
    const auto number = static_cast<unsigned>(answer.code());
    if (!answer.takes_over()) return number >= 200 ? status::ok : status::internal_server_error;
    if (number < 200 && (answer.code() != status::switching_protocols || !answer.upgrades()))
        return status::internal_server_error;
    // What is left of a body would be taken for the other protocol (RFC 9110 7.8).
    if (!body_done_ || (number == 101 && head().version() == http_version::v1_0)) return status::bad_request;
    return status::ok;
}

PORTUNUS_DECL void session::append_answer() {
    if (late_ == phase::gone) { // nobody to be told
        closing_ = true;
        out_.clear();
        answer_.reset();
        return;
    }
    if (late_ == phase::handler) {
        closing_ = true;
        server_state::bump(server_->counts.handler_timeouts);
        answer_.emplace(status::service_unavailable);
    } else if (body_failure_ != status::ok) {
        closing_ = true;
        if (body_complaint_.empty())
            answer_.emplace(body_failure_);
        else
            answer_.emplace(body_failure_, std::move(body_complaint_));
    } else if (!answer_) {
        answer_.emplace(status::internal_server_error);
    } else if (const http::status wrong = objection(*answer_); wrong != status::ok) {
        closing_ = true;
        answer_.emplace(wrong);
    }
    if (const auto& after = server_->options.around.after) {
        try {
            after(request_, *answer_);
        } catch (...) {
            handler_failed(std::current_exception());
            answer_.emplace(status::internal_server_error);
        }
    }
    append(*answer_);
    next_ = answer_->release_next();
    if (answer_->source() && head().method() != verb::head && has_body(answer_->code())) return; // it follows
    answer_.reset();
}

/// Whether the connection can serve another request, as far as can be known before this one is answered.
PORTUNUS_DECL bool session::will_keep() const noexcept {
    if (closing_ || !head().keep_alive()) return false;
    if (body_done_) return true;
    // What nobody wanted is read and dropped, if it is little and the client is about to send it.
    if (head().expect_continue() && !asked_to_continue_) return false;
    return !head().chunked() && body_left_ <= most_discarded;
}

PORTUNUS_DECL void session::refuse(const refused& why) {
    closing_ = true;
    server_state::bump(server_->counts.refused[static_cast<std::size_t>(why.kind)]);
    stream_.record_failure(why.to_error());
    const response answer(why.answer(), why.detail() + "\n");
    answer_form form;
    form.keep_alive = false;
    write_head(answer, form);
}

/// No request comes any more: the end, the limits, the stop.
PORTUNUS_DECL void session::reading_failed(const error& why) {
    closing_ = true;
    const bool late = late_ == phase::head || (why == errc::idle_timeout && begin_ != end_);
    if (!late) return;
    server_state::bump(server_->counts.head_timeouts);
    if (why == errc::idle_timeout) return; // it has ended the connection
    answer_form form;
    form.keep_alive = false;
    write_head(response(status::request_timeout), form);
}

PORTUNUS_DECL void session::handler_failed(const std::exception_ptr& why) {
    if (late_ == phase::handler || late_ == phase::gone) return; // what it threw is the cancellation
    server_state::bump(server_->counts.handler_failures);
    std::string text = "unknown exception";
    try {
        std::rethrow_exception(why);
    } catch (const std::exception& e) {
        text = e.what();
    } catch (...) {
    }
    server_->options.door.log(log_level::error, "an exception left the handler of a request",
                              {{"what", text}, {"target", std::string(head().target())}});
}

PORTUNUS_DECL void session::begin_request(std::size_t head_size) {
    server_state::bump(server_->counts.requests);
    begin_ += head_size;
    body_left_ = head().content_length().value_or(0);
    body_done_ = !head().has_body();
    body_use_ = body_use::untouched;
    chunks_.reset();
    more_begin_ = more_end_ = 0;
    since_watch_ = 0;
    asked_to_continue_ = false;
    body_failure_ = status::ok;
    body_complaint_.clear();
    whole_body_ = {};
    late_ = phase::none;
    if (body_left_ > std::max<std::uint64_t>(server_->options.max_body, server_->options.max_streamed_body))
        fail_body(status::payload_too_large);
}

PORTUNUS_DECL void session::end_request() {
    watch(phase::none, {});
    if (collected_.capacity() > most_kept) collected_ = {};
    if (more_begin_ != more_end_) { // a chunked body's end came with the beginning of the next request
        begin_ = end_ = 0;
        if (in_.size() < more_end_ - more_begin_) in_.resize(more_end_ - more_begin_);
        std::copy(more_.data() + more_begin_, more_.data() + more_end_, in_.data());
        end_ = more_end_ - more_begin_;
        more_begin_ = more_end_ = 0;
    }
    parser_.reset();
}

PORTUNUS_DECL bool session::answered_before() {
    const auto& before = server_->options.around.before;
    if (!before || body_failure_ != status::ok) return false;
    try {
        auto early = before(request_);
        if (!early) return false;
        answer_ = std::move(early);
    } catch (...) {
        handler_failed(std::current_exception());
        answer_.reset();
    }
    return true;
}

PORTUNUS_DECL const handler* session::choose() {
    if (server_->options.around) match_ = {}; // it looks at requests that have no route, too
    if (body_failure_ != status::ok) return nullptr;
    if (server_->everything) return &*server_->everything;
    if (head().form() == target_form::asterisk) {
        answer_.emplace(status::no_content);
        return nullptr;
    }
    if (head().form() == target_form::authority) {
        answer_.emplace(status::not_implemented);
        return nullptr;
    }
    match_ = server_->routes.match(head().method(), head().path());
    switch (match_.what) {
    case route_match::kind::found:
        return &server_->routes[match_];
    case route_match::kind::method_not_allowed:
        answer_.emplace(status::method_not_allowed).add(field::allow, match_.allowed.text());
        break;
    case route_match::kind::options:
        answer_.emplace(status::no_content).add(field::allow, match_.allowed.text());
        break;
    case route_match::kind::not_implemented:
        answer_.emplace(status::not_implemented);
        break;
    case route_match::kind::malformed:
        answer_.emplace(status::bad_request);
        break;
    case route_match::kind::not_found:
        answer_.emplace(status::not_found);
        break;
    }
    return nullptr;
}

PORTUNUS_DECL awaitable<void> session::answer_by_coroutine(pointer s, const handler* by) {
    s->watch(phase::handler, s->server_->options.handler_limit);
    s->working(true);
    try {
        s->answer_ = co_await by->answer_later(s->request_);
    } catch (...) {
        s->handler_failed(std::current_exception());
    }
    s->working(false);
    s->watch(phase::none, {});
}

PORTUNUS_DECL awaitable<void> session::run(pointer s) {
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::enable_terminal_cancellation());
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    while (!s->closing_) {
        const head_step step = s->parser_.feed(s->unread());
        if (step.what == head_step::kind::more) {
            auto sent = co_await flush(s);
            if (!sent) co_return;
            if (s->begin_ != s->end_ && s->phase_ != phase::head)
                s->watch(phase::head, s->server_->options.head_limit);
            auto n = co_await s->stream_.read_some(s->room());
            if (n)
                s->end_ += *n;
            else
                s->reading_failed(n.error());
            continue;
        }
        if (step.what == head_step::kind::refused) {
            s->refuse(s->parser_.why());
            break;
        }
        if (s->phase_ != phase::none) s->watch(phase::none, {});
        s->begin_request(step.size);
        const handler* by = s->choose();
        if (s->answered_before()) by = nullptr;
        if (by) {
            if (by->is_plain()) {
                try {
                    s->answer_ = by->answer(s->request_);
                } catch (...) {
                    s->handler_failed(std::current_exception());
                }
            } else {
                co_await answer_by_coroutine(s, by);
                if (s->late_ == phase::handler)
                    co_await boost::asio::this_coro::reset_cancellation_state(
                        boost::asio::enable_terminal_cancellation());
            }
        }
        s->append_answer();
        if (s->answer_) co_await send_source(s);
        if (!s->body_done_ && !s->closing_) {
            const bool fine = co_await discard_body(s);
            if (!fine) break;
        }
        s->end_request();
        if (s->out_.size() < most_out) continue;
        auto sent = co_await flush(s);
        if (!sent) co_return;
    }
    auto sent = co_await flush(s);
    if (!sent) s->next_.reset();
}

/// Says that the house is full, when the client has begun to ask or a moment later.
PORTUNUS_DECL awaitable<void> session::turn_away(pointer s) {
    server_state::bump(s->server_->counts.turned_away);
    s->watch(phase::head, farewell);
    auto asked = co_await s->stream_.read_some(s->room());
    (void)asked; // whatever it is, it gets the same answer
    s->watch(phase::none, {});
    response answer(status::service_unavailable);
    answer.add(field::retry_after, std::to_string(s->server_->options.retry_after.count()));
    answer_form form;
    form.keep_alive = false;
    s->write_head(answer, form);
    const auto size = s->out_.size();
    // Nearly always it fits; who does not take it is not waited for.
    const auto sent = s->stream_.try_write_some(boost::asio::buffer(s->out_));
    if (!sent || *sent != size) co_return s->stream_.abort();
    auto closed = co_await s->stream_.close(farewell);
    (void)closed;
}

/// The connection's own coroutine runs in one that can be cancelled by the server alone, so that a handler
/// that takes too long can be, and the connection goes on to say so.
PORTUNUS_DECL awaitable<void> session::serve(pointer s, [[maybe_unused]] seat place) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    if (!place.taken()) {
        co_await turn_away(std::move(s));
        co_return;
    }
    auto outer = co_await boost::asio::this_coro::cancellation_state;
    if (outer.slot().is_connected())
        outer.slot().assign([s](boost::asio::cancellation_type type) { s->cancel_.emit(type); });
    const auto executor = s->stream_.get_executor();
    co_await boost::asio::co_spawn(
        executor, run(s), boost::asio::bind_cancellation_slot(s->cancel_.slot(), boost::asio::use_awaitable));
    if (!s->next_) co_return;
    const auto next = std::move(s->next_);
    auto stream = s->hand_over();
    outer.slot().clear();
    s.reset(); // what comes may last for long, and needs none of it
    auto rest = static_cast<takeover&>(*next).run(std::move(stream));
    co_await std::move(rest);
}

/// The connection with what was read of it and not used.
PORTUNUS_DECL any_stream session::hand_over() {
    watch(phase::none, {});
    stream_.prepend(std::string(unread()));
    return std::move(stream_);
}

} // namespace portunus::http::detail

#endif
