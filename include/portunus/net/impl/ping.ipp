// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_PING_IPP
#define PORTUNUS_NET_IMPL_PING_IPP

#include <portunus/net/impl/ping.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/result.hpp>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/icmp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace portunus::detail {

PORTUNUS_DECL std::uint64_t echo_token() {
    std::random_device random; // kilobytes: not in the coroutine's frame
    return std::uint64_t{random()} << 32 | random();
}

struct echo_socket {
    int fd = -1;
    bool raw = false;
};

/// The kind that needs no privilege where the administrator allows it, else the raw one.
PORTUNUS_DECL result<echo_socket> open_echo_socket(const boost::asio::ip::address& whom) {
    const int family = whom.is_v6() ? AF_INET6 : AF_INET;
    const int protocol = whom.is_v6() ? static_cast<int>(IPPROTO_ICMPV6) : static_cast<int>(IPPROTO_ICMP);
    echo_socket s;
    for (const int kind : {SOCK_DGRAM, SOCK_RAW}) {
        s.fd = ::socket(family, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
        s.raw = kind == SOCK_RAW;
        if (s.fd >= 0 || (errno != EACCES && errno != EPERM && errno != EPROTONOSUPPORT)) break;
    }
    if (s.fd < 0) {
        const int number = errno;
        if (number == EACCES || number == EPERM)
            return error(errc::port_requires_privilege,
                         "ICMP echo to " + whom.to_string() +
                             ": the group is not in net.ipv4.ping_group_range, and there is no CAP_NET_RAW");
        return error(boost::system::error_code(number, boost::system::system_category()), whom.to_string());
    }
    const boost::asio::ip::icmp::endpoint to(whom, 0);
    if (::connect(s.fd, to.data(), static_cast<socklen_t>(to.size())) != 0) {
        const int number = errno;
        ::close(s.fd);
        return error(boost::system::error_code(number, boost::system::system_category()), whom.to_string());
    }
    return s;
}

/// 0 when the answer has come, EAGAIN when it has not, or the errno of what the network reported. Looks at
/// what is there, and leaves out answers to others; at most 100 of them, for a raw socket hears everybody's.
PORTUNUS_DECL int receive_answer(const echo_socket& socket, const echo_message& question, bool v4) noexcept {
    std::uint8_t got[2048];
    for (int i = 0; i < 100; ++i) {
        const auto n = ::recv(socket.fd, got, sizeof got, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (question.answered_by(got, static_cast<std::size_t>(n), socket.raw && v4)) return 0;
    }
    return EAGAIN;
}

} // namespace portunus::detail

namespace portunus {

PORTUNUS_DECL awaitable<result<steady_clock::duration>> ping(boost::asio::ip::address whom,
                                                             ping_options options) {
    using namespace detail;
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    if (stop_asked(asked)) co_return errc::canceled;
    if (options.size < 8 || options.size > 1400)
        co_return error(errc::invalid_option,
                        "ping of " + std::to_string(options.size) + " bytes: 8 to 1400 are possible");
    auto opened = open_echo_socket(whom);
    if (!opened) co_return std::move(opened).error();
    const auto executor = co_await boost::asio::this_coro::executor;
    struct scene {
        boost::asio::posix::stream_descriptor socket;
        bool late = false;
    } now{boost::asio::posix::stream_descriptor(executor)};
    boost::system::error_code ec;
    now.socket.assign(opened->fd, ec);
    if (ec) {
        ::close(opened->fd);
        co_return error(ec, whom.to_string());
    }
    const echo_message question(whom.is_v6(), echo_token(), options.size);
    deadline limit(deadline_service::of(executor), &now, [](void* self) {
        static_cast<scene*>(self)->late = true;
        boost::system::error_code ignored;
        static_cast<scene*>(self)->socket.cancel(ignored);
    });
    limit.arm(options.limit);
    const auto began = steady_clock::now();
    if (::send(opened->fd, question.bytes().data(), question.bytes().size(), MSG_NOSIGNAL) < 0 &&
        errno != EAGAIN)
        co_return error(boost::system::error_code(errno, boost::system::system_category()), whom.to_string());
    for (;;) {
        if (now.late)
            co_return error(
                errc::connect_timeout,
                whom.to_string() + " did not answer within " +
                    std::to_string(
                        std::chrono::duration_cast<std::chrono::milliseconds>(options.limit).count()) +
                    " ms");
        if (stop_asked(asked)) co_return errc::canceled;
        const int outcome = receive_answer(*opened, question, whom.is_v4());
        if (outcome == 0) co_return steady_clock::now() - began;
        if (outcome != EAGAIN)
            co_return error(boost::system::error_code(outcome, boost::system::system_category()),
                            whom.to_string());
        co_await now.socket.async_wait(boost::asio::posix::stream_descriptor::wait_read, use_result);
    }
}

} // namespace portunus

#endif
