// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_CLIENT_OPTIONS_HPP
#define PORTUNUS_HTTP_CLIENT_OPTIONS_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>
#include <portunus/http/auth_scheme.hpp>
#include <portunus/http/head_parser.hpp>
#include <portunus/net/any_stream.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace portunus::http {

/// Whom a connection is made to, and how long each part of that may take.
struct dial_target {
    std::string host{}; ///< a name, or an address without brackets
    std::uint16_t port{0};
    bool secure{false};
    steady_clock::duration resolve_limit{}, connect_limit{}, handshake_limit{};
};

/// Makes a connection: the seam for TLS (`over_tls` in http/https_client.hpp), local sockets and tests. What
/// is given stays valid until it has completed, and is for that call alone. It is cancelled when nobody waits
/// any more.
using dialer = std::function<awaitable<result<any_stream>>(const dial_target&)>;

/// TCP without TLS.
PORTUNUS_DECL dialer over_tcp();

/// Undoes a content coding, piece by piece; http/gzip_client.hpp has one.
class content_decoder {
  public:
    struct step {
        std::size_t consumed = 0, produced = 0;
    };
    virtual ~content_decoder() = default;
    /// Takes bytes and fills `out`, as far as there is of either.
    virtual result<step> next(std::string_view bytes, std::span<char> out) = 0;
    /// To be called when no more bytes come.
    virtual result<void> finish() = 0;
};

struct content_coding_choice {
    std::string name{}; ///< for Accept-Encoding
    /// \param most the bytes that may come out of it
    std::function<std::unique_ptr<content_decoder>(std::uint64_t most)> make{};
};

/// What to do when a server sends us elsewhere (RFC 9110 15.4).
struct redirect_options {
    bool follow{false};
    unsigned most{5}; ///< then an error
    /// From https to http: what was secret then travels in the open.
    bool allow_downgrade{false};
};

/// How much a client may take, and how long. It owns things: give it a name first.
struct client_options {
    head_limits head{}; ///< of an answer; at most 100 fields
    /// The largest body that is collected; counted after decoding.
    std::size_t max_body{16 * 1024 * 1024};
    /// The same for one that is read in pieces.
    std::uint64_t max_streamed_body{std::uint64_t(16) << 30};
    unsigned max_interim{10}; ///< answers of the kind 1xx before the real one

    // Limits in time by phase. Zero: none.
    steady_clock::duration resolve_limit{std::chrono::seconds(5)};
    steady_clock::duration connect_limit{std::chrono::seconds(10)};
    steady_clock::duration handshake_limit{std::chrono::seconds(10)}; ///< of TLS
    /// From the request's last byte to the end of the answer's head, whatever the speed of the bytes in
    /// between.
    steady_clock::duration head_limit{std::chrono::seconds(30)};
    /// For the whole of a body that is collected; with `read_body` for each 64 KiB.
    steady_clock::duration body_limit{std::chrono::seconds(60)};
    /// From the call to the end of the body, with all redirections and waiting; with `open` to the head.
    steady_clock::duration total_limit{std::chrono::minutes(5)};
    /// How long a request waits for a connection while all are in use.
    steady_clock::duration place_limit{std::chrono::seconds(30)};
    /// How long "100 Continue" is waited for before the body is sent all the same (RFC 9110 10.1.1).
    steady_clock::duration continue_limit{std::chrono::seconds(1)};

    // The pool.
    std::size_t max_per_host{6};     ///< connections to one scheme, host and port
    std::size_t max_connections{64}; ///< all of them, resting ones included
    std::size_t max_waiting{1000};   ///< requests in line for one: then `errc::queue_full`
    /// How long a connection rests before it is closed. A context has work while one rests.
    steady_clock::duration idle_limit{std::chrono::seconds(15)};

    redirect_options redirects{};
    /// Bodies from so many bytes on are announced with "Expect: 100-continue"; those of unknown length too.
    std::uint64_t expect_from{1024 * 1024};
    std::string user_agent{"portunus"}; ///< empty: none is sent

    /// How servers may be answered that ask who we are; the strongest counts.
    std::vector<std::shared_ptr<const auth_scheme>> schemes{std::make_shared<basic_auth>()};
    /// What is offered in Accept-Encoding, and undone.
    std::vector<content_coding_choice> codings{};

    dialer dial{over_tcp()};
    /// For https; none: such URLs are refused.
    dialer dial_secure{};
};

} // namespace portunus::http

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/http/impl/client_options.ipp>
#endif

#endif
