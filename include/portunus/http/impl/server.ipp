// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_SERVER_IPP
#define PORTUNUS_HTTP_IMPL_SERVER_IPP

#include <portunus/http/server.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/http/streaming.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace portunus::http {
namespace detail {

/// "Sun, 06 Nov 1994 08:49:37 GMT", of this second. Valid until the thread asks again.
PORTUNUS_DECL std::string_view date_now() {
    thread_local std::time_t of = 0;
    thread_local char text[40] = {};
    const std::time_t now = std::time(nullptr);
    if (now != of) {
        std::tm t{};
        ::gmtime_r(&now, &t);
        static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[t.tm_wday % 7],
                      t.tm_mday, months[t.tm_mon % 12], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
        of = now;
    }
    return {text, 29};
}

PORTUNUS_DECL listener_options server_state::door() {
    listener_options asked = options.door;
    if (options.full != when_full::refuse_503) return asked;
    if (asked.house)
        throw failure(error(errc::invalid_option,
                            "full: refuse_503 needs places of its own, and the door shares a house"));
    if (options.refusals == 0) throw failure(error(errc::invalid_option, "refusals: 0 with refuse_503"));
    seats = asked.limits.max_connections;
    asked.limits.max_connections += options.refusals;
    return asked;
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

/// Writes the body of an answer that is made while it is sent. What goes wrong then can only be told by the
/// end of the connection: the client misses the last chunk, or some of the bytes that it was promised.
PORTUNUS_DECL awaitable<void> session::send_source(pointer s) {
    auto& from = static_cast<stream_source&>(*s->answer_->source());
    const bool chunked = !s->answer_->source_length() && s->head().version() == http_version::v1_1;
    body_writer to(*s, chunked, s->answer_->source_length());
    bool whole = false;
    s->working(true);
    try {
        co_await from.write(to);
        whole = true;
    } catch (...) {
        s->handler_failed(std::current_exception());
    }
    s->working(false);
    s->answer_.reset();
    if (whole && to.complete() && s->late_ != phase::gone) {
        if (chunked) s->out_.append("0\r\n\r\n");
        co_return;
    }
    s->closing_ = true;
    s->out_.clear();
    s->stream_.abort();
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

PORTUNUS_DECL void session::fail_body(http::status answer) noexcept {
    if (body_failure_ != status::ok) return;
    body_failure_ = answer;
    if (answer == status::payload_too_large) server_state::bump(server_->counts.too_large);
    if (answer == status::request_timeout) server_state::bump(server_->counts.body_timeouts);
}

PORTUNUS_DECL result<std::string_view> session::piece_at_hand(std::uint64_t most_of_all) {
    const auto too_large = [&](std::uint64_t size) -> error {
        fail_body(status::payload_too_large);
        closing_ = true;
        return error(errc::frame_too_large, "a body of " + std::to_string(size) + " bytes or more exceeds " +
                                                std::to_string(most_of_all));
    };
    const bool from_in = begin_ != end_;
    char* const base = from_in ? in_.data() : more_.data();
    std::size_t& from = from_in ? begin_ : more_begin_;
    const std::size_t to = from_in ? end_ : more_end_;
    if (!head().chunked()) {
        if (body_left_ > most_of_all) return too_large(body_left_);
        const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, to - from));
        const std::string_view piece(base + from, n);
        from += n;
        body_left_ -= n;
        body_done_ = body_left_ == 0;
        return piece;
    }
    const chunked_step step = chunks_.next({base + from, to - from});
    from += step.consumed;
    if (chunks_.decoded() + chunks_.announced() > most_of_all)
        return too_large(chunks_.decoded() + chunks_.announced());
    switch (step.what) {
    case chunked_step::kind::data:
        return step.data;
    case chunked_step::kind::end:
        body_done_ = true;
        return std::string_view();
    case chunked_step::kind::refused:
        closing_ = true;
        server_state::bump(server_->counts.refused[static_cast<std::size_t>(chunks_.why().kind)]);
        fail_body(chunks_.why().answer());
        body_complaint_ = chunks_.why().detail() + "\n";
        return chunks_.why().to_error();
    case chunked_step::kind::more:
        break;
    }
    return std::string_view();
}

/// Completes with some bytes of the body, as they come; empty at its end.
PORTUNUS_DECL awaitable<result<std::string_view>> session::next_piece(pointer s, std::uint64_t most_of_all) {
    for (;;) {
        if (s->body_done_) co_return std::string_view();
        auto piece = s->piece_at_hand(most_of_all);
        if (!piece || s->body_done_) s->body_is_over();
        if (!piece || !piece->empty() || s->body_done_) co_return piece;
        if (s->head().expect_continue() && !s->asked_to_continue_)
            s->out_.append("HTTP/1.1 100 Continue\r\n\r\n");
        s->asked_to_continue_ = true;
        auto sent = co_await flush(s); // answers to earlier requests, or the permission to go on
        if (!sent) co_return sent.error();
        // A body that is streamed may be long; each part of it has its time.
        const bool moved = s->body_use_ == body_use::pieces && s->since_watch_ >= body_part;
        if (s->late_ != phase::body && (s->phase_ != phase::body || moved)) {
            s->watch(phase::body, s->server_->options.body_limit);
            s->since_watch_ = 0;
        }
        if (s->more_.empty()) s->more_.resize(body_room);
        std::size_t room = s->more_.size();
        if (!s->head().chunked())
            room = static_cast<std::size_t>(std::min<std::uint64_t>(room, s->body_left_));
        result<std::size_t> n = errc::canceled;
        s->reading_body_ = true;
        if (s->late_ != phase::body)
            n = co_await s->stream_.read_some(boost::asio::buffer(s->more_.data(), room));
        s->reading_body_ = false;
        if (!n) {
            s->closing_ = true;
            s->body_is_over();
            if (s->late_ != phase::body) co_return n.error();
            s->fail_body(status::request_timeout);
            co_return error(errc::read_timeout, "the body was not complete within its limit");
        }
        s->since_watch_ += *n;
        s->more_begin_ = 0;
        s->more_end_ = *n;
    }
}

PORTUNUS_DECL awaitable<result<std::string_view>> session::collect_body(pointer s) {
    const std::size_t most = s->server_->options.max_body;
    if (s->body_use_ == body_use::pieces)
        co_return error(errc::operation_in_progress, "the body is being read in pieces");
    if (s->body_use_ == body_use::whole) co_return s->whole_body_;
    s->body_use_ = body_use::whole;
    const bool in_one = !s->head().chunked() && s->body_left_ <= s->end_ - s->begin_;
    s->collected_.clear();
    while (!s->body_done_) {
        auto piece = co_await next_piece(s, most);
        if (!piece) co_return piece.error();
        if (in_one)
            s->whole_body_ = *piece;
        else
            s->collected_.append(*piece);
    }
    if (!in_one) s->whole_body_ = s->collected_;
    co_return s->whole_body_;
}

PORTUNUS_DECL awaitable<result<std::string_view>> session::body() {
    // The session lives as long as its coroutine, and that awaits this one.
    return collect_body(pointer(pointer(), this));
}

PORTUNUS_DECL awaitable<result<void>> session::write_body(body_writer& w, std::string_view bytes) {
    return put_body(pointer(pointer(), this), w, bytes);
}
PORTUNUS_DECL awaitable<result<void>> session::flush_body() {
    return flush(pointer(pointer(), this));
}

PORTUNUS_DECL awaitable<result<std::string_view>> session::read_body() {
    if (body_use_ == body_use::untouched) body_use_ = body_use::pieces;
    return next_piece(pointer(pointer(), this), server_->options.max_streamed_body);
}

/// Reads and drops what is left of a body. False: the connection is of no more use.
PORTUNUS_DECL awaitable<bool> session::discard_body(pointer s) {
    while (!s->body_done_) {
        auto piece = co_await next_piece(s, most_discarded);
        if (!piece) co_return false;
    }
    co_return true;
}

PORTUNUS_DECL awaitable<result<void>> session::put_body(pointer s, body_writer& w, std::string_view bytes) {
    if (w.failed_) co_return error(errc::closed_locally, "an earlier write of this body has failed");
    if (bytes.empty()) co_return result<void>(); // an empty chunk would be the last one
    if (w.left_) {
        if (bytes.size() > *w.left_) {
            w.failed_ = true;
            co_return error(errc::invalid_option, "the body is longer than its length said, by " +
                                                      std::to_string(bytes.size() - *w.left_) + " bytes");
        }
        *w.left_ -= bytes.size();
    }
    if (w.chunked_) {
        std::array<char, 18> size;
        auto end = std::to_chars(size.data(), size.data() + size.size() - 2, bytes.size(), 16).ptr;
        *end++ = '\r';
        *end++ = '\n';
        s->out_.append(size.data(), static_cast<std::size_t>(end - size.data()));
    }
    result<void> sent;
    if (bytes.size() < most_out) {
        s->out_.append(bytes);
    } else { // not worth a copy
        sent = co_await flush(s);
        if (sent) sent = co_await s->stream_.write(bytes);
    }
    if (w.chunked_) s->out_.append("\r\n");
    if (sent && s->out_.size() >= most_out) sent = co_await flush(s);
    w.failed_ = !sent;
    co_return sent;
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

} // namespace detail

PORTUNUS_DECL server_counters server::counters() const {
    const auto& n = state_->counts;
    server_counters now;
    now.requests = n.requests;
    for (std::size_t i = 0; i < now.answers.size(); ++i) now.answers[i] = n.answers[i];
    for (std::size_t i = 0; i < now.refused.size(); ++i) now.refused[i] = n.refused[i];
    now.head_timeouts = n.head_timeouts;
    now.body_timeouts = n.body_timeouts;
    now.handler_timeouts = n.handler_timeouts;
    now.handler_failures = n.handler_failures;
    now.too_large = n.too_large;
    now.client_gone = n.client_gone;
    now.turned_away = n.turned_away;
    now.handshake_failures = n.handshake_failures;
    return now;
}

namespace detail {
PORTUNUS_DECL server open_server(runtime& rt, std::shared_ptr<server_state> state) {
    auto door = rt.listen(state->door(), [state](tcp_stream peer) {
        return detail::session::serve(std::make_shared<detail::session>(any_stream(std::move(peer)), state),
                                      seat(state));
    });
    return server(std::move(door), std::move(state));
}
} // namespace detail

PORTUNUS_DECL server serve(runtime& rt, server_options options, handler answer) {
    return detail::open_server(
        rt, std::make_shared<detail::server_state>(std::move(options), std::move(answer), router<handler>()));
}
PORTUNUS_DECL server serve(runtime& rt, server_options options, router<handler> routes) {
    return detail::open_server(
        rt, std::make_shared<detail::server_state>(std::move(options), std::nullopt, std::move(routes)));
}

} // namespace portunus::http

#endif
