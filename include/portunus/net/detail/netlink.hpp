// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_NETLINK_HPP
#define PORTUNUS_NET_DETAIL_NETLINK_HPP

#include <portunus/net/mac_address.hpp>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

/// Reading and writing the messages in which Linux speaks of interfaces, addresses, neighbours and routes
/// (rtnetlink(7)). Bytes in, values out; no socket. No length that stands in a message is believed: whatever
/// reaches beyond the bytes that are there makes it malformed, and nothing is read through a cast pointer.
namespace portunus::detail::netlink {

using bytes = std::span<const unsigned char>;

enum class step { item, end, malformed };

/// One message, without its header.
struct message {
    std::uint16_t type = 0;
    std::uint16_t flags = 0;
    std::uint32_t sequence = 0;
    std::uint32_t port = 0; // who the kernel answers; 0: everybody
    bytes body{};
};

/// One attribute of a message.
struct attribute {
    std::uint16_t type = 0;
    bytes value{};
};

/// Messages and attributes begin at multiples of four; what fills the gap may be missing after the last one.
inline bytes after_item(bytes rest, std::size_t length) noexcept {
    const std::size_t aligned = (length + 3) & ~std::size_t(3);
    return rest.subspan(std::min(rest.size(), aligned));
}

/// Takes the next message off the front of `rest`.
inline step next_message(bytes& rest, message& out) noexcept {
    if (rest.empty()) return step::end;
    nlmsghdr header;
    if (rest.size() < sizeof header) return step::malformed;
    std::memcpy(&header, rest.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest.size()) return step::malformed;
    out = {header.nlmsg_type, header.nlmsg_flags, header.nlmsg_seq, header.nlmsg_pid,
           rest.subspan(sizeof header, header.nlmsg_len - sizeof header)};
    rest = after_item(rest, header.nlmsg_len);
    return step::item;
}

/// Takes the next attribute off the front of `rest`.
inline step next_attribute(bytes& rest, attribute& out) noexcept {
    if (rest.empty()) return step::end;
    rtattr header;
    if (rest.size() < sizeof header) return step::malformed;
    std::memcpy(&header, rest.data(), sizeof header);
    if (header.rta_len < sizeof header || header.rta_len > rest.size()) return step::malformed;
    out = {static_cast<std::uint16_t>(header.rta_type & NLA_TYPE_MASK),
           rest.subspan(sizeof header, header.rta_len - sizeof header)};
    rest = after_item(rest, header.rta_len);
    return step::item;
}

/// Takes the fixed part (ifinfomsg, ifaddrmsg, ...) off the front of a message's body.
template <class Header>
bool take_header(bytes& body, Header& out) noexcept {
    static_assert(std::is_trivially_copyable_v<Header>);
    if (body.size() < sizeof out) return false;
    std::memcpy(&out, body.data(), sizeof out);
    body = after_item(body, sizeof out);
    return true;
}

/// Calls `use(attribute)` for each of them until it returns false. False as well when one is malformed.
template <class Use>
bool for_each_attribute(bytes rest, Use use) {
    attribute a;
    for (;;) switch (next_attribute(rest, a)) {
        case step::item:
            if (!use(a)) return false;
            break;
        case step::end:
            return true;
        case step::malformed:
            return false;
        }
}

// values of attributes: nothing where the size is not that of the type

template <class Number>
std::optional<Number> number_in(bytes value) noexcept {
    Number n;
    if (value.size() != sizeof n) return std::nullopt;
    std::memcpy(&n, value.data(), sizeof n);
    return n;
}

/// The text up to its zero, or all of it where that is missing.
inline std::string text_in(bytes value) {
    const auto end = std::find(value.begin(), value.end(), 0);
    return {value.begin(), end};
}

/// An address; a link-local one of IPv6 gets the number of its link, without which it is none.
inline std::optional<boost::asio::ip::address> address_in(bytes value, int family, std::uint32_t link) {
    namespace ip = boost::asio::ip;
    if (family == AF_INET && value.size() == 4) {
        ip::address_v4::bytes_type raw;
        std::copy(value.begin(), value.end(), raw.begin());
        return ip::address(ip::address_v4(raw));
    }
    if (family == AF_INET6 && value.size() == 16) {
        ip::address_v6::bytes_type raw;
        std::copy(value.begin(), value.end(), raw.begin());
        ip::address_v6 address(raw);
        if (address.is_link_local() || address.is_multicast_link_local()) address.scope_id(link);
        return ip::address(address);
    }
    return std::nullopt;
}

/// Nothing also for the longer addresses of InfiniBand and the shorter ones of tunnels.
inline std::optional<mac_address> mac_in(bytes value) noexcept {
    mac_address::bytes_type raw;
    if (value.size() != raw.size()) return std::nullopt;
    std::copy(value.begin(), value.end(), raw.begin());
    return mac_address(raw);
}

// what the messages say. Nothing where one is malformed. Attributes that are unknown are passed over: newer
// kernels have more of them.

struct link_message { // RTM_NEWLINK, RTM_DELLINK
    int family = 0;   // not AF_UNSPEC: news about the bridge that it is a port of, for instance
    std::uint32_t index = 0;
    std::uint32_t flags = 0; // IFF_UP and so on
    std::string name{};
    std::uint32_t mtu = 0;
    mac_address mac{};
};

inline std::optional<link_message> read_link(bytes body) {
    ifinfomsg header;
    if (!take_header(body, header) || header.ifi_index <= 0) return std::nullopt;
    link_message link;
    link.family = header.ifi_family;
    link.index = static_cast<std::uint32_t>(header.ifi_index);
    link.flags = header.ifi_flags;
    const bool good = for_each_attribute(body, [&link](const attribute& a) {
        if (a.type == IFLA_IFNAME) link.name = text_in(a.value);
        if (a.type == IFLA_ADDRESS) link.mac = mac_in(a.value).value_or(mac_address());
        if (a.type == IFLA_MTU) {
            const auto mtu = number_in<std::uint32_t>(a.value);
            if (!mtu) return false;
            link.mtu = *mtu;
        }
        return true;
    });
    if (!good) return std::nullopt;
    return link;
}

struct address_message { // RTM_NEWADDR, RTM_DELADDR
    std::uint32_t index = 0;
    std::uint8_t prefix = 0;
    std::uint8_t scope = 0;  // RT_SCOPE_...
    std::uint32_t flags = 0; // IFA_F_...
    boost::asio::ip::address address{};
    std::optional<boost::asio::ip::address> broadcast{};
    std::optional<boost::asio::ip::address> peer{};
};

inline std::optional<address_message> read_address(bytes body) {
    ifaddrmsg header;
    if (!take_header(body, header)) return std::nullopt;
    address_message out;
    out.index = header.ifa_index;
    out.prefix = header.ifa_prefixlen;
    out.scope = header.ifa_scope;
    out.flags = header.ifa_flags;
    if (out.prefix > (header.ifa_family == AF_INET ? 32 : 128)) return std::nullopt;
    std::optional<boost::asio::ip::address> local, address;
    const bool good = for_each_attribute(body, [&](const attribute& a) {
        const auto read = [&](std::optional<boost::asio::ip::address>& into) {
            into = address_in(a.value, header.ifa_family, header.ifa_index);
            return into.has_value();
        };
        switch (a.type) {
        case IFA_LOCAL:
            return read(local);
        case IFA_ADDRESS:
            return read(address);
        case IFA_BROADCAST:
            return read(out.broadcast);
        case IFA_FLAGS:
            if (const auto flags = number_in<std::uint32_t>(a.value)) {
                out.flags = *flags;
                return true;
            }
            return false;
        default:
            return true;
        }
    });
    if (!good || (!local && !address)) return std::nullopt;
    // With a local address the other one is the far end of a point-to-point link, or the same again.
    out.address = local ? *local : *address;
    if (local && address && *local != *address) out.peer = address;
    return out;
}

struct neighbour_message { // RTM_NEWNEIGH, RTM_DELNEIGH
    int family = 0;
    std::uint32_t index = 0;
    std::uint16_t state = 0; // NUD_...
    std::uint8_t flags = 0;  // NTF_...
    std::optional<boost::asio::ip::address> address{};
    std::optional<mac_address> mac{};
};

inline std::optional<neighbour_message> read_neighbour(bytes body) {
    ndmsg header;
    if (!take_header(body, header) || header.ndm_ifindex < 0) return std::nullopt;
    neighbour_message out;
    out.family = header.ndm_family;
    out.index = static_cast<std::uint32_t>(header.ndm_ifindex);
    out.state = header.ndm_state;
    out.flags = header.ndm_flags;
    const bool good = for_each_attribute(body, [&](const attribute& a) {
        if (a.type == NDA_DST) out.address = address_in(a.value, out.family, out.index);
        if (a.type == NDA_LLADDR) out.mac = mac_in(a.value);
        return true;
    });
    if (!good) return std::nullopt;
    return out;
}

struct route_message {       // RTM_NEWROUTE
    std::uint8_t type = 0;   // RTN_UNICAST, RTN_LOCAL, ...
    std::uint32_t index = 0; // of the interface; 0: none
    std::optional<boost::asio::ip::address> source{};
    std::optional<boost::asio::ip::address> gateway{};
};

inline std::optional<route_message> read_route(bytes body) {
    rtmsg header;
    if (!take_header(body, header)) return std::nullopt;
    route_message out;
    out.type = header.rtm_type;
    bytes source, gateway;
    int gateway_family = header.rtm_family;
    const bool good = for_each_attribute(body, [&](const attribute& a) {
        if (a.type == RTA_OIF) {
            const auto index = number_in<std::uint32_t>(a.value);
            if (!index) return false;
            out.index = *index;
        }
        if (a.type == RTA_PREFSRC) source = a.value;
        if (a.type == RTA_GATEWAY) gateway = a.value;
        if (a.type == RTA_VIA) { // a gateway of the other family: two bytes that tell which, then the address
            std::uint16_t family = 0;
            if (a.value.size() < sizeof family) return false;
            std::memcpy(&family, a.value.data(), sizeof family);
            gateway_family = family;
            gateway = a.value.subspan(sizeof family);
        }
        return true;
    });
    if (!good) return std::nullopt;
    // Last, because the link of a link-local address may stand behind it.
    if (!source.empty() && !(out.source = address_in(source, header.rtm_family, out.index)))
        return std::nullopt;
    if (!gateway.empty() && !(out.gateway = address_in(gateway, gateway_family, out.index)))
        return std::nullopt;
    return out;
}

// questions and answers

/// A question to the kernel under construction.
class request {
  public:
    template <class Header>
    request(std::uint16_t type, std::uint16_t flags, const Header& header) {
        nlmsghdr h{};
        h.nlmsg_type = type;
        h.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
        append(&h, sizeof h);
        append(&header, sizeof header);
        store_length();
    }

    request& add(std::uint16_t type, bytes value) {
        rtattr a{};
        a.rta_type = type;
        a.rta_len = static_cast<std::uint16_t>(sizeof a + value.size());
        append(&a, sizeof a);
        append(value.data(), value.size());
        store_length();
        return *this;
    }
    request& add(std::uint16_t type, std::uint32_t number) {
        std::array<unsigned char, sizeof number> raw;
        std::memcpy(raw.data(), &number, sizeof number);
        return add(type, raw);
    }
    request& add(std::uint16_t type, const boost::asio::ip::address& address) {
        return address.is_v4() ? add(type, bytes(address.to_v4().to_bytes()))
                               : add(type, bytes(address.to_v6().to_bytes()));
    }

    bytes as_sent(std::uint32_t sequence) {
        std::memcpy(text_.data() + offsetof(nlmsghdr, nlmsg_seq), &sequence, sizeof sequence);
        return text_;
    }

  private:
    void append(const void* data, std::size_t size) {
        const auto* from = static_cast<const unsigned char*>(data);
        text_.insert(text_.end(), from, from + size);
        text_.resize((text_.size() + 3) & ~std::size_t(3));
    }
    void store_length() {
        const auto length = static_cast<std::uint32_t>(text_.size());
        std::memcpy(text_.data() + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
    }

    std::vector<unsigned char> text_;
};

/// How far an answer has been read.
struct answer {
    std::uint32_t sequence = 0; // of the question
    std::uint32_t port = 0;     // of the socket that asked
    bool interrupted = false;   // the list changed while it was written: some of it may be missing or double
    int number = 0;             // with `failed`: the system's error
    enum class state { more, done, failed, malformed };
};

/// Reads one datagram of an answer; calls `use(message)` for each message that carries something, which
/// returns false where it is malformed. Messages that belong to other questions are passed over.
template <class Use>
answer::state read_answer(bytes datagram, answer& a, Use use) {
    message m;
    for (;;) {
        switch (next_message(datagram, m)) {
        case step::end:
            return answer::state::more;
        case step::malformed:
            return answer::state::malformed;
        case step::item:
            break;
        }
        if (m.sequence != a.sequence || m.port != a.port) continue;
        if ((m.flags & NLM_F_DUMP_INTR) != 0 || m.type == NLMSG_OVERRUN) a.interrupted = true;
        if (m.type == NLMSG_NOOP || m.type == NLMSG_OVERRUN) continue;
        if (m.type == NLMSG_ERROR || m.type == NLMSG_DONE) {
            // Both carry a number: zero, or an error of the system below it. In the end of a list it may be
            // missing.
            int number = 0;
            if (m.body.size() >= sizeof number)
                std::memcpy(&number, m.body.data(), sizeof number);
            else if (m.type == NLMSG_ERROR || !m.body.empty())
                return answer::state::malformed;
            if (number > 0 || number == std::numeric_limits<int>::min())
                return m.type == NLMSG_DONE ? answer::state::done : answer::state::malformed;
            a.number = -number;
            return number == 0 ? answer::state::done : answer::state::failed;
        }
        if (!use(m)) return answer::state::malformed;
        if ((m.flags & NLM_F_MULTI) == 0) return answer::state::done; // one answer, and that was it
    }
}

} // namespace portunus::detail::netlink

#endif
