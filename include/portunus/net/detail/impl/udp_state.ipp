// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_IMPL_UDP_STATE_IPP
#define PORTUNUS_NET_DETAIL_IMPL_UDP_STATE_IPP

#include <portunus/net/detail/udp_state.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/context_bound.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/datagram.hpp>
#include <portunus/net/detail/udp_system.hpp>
#include <portunus/net/interface_choice.hpp>
#include <portunus/net/udp_options.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/udp.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/epoll.h>
#include <sys/socket.h>

namespace portunus::detail {

PORTUNUS_DECL udp_socket_state::udp_socket_state(const boost::asio::any_io_executor& e, udp_options o)
    : context_bound(e), executor(e), options(std::move(o)) {
    asks_errors = options.icmp_errors || options.on_icmp_error;
    asks_interface = options.policy.asks_interface();
}

PORTUNUS_DECL void udp_socket_state::wake() noexcept {
    boost::system::error_code ignored;
    if (epoll) epoll->cancel(ignored);
    for (bound& b : sockets)
        if (b.descriptor) b.descriptor->cancel(ignored);
}

PORTUNUS_DECL udp_counters udp_socket_state::counters() const noexcept {
    udp_counters now = counts;
    for (const bound& b : sockets)
        if (b.fd >= 0) now.overruns += dropped_at(b.fd);
    return now;
}

// opening

PORTUNUS_DECL result<void> udp_socket_state::open() {
    const auto out_of_range = [](const char* name, long long value, const char* range) {
        return error(errc::invalid_option,
                     std::string(name) + ' ' + std::to_string(value) + " is not " + range);
    };
    if (options.max_datagram == 0 || options.max_datagram > 65535)
        return out_of_range("max_datagram", static_cast<long long>(options.max_datagram), "1 to 65535 bytes");
    if (options.hops < 0 || options.hops > 255) return out_of_range("hops", options.hops, "0 to 255");
    if (options.multicast_hops < 0 || options.multicast_hops > 255)
        return out_of_range("multicast_hops", options.multicast_hops, "0 to 255");
    if (options.ports.empty()) return error(errc::invalid_port, "no port to receive on");
    std::vector<std::string> interfaces(options.interfaces.begin(), options.interfaces.end());
    if (interfaces.empty()) interfaces.emplace_back();
    for (const std::string& name : interfaces)
        if (!name.empty() && ::if_nametoindex(name.c_str()) == 0)
            return error(errc::no_such_interface, "no interface is named \"" + name + '"');
    for (const std::uint16_t port : options.ports) {
        auto done = open_port(port, interfaces);
        // A free port of the first address may be taken at the next one: then another one is tried.
        for (int tries = 0; port == 0 && tries < 32 && !done && done.error() == errc::address_in_use;
             ++tries) {
            sockets.clear(); // port 0 stands alone in the list
            where.clear();
            done = open_port(port, interfaces);
        }
        if (!done) return done;
    }
    if (auto made = make_group(); !made) return made;
    buffer.reset(new char[options.max_datagram]); // untouched: what is never used takes no memory
    opened = true;
    return {};
}

PORTUNUS_DECL result<void> udp_socket_state::open_port(std::uint16_t port,
                                                       const std::vector<std::string>& interfaces) {
    std::uint16_t chosen = port; // port 0: the one that the system gave to the first socket
    for (const std::string& interface : interfaces) {
        if (options.addresses.empty()) {
            if (auto r = open_any(chosen, interface); !r) return r;
        }
        for (const auto& address : options.addresses) {
            if (auto r = open_one({normalised(address), chosen}, interface, true); !r) return r;
            chosen = where.back().port();
        }
    }
    return {};
}

/// Both families on one socket where the machine has IPv6, IPv4 alone where it has not.
PORTUNUS_DECL result<void> udp_socket_state::open_any(std::uint16_t& port, const std::string& interface) {
    namespace ip = boost::asio::ip;
    auto both = open_one({ip::address_v6::any(), port}, interface, false);
    if (!both && (both.error() == boost::system::errc::address_family_not_supported ||
                  both.error() == errc::address_not_available))
        both = open_one({ip::address_v4::any(), port}, interface, true);
    if (both) port = where.back().port();
    return both;
}

PORTUNUS_DECL result<void> udp_socket_state::open_one(const udp_endpoint& wanted,
                                                      const std::string& interface, bool v6_only) {
    const auto refused = [&](int number) { return open_failure(number, to_string(wanted), interface); };
    const int family = wanted.data()->sa_family;
    const int fd = ::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
    if (fd < 0) return udp_error(errno, to_string(wanted));
    bound b;
    boost::system::error_code ec;
    b.descriptor.emplace(executor);
    b.descriptor->assign(fd, ec);
    if (ec) {
        ::close(fd);
        return error(ec, "a socket could not be watched");
    }
    b.fd = fd;
    b.v6 = family == AF_INET6;
    b.v4 = !b.v6 || !v6_only;
    b.interface = interface;
    b.interface_index = interface.empty() ? 0 : ::if_nametoindex(interface.c_str());
    const int v6_only_number = v6_only, on = 1;
    if (b.v6) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only_number, sizeof v6_only_number);
    if (!interface.empty() && ::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface.data(),
                                           static_cast<socklen_t>(interface.size())) != 0)
        return refused(errno);
    if (options.reuse) ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    // All of it before the bind: from then on datagrams arrive, and they shall have everything beside them.
    if (auto good = configure(b); !good) return std::move(good).error().with("for " + to_string(wanted));
    if (::bind(fd, wanted.data(), static_cast<socklen_t>(wanted.size())) != 0) return refused(errno);
    socklen_t size = static_cast<socklen_t>(b.where.capacity());
    if (::getsockname(fd, b.where.data(), &size) != 0) return refused(errno);
    b.where.resize(size);
    where.push_back(b.where);
    sockets.push_back(std::move(b));
    return {};
}

PORTUNUS_DECL result<void> udp_socket_state::configure(bound& b) {
    error failed;
    const auto set = [&](int level, int name, int value, const char* what) {
        if (::setsockopt(b.fd, level, name, &value, sizeof value) != 0 && !failed.code().failed())
            failed = udp_error(errno, std::string(what) + ' ' + std::to_string(value));
    };
    set(SOL_SOCKET, SO_RXQ_OVFL, 1, "SO_RXQ_OVFL");
    if (options.receive_offload) {
        const int on = 1; // an older kernel does without
        ::setsockopt(b.fd, SOL_UDP, UDP_GRO, &on, sizeof on);
    }
    if (b.v4) {
        set(IPPROTO_IP, IP_PKTINFO, 1, "IP_PKTINFO");
        // Or it would get the groups that other programs of this machine have joined.
        set(IPPROTO_IP, IP_MULTICAST_ALL, 0, "IP_MULTICAST_ALL");
        set(IPPROTO_IP, IP_MULTICAST_LOOP, options.multicast_loopback, "multicast_loopback");
        set(IPPROTO_IP, IP_MULTICAST_TTL, options.multicast_hops, "multicast_hops");
        if (options.hops != 0) set(IPPROTO_IP, IP_TTL, options.hops, "hops");
        if (asks_errors) set(IPPROTO_IP, IP_RECVERR, 1, "IP_RECVERR");
    }
    if (b.v6) {
        constexpr int multicast_all = 29; // IPV6_MULTICAST_ALL, which older headers and kernels lack
        const int off = 0;
        ::setsockopt(b.fd, IPPROTO_IPV6, multicast_all, &off, sizeof off);
        set(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO");
        set(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, options.multicast_loopback, "multicast_loopback");
        set(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, options.multicast_hops, "multicast_hops");
        if (options.hops != 0) set(IPPROTO_IPV6, IPV6_UNICAST_HOPS, options.hops, "hops");
        if (asks_errors) set(IPPROTO_IPV6, IPV6_RECVERR, 1, "IPV6_RECVERR");
    }
    if (options.receive_buffer != 0) {
        const int wanted = static_cast<int>(std::min<std::size_t>(options.receive_buffer, 1 << 30));
        if (::setsockopt(b.fd, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof wanted) != 0) // for the privileged
            set(SOL_SOCKET, SO_RCVBUF, wanted, "receive_buffer");
        int got = 0;
        socklen_t size = sizeof got;
        ::getsockopt(b.fd, SOL_SOCKET, SO_RCVBUF, &got, &size);
        if (got / 2 < wanted) // it tells the double (socket(7))
            options.log(log_level::warning, "the system grants a smaller receive buffer than asked for",
                        {{"asked", wanted}, {"granted", got / 2}});
    }
    if (failed.code().failed()) return failed;
    return {};
}

PORTUNUS_DECL result<void> udp_socket_state::make_group() {
    if (sockets.size() < 2) return {};
    const int set = ::epoll_create1(EPOLL_CLOEXEC);
    if (set < 0) return udp_error(errno, "no epoll set for several sockets");
    boost::system::error_code ec;
    epoll.emplace(executor);
    epoll->assign(set, ec);
    if (ec) {
        ::close(set);
        return error(ec, "an epoll set could not be watched");
    }
    for (std::size_t i = 0; i < sockets.size(); ++i) {
        epoll_event interest{};
        interest.events = EPOLLIN;
        interest.data.u64 = i;
        if (::epoll_ctl(set, EPOLL_CTL_ADD, sockets[i].fd, &interest) != 0)
            return udp_error(errno, to_string(sockets[i].where));
    }
    return {};
}

PORTUNUS_DECL void udp_socket_state::end(errc why) noexcept {
    if (cause == errc{}) cause = why;
    for (bound& b : sockets) {
        if (b.fd >= 0) counts.overruns += dropped_at(b.fd);
        b.fd = -1;
        b.descriptor.reset();
    }
    epoll.reset();
}

// receiving

/// Several sockets take turns, so that a busy one does not keep the others waiting.
template <class Receive>
udp_socket_state::outcome udp_socket_state::take(error& why, Receive receive) {
    for (unsigned budget = 64; budget != 0; --budget) {
        if (!is_open()) { // from a callback
            why = cause;
            return outcome::failed;
        }
        bound* turns = nullptr;
        for (std::size_t n = 0; n < sockets.size() && !turns; ++n) {
            bound& b = sockets[(turn + n) % sockets.size()];
            if (b.ready) {
                turns = &b;
                turn = (turn + n + 1) % sockets.size();
            }
        }
        if (!turns) {
            if (!refresh()) return outcome::nothing_now;
            continue;
        }
        const outcome o = receive(*turns, why);
        if (o == outcome::something && !is_open()) continue; // a callback ended it, and its buffer may go
        if (o != outcome::again) return o;
    }
    return outcome::again;
}

/// Marks a receive for as long as it lasts.
class udp_receiver_mark {
  public:
    explicit udp_receiver_mark(udp_socket_state& s) noexcept : state_(s) { s.receiving = true; }
    udp_receiver_mark(const udp_receiver_mark&) = delete;
    udp_receiver_mark& operator=(const udp_receiver_mark&) = delete;
    ~udp_receiver_mark() { state_.receiving = false; }

  private:
    udp_socket_state& state_;
};

inline error another_receives() {
    return error(errc::operation_in_progress, "another coroutine already receives");
}

PORTUNUS_DECL udp_socket_state::outcome udp_socket_state::take_one(error& why) {
    if (room && !room->empty()) { // of a batch, or of a datagram that was several
        const outcome o = give_out(1);
        if (o != outcome::again) return o;
    }
    return take(why, [this](bound& b, error& e) {
        return options.receive_offload ? receive_several(b, e, 1) : receive_one(b, e);
    });
}
PORTUNUS_DECL udp_socket_state::outcome udp_socket_state::take_batch(error& why) {
    if (room && !room->empty()) {
        const outcome o = give_out(udp_headers::most);
        if (o != outcome::again) return o;
    }
    return take(why, [this](bound& b, error& e) { return receive_several(b, e, udp_headers::most); });
}

/// Whether any socket may have something now.
PORTUNUS_DECL bool udp_socket_state::refresh() noexcept {
    if (!epoll) {
        sockets.front().ready = true; // the next time
        return false;
    }
    std::array<epoll_event, 64> news; // those that find no place here come the next time
    const int n = ::epoll_wait(epoll->native_handle(), news.data(), static_cast<int>(news.size()), 0);
    for (int i = 0; i < n; ++i) {
        const epoll_event event = news[static_cast<std::size_t>(i)];
        sockets[static_cast<std::size_t>(event.data.u64)].ready = true;
    }
    return n > 0;
}

PORTUNUS_DECL udp_socket_state::outcome udp_socket_state::receive_failed(bound& b, error& why) {
    const int number = errno;
    if (number == EAGAIN) {
        b.ready = false;
        if (asks_errors) drain_errors(b);
        return outcome::again;
    }
    if (number == EINTR) return outcome::again;
    if (is_passing(number)) { // what happened to a datagram that was sent does not end a receive
        if (asks_errors) drain_errors(b);
        return outcome::again;
    }
    why = udp_error(number, to_string(b.where));
    return outcome::failed;
}

PORTUNUS_DECL udp_socket_state::outcome udp_socket_state::receive_one(bound& b, error& why) {
    sockaddr_in6 name;
    iovec piece{buffer.get(), options.max_datagram};
    msghdr message{};
    message.msg_name = &name;
    message.msg_namelen = sizeof name;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    const ssize_t n = ::recvmsg(b.fd, &message, MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0) return receive_failed(b, why);
    one = {};
    one.size = static_cast<std::size_t>(n);
    one.bytes = {buffer.get(), std::min(one.size, options.max_datagram)};
    one.truncated = one.size > one.bytes.size();
    one.sender = endpoint_of(&name, message.msg_namelen);
    one.local_port = b.where.port();
    std::uint32_t dropped = b.lost;
    read_control(message, one, dropped);
    if (!accepts(one)) return outcome::again;
    one.lost_before = dropped - std::exchange(b.lost, dropped);
    ++counts.received;
    counts.truncated += one.truncated;
    return outcome::something;
}

PORTUNUS_DECL udp_socket_state::outcome udp_socket_state::receive_several(bound& b, error& why,
                                                                          unsigned most) {
    if (!room) {
        constexpr std::size_t whole = 65535; // what several joined ones need
        room = std::make_unique<udp_batch_room>(options.receive_offload ? whole : options.max_datagram);
    }
    udp_headers& h = room->headers;
    room->prepare(most);
    const int n = ::recvmmsg(b.fd, h.messages.data(), most, MSG_DONTWAIT | MSG_TRUNC, nullptr);
    if (n < 0) return receive_failed(b, why);
    room->next = 0;
    room->arrived = static_cast<std::size_t>(n);
    for (std::size_t i = 0; i < room->arrived; ++i) {
        mmsghdr& m = h.messages[i];
        datagram& d = room->joined[i];
        d = {};
        d.size = m.msg_len;
        d.bytes = {static_cast<const char*>(h.pieces[i].iov_base), std::min(d.size, room->each)};
        d.sender = endpoint_of(&h.names[i], m.msg_hdr.msg_namelen);
        d.local_port = b.where.port();
        std::uint32_t dropped = b.lost;
        room->segment[i] = read_control(m.msg_hdr, d, dropped);
        d.lost_before = dropped - std::exchange(b.lost, dropped);
    }
    return give_out(most);
}

/// Gives out at most so many of what has arrived, without those that nobody wants: one goes to `one`, several
/// to the batch.
PORTUNUS_DECL udp_socket_state::outcome udp_socket_state::give_out(std::size_t most) {
    std::size_t kept = 0;
    while (kept < most && !room->empty()) {
        datagram d = room->take();
        d.bytes = d.bytes.substr(0, options.max_datagram);
        d.truncated = d.size > d.bytes.size();
        d.lost_before += std::exchange(room->lost, 0);
        if (!accepts(d)) {
            room->lost = d.lost_before; // the next one tells
            continue;
        }
        counts.truncated += d.truncated;
        room->datagrams[kept++] = d;
    }
    counts.received += kept;
    batch_size = kept;
    if (kept == 0) return outcome::again;
    if (most == 1) one = room->datagrams.front();
    return outcome::something;
}

PORTUNUS_DECL bool udp_socket_state::accepts(const datagram& d) noexcept {
    // For IPv6 the kernel asks whether the group was joined, and not on which interface.
    if (d.to_multicast && d.local.is_v6() && !groups.hears(d.local, d.interface)) return false;
    bool welcome = !d.to_broadcast || options.receive_broadcasts;
    if (welcome) {
        connection_attempt attempt{d.sender.address(), d.sender.port(), d.local, d.local_port};
        if (asks_interface) attempt.interface = name_of(d.interface);
        welcome = options.policy.allows(attempt);
    }
    if (welcome) return true;
    ++counts.filtered;
    if (!options.on_filtered) return false;
    try {
        options.on_filtered(d);
    } catch (...) {
        options.log(log_level::error, "an exception left on_filtered");
    }
    return false;
}

/// Interfaces are renamed seldom, and datagrams are many: a name holds for a second.
PORTUNUS_DECL std::string_view udp_socket_state::name_of(std::uint32_t interface) noexcept {
    const auto now = deadline_service::of(executor).now();
    auto& last = last_interface;
    if (last.index != interface || now - last.asked > std::chrono::seconds(1)) {
        last.index = interface;
        last.asked = now;
        if (!::if_indextoname(interface, last.name)) last.name[0] = '\0';
    }
    return last.name;
}

/// How many reports of the network there were.
PORTUNUS_DECL unsigned udp_socket_state::drain_errors(bound& b) {
    unsigned reports = 0;
    icmp_error report;
    while (b.fd >= 0 && reports < 64) {
        const auto kind = read_error_queue(b.fd, report);
        if (kind == error_report::none) break;
        if (kind != error_report::icmp) continue; // the send that met it has told
        ++reports;
        ++counts.icmp_errors;
        if (!options.on_icmp_error) continue;
        try {
            options.on_icmp_error(report);
        } catch (...) {
            options.log(log_level::error, "an exception left on_icmp_error");
        }
    }
    return reports;
}

PORTUNUS_DECL awaitable<result<datagram>> udp_socket_state::receive(pointer s) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    if (s->receiving) co_return another_receives();
    const udp_receiver_mark mark(*s);
    const auto cancels_before = s->cancels;
    error why;
    for (;;) {
        if (!s->is_open()) co_return s->cause;
        if (stop_asked(asked) || s->cancels != cancels_before) co_return errc::canceled;
        // A flood must not keep the rest of the context waiting.
        outcome o = outcome::again;
        if (++s->in_a_row % 64 != 0) o = s->take_one(why);
        if (o == outcome::something) co_return s->one;
        if (o == outcome::failed) co_return why;
        if (o == outcome::again) {
            co_await boost::asio::post(boost::asio::deferred);
        } else {
            s->in_a_row = 0;
            auto& readable = s->epoll ? *s->epoll : *s->sockets.front().descriptor;
            const auto [ec] = co_await readable.async_wait(descriptor_type::wait_read, use_result);
            (void)ec; // whoever ended the wait has left the reason where the loop looks
        }
    }
}

PORTUNUS_DECL awaitable<result<datagram_batch>> udp_socket_state::receive_batch(pointer s) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    if (s->receiving) co_return another_receives();
    const udp_receiver_mark mark(*s);
    const auto cancels_before = s->cancels;
    error why;
    for (;;) {
        if (!s->is_open()) co_return s->cause;
        if (stop_asked(asked) || s->cancels != cancels_before) co_return errc::canceled;
        outcome o = outcome::again;
        if (++s->in_a_row % 8 != 0) o = s->take_batch(why);
        if (o == outcome::something) co_return s->batch();
        if (o == outcome::failed) co_return why;
        if (o == outcome::again) {
            co_await boost::asio::post(boost::asio::deferred);
        } else {
            s->in_a_row = 0;
            auto& readable = s->epoll ? *s->epoll : *s->sockets.front().descriptor;
            const auto [ec] = co_await readable.async_wait(descriptor_type::wait_read, use_result);
            (void)ec;
        }
    }
}

// sending

PORTUNUS_DECL result<std::size_t> udp_socket_state::choose(const datagram_source& from,
                                                           const udp_endpoint& to, std::size_t size) const {
    if (!is_open()) return cause;
    const boost::asio::ip::address target = normalised(to.address()), local = normalised(from.local);
    const bool v4 = target.is_v4();
    // The length field of UDP has 16 bits; in IPv4 that of the packet has, too (RFC 768, RFC 791).
    const std::size_t most = v4 ? 65535 - 8 - 20 : 65535 - 8;
    if (size > most)
        return udp_error(EMSGSIZE, std::to_string(size) + " bytes to " + to_string(to) +
                                       " exceed the most that a datagram by IPv" + (v4 ? '4' : '6') +
                                       " carries, " + std::to_string(most));
    bool family = false, port = false, address = false;
    for (std::size_t i = 0; i < sockets.size(); ++i) {
        const bound& b = sockets[i];
        if (v4 ? !b.v4 : !b.v6) continue;
        family = true;
        if (from.port != 0 && b.where.port() != from.port) continue;
        port = true;
        const auto& at = b.where.address();
        const bool anywhere = at.is_unspecified() || local.is_unspecified() || at.is_multicast();
        if (!anywhere && normalised(at) != local) continue;
        address = true;
        if (from.interface != 0 && b.interface_index != 0 && b.interface_index != from.interface) continue;
        return i;
    }
    if (!family)
        return udp_error(EAFNOSUPPORT, to_string(to) + " cannot be reached from " + to_string(where.front()));
    if (!port)
        return error(errc::invalid_port, std::to_string(from.port) + " is none of this socket's ports");
    if (!address)
        return error(errc::address_not_available, "this socket is not bound to " + local.to_string());
    return error(errc::no_such_interface,
                 "this socket is not bound to interface " + std::to_string(from.interface));
}

/// 0, or the number of what went wrong.
PORTUNUS_DECL int udp_socket_state::transmit(bound& b, const datagram_source& from, const udp_endpoint& to,
                                             std::string_view bytes, bool retry) {
    const bool v4 = normalised(to.address()).is_v4();
    udp_endpoint target(normalised(to.address()), to.port());
    if (v4 && b.v6)
        target.address(
            boost::asio::ip::make_address_v6(boost::asio::ip::v4_mapped, target.address().to_v4()));
    udp_control beside{};
    iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_name = target.data();
    message.msg_namelen = static_cast<socklen_t>(target.size());
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_controllen = write_control(beside, from, v4);
    if (message.msg_controllen != 0) message.msg_control = beside.bytes.data();
    for (int tries = retry ? 4 : 1;;) {
        if (::sendmsg(b.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
            ++counts.sent;
            return 0;
        }
        const int number = errno;
        if (number == EINTR) continue;
        // With IP_RECVERR a call may be told what happened to an earlier datagram: then nothing was sent.
        if (--tries <= 0 || !asks_errors || !is_passing(number) || drain_errors(b) == 0) return number;
        if (b.fd < 0) return EBADF; // closed by the callback
    }
}

PORTUNUS_DECL result<void> udp_socket_state::send_now(std::size_t index, const datagram_source& from,
                                                      const udp_endpoint& to, std::string_view bytes) {
    const int number = transmit(sockets[index], from, to, bytes);
    if (number == 0) return {};
    if (number == EAGAIN) return errc::would_block;
    if (!is_open()) return cause;
    std::string detail = "to " + to_string(to);
    if (!from.local.is_unspecified()) detail += " from " + from.local.to_string();
    if (from.interface != 0) detail += " by interface " + std::to_string(from.interface);
    return udp_error(number, std::move(detail));
}

PORTUNUS_DECL awaitable<result<void>> udp_socket_state::wait_for_room(pointer s, std::size_t index,
                                                                      steady_clock::time_point end) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    struct watch {
        udp_socket_state* state;
        bool late;
    } mine{s.get(), false};
    auto& time = deadline_service::of(s->executor);
    if (stop_asked(asked)) co_return errc::canceled;
    if (time.now() >= end)
        co_return error(errc::write_timeout, "the system took no datagram at " + to_string(s->where[index]));
    deadline limit(time, &mine, [](void* owner) {
        static_cast<watch*>(owner)->late = true;
        static_cast<watch*>(owner)->state->wake();
    });
    limit.arm_at(end);
    const auto [ec] =
        co_await s->sockets[index].descriptor->async_wait(descriptor_type::wait_write, use_result);
    (void)ec;
    if (mine.late)
        co_return error(errc::write_timeout, "the system took no datagram at " + to_string(s->where[index]));
    co_return result<void>();
}

PORTUNUS_DECL awaitable<result<void>> udp_socket_state::send(pointer s, datagram_source from, udp_endpoint to,
                                                             std::string_view bytes) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    if (stop_asked(asked)) co_return errc::canceled;
    const auto cancels_before = s->cancels;
    const auto index = s->choose(from, to, bytes.size());
    if (!index) co_return index.error();
    auto sent = s->send_now(*index, from, to, bytes);
    if (sent || sent.error() != errc::would_block) co_return sent;
    const auto end = deadline_service::of(s->executor).now() + s->options.send_limit;
    for (;;) {
        auto room_again = co_await wait_for_room(s, *index, end);
        if (!s->is_open()) co_return s->cause;
        if (stop_asked(asked) || s->cancels != cancels_before) co_return errc::canceled;
        if (!room_again) co_return room_again;
        sent = s->send_now(*index, from, to, bytes);
        if (sent || sent.error() != errc::would_block) co_return sent;
    }
}

/// Datagrams to one receiver that follow each other and have one size (the last may be smaller) go to the
/// kernel as one, which it cuts where they leave (UDP_SEGMENT, Linux 4.18): most of what a datagram costs is
/// then paid once.
PORTUNUS_DECL result<std::size_t> udp_socket_state::send_some(std::size_t index,
                                                              std::span<const outgoing_datagram> all) {
    if (!out) out = std::make_unique<udp_headers>();
    bound& b = sockets[index];
    constexpr std::size_t most_bytes = 65000; // of all that are cut from one
    for (int tries = 4;;) {
        std::size_t messages = 0, taken = 0;
        while (taken < all.size() && taken < udp_headers::most) {
            const outgoing_datagram& d = all[taken];
            const auto its = choose({}, d.to, d.bytes.size());
            if (!its || *its != index) break;
            const std::size_t each = d.bytes.size(), first = taken;
            std::size_t sum = 0;
            bool more = true;
            while (more) {
                out->pieces[taken] = {const_cast<char*>(all[taken].bytes.data()), all[taken].bytes.size()};
                sum += all[taken].bytes.size();
                more = all[taken].bytes.size() == each && each != 0 && each <= most_segment;
                ++taken;
                more = more && taken < all.size() && taken < udp_headers::most && all[taken].to == d.to &&
                       !all[taken].bytes.empty() && all[taken].bytes.size() <= each &&
                       sum + all[taken].bytes.size() <= most_bytes;
            }
            udp_endpoint target(normalised(d.to.address()), d.to.port());
            if (target.address().is_v4() && b.v6)
                target.address(
                    boost::asio::ip::make_address_v6(boost::asio::ip::v4_mapped, target.address().to_v4()));
            std::memcpy(&out->names[messages], target.data(), target.size());
            const bool several = taken - first > 1;
            out->prepare(messages, first, taken - first, target.size(),
                         several ? write_segment_size(out->controls[messages], each) : 0);
            out_count[messages++] = static_cast<std::uint8_t>(taken - first);
        }
        const int sent = ::sendmmsg(b.fd, out->messages.data(), static_cast<unsigned>(messages),
                                    MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) {
            std::size_t datagrams = 0;
            for (int i = 0; i < sent; ++i) datagrams += out_count[static_cast<std::size_t>(i)];
            counts.sent += datagrams;
            return datagrams;
        }
        const int number = errno;
        if (number == EINTR) continue;
        if (number == EAGAIN) return errc::would_block;
        if (out_count.front() > 1 && cannot_cut(number)) {
            // Too large for this path, or for the interface's driver: cut by us from now on.
            most_segment = number == EIO ? 0 : out->pieces.front().iov_len - 1;
            continue;
        }
        const bool earlier = --tries > 0 && asks_errors && is_passing(number) && drain_errors(b) != 0;
        if (!is_open()) return cause;
        if (!earlier) return udp_error(number, "to " + to_string(all.front().to));
    }
}

PORTUNUS_DECL awaitable<result<std::size_t>>
udp_socket_state::send_batch(pointer s, std::span<const outgoing_datagram> all) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    const auto cancels_before = s->cancels;
    if (!s->is_open()) co_return s->cause;
    for (std::size_t i = 0; i < all.size(); ++i) {
        auto good = s->choose({}, all[i].to, all[i].bytes.size());
        if (!good)
            co_return good.error().with("(datagram " + std::to_string(i + 1) + " of " +
                                        std::to_string(all.size()) + ", none was sent)");
    }
    auto& time = deadline_service::of(s->executor);
    auto end = time.now() + s->options.send_limit;
    std::size_t done = 0;
    error why;
    while (done < all.size()) {
        if (!s->is_open()) {
            why = s->cause;
            break;
        }
        if (stop_asked(asked) || s->cancels != cancels_before) {
            why = errc::canceled;
            break;
        }
        const auto index = s->choose({}, all[done].to, all[done].bytes.size());
        auto sent = s->send_some(*index, all.subspan(done));
        if (sent) {
            done += *sent;
            end = time.now() + s->options.send_limit;
            continue;
        }
        why = sent.error();
        if (why != errc::would_block) break;
        auto room_again = co_await wait_for_room(s, *index, end);
        why = error();
        if (room_again || !s->is_open()) continue;
        why = room_again.error();
        break;
    }
    if (why.code().failed())
        co_return why.with("(" + std::to_string(done) + " of " + std::to_string(all.size()) +
                           " datagrams had been sent)");
    co_return done;
}

PORTUNUS_DECL result<void> udp_socket_state::send_broadcast(std::size_t index, const datagram_source& from,
                                                            const udp_endpoint& to, std::string_view bytes) {
    bound& b = sockets[index];
    const auto permit = [&b](int on) {
        if (b.fd >= 0) ::setsockopt(b.fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
    };
    permit(1);
    auto sent = send_now(index, from, to, bytes);
    permit(0);
    return sent;
}

PORTUNUS_DECL result<std::size_t> udp_socket_state::broadcast(std::uint16_t port, std::string_view bytes) {
    if (!is_open()) return cause;
    const auto present = interfaces();
    if (!present) return present.error();
    std::size_t sent = 0;
    error first;
    std::vector<std::pair<std::uint32_t, boost::asio::ip::address>> done; // two addresses of one subnet
    for (const network_interface& i : *present) {
        if (!i.usable() || i.loopback) continue;
        for (const interface_address& a : i.addresses) {
            if (!a.broadcast) continue;
            const std::pair key(i.index, *a.broadcast);
            if (std::find(done.begin(), done.end(), key) != done.end()) continue;
            done.push_back(key);
            datagram_source from;
            from.local = a.address;
            from.interface = i.index;
            const udp_endpoint to(*a.broadcast, port);
            auto index = choose(from, to, bytes.size());
            if (!index && index.error() == condition::too_large) return index;
            auto left = index ? send_broadcast(*index, from, to, bytes) : result<void>(index.error());
            if (left) {
                ++sent;
                continue;
            }
            if (!is_open()) return cause;
            if (options.log.enabled(log_level::warning)) {
                const std::string text = left.error().message();
                options.log(log_level::warning, "a broadcast was not sent",
                            {{"interface", i.name}, {"error", text}});
            }
            if (!first.code().failed()) first = left.error();
        }
    }
    if (sent != 0) return sent;
    if (first.code().failed()) return first;
    return error(errc::no_such_interface, "no interface that works has a broadcast address");
}

// groups

/// The sockets that can receive a group there.
PORTUNUS_DECL result<void> udp_socket_state::receivers(const boost::asio::ip::address& group,
                                                       std::uint32_t interface, std::vector<int>& fds) const {
    bool family = false;
    std::string only;
    for (const bound& b : sockets) {
        if (group.is_v4() ? !b.v4 : !b.v6) continue;
        family = true;
        const auto& at = b.where.address();
        const bool elsewhere = interface != 0 && b.interface_index != 0 && b.interface_index != interface;
        if (elsewhere || (!at.is_unspecified() && at != group)) {
            only = elsewhere ? "interface " + b.interface : at.to_string();
            continue;
        }
        fds.push_back(b.fd);
    }
    if (!fds.empty()) return {};
    if (!family)
        return udp_error(EAFNOSUPPORT,
                         "group " + group.to_string() + " cannot be received at " + to_string(where.front()));
    return error(errc::invalid_option, "the socket is bound to " + only + " alone, where nothing of group " +
                                           group.to_string() + " arrives");
}

PORTUNUS_DECL result<void> udp_socket_state::change(bool join, const boost::asio::ip::address& wanted,
                                                    const boost::asio::ip::address* source,
                                                    const interface_choice& on) {
    if (!is_open()) return cause;
    const auto without_scope = [](boost::asio::ip::address a) {
        a = normalised(a);
        if (!a.is_v6()) return a;
        auto bare = a.to_v6();
        bare.scope_id(0);
        return boost::asio::ip::address(bare);
    };
    membership m{without_scope(wanted), 0, {}};
    if (!m.group.is_multicast())
        return error(errc::invalid_address, wanted.to_string() + " is no multicast group");
    if (source) {
        m.source = without_scope(*source);
        if (m.source->is_v4() != m.group.is_v4() || m.source->is_multicast() || m.source->is_unspecified())
            return error(errc::invalid_address,
                         source->to_string() + " cannot be a source of group " + m.group.to_string());
    }
    auto index = on.index();
    if (!index) return error(index.error()).with("(for group " + m.group.to_string() + ")");
    m.interface = *index;
    // "ff02::1%eth0" has said it already
    if (m.interface == 0 && wanted.is_v6())
        m.interface = static_cast<std::uint32_t>(wanted.to_v6().scope_id());
    std::vector<int> fds;
    if (auto some = receivers(m.group, m.interface, fds); !some) return some;
    return join ? groups.add(m, fds) : groups.remove(m, fds);
}

PORTUNUS_DECL result<std::size_t> udp_socket_state::join_all(const boost::asio::ip::address& group) {
    if (!is_open()) return cause;
    const auto present = interfaces();
    if (!present) return present.error();
    std::size_t joined = 0;
    bool had = false;
    error first;
    for (const network_interface& i : *present) {
        if (!i.up || !i.multicast) continue;
        auto done = change(true, group, nullptr, i.index);
        if (done) {
            ++joined;
            continue;
        }
        if (done.error() == errc::address_in_use) {
            had = true;
            continue;
        }
        if (done.error() == errc::invalid_address) return done.error();
        if (!first.code().failed()) first = done.error();
        if (options.log.enabled(log_level::warning)) {
            const std::string text = done.error().message();
            options.log(log_level::warning, "a group was not joined",
                        {{"interface", i.name}, {"error", text}});
        }
    }
    if (joined != 0 || had) return joined;
    if (first.code().failed()) return first;
    if (!normalised(group).is_multicast())
        return error(errc::invalid_address, group.to_string() + " is no multicast group");
    return error(errc::no_such_interface, "no interface that is up can receive group " + group.to_string());
}

PORTUNUS_DECL result<std::size_t> udp_socket_state::leave_all(const boost::asio::ip::address& group) {
    if (!is_open()) return cause;
    const auto joined = groups.of(normalised(group));
    if (joined.empty())
        return error(errc::address_not_available, "group " + group.to_string() + " was not joined");
    std::vector<std::uint32_t> places;
    for (const membership& m : joined) {
        if (std::find(places.begin(), places.end(), m.interface) == places.end())
            places.push_back(m.interface);
        std::vector<int> fds;
        if (receivers(m.group, m.interface, fds)) (void)groups.remove(m, fds);
    }
    return places.size();
}

PORTUNUS_DECL result<void> udp_socket_state::set_multicast_hops(int hops) {
    if (!is_open()) return cause;
    if (hops < 0 || hops > 255)
        return error(errc::invalid_option, "multicast hops " + std::to_string(hops) + " are not 0 to 255");
    for (const bound& b : sockets) {
        const bool failed =
            (b.v4 && ::setsockopt(b.fd, IPPROTO_IP, IP_MULTICAST_TTL, &hops, sizeof hops) != 0) ||
            (b.v6 && ::setsockopt(b.fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops) != 0);
        if (failed) return udp_error(errno, to_string(b.where));
    }
    options.multicast_hops = hops;
    return {};
}

} // namespace portunus::detail

#endif
