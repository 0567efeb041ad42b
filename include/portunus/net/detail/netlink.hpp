// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_NETLINK_HPP
#define PORTUNUS_NET_DETAIL_NETLINK_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/net/mac_address.hpp>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

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
PORTUNUS_DECL std::string text_in(bytes value);

/// An address; a link-local one of IPv6 gets the number of its link, without which it is none.
PORTUNUS_DECL std::optional<boost::asio::ip::address> address_in(bytes value, int family, std::uint32_t link);

/// Nothing also for the longer addresses of InfiniBand and the shorter ones of tunnels.
PORTUNUS_DECL std::optional<mac_address> mac_in(bytes value) noexcept;

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

PORTUNUS_DECL std::optional<link_message> read_link(bytes body);

struct address_message { // RTM_NEWADDR, RTM_DELADDR
    std::uint32_t index = 0;
    std::uint8_t prefix = 0;
    std::uint8_t scope = 0;  // RT_SCOPE_...
    std::uint32_t flags = 0; // IFA_F_...
    boost::asio::ip::address address{};
    std::optional<boost::asio::ip::address> broadcast{};
    std::optional<boost::asio::ip::address> peer{};
};

PORTUNUS_DECL std::optional<address_message> read_address(bytes body);

struct neighbour_message { // RTM_NEWNEIGH, RTM_DELNEIGH
    int family = 0;
    std::uint32_t index = 0;
    std::uint16_t state = 0; // NUD_...
    std::uint8_t flags = 0;  // NTF_...
    std::optional<boost::asio::ip::address> address{};
    std::optional<mac_address> mac{};
};

PORTUNUS_DECL std::optional<neighbour_message> read_neighbour(bytes body);

struct route_message {       // RTM_NEWROUTE
    std::uint8_t type = 0;   // RTN_UNICAST, RTN_LOCAL, ...
    std::uint32_t index = 0; // of the interface; 0: none
    std::optional<boost::asio::ip::address> source{};
    std::optional<boost::asio::ip::address> gateway{};
};

PORTUNUS_DECL std::optional<route_message> read_route(bytes body);

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

    request& add(std::uint16_t type, bytes value);
    request& add(std::uint16_t type, std::uint32_t number);
    request& add(std::uint16_t type, const boost::asio::ip::address& address) {
        return address.is_v4() ? add(type, bytes(address.to_v4().to_bytes()))
                               : add(type, bytes(address.to_v6().to_bytes()));
    }

    bytes as_sent(std::uint32_t sequence) {
        std::memcpy(text_.data() + offsetof(nlmsghdr, nlmsg_seq), &sequence, sizeof sequence);
        return text_;
    }

  private:
    void append(const void* data, std::size_t size);
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

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/detail/impl/netlink.ipp>
#endif

#endif
