// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_REQUEST_HPP
#define PORTUNUS_HTTP_REQUEST_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/result.hpp>
#include <portunus/http/head.hpp>
#include <portunus/http/response.hpp>
#include <portunus/http/router.hpp>
#include <portunus/net/any_stream.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace portunus::http {

namespace detail {

class session;

/// What a request knows of its connection.
class request_source {
  public:
    virtual const request_head& head() const noexcept = 0;
    virtual const route_match& match() const noexcept = 0;
    virtual const any_stream& stream() const noexcept = 0;
    virtual bool is_tls() const noexcept = 0;
    virtual awaitable<result<std::string_view>> body() = 0;
    virtual awaitable<result<std::string_view>> read_body() = 0;

  protected:
    ~request_source() = default;
};

struct takeover final : successor {
    using function = std::function<awaitable<void>(any_stream)>;
    explicit takeover(function f) : run(std::move(f)) {}
    function run;
};

} // namespace detail

template <class Next>
response& response::take_over(Next next) {
    next_ = std::make_unique<detail::takeover>(detail::takeover::function(std::move(next)));
    return *this;
}

/// A request while it is answered. It belongs to its connection: all of it, views included, is valid until
/// the handler has returned, and not longer.
class request {
  public:
    using endpoint_type = boost::asio::ip::tcp::endpoint;

    request(const request&) = delete;
    request& operator=(const request&) = delete;

    /// Method, target and fields, checked.
    const request_head& head() const noexcept { return source_.head(); }
    verb method() const noexcept { return head().method(); }
    /// Before the '?', percent-encoding included.
    std::string_view path() const noexcept { return head().path(); }
    std::string_view query() const noexcept { return head().query(); }
    std::optional<std::string_view> find(field name) const noexcept { return head().find(name); }
    std::optional<std::string_view> find(std::string_view name) const noexcept { return head().find(name); }

    /// What stood in the path for `{name}` of the route's pattern, decoded; empty where it has none of that
    /// name.
    std::string parameter(std::string_view name) const { return source_.match()[name]; }
    /// What stood for the '*' at the end of the pattern, as it came.
    std::string_view rest() const noexcept { return source_.match().rest; }

    endpoint_type remote_endpoint() const noexcept { return source_.stream().remote_endpoint(); }
    endpoint_type local_endpoint() const noexcept { return source_.stream().local_endpoint(); }
    /// Whether it came over TLS to this server; a proxy in front of it is not asked.
    bool is_tls() const noexcept { return source_.is_tls(); }
    boost::asio::any_io_executor get_executor() const { return source_.stream().get_executor(); }

    /// Completes with the whole body, at most `server_options::max_body` bytes; a body that has arrived
    /// already is a view of where it lies. A second call gives it again. Errors: `errc::frame_too_large` (the
    /// server then answers 413, whatever the handler returns), `errc::malformed_frame` (400),
    /// `errc::read_timeout` (408), and those of the connection.
    awaitable<result<std::string_view>> body() { return source_.body(); }

    /// Completes with the next piece of the body, valid until the next call; empty at its end. For bodies
    /// that need not be kept: `max_streamed_body` bounds them. The client is held up while nobody asks. Not
    /// together with `body`
    /// (`errc::operation_in_progress`).
    awaitable<result<std::string_view>> read_body() { return source_.read_body(); }

  private:
    friend class detail::session;
    explicit request(detail::request_source& s) noexcept : source_(s) {}
    detail::request_source& source_;
};

/// What answers a request: a plain function, which costs least, or a coroutine.
class handler {
  public:
    using plain_function = std::function<response(request&)>;
    using coroutine_function = std::function<awaitable<response>(request&)>;

    template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, handler> &&
             (std::is_invocable_r_v<response, F&, request&> ||
              std::is_invocable_r_v<awaitable<response>, F&, request&>))
        handler(F f) { // NOLINT: both are handlers
        if constexpr (std::is_invocable_r_v<awaitable<response>, F&, request&>)
            coroutine_ = std::move(f);
        else
            plain_ = std::move(f);
    }

    bool is_plain() const noexcept { return static_cast<bool>(plain_); }
    response answer(request& r) const { return plain_(r); }
    awaitable<response> answer_later(request& r) const { return coroutine_(r); }

  private:
    plain_function plain_;
    coroutine_function coroutine_;
};

} // namespace portunus::http

#endif
