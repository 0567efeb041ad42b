// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_RESPONSE_HPP
#define PORTUNUS_HTTP_RESPONSE_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/http/vocabulary.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace portunus::http {

/// A text that stands in the program, so that nobody has to keep or copy it: only a literal makes one.
class literal {
  public:
    consteval literal(const char* text) noexcept : text_(text) {} // NOLINT: it is one
    constexpr literal() noexcept = default;
    constexpr std::string_view view() const noexcept { return text_; }
    constexpr bool empty() const noexcept { return text_.empty(); }

  private:
    std::string_view text_{};
};

/// The media types that servers send most. Text is UTF-8.
namespace media {
inline constexpr literal text = "text/plain; charset=utf-8";
inline constexpr literal html = "text/html; charset=utf-8";
inline constexpr literal css = "text/css; charset=utf-8";
inline constexpr literal javascript = "text/javascript; charset=utf-8";
inline constexpr literal json = "application/json";
inline constexpr literal events = "text/event-stream";
inline constexpr literal bytes = "application/octet-stream";
} // namespace media

namespace detail {
/// Where a body comes from that is written while it is sent; see `http/streaming.hpp`.
struct body_source {
    virtual ~body_source() = default;
};
/// What speaks on a connection after its last answer; see `http/request.hpp`.
struct successor {
    virtual ~successor() = default;
};
} // namespace detail

/// What a request is answered with. The server adds Date, Content-Length and Connection, and drops the body
/// where the method or the status has none.
///
///     response(status::not_found)                            the reason phrase as its body
///     response("<p>hello")                                   a literal: nothing is allocated
///     response(status::ok, std::move(text), media::json)
///
/// Move-only.
class response {
  public:
    /// 200 and an empty body.
    response() noexcept = default;
    /// The status's own name as a plain text, where a body is allowed.
    explicit response(http::status code) noexcept;
    explicit response(literal body, literal type = media::html, http::status code = status::ok) noexcept
        : code_(code), type_(type.view()), body_(body.view()) {}
    response(http::status code, std::string body, literal type = media::text) noexcept
        : code_(code), type_(type.view()), owned_(std::move(body)), owns_(true) {}

    http::status code() const noexcept { return code_; }
    response& code(http::status c) noexcept {
        code_ = c;
        return *this;
    }
    std::string_view body() const noexcept { return owns_ ? std::string_view(owned_) : body_; }
    response& body(std::string bytes, literal type) {
        owned_ = std::move(bytes);
        owns_ = true;
        if (!own_type_) type_ = type.view();
        return *this;
    }
    std::string_view content_type() const noexcept { return type_; }

    /// Adds a field. Throws `failure` (`errc::invalid_option`) for a name that is no token, a value with a
    /// line end or another control character in it, and for the fields that the server writes by itself
    /// (Content-Length, Transfer-Encoding, Connection, Date, Trailer). Content-Type takes the place of the
    /// type that it had. With Upgrade, the server writes what Connection has to say of it.
    response& add(std::string_view name, std::string_view value);
    response& add(field name, std::string_view value) { return add(text_of(name), value); }
    /// "Name: value\r\n" for each that was added.
    std::string_view fields() const noexcept { return fields_; }
    bool upgrades() const noexcept { return upgrade_; }
    /// The value of the first field of that name that was added.
    std::optional<std::string_view> find(std::string_view name) const noexcept;
    std::optional<std::string_view> find(field name) const noexcept { return find(text_of(name)); }
    /// Takes away all that were added under that name.
    response& remove(std::string_view name);
    response& remove(field name) { return remove(text_of(name)); }

    /// A body that is written while it is sent, with its length where that is known; for `streamed` and
    /// `send_file`.
    response& source(std::unique_ptr<detail::body_source> from, literal type,
                     std::optional<std::uint64_t> length) {
        source_ = std::move(from);
        length_ = length;
        if (!own_type_) type_ = type.view();
        return *this;
    }
    detail::body_source* source() const noexcept { return source_.get(); }
    std::unique_ptr<detail::body_source> take_source() noexcept {
        length_.reset();
        return std::move(source_);
    }
    std::optional<std::uint64_t> source_length() const noexcept { return length_; }

    /// Hands the connection over: after this answer was sent (101 with its Upgrade field, a 2xx for CONNECT)
    /// `next`, an `awaitable<void>(any_stream)`, gets it with all bytes of the client's that were read
    /// already, and is the rest of the session. In `http/request.hpp`.
    /// No limit of HTTP's phases holds any more, those of the stream do; when the server stops, the stream
    /// says so, and `next` is cancelled at the end of the grace. It ends when `next` returns; an exception
    /// breaks the connection and is logged.
    ///
    /// The answer has no body of its own. Where it is neither of the two above, what `next` writes is its
    /// body, up to the connection's end. A request whose body was not read to its end is answered with 400
    /// instead, and so is 101 for HTTP/1.0.
    template <class Next>
    response& take_over(Next next);
    bool takes_over() const noexcept { return next_ != nullptr; }
    std::unique_ptr<detail::successor> release_next() noexcept { return std::move(next_); }

    /// Whether the connection ends after it.
    bool closes() const noexcept { return close_; }
    response& close() noexcept {
        close_ = true;
        return *this;
    }

  private:
    http::status code_ = status::ok;
    std::string_view type_{};
    std::string_view body_{};
    std::string owned_;
    std::string fields_;
    std::unique_ptr<detail::body_source> source_;
    std::optional<std::uint64_t> length_;
    std::unique_ptr<detail::successor> next_;
    std::unique_ptr<const std::string> own_type_; // one that is no literal
    bool owns_ = false;
    bool close_ = false;
    bool upgrade_ = false; // is among the fields
};

namespace detail {

/// Whether a response of this status may have a body at all (RFC 9110 6.4.1).
constexpr bool has_body(http::status code) noexcept {
    const auto number = static_cast<unsigned>(code);
    return number >= 200 && number != 204 && number != 304;
}

/// How an answer is written besides what it says itself.
struct answer_form {
    bool keep_alive = true;
    bool http_1_0 = false; ///< the one who asked speaks 1.0
    bool head_only = false;
    std::optional<std::uint64_t> length{}; ///< of the body, where it comes from elsewhere
    bool chunked = false;
    bool until_close = false; ///< the body ends with the connection, as in 1.0 there is no other way
    bool hands_over = false;  ///< what follows is another protocol: nothing is said of a body
};

/// Appends "HTTP/1.1 200 OK\r\n ... \r\n\r\n", and the body unless it comes from elsewhere. `date` is an
/// IMF-fixdate.
PORTUNUS_DECL void append(std::string& out, const response& answer, const answer_form& form,
                          std::string_view date);

} // namespace detail
} // namespace portunus::http

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/http/impl/response.ipp>
#endif

#endif
