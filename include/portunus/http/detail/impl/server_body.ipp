// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_DETAIL_IMPL_SERVER_BODY_IPP
#define PORTUNUS_HTTP_DETAIL_IMPL_SERVER_BODY_IPP

#include <portunus/http/detail/server_body.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/http/streaming.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

namespace portunus::http::detail {

// what comes

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

// what goes

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

} // namespace portunus::http::detail

#endif
