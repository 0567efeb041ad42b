// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_INHERITED_SOCKETS_HPP
#define PORTUNUS_NET_INHERITED_SOCKETS_HPP

#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace portunus {

namespace detail {
struct inherited_state;
struct inherited_access;
} // namespace detail

/// What an inherited descriptor is.
enum class inherited_kind : std::uint8_t {
    listening_stream, ///< `accept` works on it: TCP, or a local stream
    connected_stream, ///< one connection (systemd's Accept=yes)
    unbound_stream,   ///< a stream socket that neither listens nor is connected
    datagram,         ///< UDP, or local datagrams
    other_socket,     ///< netlink, raw, sequenced packets
    no_socket,        ///< a FIFO, a device, a file
};

constexpr std::string_view to_string(inherited_kind kind) noexcept {
    switch (kind) {
    case inherited_kind::listening_stream:
        return "a listening stream socket";
    case inherited_kind::connected_stream:
        return "a connected stream socket";
    case inherited_kind::unbound_stream:
        return "a stream socket that does not listen";
    case inherited_kind::datagram:
        return "a datagram socket";
    case inherited_kind::other_socket:
        return "a socket of another type";
    case inherited_kind::no_socket:
        return "no socket";
    }
    return "unknown";
}

/// A descriptor that the program was started with. A handle: copies are the same one, and the last of them
/// closes it, unless somebody took it before (`release`, or a listener that was opened with it). From any
/// thread.
class inherited_socket {
  public:
    /// None at all.
    inherited_socket() noexcept = default;

    /// Takes `descriptor` over, and finds out what it is. For those who are handed sockets in another way
    /// than by the environment. A negative or closed one gives `errc::invalid_option`.
    static result<inherited_socket> adopt(int descriptor, std::string name);

    /// The descriptor, -1 once it was taken.
    int descriptor() const noexcept;
    explicit operator bool() const noexcept { return descriptor() >= 0; }
    /// What the service manager calls it: FileDescriptorName= of systemd; "unknown" where nobody said.
    const std::string& name() const noexcept;
    inherited_kind kind() const noexcept;
    /// Its own end where that is an address and a port (of TCP or UDP).
    const std::optional<boost::asio::ip::tcp::endpoint>& endpoint() const noexcept;
    /// Its own end as text: "0.0.0.0:80", "/run/x.sock" (abstract ones with an @ in front), or nothing.
    const std::string& local() const noexcept;

    /// Hands the descriptor out: the caller closes it. -1 where it was taken before.
    int release() const noexcept;

  private:
    friend struct detail::inherited_access;
    std::shared_ptr<detail::inherited_state> state_;
};

/// "web: a listening stream socket, 0.0.0.0:80"
std::string to_string(const inherited_socket& socket);
inline std::ostream& operator<<(std::ostream& out, const inherited_socket& socket) {
    return out << to_string(socket);
}

/// What becomes of LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES.
enum class listen_environment : std::uint8_t {
    keep,  ///< they stay; programs that are started from here see that they are meant for another process
    unset, ///< they go. Not to be done while another thread reads the environment: at the start of `main`
};

/// The sockets that systemd, or another service manager, opened for this program (socket activation,
/// sd_listen_fds(3)); none where it was started in another way, or where they were for another process. Each
/// is close-on-exec from then on and belongs to its handle.
///
///     listener_options door;
///     door.inherited = inherited_sockets().value();
///     if (door.inherited.empty()) door.ports = 8080;   // started by hand
///
/// To be called once: descriptors have one owner. A second call, with the environment kept, is an error.
///
/// Errors, all `errc::invalid_option`: a variable that is not what it should be, which the detail quotes; a
/// descriptor that is not open, or has close-on-exec set, so that it cannot have been inherited (or was taken
/// before). Nothing is taken, closed or unset then. More than 4096 descriptors count as an error.
///
/// Semantics rows.
result<std::vector<inherited_socket>> inherited_sockets(listen_environment then = listen_environment::keep);

} // namespace portunus

#include <portunus/net/impl/inherited_sockets.hpp>

#endif