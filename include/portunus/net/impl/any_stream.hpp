// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_ANY_STREAM_HPP
#define PORTUNUS_NET_IMPL_ANY_STREAM_HPP

#include <portunus/net/any_stream.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/event.hpp>

#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <concepts>
#include <optional>
#include <typeinfo>

namespace portunus {
namespace detail {

/// What an `any_stream` and its own pending operations share. Those of the stream below hold that one's
/// state and not this.
class any_stream_state : public boost::intrusive_ref_counter<any_stream_state, boost::thread_unsafe_counter> {
  public:
    using pointer = boost::intrusive_ptr<any_stream_state>;
    using endpoint_type = boost::asio::ip::tcp::endpoint;

    any_stream_state(const any_stream_state&) = delete;
    any_stream_state& operator=(const any_stream_state&) = delete;
    virtual ~any_stream_state() = default;

    virtual boost::asio::any_io_executor get_executor() const = 0;
    virtual awaitable<result<std::size_t>> read_some(boost::asio::mutable_buffer into) = 0;
    virtual result<std::size_t> try_read_some(boost::asio::mutable_buffer into) = 0;
    virtual awaitable<result<void>> wait_readable() = 0;
    virtual awaitable<result<void>> write(boost::asio::const_buffer data) = 0;
    virtual result<std::size_t> try_write_some(boost::asio::const_buffer data) = 0;
    virtual awaitable<result<void>> wait_writable() = 0;
    virtual awaitable<result<void>> shutdown_send() = 0;
    virtual awaitable<result<void>> close(steady_clock::duration limit) = 0;
    virtual void abort(close_reason why) noexcept = 0;
    virtual void cancel() noexcept = 0;
    virtual void cancel_read() noexcept = 0;
    virtual void request_stop() noexcept = 0;
    virtual bool stop_requested() const noexcept = 0;
    virtual bool is_open() const noexcept = 0;
    virtual bool is_broken() noexcept = 0;
    virtual bool peer_finished() const noexcept = 0;
    virtual close_reason reason() const noexcept = 0;
    virtual error failure_cause() const = 0;
    virtual void record_failure(const error& cause) = 0;
    virtual void set_idle_limit(steady_clock::duration limit) noexcept = 0;
    virtual endpoint_type remote_endpoint() const noexcept = 0;
    virtual endpoint_type local_endpoint() const noexcept = 0;
    virtual void* target(const std::type_info& type) noexcept = 0;
    /// The handle is gone.
    virtual void drop() noexcept = 0;

    bool has_first() const noexcept { return used != first.size(); }
    std::size_t take_first(boost::asio::mutable_buffer into) noexcept;
    static awaitable<result<std::size_t>> read_first(pointer s, boost::asio::mutable_buffer into);
    static awaitable<result<void>> first_is_readable(pointer s);
    static awaitable<result<void>> write_all(pointer s, boost::asio::const_buffer data);

    std::string first;    // was read already and comes before what the stream below has
    std::size_t used = 0; // of it
    bool dropped = false;

  protected:
    any_stream_state() = default;
};

template <byte_stream S>
class any_stream_of final : public any_stream_state {
  public:
    explicit any_stream_of(S stream) : below_(std::move(stream)), executor_(below_->get_executor()) {}

    boost::asio::any_io_executor get_executor() const override { return executor_; }
    awaitable<result<std::size_t>> read_some(boost::asio::mutable_buffer into) override {
        return below_->read_some(into);
    }
    result<std::size_t> try_read_some(boost::asio::mutable_buffer into) override {
        return below_->try_read_some(into);
    }
    awaitable<result<void>> wait_readable() override { return below_->wait_readable(); }
    awaitable<result<void>> write(boost::asio::const_buffer data) override {
        if constexpr (requires {
                          { below_->write(data) } -> std::same_as<awaitable<result<void>>>;
                      })
            return below_->write(data);
        else
            return write_all(pointer(this), data);
    }
    result<std::size_t> try_write_some(boost::asio::const_buffer data) override {
        return below_->try_write_some(data);
    }
    awaitable<result<void>> wait_writable() override { return below_->wait_writable(); }
    awaitable<result<void>> shutdown_send() override { return below_->shutdown_send(); }
    awaitable<result<void>> close(steady_clock::duration limit) override { return below_->close(limit); }
    void abort([[maybe_unused]] close_reason why) noexcept override {
        aborted_ = true;
        if constexpr (requires { below_->abort(why); })
            below_->abort(why);
        else
            below_->abort();
    }
    void cancel() noexcept override { below_->cancel(); }
    void cancel_read() noexcept override {
        if constexpr (requires { below_->cancel_read(); })
            below_->cancel_read();
        else
            below_->cancel();
    }
    void request_stop() noexcept override {
        stopping_ = true;
        below_->request_stop();
    }
    bool stop_requested() const noexcept override {
        if constexpr (requires { below_->stop_requested(); })
            return below_->stop_requested();
        else
            return stopping_;
    }
    bool is_open() const noexcept override {
        if constexpr (requires { below_->is_open(); })
            return below_->is_open();
        else
            return !aborted_;
    }
    bool is_broken() noexcept override {
        if constexpr (requires { below_->is_broken(); })
            return below_->is_broken();
        else
            return false;
    }
    bool peer_finished() const noexcept override {
        if constexpr (requires { below_->peer_finished(); })
            return below_->peer_finished();
        else
            return false;
    }
    close_reason reason() const noexcept override {
        if constexpr (requires { below_->reason(); })
            return below_->reason();
        else
            return close_reason::none;
    }
    error failure_cause() const override {
        if constexpr (requires { below_->failure_cause(); })
            return below_->failure_cause();
        else
            return error();
    }
    void record_failure([[maybe_unused]] const error& cause) override {
        if constexpr (requires { below_->record_failure(cause); }) below_->record_failure(cause);
    }
    void set_idle_limit([[maybe_unused]] steady_clock::duration limit) noexcept override {
        if constexpr (requires { below_->set_idle_limit(limit); }) below_->set_idle_limit(limit);
    }
    endpoint_type remote_endpoint() const noexcept override {
        if constexpr (requires {
                          { below_->remote_endpoint() } -> std::convertible_to<endpoint_type>;
                      })
            return below_->remote_endpoint();
        else
            return {};
    }
    endpoint_type local_endpoint() const noexcept override {
        if constexpr (requires {
                          { below_->local_endpoint() } -> std::convertible_to<endpoint_type>;
                      })
            return below_->local_endpoint();
        else
            return {};
    }
    void* target(const std::type_info& type) noexcept override {
        return type == typeid(S) ? &*below_ : nullptr;
    }
    void drop() noexcept override {
        dropped = true;
        [[maybe_unused]] const S gone(std::move(*below_)); // what is pending may still look at the empty one
    }

  private:
    std::optional<S> below_; // always there
    boost::asio::any_io_executor executor_;
    bool stopping_ = false;
    bool aborted_ = false;
};

/// An operation on a handle without a connection.
template <class T>
awaitable<result<T>> no_stream_below() {
    co_return errc::not_connected;
}

inline std::size_t any_stream_state::take_first(boost::asio::mutable_buffer into) noexcept {
    const std::size_t n =
        boost::asio::buffer_copy(into, boost::asio::buffer(first.data() + used, first.size() - used));
    used += n;
    if (!has_first()) {
        std::string().swap(first);
        used = 0;
    }
    return n;
}

} // namespace detail

template <class S>
requires(!std::same_as<S, any_stream> && byte_stream<S>) any_stream::any_stream(S stream)
    : state_(new detail::any_stream_of<S>(std::move(stream))) {}

inline any_stream& any_stream::operator=(any_stream&& other) noexcept {
    if (this != &other) {
        if (state_) state_->drop();
        state_ = std::move(other.state_);
    }
    return *this;
}
inline any_stream::~any_stream() {
    if (state_) state_->drop();
}

inline boost::asio::any_io_executor any_stream::get_executor() const {
    return state_ ? state_->get_executor() : boost::asio::any_io_executor();
}
inline awaitable<result<std::size_t>> any_stream::read_some(boost::asio::mutable_buffer into) {
    if (!state_) return detail::no_stream_below<std::size_t>();
    return state_->has_first() ? detail::any_stream_state::read_first(state_, into) : state_->read_some(into);
}
inline result<std::size_t> any_stream::try_read_some(boost::asio::mutable_buffer into) {
    if (!state_) return errc::not_connected;
    if (state_->has_first()) return state_->take_first(into);
    return state_->try_read_some(into);
}
inline awaitable<result<void>> any_stream::wait_readable() {
    if (!state_) return detail::no_stream_below<void>();
    return state_->has_first() ? detail::any_stream_state::first_is_readable(state_)
                               : state_->wait_readable();
}
inline awaitable<result<void>> any_stream::write(boost::asio::const_buffer data) {
    return state_ ? state_->write(data) : detail::no_stream_below<void>();
}
inline result<std::size_t> any_stream::try_write_some(boost::asio::const_buffer data) {
    if (!state_) return errc::not_connected;
    return state_->try_write_some(data);
}
inline awaitable<result<void>> any_stream::wait_writable() {
    return state_ ? state_->wait_writable() : detail::no_stream_below<void>();
}
inline awaitable<result<void>> any_stream::shutdown_send() {
    return state_ ? state_->shutdown_send() : detail::no_stream_below<void>();
}
inline awaitable<result<void>> any_stream::close(steady_clock::duration limit) {
    if (!state_) return detail::no_stream_below<void>();
    state_->first.clear();
    state_->used = 0;
    return state_->close(limit);
}
inline void any_stream::abort(close_reason why) noexcept {
    if (!state_) return;
    state_->first.clear();
    state_->used = 0;
    state_->abort(why);
}
inline void any_stream::cancel() noexcept {
    if (state_) state_->cancel();
}
inline void any_stream::cancel_read() noexcept {
    if (state_) state_->cancel_read();
}
inline void any_stream::request_stop() noexcept {
    if (state_) state_->request_stop();
}
inline bool any_stream::stop_requested() const noexcept {
    return state_ && state_->stop_requested();
}
inline void any_stream::prepend(std::string bytes) {
    if (!state_ || bytes.empty()) return;
    bytes.append(state_->first, state_->used);
    state_->first = std::move(bytes);
    state_->used = 0;
}
inline bool any_stream::is_open() const noexcept {
    return state_ && state_->is_open();
}
inline bool any_stream::is_broken() noexcept {
    return state_ && state_->is_broken();
}
inline bool any_stream::peer_finished() const noexcept {
    return state_ && state_->peer_finished();
}
inline close_reason any_stream::reason() const noexcept {
    return state_ ? state_->reason() : close_reason::none;
}
inline error any_stream::failure_cause() const {
    return state_ ? state_->failure_cause() : error();
}
inline void any_stream::record_failure(const error& cause) {
    if (state_) state_->record_failure(cause);
}
inline void any_stream::set_idle_limit(steady_clock::duration limit) noexcept {
    if (state_) state_->set_idle_limit(limit);
}
inline any_stream::endpoint_type any_stream::remote_endpoint() const noexcept {
    return state_ ? state_->remote_endpoint() : endpoint_type();
}
inline any_stream::endpoint_type any_stream::local_endpoint() const noexcept {
    return state_ ? state_->local_endpoint() : endpoint_type();
}
template <byte_stream S>
S* any_stream::target() noexcept {
    return state_ ? static_cast<S*>(state_->target(typeid(S))) : nullptr;
}

static_assert(byte_stream<any_stream>);

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/any_stream.ipp>
#endif

#endif
