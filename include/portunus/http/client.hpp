// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_CLIENT_HPP
#define PORTUNUS_HTTP_CLIENT_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>
#include <portunus/core/runtime.hpp>
#include <portunus/http/client_counters.hpp>
#include <portunus/http/client_options.hpp>
#include <portunus/http/client_request.hpp>
#include <portunus/http/client_response.hpp>
#include <portunus/net/any_stream.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace portunus::http {

namespace detail {
class exchange_state;
class client_state;
} // namespace detail

/// A request whose answer has begun: its head is here, its body is read piece by piece. A thin handle,
/// move-only. Destroying it ends the exchange: the connection goes back to the pool where the body has come
/// to its end, or what is left of it has arrived already and is less than 64 KiB; else it is closed.
class exchange {
  public:
    exchange() noexcept = default;
    explicit exchange(std::shared_ptr<detail::exchange_state> state) noexcept;
    exchange(exchange&&) noexcept;
    exchange& operator=(exchange&&) noexcept;
    ~exchange();

    /// Valid as long as the exchange.
    const response_head& head() const noexcept;
    http::status status() const noexcept { return head().status(); }
    unsigned status_code() const noexcept { return head().status_code(); }
    std::optional<std::string_view> find(field name) const noexcept { return head().find(name); }
    std::optional<std::string_view> find(std::string_view name) const noexcept { return head().find(name); }
    /// Who answers, after all redirections.
    std::string_view url() const noexcept;

    /// Completes with the next piece of the body, valid until the next call; empty at its end. The server is
    /// held up while nobody asks. Errors: `errc::partial_frame` for a body that ends too early, with how many
    /// of how many bytes had come; `errc::malformed_frame`; `errc::frame_too_large` above
    /// `max_streamed_body`; `errc::read_timeout` where 64 KiB take longer than `body_limit`;
    /// `errc::operation_in_progress` for a second reader; those of the connection. Cancelling ends the
    /// exchange.
    awaitable<result<std::string_view>> read_body();

    /// Completes with all that is left of the body, at most `client_options::max_body` bytes. Errors as
    /// `read_body`.
    awaitable<result<std::string>> collect();

    /// The connection, where the server has taken the other protocol (101): what it has sent behind its
    /// answer comes first. An empty handle otherwise.
    any_stream take_stream();

  private:
    std::shared_ptr<detail::exchange_state> state_;
};

/// Asks HTTP servers, and keeps the connections to them.
///
///     http::client web(rt);
///     auto answer = co_await web.get("http://device.local/state");
///     if (answer && answer->ok()) use(answer->body());
///
/// A client belongs to one context: all of its functions are called there, and any number of requests may be
/// pending at the same time. Connections are kept for the next request to the same scheme, host and port, and
/// bounded; requests beyond that wait in line, in order. Destroying the client cancels everything that is
/// pending (`errc::canceled`). `https` needs http/https_client.hpp.
///
/// An answer with whatever status is no error. What calls complete with otherwise: `errc::invalid_address`
/// for a URL that is none, `errc::invalid_option` for https without TLS, the errors of `connect` and of
/// `tls_connect`, `errc::connect_timeout` and `errc::queue_full` where all connections are in use,
/// `errc::read_timeout` for head, body and the whole, `errc::write_timeout`, `errc::malformed_frame` for what
/// is no HTTP, `errc::frame_too_large`, `errc::partial_frame`, `errc::denied` and `errc::remote_error` for
/// redirections that are not followed, `errc::unauthenticated`, `errc::canceled`. Each tells what it was
/// doing, for which server, and the numbers; no path, field or password.
///
/// A connection that was used before may have been ended by the server just as the request was sent. Where no
/// byte of an answer has come, requests that do the same when repeated (RFC 9110 9.2.2) are sent once more on
/// a new connection; others fail, and the text says so.
class client {
  public:
    explicit client(boost::asio::any_io_executor executor, client_options options = {});
    /// On context 0. When the runtime stops, resting connections are closed.
    explicit client(runtime& rt, client_options options = {});
    client(client&&) noexcept;
    client& operator=(client&&) noexcept;
    ~client();

    /// Complete with the answer and its whole body. Everything that is given is copied by the call itself.
    awaitable<result<client_response>> get(std::string_view url);
    awaitable<result<client_response>> head(std::string_view url);
    awaitable<result<client_response>> delete_(std::string_view url);
    awaitable<result<client_response>> post(std::string_view url, std::string_view body,
                                            std::string_view type);
    awaitable<result<client_response>> put(std::string_view url, std::string_view body,
                                           std::string_view type);
    awaitable<result<client_response>> patch(std::string_view url, std::string_view body,
                                             std::string_view type);
    awaitable<result<client_response>> send(const client_request& r);
    awaitable<result<client_response>> send(client_request&& r);

    /// Completes when the head of the answer is here; its body is for whoever has the exchange.
    awaitable<result<exchange>> open(const client_request& r);
    awaitable<result<exchange>> open(client_request&& r);

    /// For all requests to the scheme, host and port of this URL. Throws `failure` for a URL that is none.
    void authenticate(std::string_view url, std::string user, std::string password, auth way = auth::any);

    /// Closes the connections that rest.
    void close_resting();
    client_counters counters() const;
    boost::asio::any_io_executor get_executor() const;

  private:
    std::shared_ptr<detail::client_state> state_;
};

} // namespace portunus::http

#include <portunus/http/impl/client.hpp>

#endif
