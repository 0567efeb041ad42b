// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_CLIENT_REQUEST_HPP
#define PORTUNUS_HTTP_CLIENT_REQUEST_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>
#include <portunus/http/credentials.hpp>
#include <portunus/http/vocabulary.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portunus::http {

namespace detail {
class client_question;
class client_answer;
class exchange_state;
} // namespace detail

/// Where the body of a request goes that is written while it is sent. Valid while its function runs.
class upload_writer {
  public:
    upload_writer(const upload_writer&) = delete;
    upload_writer& operator=(const upload_writer&) = delete;

    /// Completes when the system has taken the bytes. Errors: those of the connection, `errc::invalid_option`
    /// for more bytes than were announced, `errc::closed_locally` when the server has answered already and
    /// wants no more. After an error nothing more can be written: return.
    awaitable<result<void>> write(std::string_view bytes);
    std::uint64_t written() const noexcept { return written_; }

  private:
    friend class detail::exchange_state;
    upload_writer(detail::exchange_state& x, std::optional<std::uint64_t> length) noexcept
        : exchange_(x), length_(length) {}

    detail::exchange_state& exchange_;
    std::optional<std::uint64_t> length_;
    std::uint64_t written_ = 0;
    std::optional<error> failed_;
};

/// Writes a body piece by piece. Returning ends it; an exception breaks the connection and comes out of the
/// call. It is called again, and has to begin from the start, where the request is sent again: after a
/// redirection, a challenge, or a connection that was stale.
using upload_function = std::function<awaitable<void>(upload_writer&)>;

/// How far a transfer is, in bytes of bodies as they travel.
struct transfer_progress {
    std::uint64_t sent = 0;
    std::optional<std::uint64_t> to_send{};
    std::uint64_t received = 0;
    std::optional<std::uint64_t> to_receive{};
};
/// False stops the transfer: `errc::canceled`.
using progress_function = std::function<bool(const transfer_progress&)>;

/// A request before it is sent. A value; it may be sent several times.
///
///     http::client_request r(http::verb::post, "http://device.local/state");
///     r.add("X-Room", "kitchen").body(std::move(text), "application/json");
///     auto answer = co_await web.send(r);
class client_request {
  public:
    /// What is wrong with the URL is told when it is sent.
    client_request(verb method, std::string_view url) : url_(url), method_(method) {}

    /// Adds a field. Throws `failure` (`errc::invalid_option`) for a name that is no token, a value with a
    /// line end or another control character in it, and for what the client writes by itself (Host,
    /// Content-Length, Transfer-Encoding, Connection, Expect, TE, Trailer, Upgrade, Keep-Alive).
    client_request& add(std::string_view name, std::string_view value);
    client_request& add(field name, std::string_view value) { return add(text_of(name), value); }

    /// \param type for Content-Type; empty: none is sent. Throws as `add`.
    client_request& body(std::string bytes, std::string_view type);
    /// Written while it is sent: chunked, or with a length where that is known.
    client_request& body(upload_function write, std::string_view type,
                         std::optional<std::uint64_t> length = {});

    /// For the URL's own scheme, host and port, and no other (semantics row Q-22).
    client_request& authenticate(std::string user, std::string password, auth way = auth::any) {
        who_ = http::credentials(std::move(user), std::move(password), way);
        return *this;
    }
    /// Whether to ask first whether the body is wanted; otherwise its size decides.
    client_request& expect_continue(bool yes) noexcept {
        expect_ = yes;
        return *this;
    }
    /// Asks for another protocol on the connection. When the server takes it (101), `exchange::take_stream`
    /// has the connection. Throws as `add`.
    client_request& upgrade(std::string_view protocol);
    client_request& on_progress(progress_function f) {
        progress_ = std::move(f);
        return *this;
    }
    /// In place of `client_options::total_limit`.
    client_request& total_limit(steady_clock::duration limit) noexcept {
        total_limit_ = limit;
        return *this;
    }
    /// In place of `client_options::max_body` and `max_streamed_body`.
    client_request& max_body(std::uint64_t bytes) noexcept {
        max_body_ = bytes;
        return *this;
    }
    /// Follows up to so many redirections, whatever the client's options say; 0: none.
    client_request& follow(unsigned most) noexcept {
        follow_ = most;
        return *this;
    }

    verb method() const noexcept { return method_; }
    const std::string& url() const noexcept { return url_; }

  private:
    friend class detail::client_question;
    friend class detail::client_answer;
    friend class detail::exchange_state;

    std::string url_;
    verb method_;
    std::vector<std::pair<std::string, std::string>> fields_;
    std::string body_, type_, upgrade_;
    upload_function write_;
    std::optional<std::uint64_t> length_; // of what `write_` gives
    bool has_body_ = false;
    std::optional<bool> expect_;
    http::credentials who_;
    progress_function progress_;
    std::optional<steady_clock::duration> total_limit_;
    std::optional<std::uint64_t> max_body_;
    std::optional<unsigned> follow_;
};

} // namespace portunus::http

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/http/impl/client_request.ipp>
#endif

#endif
