// SPDX-License-Identifier: BSL-1.0
// A kernel for tests: writes rtnetlink messages as it would, also ones that it never would.
#ifndef PORTUNUS_TESTS_UNIT_NET_NETLINK_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_NET_NETLINK_SUPPORT_HPP

#include <portunus/net/detail/netlink.hpp>
#include <portunus/net/interfaces.hpp>

#include <boost/asio/ip/address.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

namespace portunus_tests {

namespace nl = portunus::detail::netlink;
using raw_bytes = std::vector<unsigned char>;

inline void pad(raw_bytes& to) {
    to.resize((to.size() + 3) & ~std::size_t(3));
}
template <class T>
void put(raw_bytes& to, const T& value) {
    // One by one: of `insert` g++ 12 believes at -O2 that it writes past the end.
    unsigned char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    for (const unsigned char byte : bytes) to.push_back(byte);
}

/// The body of a message: a fixed part, then attributes.
class body {
  public:
    template <class Header>
    explicit body(const Header& header) {
        put(raw_, header);
        pad(raw_);
    }
    body& add(std::uint16_t type, const raw_bytes& value) {
        put(raw_, rtattr{static_cast<unsigned short>(sizeof(rtattr) + value.size()), type});
        raw_.insert(raw_.end(), value.begin(), value.end());
        pad(raw_);
        return *this;
    }
    body& add(std::uint16_t type, std::string_view text) {
        raw_bytes value(text.begin(), text.end());
        value.push_back(0);
        return add(type, value);
    }
    body& add(std::uint16_t type, std::uint32_t number) {
        raw_bytes value;
        put(value, number);
        return add(type, value);
    }
    body& add(std::uint16_t type, const boost::asio::ip::address& a) {
        raw_bytes value;
        if (a.is_v4())
            put(value, a.to_v4().to_bytes());
        else
            put(value, a.to_v6().to_bytes());
        return add(type, value);
    }
    const raw_bytes& raw() const noexcept { return raw_; }

  private:
    raw_bytes raw_;
};

inline boost::asio::ip::address address(const char* text) {
    return boost::asio::ip::make_address(text);
}

/// A message with its header, ready to stand in a datagram.
inline raw_bytes message(std::uint16_t type, const raw_bytes& content, std::uint16_t flags = 0,
                         std::uint32_t sequence = 0, std::uint32_t port = 0) {
    raw_bytes out;
    put(out,
        nlmsghdr{static_cast<std::uint32_t>(sizeof(nlmsghdr) + content.size()), type, flags, sequence, port});
    out.insert(out.end(), content.begin(), content.end());
    pad(out);
    return out;
}

inline raw_bytes joined(std::initializer_list<raw_bytes> parts) {
    raw_bytes all;
    for (const raw_bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
}

inline raw_bytes number_body(int number) {
    raw_bytes out;
    put(out, number);
    return out;
}

inline body link_body(int index, const char* name, unsigned flags, std::uint8_t family = AF_UNSPEC) {
    ifinfomsg header{};
    header.ifi_family = family;
    header.ifi_index = index;
    header.ifi_flags = flags;
    body b(header);
    b.add(IFLA_IFNAME, std::string_view(name)).add(IFLA_MTU, std::uint32_t(1400));
    b.add(IFLA_ADDRESS, raw_bytes{2, 0xfc, 0, 0, 0, static_cast<unsigned char>(index)});
    return b;
}

inline body address_body(std::uint32_t index, const char* text, std::uint8_t prefix,
                         std::uint32_t flags = IFA_F_PERMANENT, std::uint8_t scope = RT_SCOPE_UNIVERSE) {
    const auto a = address(text);
    ifaddrmsg header{};
    header.ifa_family = a.is_v4() ? AF_INET : AF_INET6;
    header.ifa_prefixlen = prefix;
    header.ifa_flags = static_cast<std::uint8_t>(flags);
    header.ifa_scope = scope;
    header.ifa_index = index;
    body b(header);
    b.add(IFA_ADDRESS, a);
    if (a.is_v4()) b.add(IFA_LOCAL, a);
    return b.add(IFA_FLAGS, flags);
}

/// The flags of an interface that works.
inline constexpr unsigned working = IFF_UP | IFF_RUNNING;

inline portunus::network_interface known(std::uint32_t index, const char* name, bool usable) {
    portunus::network_interface i;
    i.index = index;
    i.name = name;
    i.up = i.running = usable;
    return i;
}

inline raw_bytes new_link(int index, const char* name, unsigned flags) {
    return message(RTM_NEWLINK, link_body(index, name, flags).raw());
}
inline raw_bytes no_link(int index, const char* name, std::uint8_t family = AF_UNSPEC) {
    return message(RTM_DELLINK, link_body(index, name, 0, family).raw());
}
inline raw_bytes new_address(std::uint32_t index, const char* text, std::uint32_t flags = IFA_F_PERMANENT) {
    return message(RTM_NEWADDR, address_body(index, text, 24, flags).raw());
}
inline raw_bytes no_address(std::uint32_t index, const char* text) {
    return message(RTM_DELADDR, address_body(index, text, 24).raw());
}

/// The kernel's end of a socket that the library takes for netlink.
class scripted_kernel {
  public:
    scripted_kernel() {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) != 0)
            throw std::runtime_error("socketpair");
        ours_ = ends[0];
        theirs_ = ends[1];
    }
    scripted_kernel(scripted_kernel&& o) noexcept
        : ours_(std::exchange(o.ours_, -1)), theirs_(std::exchange(o.theirs_, -1)) {}
    ~scripted_kernel() {
        close();
        if (theirs_ >= 0) ::close(theirs_);
    }

    /// The library's end; once, it closes it.
    int take_end() { return std::exchange(theirs_, -1); }

    void say(const raw_bytes& datagram) const {
        if (::send(ours_, datagram.data(), datagram.size(), MSG_NOSIGNAL | MSG_DONTWAIT) !=
            static_cast<ssize_t>(datagram.size()))
            throw std::runtime_error("a scripted datagram could not be sent");
    }
    /// How many questions have come.
    int asked() const {
        int n = 0;
        char buffer[4096];
        while (::recv(ours_, buffer, sizeof buffer, MSG_DONTWAIT) > 0) ++n;
        return n;
    }
    void close() {
        if (ours_ >= 0) ::close(std::exchange(ours_, -1));
    }

  private:
    int ours_ = -1;
    int theirs_ = -1;
};

} // namespace portunus_tests

#endif
