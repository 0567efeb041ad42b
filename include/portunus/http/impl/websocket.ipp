// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_WEBSOCKET_IPP
#define PORTUNUS_HTTP_IMPL_WEBSOCKET_IPP

#include <portunus/http/impl/websocket.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <system_error>

#include <sys/random.h>

namespace portunus::http {
namespace detail {

/// How many bytes of pongs may wait for a peer that pings and reads nothing, before we read nothing either.
inline constexpr std::size_t most_pong_bytes = 65536;

/// A flag that holds for the life of an operation; who waits for the operation to end is told.
class websocket_state::mark {
  public:
    mark(websocket_state& s, bool& busy) noexcept : state_(s), busy_(busy) { busy_ = true; }
    mark(const mark&) = delete;
    mark& operator=(const mark&) = delete;
    ~mark() {
        busy_ = false;
        state_.changed.notify();
    }

  private:
    websocket_state& state_;
    bool& busy_;
};

PORTUNUS_DECL websocket_state::websocket_state(any_stream s, websocket_role role, const websocket_options& o,
                                               std::string protocol, std::shared_ptr<websocket_compression> c)
    : stream(std::move(s)), executor(stream.get_executor()), options(o), subprotocol(std::move(protocol)),
      compression(std::move(c)), changed(executor), decoder(role, o.max_message),
      alive(deadline_service::of(executor), this,
            [](void* self) { static_cast<websocket_state*>(self)->on_quiet(); }),
      stalled(deadline_service::of(executor), this,
              [](void* self) { static_cast<websocket_state*>(self)->on_stall(); }),
      closing_limit(deadline_service::of(executor), this,
                    [](void* self) {
                        auto& late = *static_cast<websocket_state*>(self);
                        late.close_late = true;
                        late.changed.notify();
                    }),
      is_client(role == websocket_role::client) {
    if (compression) decoder.allow_compressed();
    if (options.ping_interval > steady_clock::duration::zero()) alive.arm(options.ping_interval);
}

// the end

PORTUNUS_DECL void websocket_state::end(error why) {
    if (ended) return;
    ended = std::move(why);
    alive.disarm();
    changed.notify();
}

PORTUNUS_DECL void websocket_state::break_off(error why, close_reason reason) noexcept {
    input_over = output_over = true;
    stalled.disarm();
    if (peer_code == websocket_code::none) peer_code = websocket_code::abnormal;
    stream.record_failure(why);
    end(std::move(why));
    stream.abort(reason);
    changed.notify();
}

PORTUNUS_DECL void websocket_state::abort() noexcept {
    const pointer self(this);
    break_off(errc::aborted_locally, close_reason::aborted_locally);
}

PORTUNUS_DECL void websocket_state::drop() noexcept {
    const pointer self(this);
    dropped = true;
    if (managed) { // whoever manages it goes on
        end(errc::canceled);
        if (receiving) stream.cancel_read();
        changed.notify();
        return;
    }
    if (!close_sent && !output_over) {
        try {
            append_our_close(websocket_code::going_away, {});
            if (!sending) (void)send_now();
        } catch (const std::bad_alloc&) { // then without a word
        }
    }
    input_over = output_over = true;
    stalled.disarm();
    closing_limit.disarm();
    end(errc::canceled);
    const any_stream gone(std::move(stream));
    changed.notify();
}

// output

/// Masks are not to be guessed by whoever chooses the payload (RFC 6455 5.3), so they come from the system;
/// 64 at a time.
PORTUNUS_DECL const websocket_mask* websocket_state::next_mask() {
    if (!is_client) return nullptr;
    if (masks_left == 0) {
        // Up to 256 bytes are never cut short.
        while (::getrandom(masks.data(), sizeof masks, 0) < 0)
            if (errno != EINTR) throw std::system_error(errno, std::system_category(), "getrandom");
        masks_left = masks.size();
    }
    return &masks[--masks_left];
}

PORTUNUS_DECL error websocket_state::check_writable(websocket_opcode what, std::string_view payload) const {
    if (ended) return *ended;
    if (output_over || close_sent) return errc::closed_locally;
    if (what == websocket_opcode::text && !is_utf8(payload))
        return error(errc::unencodable_payload, "the text is not UTF-8");
    return error();
}

PORTUNUS_DECL void websocket_state::append(websocket_opcode what, std::string_view payload) {
    const std::size_t before = out.size();
    const bool data = what == websocket_opcode::text || what == websocket_opcode::binary;
    const bool may_compress = data && compression && !compression_lost;
    compression_lost = compression_lost || may_compress; // until the message stands in `out`
    if (may_compress && compression->compress(payload, deflated)) {
        append_frame(out, what, deflated, next_mask(), true, true);
        if (deflated.capacity() > most_idle_websocket_room) std::string().swap(deflated);
    } else {
        append_frame(out, what, payload, next_mask());
    }
    if (may_compress) compression_lost = false;
    appended += out.size() - before;
}

PORTUNUS_DECL void websocket_state::append_our_close(websocket_code code, std::string_view reason) {
    if (close_sent || output_over) return;
    const std::size_t before = out.size();
    append_close(out, code, reason, next_mask());
    appended += out.size() - before;
    close_sent = true;
}

/// As much as the stream below takes now; false when it failed.
PORTUNUS_DECL bool websocket_state::send_now() {
    while (unsent() != 0) {
        auto n = stream.try_write_some(boost::asio::buffer(out.data() + out_begin, unsent()));
        if (!n) {
            if (n.error() == errc::would_block) return true;
            output_failed(n.error());
            return false;
        }
        out_begin += *n;
        sent += *n;
        if (stalled.armed()) stalled.arm(options.write_limit);
    }
    out_begin = 0;
    pong_bytes = 0;
    if (out.capacity() > most_idle_websocket_room)
        std::string().swap(out);
    else
        out.clear();
    return true;
}

PORTUNUS_DECL void websocket_state::output_failed(error why) {
    output_over = true;
    stalled.disarm();
    // What the peer has said before may tell more, so reading goes on to its own end; but nobody may be there
    // to read.
    if (peer_code == websocket_code::none) peer_code = websocket_code::abnormal;
    end(std::move(why));
    changed.notify();
}

PORTUNUS_DECL void websocket_state::push_output() {
    if (sending || output_over) return;
    if (send_now() && unsent() != 0) send_in_background();
}

PORTUNUS_DECL void websocket_state::send_in_background() {
    if (sending || output_over) return;
    sending = true;
    boost::asio::co_spawn(
        executor, send_rest(pointer(this)), [self = pointer(this)](const std::exception_ptr& thrown) {
            if (thrown)
                self->output_failed(
                    boost::system::errc::make_error_code(boost::system::errc::not_enough_memory));
        });
}

/// The one coroutine that waits for the stream below to take something.
PORTUNUS_DECL awaitable<void> websocket_state::send_rest(pointer s) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    co_await boost::asio::post(s->executor, portunus::detail::use_result); // what is queued in one go
    while (!s->output_over) {
        const bool fine = s->send_now();
        if (!fine || s->unsent() == 0) break;
        if (s->out_begin > s->out.size() / 2) { // so that each byte is moved once, however little is taken
            s->out.erase(0, s->out_begin);
            s->out_begin = 0;
        }
        s->changed.notify(); // there may be room
        if (!s->stalled.armed() && s->options.write_limit > steady_clock::duration::zero())
            s->stalled.arm(s->options.write_limit);
        auto room = co_await s->stream.wait_writable();
        if (s->output_over) break;
        if (!room && room.error() != errc::canceled) s->output_failed(room.error());
    }
    s->stalled.disarm();
    s->sending = false;
    s->changed.notify();
}

PORTUNUS_DECL void websocket_state::on_stall() {
    const pointer self(this);
    break_off(error(errc::write_timeout,
                    "the peer took none of " + std::to_string(unsent()) + " bytes for the write limit"),
              close_reason::timed_out);
}

PORTUNUS_DECL awaitable<result<void>> websocket_state::write(pointer s, websocket_opcode what,
                                                             std::string_view payload) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto cancelled = co_await boost::asio::this_coro::cancellation_state;
    for (;;) {
        error no = s->check_writable(what, payload);
        if (no.code().failed()) co_return no;
        if (portunus::detail::stop_asked(cancelled)) co_return errc::canceled;
        if (s->unsent() == 0 || s->unsent() + payload.size() <= s->options.max_queued) break;
        co_await s->changed.wait_op();
    }
    s->append(what, payload);
    const std::uint64_t target = s->appended;
    s->push_output();
    if (!s->held) s->ensure_receiving(); // who only writes has to hear of the end, too
    while (s->sent < target) {
        if (s->output_over) co_return s->ended ? *s->ended : error(errc::closed_locally);
        if (s->dropped || portunus::detail::stop_asked(cancelled)) co_return errc::canceled;
        co_await s->changed.wait_op();
    }
    co_return result<void>();
}

PORTUNUS_DECL result<void> websocket_state::queue(websocket_opcode what, std::string_view payload) {
    error no = check_writable(what, payload);
    if (no.code().failed()) return no;
    const std::size_t size = payload.size() + longest_websocket_header;
    if (size > options.max_queued || unsent() > options.max_queued - size)
        return error(errc::queue_full, std::to_string(payload.size()) + " bytes beside " +
                                           std::to_string(unsent()) + " that wait exceed max_queued " +
                                           std::to_string(options.max_queued));
    append(what, payload);
    send_in_background();
    return {};
}

// input

PORTUNUS_DECL void websocket_state::take_frames() {
    while (!has_ready && !input_over) {
        const websocket_event e = decoder.next();
        if (e.what == event_kind::more) return;
        take(e);
    }
}

PORTUNUS_DECL void websocket_state::take(const websocket_event& e) {
    switch (e.what) {
    case event_kind::more:
        break;
    case event_kind::text:
    case event_kind::binary:
        if (close_sent || ended) break; // nobody wants it any more
        take_message(e);
        break;
    case event_kind::ping:
        if (close_sent || output_over) break;
        append(websocket_opcode::pong, e.payload);
        pong_bytes += e.payload.size() + longest_websocket_header;
        push_output();
        break;
    case event_kind::pong: {
        if (e.payload.size() != 8) break; // not one of ours
        std::uint64_t number = 0;
        for (const char c : e.payload) number = number << 8 | static_cast<unsigned char>(c);
        if (number > pongs && number <= pings) {
            pongs = number;
            changed.notify();
        }
        break;
    }
    case event_kind::close:
        input_over = true;
        peer_code = e.code;
        peer_text = e.payload;
        append_our_close(e.code, {});
        end(errc::end_of_stream);
        push_output();
        changed.notify();
        break;
    case event_kind::failed: {
        const errc kind = e.code == websocket_code::too_large ? errc::frame_too_large : errc::malformed_frame;
        refuse(e.code, error(kind, std::string(e.why)));
        break;
    }
    }
}

PORTUNUS_DECL void websocket_state::refuse(websocket_code code, error why) {
    input_over = true;
    append_our_close(code, {});
    stream.record_failure(why);
    end(std::move(why));
    push_output();
    changed.notify();
}

PORTUNUS_DECL void websocket_state::take_message(const websocket_event& e) {
    std::string_view data = e.payload;
    const bool text = e.what == event_kind::text;
    if (e.compressed) {
        const auto done = compression->decompress(e.payload, options.max_message, inflated);
        if (!done)
            return refuse(done.error() == errc::frame_too_large ? websocket_code::too_large
                                                                : websocket_code::bad_data,
                          done.error());
        data = {inflated.data(), inflated.size()};
        if (text && !is_utf8(data))
            return refuse(websocket_code::bad_data,
                          error(errc::malformed_frame, "a compressed text that is not UTF-8"));
    }
    has_ready = true;
    ready = {data, text};
    changed.notify();
}

PORTUNUS_DECL void websocket_state::reading_failed(const error& why) {
    input_over = true;
    if (why == errc::shutting_down) {
        append_our_close(websocket_code::going_away, {});
        end(why);
        push_output();
    } else {
        if (peer_code == websocket_code::none) peer_code = websocket_code::abnormal;
        if (why == errc::end_of_stream)
            end(error(boost::system::errc::make_error_code(boost::system::errc::connection_reset),
                      "the connection ended without a close frame"));
        else
            end(why);
    }
    changed.notify();
}

PORTUNUS_DECL void websocket_state::heard() {
    asked = false;
    if (!ended && options.ping_interval > steady_clock::duration::zero()) alive.arm(options.ping_interval);
}

PORTUNUS_DECL websocket_message websocket_state::hold() {
    has_ready = false;
    held = true;
    return ready;
}

PORTUNUS_DECL void websocket_state::let_go() {
    if (kept) {
        decoder.release();
        kept_inflated = {};
    }
    if (!has_ready && inflated.capacity() > most_idle_websocket_room) inflated = {};
    kept = held = false;
}

PORTUNUS_DECL awaitable<result<void>> websocket_state::receive(pointer s) {
    const auto cancelled = co_await boost::asio::this_coro::cancellation_state;
    const mark busy(*s, s->receiving);
    for (;;) {
        s->take_frames();
        if (s->has_ready || s->input_over) co_return result<void>();
        if (portunus::detail::stop_asked(cancelled)) co_return errc::canceled;
        if (s->pong_bytes > most_pong_bytes) {
            co_await s->changed.wait_op();
            continue;
        }
        const auto room = s->decoder.prepare();
        auto n = co_await s->stream.read_some(boost::asio::buffer(room.data(), room.size()));
        if (s->input_over) co_return result<void>();
        if (n) {
            s->decoder.commit(*n);
            s->heard();
        } else if (n.error() == errc::canceled) {
            co_return errc::canceled;
        } else {
            s->reading_failed(n.error());
        }
    }
}

PORTUNUS_DECL awaitable<void> websocket_state::receive_in_background(pointer s) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    co_await boost::asio::post(s->executor, portunus::detail::use_result);
    auto done = co_await receive(s);
    (void)done; // who waits for something looks at the state
}

PORTUNUS_DECL void websocket_state::ensure_receiving() {
    if (receiving || has_ready || input_over) return;
    if (held && !kept) {
        decoder.keep();
        kept_inflated = std::move(inflated);
        inflated = {};
        kept = true;
    }
    receiving = true;
    boost::asio::co_spawn(executor, receive_in_background(pointer(this)),
                          [self = pointer(this)](const std::exception_ptr& thrown) {
                              if (thrown)
                                  self->reading_failed(boost::system::errc::make_error_code(
                                      boost::system::errc::not_enough_memory));
                          });
}

PORTUNUS_DECL awaitable<result<websocket_message>> websocket_state::read(pointer s) {
    if (s->reading) co_return error(errc::operation_in_progress, "another coroutine already reads");
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto cancelled = co_await boost::asio::this_coro::cancellation_state;
    const mark busy(*s, s->reading);
    s->let_go();
    for (;;) {
        if (!s->receiving) s->take_frames();
        if (s->has_ready) co_return s->hold();
        if (s->ended) co_return *s->ended;
        if (s->dropped || portunus::detail::stop_asked(cancelled)) co_return errc::canceled;
        if (s->receiving) {
            co_await s->changed.wait_op();
            continue;
        }
        auto got = co_await receive(s);
        if (!got && !s->has_ready && !s->ended) co_return got.error();
    }
}

PORTUNUS_DECL result<websocket_message> websocket_state::try_read() {
    if (reading) return error(errc::operation_in_progress, "another coroutine already reads");
    let_go();
    for (;;) {
        if (!receiving) take_frames();
        if (has_ready) return hold();
        if (ended) return *ended;
        if (receiving || pong_bytes > most_pong_bytes) return errc::would_block;
        const auto room = decoder.prepare();
        auto n = stream.try_read_some(boost::asio::buffer(room.data(), room.size()));
        if (n) {
            decoder.commit(*n);
            heard();
        } else if (n.error() == errc::would_block) {
            return errc::would_block;
        } else {
            reading_failed(n.error());
        }
    }
}

// signs of life

PORTUNUS_DECL void websocket_state::on_quiet() {
    const pointer self(this);
    if (ended) return;
    if (has_ready) { // nobody takes it, so we do not listen
        asked = false;
        alive.arm(options.ping_interval);
        return;
    }
    if (asked)
        return break_off(error(errc::idle_timeout, "the peer gave no sign of life, nor answered a ping"),
                         close_reason::idle);
    asked = true;
    alive.arm(options.pong_limit);
    ensure_receiving();
    if (close_sent || output_over) return;
    append(websocket_opcode::ping, {});
    push_output();
}

PORTUNUS_DECL awaitable<result<steady_clock::duration>> websocket_state::ping(pointer s,
                                                                              steady_clock::duration limit) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto cancelled = co_await boost::asio::this_coro::cancellation_state;
    error no = s->check_writable(websocket_opcode::ping, {});
    if (no.code().failed()) co_return no;
    const std::uint64_t number = ++s->pings;
    std::array<char, 8> payload;
    for (std::size_t i = 0; i != 8; ++i)
        payload[i] = static_cast<char>(static_cast<unsigned char>(number >> (56 - 8 * i)));
    s->append(websocket_opcode::ping, {payload.data(), payload.size()});
    s->push_output();
    auto& time = deadline_service::of(s->executor);
    const auto began = time.now();
    // The frame of this coroutine may go before the event that it waits for, so nobody keeps a pointer to it.
    struct waiter : boost::intrusive_ref_counter<waiter, boost::thread_unsafe_counter> {
        waiter(deadline_service& service, pointer state)
            : of(std::move(state)), limit(service, this, [](void* self) {
                  static_cast<waiter*>(self)->late = true;
                  static_cast<waiter*>(self)->of->changed.notify();
              }) {}
        pointer of;
        deadline limit;
        bool late = false;
    };
    const boost::intrusive_ptr<waiter> w(new waiter(time, s));
    w->limit.arm(limit);
    while (s->pongs < number) {
        if (s->ended) co_return *s->ended;
        if (s->dropped || portunus::detail::stop_asked(cancelled)) co_return errc::canceled;
        if (w->late) co_return error(errc::read_timeout, "no answer to a ping within its limit");
        s->ensure_receiving();
        co_await s->changed.wait_op();
    }
    co_return time.now() - began;
}

// closing

PORTUNUS_DECL awaitable<result<void>> websocket_state::close(pointer s, websocket_code code,
                                                             std::string reason) {
    if (s->closing) co_return error(errc::operation_in_progress, "it is being closed already");
    if (!may_be_sent(code))
        co_return error(errc::invalid_option,
                        "code " + std::to_string(static_cast<unsigned>(code)) + " must not be sent");
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto cancelled = co_await boost::asio::this_coro::cancellation_state;
    const mark busy(*s, s->closing);
    s->append_our_close(code, reason);
    s->end(errc::closed_locally);
    s->push_output();
    s->has_ready = false;
    auto& time = deadline_service::of(s->executor);
    const auto until = time.now() + s->options.close_limit;
    s->close_late = false;
    s->closing_limit.arm(s->options.close_limit);
    while (!s->close_late && !portunus::detail::stop_asked(cancelled)) {
        const bool all_out = s->output_over || (s->unsent() == 0 && !s->sending);
        if (all_out && s->input_over) break;
        s->ensure_receiving();
        co_await s->changed.wait_op();
    }
    s->closing_limit.disarm();
    if (portunus::detail::stop_asked(cancelled)) {
        s->break_off(errc::aborted_locally, close_reason::aborted_locally);
        co_return errc::canceled;
    }
    const bool answered = s->input_over;
    s->input_over = true; // the stream's own close reads and drops the rest
    if (s->sending) {     // the peer takes nothing
        s->break_off(errc::drain_timeout, close_reason::timed_out);
        co_return error(errc::drain_timeout, std::to_string(s->unsent()) + " bytes could not be sent");
    }
    if (!s->stream.is_open()) co_return result<void>();
    if (s->receiving) s->stream.cancel_read();
    while (s->receiving) co_await s->changed.wait_op();
    const auto rest = std::max(until - time.now(), steady_clock::duration(std::chrono::milliseconds(100)));
    auto closed = co_await s->stream.close(rest);
    if (!answered) co_return error(errc::drain_timeout, "the peer did not answer our close");
    // However else it ended: both have said that they are done.
    if (!closed && closed.error() == condition::timeout) co_return closed;
    co_return result<void>();
}

} // namespace detail

PORTUNUS_DECL websocket::websocket() noexcept = default;
PORTUNUS_DECL websocket::websocket(any_stream stream, websocket_role we_are, const websocket_options& options,
                                   std::string subprotocol) {
    if (stream.get_executor())
        state_ = new detail::websocket_state(std::move(stream), we_are, options, std::move(subprotocol));
}
PORTUNUS_DECL websocket::websocket(boost::intrusive_ptr<detail::websocket_state> state) noexcept
    : state_(std::move(state)) {}
PORTUNUS_DECL websocket::websocket(websocket&&) noexcept = default;
PORTUNUS_DECL websocket& websocket::operator=(websocket&& other) noexcept {
    if (this != &other) {
        if (state_) state_->drop();
        state_ = std::move(other.state_);
    }
    return *this;
}
PORTUNUS_DECL websocket::~websocket() {
    if (state_) state_->drop();
}

namespace detail {
template <class T>
awaitable<result<T>> no_websocket() {
    co_return errc::not_connected;
}
} // namespace detail

PORTUNUS_DECL boost::asio::any_io_executor websocket::get_executor() const {
    return state_ ? state_->executor : boost::asio::any_io_executor();
}
PORTUNUS_DECL awaitable<result<websocket_message>> websocket::read() {
    return state_ ? detail::websocket_state::read(state_) : detail::no_websocket<websocket_message>();
}
PORTUNUS_DECL result<websocket_message> websocket::try_read() {
    if (!state_) return errc::not_connected;
    return state_->try_read();
}
PORTUNUS_DECL awaitable<result<void>> websocket::write(std::string_view text) {
    return state_ ? detail::websocket_state::write(state_, websocket_opcode::text, text)
                  : detail::no_websocket<void>();
}
PORTUNUS_DECL awaitable<result<void>> websocket::write_binary(std::string_view bytes) {
    return state_ ? detail::websocket_state::write(state_, websocket_opcode::binary, bytes)
                  : detail::no_websocket<void>();
}
PORTUNUS_DECL result<void> websocket::queue(std::string_view text) {
    if (!state_) return errc::not_connected;
    return state_->queue(websocket_opcode::text, text);
}
PORTUNUS_DECL result<void> websocket::queue_binary(std::string_view bytes) {
    if (!state_) return errc::not_connected;
    return state_->queue(websocket_opcode::binary, bytes);
}
PORTUNUS_DECL std::size_t websocket::queued() const noexcept {
    return state_ ? state_->unsent() : 0;
}
PORTUNUS_DECL awaitable<result<steady_clock::duration>> websocket::ping(steady_clock::duration limit) {
    return state_ ? detail::websocket_state::ping(state_, limit)
                  : detail::no_websocket<steady_clock::duration>();
}
PORTUNUS_DECL awaitable<result<void>> websocket::close(websocket_code code, std::string_view reason) {
    return state_ ? detail::websocket_state::close(state_, code, std::string(reason))
                  : detail::no_websocket<void>();
}
PORTUNUS_DECL void websocket::abort() noexcept {
    if (state_) state_->abort();
}
PORTUNUS_DECL bool websocket::is_open() const noexcept {
    return state_ && !state_->ended;
}
PORTUNUS_DECL websocket_code websocket::close_code() const noexcept {
    return state_ ? state_->peer_code : websocket_code::none;
}
PORTUNUS_DECL std::string websocket::close_text() const {
    return state_ ? state_->peer_text : std::string();
}
PORTUNUS_DECL std::string_view websocket::subprotocol() const noexcept {
    return state_ ? std::string_view(state_->subprotocol) : std::string_view();
}
PORTUNUS_DECL websocket::endpoint_type websocket::remote_endpoint() const noexcept {
    return state_ ? state_->stream.remote_endpoint() : endpoint_type();
}
PORTUNUS_DECL websocket::endpoint_type websocket::local_endpoint() const noexcept {
    return state_ ? state_->stream.local_endpoint() : endpoint_type();
}

} // namespace portunus::http

#endif
