// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_CLIENT_EXCHANGE_IPP
#define PORTUNUS_HTTP_IMPL_CLIENT_EXCHANGE_IPP

#include <portunus/http/impl/client_exchange.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/http/detail/characters.hpp>

#include <algorithm>
#include <charconv>
#include <exception>

namespace portunus::http::detail {

using portunus::detail::stop_asked;

PORTUNUS_DECL exchange_state::exchange_state(std::shared_ptr<client_state> of, client_request r,
                                             bool collects)
    : client_answer(std::move(of), std::move(r), collects),
      limit_(client_->time, this, [](void* self) { static_cast<exchange_state*>(self)->expired(); }),
      total_(client_->time, this, [](void* self) { static_cast<exchange_state*>(self)->out_of_time(); }) {
    url_ = request_.url_;
    method_ = request_.method_;
    has_body_ = request_.has_body_;
}

PORTUNUS_DECL exchange_state::~exchange_state() = default;

// the end, and limits in time

PORTUNUS_DECL void exchange_state::wake() {
    changed_.notify();
    if (connection_) connection_->stream.cancel();
}

PORTUNUS_DECL void exchange_state::fail(error why) {
    if (over_) return;
    if (!cause_) cause_ = std::move(why);
    if (busy_)
        wake();
    else
        finish();
}

PORTUNUS_DECL void exchange_state::drop() {
    if (over_) return;
    if (!busy_ && !cause_ && has_head_ && !done_) { // perhaps the rest is here already
        std::size_t dropped = 0;
        for (;;) {
            const auto piece = at_hand();
            if (!piece || done_ || (dropped += piece->size()) > most_discarded) break;
            if (!piece->empty()) continue;
            const auto n = connection_->stream.try_read_some(connection_->room());
            if (!n) break;
            connection_->end += *n;
        }
    }
    if (busy_)
        fail(error(errc::canceled));
    else
        finish();
}

PORTUNUS_DECL void exchange_state::finish() {
    if (over_) return;
    over_ = true;
    limit_.disarm();
    total_.disarm();
    unlink();
    client_->leave_line(*this);
    if (dialing_) dialing_->cancel();
    client_->give_back(*this, keeps());
}

PORTUNUS_DECL void exchange_state::enter(phase what, steady_clock::duration limit) {
    phase_ = what;
    if (limit > steady_clock::duration::zero())
        limit_.arm(limit);
    else
        limit_.disarm();
}

PORTUNUS_DECL std::string_view exchange_state::doing() const noexcept {
    switch (phase_) {
    case phase::place:
        return "waiting for a free connection";
    case phase::connect:
        return "connecting";
    case phase::send:
    case phase::patience:
        return "sending the request";
    case phase::head:
        return "waiting for the answer";
    case phase::body:
        return "reading the body";
    case phase::none:
        break;
    }
    return "working on the request";
}

PORTUNUS_DECL void exchange_state::expired() {
    const auto& o = client_->options;
    const auto within = [](steady_clock::duration d) {
        return " within " + std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(d).count()) +
               " ms";
    };
    switch (phase_) {
    case phase::patience:
        impatient_ = true;
        if (connection_) connection_->stream.cancel_read();
        return;
    case phase::place:
        return fail(error(errc::connect_timeout, "no connection became free" + within(o.place_limit)));
    case phase::head:
        return fail(error(errc::read_timeout, "the head of the answer did not come" + within(o.head_limit)));
    case phase::body:
        return fail(error(errc::read_timeout, collects_ ? "the body was not complete" + within(o.body_limit)
                                                        : std::to_string(body_part) +
                                                              " bytes of the body did not come" +
                                                              within(o.body_limit)));
    default:
        return;
    }
}

PORTUNUS_DECL void exchange_state::out_of_time() {
    const auto limit = request_.total_limit_.value_or(client_->options.total_limit);
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
    fail(
        error(phase_ == phase::connect || phase_ == phase::place ? errc::connect_timeout : errc::read_timeout,
              "all of it took longer than " + std::to_string(ms) + " ms"));
}

PORTUNUS_DECL error exchange_state::failed(const error& why) {
    const error real = cause_ ? *cause_ : why;
    const std::string_view what = doing();
    const bool bare = real == errc::canceled && real.detail().empty();
    cause_ = real;
    reusable_ = false;
    finish();
    if (bare) return real;
    std::string text(real.detail().empty() ? "while " : "(while ");
    text.append(what).append(", ").append(text_of(method_));
    if (!key_.empty()) text.append(" at ").append(key_);
    if (!real.detail().empty()) text += ")";
    return real.with(text);
}

PORTUNUS_DECL result<void> exchange_state::begin() {
    if (client_->closed) return error(errc::canceled);
    client_->running.push_back(*this);
    if (method_ == verb::unknown || method_ == verb::connect)
        return error(errc::invalid_option, "a client does not ask with this method");
    auto read = read_url();
    if (!read) return read;
    first_key_ = key_;
    const auto limit = request_.total_limit_.value_or(client_->options.total_limit);
    if (limit > steady_clock::duration::zero()) total_.arm(limit);
    return {};
}

// one attempt

PORTUNUS_DECL awaitable<result<void>> exchange_state::run(pointer x) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    x->busy_ = true;
    struct mark { // also when something is thrown, or the frame is destroyed
        exchange_state& x;
        bool fine = false;
        ~mark() {
            x.busy_ = false;
            if (fine || x.over_) return;
            if (!x.cause_) x.cause_ = error(errc::canceled);
            x.reusable_ = false;
            x.finish();
        }
    } running{*x};
    auto first = x->begin();
    if (!first) co_return x->failed(first.error());
    for (;;) {
        auto done = co_await attempt(x);
        if (!done) {
            if (x->repeats(done.error())) continue;
            co_return x->failed(done.error());
        }
        auto again = x->judge(x->head());
        if (!again) co_return x->failed(again.error());
        if (!*again) break;
        const bool kept = co_await discard(x);
        if (!kept) x->reusable_ = false;
        if (x->cause_) co_return x->failed(*x->cause_);
        x->client_->give_back(*x, x->keeps());
        auto read = x->read_url();
        if (!read) co_return x->failed(read.error());
    }
    if (!x->collects_) x->total_.disarm();
    x->leave();
    running.fine = true;
    co_return result<void>();
}

PORTUNUS_DECL awaitable<result<void>> exchange_state::attempt(pointer x) {
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    x->has_head_ = x->any_byte_ = x->all_sent_ = x->may_send_ = x->impatient_ = false;
    x->answered_ = false;
    x->reusable_ = x->done_ = true;
    x->interim_ = 0;
    x->sent_ = x->received_ = x->decoded_ = 0;
    x->enter(phase::place, x->client_->options.place_limit);
    auto place = x->client_->join_line(*x);
    if (!place) co_return place.error();
    while (!*place && !x->granted_ && !x->cause_ && !stop_asked(asked)) co_await x->changed_.wait_op();
    if (x->cause_) co_return *x->cause_;
    if (stop_asked(asked)) co_return errc::canceled;
    if (!x->connection_) {
        auto connected = co_await connect(x);
        if (!connected) co_return connected;
    }
    ++x->client_->counts.requests;
    if (x->connection_->served++ != 0) ++x->client_->counts.reused;
    auto sent = co_await send_request(x);
    if (x->cause_) co_return *x->cause_;
    if (!sent) {
        // A server that wants no more of a body may have said so before it closed.
        x->reusable_ = false;
        if (!x->listens_after(sent.error())) co_return sent;
    }
    x->enter(phase::head, x->client_->options.head_limit);
    auto read = co_await read_head(x);
    if (!read && !sent && !x->cause_) co_return sent;
    co_return read;
}

PORTUNUS_DECL bool exchange_state::listens_after(const error& failed_write) const noexcept {
    return answered_ || (connection_->stream.is_open() && failed_write != errc::canceled &&
                         failed_write != errc::torn_write && failed_write != errc::invalid_option &&
                         !(failed_write == condition::timeout));
}

PORTUNUS_DECL awaitable<result<void>> exchange_state::connect(pointer x) {
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    x->enter(phase::connect, {}); // the dialer has its own limits
    x->dialed_.reset();
    x->dialing_.emplace(x->client_->executor);
    x->dialing_->spawn(dial(x));
    while (!x->dialed_ && !x->cause_ && !stop_asked(asked)) co_await x->changed_.wait_op();
    if (x->cause_) co_return *x->cause_;
    if (!x->dialed_) co_return errc::canceled;
    result<any_stream> stream = std::move(*x->dialed_);
    x->dialed_.reset();
    if (!stream) co_return stream.error();
    stream->set_idle_limit({}); // each phase has its own
    x->connection_ = std::make_unique<client_connection>(std::move(*stream), x->client_->options.head);
    ++x->client_->counts.connections;
    co_return result<void>();
}

/// A task of its own, so that it can be cancelled when nobody waits for it any more.
PORTUNUS_DECL awaitable<void> exchange_state::dial(pointer x) {
    const dial_target target = x->where_;
    result<any_stream> stream = errc::canceled;
    try {
        const auto& o = x->client_->options;
        auto dialing = target.secure ? o.dial_secure(target) : o.dial(target);
        stream = co_await std::move(dialing);
    } catch (const std::exception& e) {
        stream = error(errc::not_connected, e.what());
    }
    if (x->over_) co_return;
    x->dialed_.emplace(std::move(stream));
    x->changed_.notify();
}

PORTUNUS_DECL awaitable<result<void>> exchange_state::write(pointer x, std::string_view bytes) {
    auto sent = co_await x->connection_->stream.write(bytes);
    if (x->cause_) co_return *x->cause_;
    co_return sent;
}

PORTUNUS_DECL awaitable<result<void>> exchange_state::send_request(pointer x) {
    x->enter(phase::send, {}); // the stream has its limit for writing
    auto composed = x->compose();
    if (!composed) co_return composed;
    const bool waits = x->expects();
    const std::string& body = x->request_.body_;
    const bool in_one = x->has_body_ && !x->request_.write_ && !waits && body.size() <= most_inline;
    if (in_one) x->connection_->out.append(body);
    auto sent = co_await write(x, x->connection_->out);
    if (!sent) co_return sent;
    if (in_one) {
        x->sent_ = body.size();
        if (!x->report()) co_return *x->cause_;
    }
    if (waits) {
        auto wanted = co_await wait_for_permission(x);
        if (!wanted) co_return wanted.error();
        if (!*wanted) {
            x->reusable_ = false; // the body that was announced will not come
            co_return result<void>();
        }
        x->enter(phase::send, {});
    }
    if (x->has_body_ && !in_one) {
        auto body_sent = co_await send_body(x);
        if (!body_sent) co_return body_sent;
    }
    x->all_sent_ = true;
    co_return result<void>();
}

PORTUNUS_DECL awaitable<result<void>> exchange_state::send_body(pointer x) {
    const bool written = x->request_.write_ != nullptr;
    upload_writer to(*x, written ? x->request_.length_ : std::nullopt);
    if (!written) {
        const std::string& body = x->request_.body_;
        for (std::size_t at = 0; at < body.size(); at += body_part) {
            auto sent = co_await put(x, to, std::string_view(body).substr(at, body_part));
            if (!sent) co_return sent;
        }
        co_return result<void>();
    }
    auto writing = x->request_.write_(to);
    co_await std::move(writing);
    if (to.failed_) co_return *to.failed_;
    if (x->cause_) co_return *x->cause_;
    if (!to.length_) {
        auto ended = co_await write(x, last_chunk);
        co_return ended;
    }
    if (to.written_ != *to.length_)
        co_return error(errc::invalid_option, "a body of " + std::to_string(*to.length_) +
                                                  " bytes was announced, and " + std::to_string(to.written_) +
                                                  " were written");
    co_return result<void>();
}

PORTUNUS_DECL awaitable<result<void>> exchange_state::put(pointer x, upload_writer& to,
                                                          std::string_view bytes) {
    if (to.failed_) co_return *to.failed_;
    if (bytes.empty()) co_return result<void>(); // an empty chunk would be the last one
    if (to.length_ && bytes.size() > *to.length_ - to.written_) {
        to.failed_ =
            error(errc::invalid_option, "the body is longer than the " + std::to_string(*to.length_) +
                                            " bytes that were announced");
        co_return *to.failed_;
    }
    auto early = x->answered_early();
    if (!early) {
        to.failed_ = early.error();
        co_return early.error();
    }
    if (*early) {
        to.failed_ = error(errc::closed_locally, "the server has answered and wants no more of the body");
        co_return *to.failed_;
    }
    const bool chunked = x->request_.write_ && !to.length_;
    std::string& out = x->connection_->out;
    result<void> sent;
    if (!chunked) {
        sent = co_await write(x, bytes);
    } else if (bytes.size() <= most_inline) {
        const chunk_head size(bytes.size());
        out.assign(size.text()).append(bytes).append(chunk_end);
        sent = co_await write(x, out);
    } else {
        out.assign(chunk_head(bytes.size()).text());
        sent = co_await write(x, out);
        if (sent) sent = co_await write(x, bytes);
        if (sent) sent = co_await write(x, chunk_end);
    }
    if (!sent) {
        to.failed_ = sent.error();
        co_return sent;
    }
    to.written_ += bytes.size();
    x->sent_ += bytes.size();
    if (!x->report()) {
        to.failed_ = *x->cause_;
        co_return *x->cause_;
    }
    co_return result<void>();
}

/// Whether the body is to be sent: permitted, or nobody has forbidden it for long enough.
PORTUNUS_DECL awaitable<result<bool>> exchange_state::wait_for_permission(pointer x) {
    x->enter(phase::patience, x->client_->options.continue_limit);
    for (;;) {
        auto come = x->listen();
        if (!come) co_return come.error();
        if (*come == heard::answer) co_return false;
        if (x->may_send_ || x->impatient_) co_return true;
        if (*come == heard::interim) continue;
        auto n = co_await read_more(x);
        if (!n && !(x->impatient_ && n.error() == errc::canceled)) co_return n.error();
    }
}

PORTUNUS_DECL result<bool> exchange_state::answered_early() {
    for (;;) {
        auto come = listen();
        if (!come) return come.error();
        if (*come == heard::answer) return answered_ = true;
        if (*come == heard::interim) continue;
        const auto n = connection_->stream.try_read_some(connection_->room());
        if (!n) return false; // what is wrong the writing will meet as well
        any_byte_ = true;
        connection_->end += *n;
    }
}

PORTUNUS_DECL awaitable<result<std::size_t>> exchange_state::read_more(pointer x) {
    if (x->cause_) co_return *x->cause_;
    if (x->impatient_ && x->phase_ == phase::patience) co_return errc::canceled;
    auto n = co_await x->connection_->stream.read_some(x->connection_->room());
    if (x->cause_) co_return *x->cause_;
    if (n) {
        x->any_byte_ = true;
        x->connection_->end += *n;
    }
    co_return n;
}

PORTUNUS_DECL awaitable<result<void>> exchange_state::read_head(pointer x) {
    for (;;) {
        auto come = x->listen();
        if (!come) co_return come.error();
        if (*come == heard::answer) break;
        if (*come == heard::interim) continue;
        auto n = co_await read_more(x);
        if (n) continue;
        if (n.error() != errc::end_of_stream) co_return n.error();
        if (!x->any_byte_) co_return error(errc::end_of_stream, "the server closed without an answer");
        co_return error(errc::partial_frame, "the head of the answer ended after " +
                                                 std::to_string(x->connection_->unread().size()) + " bytes");
    }
    if (!x->all_sent_) x->reusable_ = false; // the rest of our body would be taken for the next request
    x->begin_body();
    co_return result<void>();
}

PORTUNUS_DECL bool exchange_state::repeats(const error& why) {
    const bool ended = !(why == errc::canceled) && !(why == condition::timeout) &&
                       !(why == errc::invalid_option) && !(why == condition::malformed);
    if (cause_ || !connection_ || connection_->served < 2 || any_byte_ || repeated_ || !ended) return false;
    const auto served = connection_->served - 1;
    reusable_ = false;
    ++client_->counts.stale;
    if (!is_idempotent(method_)) {
        cause_ = why.with("(the connection had served " + std::to_string(served) +
                          " requests before and broke before any byte of an answer; " +
                          std::string(text_of(method_)) + " is not repeated by itself)");
        return false;
    }
    repeated_ = fresh_ = true;
    ++client_->counts.repeated;
    client_->give_back(*this, false);
    return true;
}

// the body

PORTUNUS_DECL awaitable<result<std::string_view>> exchange_state::raw_piece(pointer x) {
    for (;;) {
        auto piece = x->at_hand();
        if (!piece || !piece->empty() || x->done_) co_return piece;
        client_connection& c = *x->connection_;
        const bool long_one = x->body_ != body_end::length || x->left_ > client_connection::first_room;
        if (long_one && c.begin == c.end && c.in.size() < client_connection::body_room)
            c.in.resize(client_connection::body_room);
        if (!x->collects_ && x->part_ >= body_part) {
            x->part_ = 0;
            x->waited_ = {};
        }
        const auto limit = x->client_->options.body_limit;
        const auto began = x->client_->time.now();
        if (limit > steady_clock::duration::zero())
            x->enter(phase::body, std::max(limit - x->waited_, steady_clock::duration(1)));
        else
            x->enter(phase::body, {});
        auto n = co_await read_more(x);
        x->waited_ += x->client_->time.now() - began;
        x->limit_.disarm();
        if (n) continue;
        if (n.error() != errc::end_of_stream || x->cause_) co_return n.error();
        if (x->body_ != body_end::close) co_return x->truncated();
        x->done_ = true;
        co_return std::string_view();
    }
}

PORTUNUS_DECL awaitable<result<std::string_view>> exchange_state::read_piece(pointer x) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    if (x->over_) {
        if (x->cause_) co_return *x->cause_;
        co_return std::string_view();
    }
    x->busy_ = true;
    struct mark {
        exchange_state& x;
        ~mark() { x.busy_ = false; }
    } running{*x};
    x->phase_ = phase::body;
    for (;;) {
        if (x->cause_) co_return x->failed(*x->cause_);
        if (portunus::detail::stop_asked(asked)) co_return x->failed(errc::canceled);
        if (x->decoder_ && (!x->coded_.empty() || x->plain_was_full_)) {
            if (x->plain_.empty()) x->plain_.resize(16 * 1024);
            const auto step = x->decoder_->next(x->coded_, x->plain_);
            if (!step) co_return x->failed(step.error());
            x->coded_.remove_prefix(step->consumed);
            x->plain_was_full_ = step->produced == x->plain_.size();
            x->decoded_ += step->produced;
            if (x->decoded_ > x->most()) co_return x->failed(x->too_large(x->decoded_));
            if (step->produced != 0) co_return std::string_view(x->plain_.data(), step->produced);
            if (step->consumed == 0 && !x->coded_.empty())
                co_return x->failed(error(errc::malformed_frame, "the coding of the body makes no progress"));
            continue;
        }
        auto piece = co_await raw_piece(x);
        if (!piece) co_return x->failed(piece.error());
        if (!x->decoder_) {
            if (piece->empty()) x->finish();
            co_return piece;
        }
        x->coded_ = *piece;
        if (!piece->empty()) continue;
        const auto ended = x->decoder_->finish();
        if (!ended) co_return x->failed(ended.error());
        x->finish();
        co_return piece;
    }
}

/// Reads and drops what is left of a body. False: the connection is of no more use.
PORTUNUS_DECL awaitable<bool> exchange_state::discard(pointer x) {
    if (x->body_ == body_end::close || x->left_ > most_discarded) co_return false;
    x->enter(phase::patience, discard_limit);
    std::size_t dropped = 0;
    while (!x->done_) {
        const auto piece = x->at_hand();
        if (!piece || (dropped += piece->size()) > most_discarded) co_return false;
        if (x->done_ || !piece->empty()) continue;
        auto n = co_await read_more(x);
        if (!n) co_return false;
    }
    co_return true;
}

PORTUNUS_DECL awaitable<result<client_response>> exchange_state::send(pointer x) {
    auto begun = co_await run(x);
    if (!begun) co_return begun.error();
    std::string body;
    if (x->body_ == body_end::length && x->left_ <= x->most())
        body.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(x->left_, 1024 * 1024)));
    for (;;) {
        auto piece = co_await read_piece(x);
        if (!piece) co_return piece.error();
        if (piece->empty()) break;
        body.append(*piece);
    }
    client_response answer(std::move(x->head_), std::move(body), std::move(x->url_), x->redirects_);
    co_return answer;
}

PORTUNUS_DECL awaitable<result<std::string_view>> exchange_state::read_for_user(pointer x) {
    if (!x) co_return error(errc::not_connected);
    if (x->busy_) co_return error(errc::operation_in_progress, "another coroutine already reads this body");
    auto piece = co_await read_piece(std::move(x));
    co_return piece;
}

PORTUNUS_DECL awaitable<result<std::string>> exchange_state::collect(pointer x) {
    std::string body;
    for (;;) {
        auto piece = co_await read_for_user(x);
        if (!piece) co_return piece.error();
        if (piece->empty()) co_return body;
        const std::uint64_t most_kept = x->request_.max_body_.value_or(x->client_->options.max_body);
        if (body.size() + piece->size() > most_kept) {
            x->fail(error(errc::frame_too_large,
                          "a body of more than " + std::to_string(most_kept) + " bytes is not collected"));
            co_return *x->cause_;
        }
        body.append(*piece);
    }
}

PORTUNUS_DECL any_stream exchange_state::take_stream() {
    any_stream stream;
    if (over_ || busy_ || !has_head_ || head().status_code() != 101) return stream;
    stream = std::move(connection_->stream);
    if (!connection_->unread().empty()) stream.prepend(std::string(connection_->unread()));
    finish();
    return stream;
}

} // namespace portunus::http::detail

#endif
