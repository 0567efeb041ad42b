// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_NETLINK_SOCKET_HPP
#define PORTUNUS_NET_DETAIL_NETLINK_SOCKET_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/detail/netlink.hpp>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace portunus::detail::netlink {

inline error system_failure(int number, std::string detail) {
    return error(boost::system::error_code(number, boost::system::system_category()), std::move(detail));
}

/// Receives one datagram without waiting longer than the socket allows. The true size of the datagram, which
/// may be more than the buffer holds, or -1 with errno. Datagrams of other processes are passed over: anybody
/// may send to a netlink socket, and only the kernel is to be believed.
PORTUNUS_DECL ssize_t receive_from_kernel(int fd, std::span<unsigned char> into, int flags);

/// A socket to ask the kernel about its network. Asking is immediate: the kernel writes (the first part of)
/// its answer before it takes the question as sent. The limit is there all the same.
class netlink_socket {
  public:
    static constexpr int tries = 8;                     // a list that changed while it was read is read anew
    static constexpr std::size_t largest = 1024 * 1024; // of a datagram: the kernel's own are 32 KiB
    static constexpr timeval limit{2, 0};

    /// `groups`: the RTMGRP_... to hear news of.
    static result<netlink_socket> open(std::uint32_t groups = 0);

    /// For tests: something that answers like the kernel, which calls this end `port`.
    netlink_socket(int fd, std::uint32_t port) noexcept : fd_(fd), port_(port) {
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
    netlink_socket(netlink_socket&& o) noexcept
        : fd_(std::exchange(o.fd_, -1)), port_(o.port_), sequence_(o.sequence_) {}
    netlink_socket& operator=(netlink_socket&&) = delete;
    ~netlink_socket() {
        if (fd_ >= 0) ::close(fd_);
    }

    int release() noexcept { return std::exchange(fd_, -1); }

    /// Sends the question and collects what `read(message, items)` makes of the answer; that returns false
    /// for what is malformed. `about` says in errors what was asked for.
    template <class Item, class Read>
    result<std::vector<Item>> collect(request question, const char* about, Read read) {
        for (int round = 0; round < tries; ++round) {
            std::vector<Item> items;
            answer a;
            a.sequence = ++sequence_;
            a.port = port_;
            const bytes sent = question.as_sent(a.sequence);
            ssize_t n = -1; // without an address it goes to the kernel
            do n = ::send(fd_, sent.data(), sent.size(), MSG_NOSIGNAL);
            while (n < 0 && errno == EINTR);
            if (n < 0) return system_failure(errno, std::string("asking for ") + about);
            bool lost = false;
            for (auto state = answer::state::more; state == answer::state::more;) {
                const int number = receive();
                if (number == ENOBUFS) { // something did not fit. The rest comes all the same; then ask again
                    lost = true;
                    continue;
                }
                if (number != 0)
                    return system_failure(number == EAGAIN ? ETIMEDOUT : number,
                                          std::string("the answer about ") + about);
                state = read_answer(buffer_view(), a, [&](const message& m) { return read(m, items); });
                if (state == answer::state::failed)
                    return system_failure(a.number, std::string("asking for ") + about);
                if (state == answer::state::malformed)
                    return error(errc::malformed_frame, std::string("a netlink datagram of ") +
                                                            std::to_string(size_) + " bytes about " + about);
            }
            if (!lost && !a.interrupted) return items;
        }
        return system_failure(EAGAIN, std::string("the list of ") + about + " changed while it was read, " +
                                          std::to_string(tries) + " times");
    }

  private:
    bytes buffer_view() const noexcept { return {buffer_.data(), size_}; }

    /// The next datagram, whatever its size, into the buffer. 0 or the system's error.
    int receive();

    int fd_;
    std::uint32_t port_;
    std::uint32_t sequence_ = 0;
    std::vector<unsigned char> buffer_;
    std::size_t size_ = 0;
};

} // namespace portunus::detail::netlink

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/detail/impl/netlink_socket.ipp>
#endif

#endif
