// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_TCP_LISTENER_IPP
#define PORTUNUS_NET_IMPL_TCP_LISTENER_IPP

#include <portunus/net/impl/tcp_listener.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/detail/context_bound.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/logger.hpp>
#include <portunus/core/metrics.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/detail/open_failure.hpp>
#include <portunus/net/detail/proxy_gate.hpp>
#include <portunus/net/detail/silent_filter.hpp>
#include <portunus/net/inherited_sockets.hpp>
#include <portunus/net/peer_info.hpp>
#include <portunus/net/tcp_stream.hpp>
#include <portunus/policy/accept_policy.hpp>
#include <portunus/policy/admission.hpp>
#include <portunus/policy/interface_list.hpp>
#include <portunus/policy/port_list.hpp>
#include <portunus/policy/replace_policy.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <linux/filter.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace portunus {
namespace detail {

PORTUNUS_DECL result<tcp_stream> accepted_socket::attach(const boost::asio::any_io_executor& executor,
                                                         const tcp_stream_options& options) {
    boost::asio::ip::tcp::socket socket(executor);
    boost::system::error_code ec;
    socket.assign(peer.local.protocol(), fd_, ec); // the client of a proxy may be of another family
    if (ec) return error(ec, "the accepted socket could not be watched");
    fd_ = -1;
    tcp_stream stream = tcp_stream_state::make(std::move(socket), options, peer.remote, peer.local);
    tcp_stream_state::of(stream).ticket = std::move(ticket);
    return stream;
}

PORTUNUS_DECL void accepted_socket::reset_peer() noexcept {
    const struct linger at_once = {1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(std::exchange(fd_, -1));
    ticket.release();
}

PORTUNUS_DECL void refuse(int fd, refusal how) noexcept {
    if (how != refusal::close) { // who is here was not dropped by the kernel
        const struct linger at_once = {1, 0};
        ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    } else {
        // Unread input would turn the FIN into a reset.
        ::shutdown(fd, SHUT_WR);
        while (::recv(fd, nullptr, std::size_t(1) << 30, MSG_TRUNC | MSG_DONTWAIT) > 0) {
        }
    }
    ::close(fd);
}

PORTUNUS_DECL tcp_listener_state::tcp_listener_state(const boost::asio::any_io_executor& e,
                                                     listener_options o, metrics m)
    : context_bound(e), executor(e), options(std::move(o)), meters(std::move(m)), counts(meters.of(0)),
      house(options.house ? *options.house : admission(options.limits)), changed(e),
      gate(e, options.proxy.limit, options.proxy.max_header, options.proxy.max_waiting),
      later(deadline_service::of(e), this,
            [](void* self) { static_cast<tcp_listener_state*>(self)->retry(); }) {
    gate.tell([this] { wake(); },
              [this](const peer_info& peer, const error& why) { header_failed(peer, why); });
}

PORTUNUS_DECL result<void> tcp_listener_state::open() {
    if (options.ports.empty() && options.inherited.empty())
        return error(errc::invalid_port, "no port to listen on");
    if (options.proxy.only && options.proxy.from.empty())
        return error(errc::invalid_option, "proxy.only without the address of a proxy lets nobody in");
    if (options.proxy.max_waiting == 0 || options.proxy.limit <= steady_clock::duration::zero())
        return error(errc::invalid_option, "proxy.max_waiting and proxy.limit are more than zero");
    for (const inherited_socket& socket : options.inherited)
        if (auto good = fit_to_inherit(socket); !good) return good;
    std::vector<std::string> interfaces(options.interfaces.begin(), options.interfaces.end());
    if (interfaces.empty()) interfaces.emplace_back();
    for (const std::string& name : interfaces)
        if (!name.empty() && ::if_nametoindex(name.c_str()) == 0)
            return error(errc::no_such_interface, "no interface is named \"" + name + '"');
    for (const std::uint16_t port : options.ports) {
        auto opened = open_port(port, interfaces);
        // A free port of the first address may be taken at the next one: then another one is tried.
        for (int tries = 0; port == 0 && tries < 32 && !opened && opened.error() == errc::address_in_use;
             ++tries) {
            doors.clear(); // port 0 stands alone in the list
            where.clear();
            opened = open_port(port, interfaces);
        }
        if (!opened) return opened;
    }
    return inherit();
}

PORTUNUS_DECL result<void> tcp_listener_state::fit_to_inherit(const inherited_socket& socket) {
    const int fd = socket.descriptor();
    if (fd < 0)
        return error(errc::invalid_option,
                     '"' + socket.name() + "\" is no inherited socket any more: it was taken before");
    int protocol = 0;
    socklen_t size = sizeof protocol;
    constexpr int multipath_tcp = 262; // IPPROTO_MPTCP, which older headers lack; what it accepts is TCP
    if (socket.kind() == inherited_kind::listening_stream && socket.endpoint() &&
        ::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
        (protocol == IPPROTO_TCP || protocol == multipath_tcp))
        return {};
    return error(errc::invalid_option, "inherited " + to_string(socket) +
                                           "; a TCP listener needs a "
                                           "listening TCP socket");
}

PORTUNUS_DECL result<void> tcp_listener_state::inherit() {
    const std::size_t before = doors.size();
    error failed;
    std::size_t taken = 0;
    for (; taken < options.inherited.size(); ++taken) {
        const inherited_socket& socket = options.inherited[taken];
        const int fd = socket.release();
        if (fd < 0) { // by another thread, or the same socket twice in the list
            failed = fit_to_inherit(socket).error();
            break;
        }
        const endpoint_type at = *socket.endpoint();
        boost::system::error_code ec;
        acceptor_type a(executor);
        a.assign(at.protocol(), fd, ec);
        if (ec) {
            inherited_access::put_back(socket, fd);
            failed = open_failure(ec.value(), to_string(at), {});
            break;
        }
        a.native_non_blocking(true, ec);
        apply_to_socket(fd, options.stream); // accepted sockets inherit it
        char device[IF_NAMESIZE] = {};
        socklen_t size = sizeof device - 1;
        if (::getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &size) != 0) device[0] = '\0';
        where.push_back(at);
        doors.emplace_back(std::move(a), at, device);
        doors.back().inherited = true;
    }
    if (!failed.code().failed()) return {};
    for (std::size_t i = 0; i < taken; ++i) {
        boost::system::error_code ignored;
        inherited_access::put_back(options.inherited[i], doors[before + i].acceptor.release(ignored));
    }
    return failed;
}

PORTUNUS_DECL std::uint32_t tcp_listener_state::queued_at(int fd) noexcept {
    tcp_info info{};
    socklen_t size = sizeof info;
    return ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_unacked : 0;
}

PORTUNUS_DECL result<void> tcp_listener_state::open_port(std::uint16_t port,
                                                         const std::vector<std::string>& interfaces) {
    std::uint16_t chosen = port; // port 0: the one that the system gave to the first socket
    for (const std::string& interface : interfaces) {
        if (options.addresses.empty()) {
            if (auto r = open_any(chosen, interface); !r) return r;
        }
        for (const auto& address : options.addresses)
            if (auto r = open_one(endpoint_type(address, chosen), interface, true); !r) return r;
    }
    return {};
}

PORTUNUS_DECL result<void> tcp_listener_state::open_any(std::uint16_t& port, const std::string& interface) {
    namespace ip = boost::asio::ip;
    auto both = open_one(endpoint_type(ip::address_v6::any(), port), interface, false);
    if (!both && (both.error() == boost::system::errc::address_family_not_supported ||
                  both.error() == errc::address_not_available))
        both = open_one(endpoint_type(ip::address_v4::any(), port), interface, true);
    if (both) port = where.back().port();
    return both;
}

PORTUNUS_DECL result<void> tcp_listener_state::open_one(const endpoint_type& wanted,
                                                        const std::string& interface, bool v6_only) {
    const auto set = [](int fd, int level, int name, int value) {
        return ::setsockopt(fd, level, name, &value, sizeof value);
    };
    endpoint_type target = wanted;
    // Several addresses and port 0: the first one's port is everybody's.
    if (target.port() == 0 && !where.empty() && options.ports.size() == 1) target.port(where.front().port());
    const auto refused = [&](int number) { return open_failure(number, to_string(target), interface); };
    boost::system::error_code ec;
    acceptor_type a(executor);
    a.open(target.protocol(), ec);
    if (ec) return error(ec, to_string(target));
    const int fd = a.native_handle();
    // Restart at once though old connections are in TIME_WAIT. Never shares a port with a listening
    // socket.
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (target.address().is_v6()) set(fd, IPPROTO_IPV6, IPV6_V6ONLY, v6_only);
    if (!interface.empty() && ::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface.data(),
                                           static_cast<socklen_t>(interface.size())) != 0)
        return refused(errno);
    if (options.reuse_port && set(fd, SOL_SOCKET, SO_REUSEPORT, 1) != 0) return refused(errno);
    apply_to_socket(fd, options.stream); // accepted sockets inherit it
    a.bind(target, ec);
    if (!ec) a.listen(options.backlog, ec);
    if (ec) return refused(ec.value());
    a.native_non_blocking(true, ec);
    const endpoint_type real = a.local_endpoint(ec);
    if (ec) return refused(ec.value());
    if (filters()) drop_silently(fd);
    where.push_back(real);
    doors.emplace_back(std::move(a), real, interface);
    return {};
}

PORTUNUS_DECL void tcp_listener_state::drop_silently(int fd) const {
    auto code = silent_filter(options.policy.addresses_alone());
    const sock_fprog program = {static_cast<unsigned short>(code.size()), code.data()};
    if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
        options.log(log_level::warning,
                    "the kernel takes no filter for the policy: who is refused sees a reset instead",
                    {{"error", std::strerror(errno)}, {"instructions", code.size()}});
}

PORTUNUS_DECL void tcp_listener_state::detach_filter(int fd) noexcept {
    const int ignored = 0;
    ::setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &ignored, sizeof ignored);
}

PORTUNUS_DECL void tcp_listener_state::set_policy(accept_policy policy) {
    options.policy = std::move(policy);
    for (const door& d : doors) {
        if (stopping || d.inherited) continue; // a filter there would be everybody's
        // First the old one: the kernel may have no room for both, and would keep it.
        detach_filter(d.descriptor);
        if (filters()) drop_silently(d.descriptor);
    }
}

PORTUNUS_DECL bool tcp_listener_state::queue_is_empty() const noexcept {
    for (const door& d : doors) {
        if (d.inherited && d.left == 0) continue; // asked for only while stopping
        pollfd waiting = {d.descriptor, POLLIN, 0};
        if (::poll(&waiting, 1, 0) > 0) return false;
    }
    return true;
}

PORTUNUS_DECL void tcp_listener_state::resume() {
    paused = false;
    wake();
}

PORTUNUS_DECL void tcp_listener_state::wake() {
    changed.notify();
    if (!watching || doors.empty()) return;
    boost::system::error_code ignored;
    doors.front().acceptor.cancel(ignored);
    doors.front().ready = true; // look once more before waiting again
}

PORTUNUS_DECL void tcp_listener_state::retry() {
    exhausted = false;
    wake();
}

PORTUNUS_DECL void tcp_listener_state::back_off(int number) {
    constexpr steady_clock::duration first = std::chrono::milliseconds(5), most = std::chrono::seconds(1);
    counts->accept_errors.add();
    delay = delay == steady_clock::duration::zero() ? first : std::min(delay * 2, most);
    exhausted = true;
    later.arm(delay);
    if (std::exchange(short_of_resources, true)) return;
    try {
        options.log(log_level::error, "cannot accept for now: the system is out of resources",
                    {{"error", std::strerror(number)}, {"endpoint", to_string(where.front())}});
    } catch (...) { // not even for that
    }
}

PORTUNUS_DECL void tcp_listener_state::recovered() {
    if (!std::exchange(short_of_resources, false)) return;
    options.log(log_level::info, "accepting again");
}

PORTUNUS_DECL tcp_listener_state::outcome
tcp_listener_state::try_accept(std::size_t index, std::optional<accepted_socket>& taken, int& number) {
    door& d = doors[index];
    const bool shared = stopping && d.inherited; // who came after the stop is the next program's
    if (shared && d.left == 0) return outcome::nobody;
    sockaddr_storage from;
    socklen_t size = sizeof from;
    const int fd =
        ::accept4(d.descriptor, reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        number = errno;
        switch (number) {
        case EAGAIN:
            recovered();
            d.left = 0; // whoever was left has been taken by somebody else
            return outcome::nobody;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            return outcome::exhausted;
        case EBADF:
        case EINVAL:
        case ENOTSOCK:
        case EOPNOTSUPP:
        case EFAULT:
            return outcome::fatal;
        default: // the peer is gone already, or the network reported an old trouble: the next one is
                 // unharmed. But a refusal that the system repeats for ever must not spin.
            counts->accept_errors.add();
            return ++failures_in_a_row % 64 == 0 ? outcome::exhausted : outcome::skip;
        }
    }
    if (shared) --d.left;
    delay = steady_clock::duration::zero();
    failures_in_a_row = 0;
    struct owner { // until somebody has taken it
        int fd;
        ~owner() {
            if (fd >= 0) ::close(fd);
        }
    } mine{fd};
    peer_info peer;
    std::memcpy(peer.remote.data(), &from, std::min<std::size_t>(size, peer.remote.capacity()));
    peer.remote.resize(size);
    peer.local = d.where;
    if (d.where.address().is_unspecified()) {
        size = static_cast<socklen_t>(peer.local.capacity());
        if (::getsockname(fd, peer.local.data(), &size) == 0) peer.local.resize(size);
    }
    peer.listener = static_cast<std::uint32_t>(index);
    if (!options.proxy.from.empty()) {
        if (is_proxy(peer.remote)) {
            gate.enter(std::exchange(mine.fd, -1), peer);
            return outcome::skip;
        }
        if (options.proxy.only) {
            refuse(std::exchange(mine.fd, -1), refusal::reset);
            counts->refused_by_policy.add();
            if (options.log.enabled(log_level::info))
                options.log(
                    log_level::info, "a peer was refused",
                    {{"remote", to_string(peer.remote)}, {"reason", "it does not come through a proxy"}});
            return outcome::skip;
        }
    }
    return admit(std::exchange(mine.fd, -1), peer, taken);
}

PORTUNUS_DECL bool tcp_listener_state::is_proxy(const endpoint_type& remote) const noexcept {
    const auto address = policy_detail::flatten(remote.address());
    return std::any_of(options.proxy.from.begin(), options.proxy.from.end(),
                       [&](const address_rule& rule) { return rule.matches(address, remote.port()); });
}

PORTUNUS_DECL void tcp_listener_state::header_failed(const peer_info& peer, const error& why) noexcept {
    try {
        if (why == errc::end_of_stream) // a look at whether the port is open, as balancers take it
            return options.log(log_level::debug, "a proxy hung up without a header",
                               {{"proxy", to_string(peer.remote)}});
        counts->protocol_errors.add();
        options.log(log_level::warning, "the connection of a proxy was refused: " + why.message(),
                    {{"proxy", to_string(peer.remote)}, {"local", to_string(peer.local)}});
    } catch (...) { // no memory, or a log that throws: there is nobody left to tell
    }
}

PORTUNUS_DECL tcp_listener_state::outcome
tcp_listener_state::admit_announced(std::optional<accepted_socket>& taken) {
    auto named = gate.next();
    if (!named) return outcome::nobody;
    try {
        return admit(std::exchange(named->fd, -1), named->peer, taken);
    } catch (...) { // no memory, or a log that throws: this one, and not the door
        counts->accept_errors.add();
        return outcome::skip;
    }
}

PORTUNUS_DECL tcp_listener_state::outcome tcp_listener_state::admit(int fd, const peer_info& from,
                                                                    std::optional<accepted_socket>& taken) {
    struct owner { // until somebody has taken it
        int fd;
        ~owner() {
            if (fd >= 0) ::close(fd);
        }
    } mine{fd};
    peer_info peer = from;
    const door& d = doors[peer.listener];
    connection_attempt attempt{peer.remote.address(), peer.remote.port(), peer.local.address(),
                               peer.local.port()};
    std::string interface;
    if (options.policy.asks_interface()) {
        interface = d.interface.empty() ? interface_of(peer.local.address()) : d.interface;
        attempt.interface = interface;
    }
    if (const verdict answer = options.policy.decide(attempt); !answer) {
        refuse(std::exchange(mine.fd, -1), answer.refuse_with);
        counts->refused_by_policy.add();
        refused(log_level::info, peer, answer);
        return outcome::skip;
    }
    auto entry = house.enter(peer.remote.address(), steady_clock::now());
    const bool instead = !entry && entry.answer.why != decided_by::address_rate && takes_over &&
                         takes_over(attempt); // of somebody who is in
    if (!entry && !instead) {
        refuse(std::exchange(mine.fd, -1), entry.answer.refuse_with);
        auto& count = entry.answer.why == decided_by::address_cap    ? counts->refused_by_address
                      : entry.answer.why == decided_by::address_rate ? counts->refused_by_rate
                                                                     : counts->refused_full;
        count.add();
        refused(log_level::warning, peer, entry.answer);
        return outcome::skip;
    }
    counts->accepted.add();
    peer.id = ++last_id;
    peer.time = std::chrono::system_clock::now();
    taken.emplace(std::exchange(mine.fd, -1), peer, std::move(entry.ticket));
    return outcome::peer;
}

PORTUNUS_DECL tcp_listener_state::outcome
tcp_listener_state::accept_safely(std::size_t index, std::optional<accepted_socket>& taken, int& number) {
    try {
        return try_accept(index, taken, number);
    } catch (...) {
        counts->accept_errors.add();
        number = ENOMEM;
        return outcome::exhausted;
    }
}

PORTUNUS_DECL void tcp_listener_state::refused(log_level level, const peer_info& peer,
                                               const verdict& answer) {
    if (!options.log.enabled(level)) return; // no text is made that nobody reads
    const std::string remote = to_string(peer.remote), local = to_string(peer.local);
    const std::string reason = answer.reason();
    options.log(level, "a peer was refused", {{"remote", remote}, {"local", local}, {"reason", reason}});
}

PORTUNUS_DECL void tcp_listener_state::watch_others(const pointer& s) {
    for (std::size_t i = 1; i < s->doors.size(); ++i) {
        door& d = s->doors[i];
        if (d.waiting || d.ready) continue;
        d.waiting = true;
        d.acceptor.async_wait(acceptor_type::wait_read, [s, i](const boost::system::error_code& ec) {
            if (s->doors.empty()) return;
            s->doors[i].waiting = false;
            if (ec) { // cancelled by an accept that ended; the next one may count on it already
                if (s->watching) watch_others(s);
                return;
            }
            s->doors[i].ready = true;
            s->wake();
        });
    }
}

PORTUNUS_DECL void tcp_listener_state::stop() {
    if (stopping || doors.empty()) return;
    stopping = true;
    // Drops what would begin a connection (SYN without ACK) and passes what completes one.
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13), // the flags of the TCP header
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
    };
    const sock_fprog program = {sizeof code / sizeof code[0], code};
    for (door& d : doors) {
        // A filter on an inherited socket would outlive us there and make the next program deaf.
        if (d.inherited)
            d.left = queued_at(d.descriptor);
        else {
            detach_filter(d.descriptor);
            ::setsockopt(d.descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
        }
        d.ready = true;
    }
    paused = false;
    exhausted = false;
    wake();
}

PORTUNUS_DECL void tcp_listener_state::close() noexcept {
    doors.clear();
    gate.clear();
    later.disarm();
    house.forget(std::exchange(waiting_for_room, 0)); // the house may outlive our context
    changed.notify();
}

PORTUNUS_DECL awaitable<error> tcp_listener_state::accept_each(pointer s, sink take) {
    if (s->accepting)
        co_return error(errc::operation_in_progress, "another coroutine already waits in accept()");
    struct mark_type {
        tcp_listener_state& state;
        ~mark_type() {
            state.accepting = state.watching = false;
            boost::system::error_code
                ignored; // the other doors' waits must not keep the context from draining
            for (door& d : state.doors)
                if (d.waiting) d.acceptor.cancel(ignored);
        }
    } mark{*s};
    s->accepting = true;
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    std::optional<accepted_socket> taken;
    unsigned in_a_row = 0;
    for (;;) {
        if (s->doors.empty()) co_return errc::listener_closed;
        if (stop_asked(asked)) co_return errc::canceled;
        if (s->may_admit()) {
            int number = 0;
            bool again = false;
            if (s->gate.ready()) {
                again = true;
                if (s->admit_announced(taken) == outcome::peer) {
                    const bool more = take(*taken);
                    taken.reset();
                    if (!more) co_return error();
                }
            }
            for (std::size_t n = 0; !again && n < s->doors.size() && s->may_accept(); ++n) {
                const std::size_t i = s->turn;
                if (!s->doors[i].ready) {
                    s->turn = (i + 1) % s->doors.size();
                    continue;
                }
                switch (s->accept_safely(i, taken, number)) {
                case outcome::peer: {
                    s->turn = (i + 1) % s->doors.size(); // no busy door keeps the others waiting
                    const bool more = take(*taken);
                    taken.reset();
                    if (!more) co_return error();
                    again = true;
                    break;
                }
                case outcome::nobody:
                    s->doors[i].ready = false;
                    s->turn = (i + 1) % s->doors.size();
                    break;
                case outcome::skip:
                    again = true;
                    break;
                case outcome::exhausted:
                    s->back_off(number);
                    break;
                case outcome::fatal: {
                    error fatal(system_error(number).code(), to_string(s->doors[i].where));
                    s->close(); // nobody is to wait at a door that nobody opens
                    co_return fatal;
                }
                }
                if (again) break;
            }
            if (again) {
                // A crowd at the door, let in or refused, must not keep the rest of the context waiting.
                if (++in_a_row % 16 == 0) co_await boost::asio::post(boost::asio::deferred);
                continue;
            }
            in_a_row = 0;
        }
        if (s->stopping && s->queue_is_empty() && s->gate.empty()) {
            if (s->looked_twice) {
                s->close();
                co_return errc::listener_closed;
            }
            // A handshake that was under way when the filter came completes within a round trip.
            s->looked_twice = true;
            s->later.arm(std::chrono::milliseconds(20));
            while (s->later.armed() && !stop_asked(asked)) co_await s->changed.wait_op();
            for (door& d : s->doors) d.ready = true;
            continue;
        }
        if (s->may_accept()) {
            watch_others(s);
            s->watching = true;
            const auto [ec] =
                co_await s->doors.front().acceptor.async_wait(acceptor_type::wait_read, use_result);
            s->watching = false;
            if (!ec && !s->doors.empty()) s->doors.front().ready = true;
        } else {
            if (!s->paused && !s->exhausted && !s->may_admit()) { // all places are taken
                std::weak_ptr<tcp_listener_state> self = s;
                std::function<void()> notify = [self, executor = s->executor] {
                    boost::asio::post(executor, [self] {
                        if (const auto state = self.lock()) {
                            state->waiting_for_room = 0;
                            state->wake();
                        }
                    });
                };
                if (s->waiting_for_room == 0)
                    s->waiting_for_room = s->house.notify_when_free(std::move(notify));
                if (s->waiting_for_room == 0) continue; // one became free meanwhile
            }
            co_await s->changed.wait_op();
        }
    }
}

PORTUNUS_DECL awaitable<result<accepted>> tcp_listener_state::accept(pointer s) {
    result<accepted> first = errc::canceled;
    sink take = [&first, &s](accepted_socket& taken) {
        auto stream = taken.attach(s->executor, s->options.stream);
        if (stream)
            first = accepted{std::move(*stream), taken.peer};
        else
            first = std::move(stream).error();
        return false;
    };
    const error ended = co_await accept_each(s, std::move(take));
    if (ended.code().failed()) co_return ended;
    co_return first;
}

PORTUNUS_DECL awaitable<result<accepted>> listener_gone() {
    co_return errc::listener_closed;
}

} // namespace detail

PORTUNUS_DECL tcp_listener::tcp_listener(std::shared_ptr<detail::tcp_listener_state> state) noexcept
    : state_(std::move(state)) {}
PORTUNUS_DECL tcp_listener::tcp_listener(const boost::asio::any_io_executor& executor,
                                         listener_options options)
    : tcp_listener(open(executor, std::move(options)).value()) {}
PORTUNUS_DECL result<tcp_listener> tcp_listener::open(const boost::asio::any_io_executor& executor,
                                                      listener_options options) {
    if (!options.replace.never())
        return error(errc::invalid_option, "replacing sessions is for runtime::listen: a tcp_listener gives "
                                           "its connections away and knows no sessions");
    auto state = std::make_shared<detail::tcp_listener_state>(executor, std::move(options), metrics());
    if (auto opened = state->open(); !opened) return opened.error();
    return tcp_listener(std::move(state));
}
PORTUNUS_DECL tcp_listener::tcp_listener(tcp_listener&&) noexcept = default;
PORTUNUS_DECL tcp_listener& tcp_listener::operator=(tcp_listener&& other) noexcept {
    if (this != &other) {
        if (state_) state_->close();
        state_ = std::move(other.state_);
    }
    return *this;
}
PORTUNUS_DECL tcp_listener::~tcp_listener() {
    if (state_) state_->close();
}
PORTUNUS_DECL awaitable<result<accepted>> tcp_listener::accept() {
    return state_ ? detail::tcp_listener_state::accept(state_) : detail::listener_gone();
}
PORTUNUS_DECL void tcp_listener::pause() {
    state_->pause();
}
PORTUNUS_DECL void tcp_listener::resume() {
    state_->resume();
}
PORTUNUS_DECL bool tcp_listener::paused() const noexcept {
    return state_->paused;
}
PORTUNUS_DECL void tcp_listener::stop() {
    state_->stop();
}
PORTUNUS_DECL bool tcp_listener::stopped() const noexcept {
    return state_->stopping || state_->doors.empty();
}
PORTUNUS_DECL auto tcp_listener::endpoints() const noexcept -> const std::vector<endpoint_type>& {
    return state_->where;
}
PORTUNUS_DECL std::uint16_t tcp_listener::port() const noexcept {
    return state_->where.empty() ? std::uint16_t(0) : state_->where.front().port();
}
PORTUNUS_DECL void tcp_listener::set_policy(accept_policy policy) {
    state_->set_policy(std::move(policy));
}
PORTUNUS_DECL const admission& tcp_listener::house() const noexcept {
    return state_->house;
}
PORTUNUS_DECL metrics_snapshot tcp_listener::snapshot() const {
    return state_->meters.snapshot();
}
PORTUNUS_DECL boost::asio::any_io_executor tcp_listener::get_executor() const {
    return state_->executor;
}

} // namespace portunus

#endif
