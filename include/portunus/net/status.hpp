// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_STATUS_HPP
#define PORTUNUS_NET_STATUS_HPP

#include <portunus/core/close_reason.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/connection_state.hpp>
#include <portunus/net/tcp_listener.hpp>
#include <portunus/net/tcp_stream.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace portunus {

/// A snapshot of a TCP connection: what this program knows, then what the kernel tells (TCP_INFO, SIOCOUTQ,
/// SIOCINQ; M-19). A field that the running kernel does not tell, or has nothing to say about, is absent; so
/// are all of the kernel's once the connection is closed on our side. Sequence numbers and the time of the
/// last round trip, which M-19 has too, Linux does not tell.
struct tcp_status {
    boost::asio::ip::tcp::endpoint local{};
    boost::asio::ip::tcp::endpoint remote{};
    tcp_state state{tcp_state::closed};
    close_reason reason{close_reason::none}; ///< why it ended, or is about to
    std::uint64_t bytes_read{0};             ///< by this program
    std::uint64_t bytes_written{0};          ///< by this program, handed to the kernel

    std::optional<std::uint32_t> send_window{};       ///< bytes that the peer lets us have under way
    std::optional<std::uint32_t> receive_window{};    ///< bytes that we let the peer have under way
    std::optional<std::uint32_t> unacknowledged{};    ///< bytes sent, and not acknowledged
    std::optional<std::uint32_t> unsent{};            ///< bytes written that did not leave yet
    std::optional<std::uint32_t> unread{};            ///< bytes arrived that nobody has read
    std::optional<std::uint64_t> congestion_window{}; ///< bytes, a multiple of `mss`
    /// What a write would be given now, roughly: the free part of the send buffer. The kernel counts its own
    /// overhead as well and lets the buffer grow, so a write may take less, or more.
    std::optional<std::uint64_t> writable_estimate{};

    std::optional<std::chrono::microseconds> rtt{}; ///< smoothed; absent before the first sample
    std::optional<std::chrono::microseconds> rtt_variance{};
    std::optional<std::chrono::microseconds> min_rtt{}; ///< the shortest of late
    std::optional<std::chrono::microseconds> rto{};     ///< after which it sends again
    std::optional<std::uint32_t> mss{};                 ///< bytes of data in a segment that we send, at most
    std::optional<std::uint32_t> path_mtu{};            ///< bytes
    std::optional<std::uint8_t> type_of_service{};      ///< of the packets that we send (IP_TOS, IPV6_TCLASS)

    std::optional<std::uint32_t> retransmissions{}; ///< segments that were sent again
    std::optional<std::uint64_t> bytes_retransmitted{};
    std::optional<std::uint32_t> duplicates{};         ///< segments that the peer got twice, as it says
    std::optional<std::uint32_t> out_of_order{};       ///< segments that came before their turn
    std::optional<std::uint64_t> bytes_out{};          ///< sent by the kernel, those sent again included
    std::optional<std::uint64_t> bytes_acknowledged{}; ///< of ours, by the peer
    std::optional<std::uint64_t> bytes_in{};           ///< received by the kernel
    std::optional<std::uint32_t> segments_out{};
    std::optional<std::uint32_t> segments_in{};
    std::optional<std::chrono::milliseconds> since_sent{};     ///< since data left, or since it was connected
    std::optional<std::chrono::milliseconds> since_received{}; ///< the same for data that came

    /// M-19's "sendWindow - amtUnackedData": what the peer's window still lets out. Not what a write takes,
    /// that is `writable_estimate`.
    std::optional<std::uint32_t> window_left() const noexcept;
};
static_assert(std::is_trivially_destructible_v<tcp_status>);

/// The status of a connection, also of one that has ended. `errc::not_connected` for a handle without one.
/// Costs about ten system calls; to be called on the connection's own thread.
result<tcp_status> status(const tcp_stream& stream);

/// Calls `visit(name, value)` for every field that is there, in the order above. `value` is an integer, or a
/// `std::string_view` for ends, state and reason; the name of a time ends in its unit ("rtt_us").
template <class Visitor>
void for_each_field(const tcp_status& s, Visitor&& visit);

/// One line, "name=value name=value ...".
std::string to_string(const tcp_status& s);

/// One endpoint that a listener listens on.
struct listening_endpoint {
    boost::asio::ip::tcp::endpoint local{};
    std::optional<std::uint32_t> queued{};  ///< connections that the kernel has completed, not accepted yet
    std::optional<std::uint32_t> backlog{}; ///< how many of them it holds; one more, in fact
};

struct listener_status {
    std::vector<listening_endpoint> endpoints; ///< in the order of `tcp_listener::endpoints`
    std::uint64_t queued{0};                   ///< in all of them
    bool paused{false};
    bool stopped{false};
};

/// `errc::listener_closed` when it is closed, or was moved from. To be called on the listener's own thread.
result<listener_status> status(const tcp_listener& listener);

template <class Visitor>
void for_each_field(const listening_endpoint& e, Visitor&& visit);
/// One line; the endpoints stand in brackets.
std::string to_string(const listener_status& s);

/// What the kernel has counted for all of TCP, IPv4 and IPv6, in this network namespace since it began
/// (RFC 4022, M-21). Bytes are counted by no one.
struct tcp_global {
    std::optional<std::uint64_t> rto_algorithm{}; ///< 1 other, 2 constant, 3 RFC 2988, 4 Van Jacobson
    std::optional<std::uint64_t> rto_min_ms{};
    std::optional<std::uint64_t> rto_max_ms{};
    std::optional<std::uint64_t> max_connections{}; ///< absent where it is not fixed, as on Linux
    std::optional<std::uint64_t> active_opens{};    ///< connections that this machine began
    std::optional<std::uint64_t> passive_opens{};   ///< that came in
    std::optional<std::uint64_t> attempts_failed{};
    std::optional<std::uint64_t> resets{};      ///< connections that ended by RST, in either direction
    std::optional<std::uint64_t> established{}; ///< now
    std::optional<std::uint64_t> segments_in{};
    std::optional<std::uint64_t> segments_out{};
    std::optional<std::uint64_t> segments_retransmitted{};
    std::optional<std::uint64_t> errors_in{}; ///< segments that were damaged
    std::optional<std::uint64_t> resets_out{};
    std::optional<std::uint64_t> checksum_errors_in{};
};

/// Reads /proc/net/snmp. The system's code where it cannot be read, `errc::malformed_frame` where it is not
/// what it should be.
result<tcp_global> tcp_global_status();
/// The same from its text.
result<tcp_global> parse_tcp_global(std::string_view snmp);

template <class Visitor>
void for_each_field(const tcp_global& g, Visitor&& visit);
std::string to_string(const tcp_global& g);

} // namespace portunus

#include <portunus/net/impl/status.hpp>

#endif