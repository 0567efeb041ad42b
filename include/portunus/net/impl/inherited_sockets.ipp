// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_INHERITED_SOCKETS_IPP
#define PORTUNUS_NET_IMPL_INHERITED_SOCKETS_IPP

#include <portunus/net/impl/inherited_sockets.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/peer_info.hpp>
#include <portunus/policy/detail/text.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace portunus {
namespace detail {

PORTUNUS_DECL std::optional<int> socket_option(int fd, int name) noexcept {
    int value = 0;
    socklen_t size = sizeof value;
    if (::getsockopt(fd, SOL_SOCKET, name, &value, &size) != 0) return std::nullopt;
    return value;
}

PORTUNUS_DECL inherited_kind kind_of_descriptor(int fd) noexcept {
    const auto type = socket_option(fd, SO_TYPE);
    if (!type) return inherited_kind::no_socket;
    if (*type == SOCK_DGRAM) {
        const auto domain = socket_option(fd, SO_DOMAIN);
        return domain == AF_INET || domain == AF_INET6 || domain == AF_UNIX ? inherited_kind::datagram
                                                                            : inherited_kind::other_socket;
    }
    if (*type != SOCK_STREAM) return inherited_kind::other_socket;
    if (socket_option(fd, SO_ACCEPTCONN).value_or(0) != 0) return inherited_kind::listening_stream;
    sockaddr_storage peer;
    socklen_t size = sizeof peer;
    return ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0
               ? inherited_kind::connected_stream
               : inherited_kind::unbound_stream;
}

/// Its own end, as an endpoint where it is one, and as text.
PORTUNUS_DECL void find_local_end(inherited_state& s) {
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    if (::getsockname(s.descriptor, reinterpret_cast<sockaddr*>(&name), &size) != 0) return;
    if (name.ss_family == AF_INET || name.ss_family == AF_INET6) {
        boost::asio::ip::tcp::endpoint e;
        if (size > e.capacity()) return;
        std::memcpy(e.data(), &name, size);
        e.resize(size);
        s.endpoint = e;
        s.local = to_string(e);
    } else if (name.ss_family == AF_UNIX && size > offsetof(sockaddr_un, sun_path)) {
        const auto& un = reinterpret_cast<const sockaddr_un&>(name);
        const std::size_t length = std::min(size - offsetof(sockaddr_un, sun_path), sizeof un.sun_path);
        s.local.assign(un.sun_path, length);
        if (s.local.front() == '\0')
            s.local.front() = '@';
        else
            s.local.resize(std::strlen(s.local.c_str()));
    }
}

inline constexpr int most_inherited = 4096;

PORTUNUS_DECL error wrong_variable(std::string_view variable, std::string_view value,
                                   std::string_view problem) {
    return error(errc::invalid_option,
                 std::string(variable) + " is " + policy_detail::quoted(value) + ": " + std::string(problem));
}

/// A decimal number without sign, blanks or anything else around it.
PORTUNUS_DECL std::optional<long> plain_number(std::string_view text) noexcept {
    long value = 0;
    if (text.empty() || !policy_detail::is_digit(text.front())) return std::nullopt;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

PORTUNUS_DECL result<std::vector<std::string>> names_of_inherited(const listen_variables& v, long own) {
    if (!v.pid || !v.count) return std::vector<std::string>();
    const auto pid = plain_number(v.pid);
    if (!pid || *pid == 0) return wrong_variable("LISTEN_PID", v.pid, "not the number of a process");
    if (*pid != own) return std::vector<std::string>(); // left over from a process that started this one
    const auto count = plain_number(v.count);
    if (!count || *count > most_inherited)
        return wrong_variable("LISTEN_FDS", v.count,
                              "not a number of descriptors from 0 to " + std::to_string(most_inherited));
    std::vector<std::string> names;
    if (!v.names) {
        names.assign(static_cast<std::size_t>(*count), "unknown");
        return names;
    }
    // Names are separated by colons and have no escapes; with no descriptor the text is empty.
    const std::string_view text = v.names;
    std::string_view rest = text;
    for (bool more = *count != 0 || !text.empty(); more;) {
        const std::size_t colon = rest.find(':');
        const std::string_view name = rest.substr(0, colon);
        if (names.size() == static_cast<std::size_t>(*count)) {
            names.emplace_back(); // one too many, which is all that need be known
            break;
        }
        for (const char c : name)
            if (c < 0x20 || c == 0x7f)
                return wrong_variable("LISTEN_FDNAMES", text, "has a character that no name can have");
        if (name.size() > 255)
            return wrong_variable("LISTEN_FDNAMES", text, "has a name of more than 255 bytes");
        names.emplace_back(name);
        more = colon != std::string_view::npos;
        if (more) rest.remove_prefix(colon + 1);
    }
    if (names.size() != static_cast<std::size_t>(*count))
        return wrong_variable("LISTEN_FDNAMES", text,
                              "not one name for each of the " + std::to_string(*count) +
                                  " descriptors of LISTEN_FDS");
    return names;
}

PORTUNUS_DECL result<std::vector<inherited_socket>> take_inherited(const listen_variables& v, long own,
                                                                   int first) {
    auto names = names_of_inherited(v, own);
    if (!names) return names.error();
    const int count = static_cast<int>(names->size());
    for (int fd = first; fd < first + count; ++fd) {
        const int flags = ::fcntl(fd, F_GETFD);
        if (flags < 0)
            return wrong_variable("LISTEN_FDS", v.count, "descriptor " + std::to_string(fd) + " is not open");
        if ((flags & FD_CLOEXEC) != 0)
            return wrong_variable("LISTEN_FDS", v.count,
                                  "descriptor " + std::to_string(fd) +
                                      " has close-on-exec set: it was taken before, or never inherited");
    }
    std::vector<inherited_socket> sockets;
    sockets.reserve(names->size());
    for (int i = 0; i < count; ++i) {
        auto one = inherited_socket::adopt(first + i, std::move((*names)[static_cast<std::size_t>(i)]));
        if (!one) return one.error();
        sockets.push_back(std::move(*one));
    }
    return sockets;
}

} // namespace detail

PORTUNUS_DECL result<inherited_socket> inherited_socket::adopt(int descriptor, std::string name) {
    const int flags = descriptor < 0 ? -1 : ::fcntl(descriptor, F_GETFD);
    if (flags < 0)
        return error(errc::invalid_option, policy_detail::quoted(name) + ": descriptor " +
                                               std::to_string(descriptor) + " is not open");
    auto state = std::make_shared<detail::inherited_state>(descriptor, std::move(name));
    ::fcntl(descriptor, F_SETFD, flags | FD_CLOEXEC);
    state->kind = detail::kind_of_descriptor(descriptor);
    detail::find_local_end(*state);
    return detail::inherited_access::make(std::move(state));
}

PORTUNUS_DECL int inherited_socket::descriptor() const noexcept {
    return state_ ? state_->descriptor.load() : -1;
}
PORTUNUS_DECL const std::string& inherited_socket::name() const noexcept {
    static const std::string none;
    return state_ ? state_->name : none;
}
PORTUNUS_DECL inherited_kind inherited_socket::kind() const noexcept {
    return state_ ? state_->kind : inherited_kind::no_socket;
}
PORTUNUS_DECL const std::optional<boost::asio::ip::tcp::endpoint>&
inherited_socket::endpoint() const noexcept {
    static const std::optional<boost::asio::ip::tcp::endpoint> none;
    return state_ ? state_->endpoint : none;
}
PORTUNUS_DECL const std::string& inherited_socket::local() const noexcept {
    static const std::string none;
    return state_ ? state_->local : none;
}
PORTUNUS_DECL int inherited_socket::release() const noexcept {
    return state_ ? state_->descriptor.exchange(-1) : -1;
}

PORTUNUS_DECL std::string to_string(const inherited_socket& socket) {
    std::string text = socket.name() + ": " + std::string(to_string(socket.kind()));
    if (!socket.local().empty()) text += ", " + socket.local();
    return text;
}

PORTUNUS_DECL result<std::vector<inherited_socket>> inherited_sockets(listen_environment then) {
    constexpr int first = 3; // SD_LISTEN_FDS_START
    const detail::listen_variables variables{std::getenv("LISTEN_PID"), std::getenv("LISTEN_FDS"),
                                             std::getenv("LISTEN_FDNAMES")};
    auto sockets = detail::take_inherited(variables, static_cast<long>(::getpid()), first);
    if (sockets && then == listen_environment::unset) {
        ::unsetenv("LISTEN_PID");
        ::unsetenv("LISTEN_FDS");
        ::unsetenv("LISTEN_FDNAMES");
    }
    return sockets;
}

} // namespace portunus

#endif
