// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_STREAMING_HPP
#define PORTUNUS_HTTP_STREAMING_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/result.hpp>
#include <portunus/http/response.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace portunus::http {

class body_writer;

namespace detail {

class session;
class gzip_sink;

/// Where a body goes on its way to the client.
class body_sink {
  public:
    virtual awaitable<result<void>> write_body(body_writer& w, std::string_view bytes) = 0;
    virtual awaitable<result<void>> flush_body() = 0;
    virtual bool is_open() const noexcept = 0;

  protected:
    ~body_sink() = default;
};

} // namespace detail

/// Where a streamed body goes. Valid while its function runs.
class body_writer {
  public:
    body_writer(const body_writer&) = delete;
    body_writer& operator=(const body_writer&) = delete;

    /// Completes when the bytes are kept or sent: up to 64 KiB are collected, so a slow client holds the
    /// writer up and not the memory. Errors are those of the connection; after one of them nothing more can
    /// be written.
    awaitable<result<void>> write(std::string_view bytes) { return sink_.write_body(*this, bytes); }
    /// Sends what was collected: for what has to be seen now.
    awaitable<result<void>> flush() { return sink_.flush_body(); }
    bool client_is_there() const noexcept { return !failed_ && sink_.is_open(); }

  private:
    friend class detail::session;
    friend class detail::gzip_sink;
    body_writer(detail::body_sink& s, bool chunked, std::optional<std::uint64_t> length) noexcept
        : sink_(s), left_(length), chunked_(chunked) {}
    /// Whether all that was promised has been written.
    bool complete() const noexcept { return !failed_ && (!left_ || *left_ == 0); }

    detail::body_sink& sink_;
    std::optional<std::uint64_t> left_;
    bool chunked_;
    bool failed_ = false;
};

/// Writes a body, piece by piece. Returning ends it; an exception breaks the connection, so that the client
/// does not take the half for the whole.
using body_function = std::function<awaitable<void>(body_writer&)>;

namespace detail {
struct stream_source final : body_source {
    explicit stream_source(body_function f) : write(std::move(f)) {}
    body_function write;
};
} // namespace detail

/// A response whose body is written while it is sent: chunked, or with a length where that is known
/// beforehand. The limit on a handler is over by then; `stream.write_limit` and the runtime's stop go on to
/// hold.
inline response streamed(literal type, body_function write, std::optional<std::uint64_t> length = {}) {
    response r;
    r.source(std::make_unique<detail::stream_source>(std::move(write)), type, length);
    return r;
}

} // namespace portunus::http

#endif
