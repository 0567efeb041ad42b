// SPDX-License-Identifier: BSL-1.0
// Peers for the tests of sockets: plain sockets of the system, not the library's, that see what a stranger
// would see.
#ifndef PORTUNUS_TESTS_UNIT_NET_NET_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_NET_NET_SUPPORT_HPP

#include "support/catch.hpp"
#include "support/world.hpp"

#include <portunus/net/tcp_stream.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace portunus_tests {

using tcp = asio::ip::tcp;

inline const asio::ip::address loopback = asio::ip::address_v4::loopback();

/// How a blocking read of a plain socket ended.
enum class ending { open, eof, reset, failed };

inline std::string to_text(ending e) {
    return e == ending::open ? "open" : e == ending::eof ? "eof" : e == ending::reset ? "reset" : "failed";
}

/// A plain TCP socket with the system's own blocking calls. Nothing waits longer than `patience`.
class plain_socket {
  public:
    plain_socket() = default;
    explicit plain_socket(int fd) : fd_(fd) { limit(); }
    plain_socket(plain_socket&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
    plain_socket& operator=(plain_socket&& o) noexcept {
        close();
        fd_ = std::exchange(o.fd_, -1);
        return *this;
    }
    ~plain_socket() { close(); }

    /// Connects to a listening socket; succeeds when the kernel has completed the handshake, whoever accepts.
    static plain_socket connected_to(const tcp::endpoint& to, const tcp::endpoint& from = {}) {
        plain_socket s(::socket(to.data()->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (from.port() != 0 || !from.address().is_unspecified()) {
            const int on = 1;
            ::setsockopt(s.fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
            if (::bind(s.fd_, from.data(), static_cast<socklen_t>(from.size())) != 0) fail("bind");
        }
        if (::connect(s.fd_, to.data(), static_cast<socklen_t>(to.size())) != 0) fail("connect");
        return s;
    }

    int fd() const noexcept { return fd_; }
    bool is_open() const noexcept { return fd_ >= 0; }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    /// With RST instead of FIN.
    void reset() {
        const struct linger at_once = {1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close();
    }
    void shutdown_send() { ::shutdown(fd_, SHUT_WR); }

    /// Small buffers, so that little data fills them. Before the connection is made, or it has no effect on
    /// the window.
    void small_buffers() {
        const int size = 4096;
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        ::setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    }

    void send(std::string_view text) {
        while (!text.empty()) {
            const auto n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
            if (n < 0) fail("send");
            text.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    /// False where the connection is broken already.
    bool try_send(std::string_view text) {
        return ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
               static_cast<ssize_t>(text.size());
    }

    std::string read(std::size_t n) {
        std::string text(n, '\0');
        std::size_t got = 0;
        while (got < n) {
            const auto r = ::recv(fd_, text.data() + got, n - got, 0);
            if (r < 0) fail("recv");
            if (r == 0) break;
            got += static_cast<std::size_t>(r);
        }
        text.resize(got);
        return text;
    }

    /// Everything up to the end, and which end that was.
    std::pair<std::string, ending> read_to_end() {
        std::string text;
        for (;;) {
            char buffer[16384];
            const auto n = ::recv(fd_, buffer, sizeof buffer, 0);
            if (n == 0) return {std::move(text), ending::eof};
            if (n < 0)
                return {std::move(text), errno == ECONNRESET ? ending::reset
                                         : errno == EAGAIN   ? ending::open
                                                             : ending::failed};
            text.append(buffer, static_cast<std::size_t>(n));
        }
    }

    /// What has arrived, without waiting for more.
    std::string read_available() {
        std::string text;
        char buffer[16384];
        for (ssize_t n; (n = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT)) > 0;)
            text.append(buffer, static_cast<std::size_t>(n));
        return text;
    }

    /// Whether the connection still stands, or how it ended; takes nothing.
    ending peek() const {
        char byte = 0;
        const auto n = ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        if (n == 0) return ending::eof;
        if (n > 0 || errno == EAGAIN) return ending::open;
        return errno == ECONNRESET ? ending::reset : ending::failed;
    }

    tcp::endpoint local() const { return name(&::getsockname); }
    tcp::endpoint remote() const { return name(&::getpeername); }

  private:
    static constexpr timeval patience{20, 0};

    [[noreturn]] static void fail(const char* what) {
        throw std::system_error(errno, std::generic_category(), what);
    }
    void limit() {
        if (fd_ < 0) fail("socket");
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        const int on = 1;
        ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    template <class Function>
    tcp::endpoint name(Function f) const {
        tcp::endpoint e;
        auto size = static_cast<socklen_t>(e.capacity());
        if (f(fd_, e.data(), &size) != 0) fail("name of a socket");
        e.resize(size);
        return e;
    }

    int fd_ = -1;
};

/// A listening socket of the system's own, on a free port.
class plain_listener {
  public:
    explicit plain_listener(const asio::ip::address& on = loopback, int backlog = 128)
        : fd_(::socket(on.is_v6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        tcp::endpoint e(on, 0);
        if (fd_ < 0 || ::bind(fd_, e.data(), static_cast<socklen_t>(e.size())) != 0 ||
            ::listen(fd_, backlog) != 0)
            throw std::system_error(errno, std::generic_category(), "listening");
        auto size = static_cast<socklen_t>(e.capacity());
        ::getsockname(fd_, e.data(), &size);
        where_ = e;
    }
    plain_listener(const plain_listener&) = delete;
    plain_listener& operator=(const plain_listener&) = delete;
    ~plain_listener() { close(); }

    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    const tcp::endpoint& endpoint() const noexcept { return where_; }
    int fd() const noexcept { return fd_; }
    plain_socket accept() { return plain_socket(::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC)); }

  private:
    int fd_;
    tcp::endpoint where_;
};

/// A stream of the library on `context`, and a plain socket at its other end.
struct connection {
    portunus::tcp_stream stream;
    plain_socket peer;
};

/// `small`: buffers of a few KiB on both sides, so that a peer which does not read is soon felt.
inline connection connect_pair(asio::io_context& context, const portunus::tcp_stream_options& options = {},
                               bool small = false, const asio::ip::address& on = loopback) {
    const plain_listener listener(on);
    const tcp::endpoint to = listener.endpoint();
    plain_socket peer(::socket(to.data()->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (small) peer.small_buffers();
    if (::connect(peer.fd(), to.data(), static_cast<socklen_t>(to.size())) != 0)
        throw std::system_error(errno, std::generic_category(), "connect");
    const int fd = ::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) throw std::system_error(errno, std::generic_category(), "accept");
    if (small) {
        const int size = 4096;
        ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    }
    tcp::socket socket(context, to.protocol(), fd);
    return {portunus::tcp_stream(std::move(socket), options), std::move(peer)};
}

/// Bytes in which every position can be told from its neighbours.
inline std::string pattern(std::size_t size, std::size_t from = 0) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) {
        const std::size_t n = from + i;
        text[i] = static_cast<char>((n * 131 + n / 251) & 0xff);
    }
    return text;
}

/// How many descriptors this process has open: what leaks shows here.
inline std::size_t open_descriptors() {
    std::size_t n = 0;
    for (int fd = 0; fd < 4096; ++fd) n += ::fcntl(fd, F_GETFD) != -1;
    return n;
}

} // namespace portunus_tests

#endif
