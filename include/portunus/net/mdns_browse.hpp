// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_MDNS_BROWSE_HPP
#define PORTUNUS_NET_MDNS_BROWSE_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/detail/mdns_asker.hpp>
#include <portunus/net/interface_choice.hpp>
#include <portunus/net/mdns_service.hpp>

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace portunus {

/// A service that somebody on the link offers.
struct mdns_found {
    std::string name{};    ///< "Study"
    std::string type{};    ///< "_portunus._tcp"
    std::string host{};    ///< "hub.local"; empty, with port 0, where its owner has not said it in time
    std::uint16_t port{0}; ///< where it listens
    /// Where the host is: global IPv6 first, then IPv4, local IPv6, and those that are good on the link
    /// alone, with their scope id. May be empty, as `host`.
    std::vector<boost::asio::ip::address> addresses{};
    /// Keys and values, in the order of the owner. A key without a value has an empty one.
    std::vector<std::pair<std::string, std::string>> text{};

    /// The value of a key, whose case does not matter; null where there is none.
    const std::string* find(std::string_view key) const noexcept;
    /// Whether it can be connected to.
    bool complete() const noexcept { return port != 0 && !addresses.empty(); }
};

/// How to look around. Trivially destructible, so it may be written in place in a `co_await` expression.
struct mdns_browse_options {
    /// How long to listen; in it is asked 0, 1, 3, 7, ... s after the beginning.
    steady_clock::duration limit{std::chrono::seconds(2)};
    /// On one interface; left out: on all that work and do multicast, but the loopback.
    interface_choice on{};
    /// How many services are kept; those that come later are left out. 1 to 10000.
    std::size_t most{256};
    /// Where the responders are; another one is for closed worlds and tests.
    std::uint16_t port{5353};
    /// Where to tell, at the end, what came; null: nowhere. It must be valid until the call has completed.
    mdns_counters* counters{nullptr};
};
static_assert(std::is_trivially_destructible_v<mdns_browse_options>);

/// Completes at the limit with the services of a type, "_portunus._tcp", that are offered on our links
/// (RFC 6763), sorted by name; none is no error.
///
///     auto hubs = co_await mdns_browse("_portunus._tcp", {.limit = 2s});
///
/// It asks and listens on the port of multicast DNS itself, which is shared with the responders of this
/// machine (RFC 6762 5.2 and 15), so it hears everybody's answers and announcements, and names those that it
/// has heard, so that they are not told again. Any number may run at the same time. One that says goodbye
/// meanwhile is left out. What is malformed is counted and ignored.
///
/// Errors: `errc::invalid_name` (no type of a service), `errc::invalid_option`, `errc::no_such_interface`,
/// `errc::address_in_use` (somebody has the port who does not share it), the system's where nothing could be
/// sent; `errc::canceled`.
awaitable<result<std::vector<mdns_found>>> mdns_browse(std::string_view type,
                                                       const mdns_browse_options& options = {});

/// Completes with the service of this name, as soon as it is known where it listens. The same errors, and
/// `errc::no_answer` where nobody has said it within the limit.
///
///     auto hub = co_await mdns_find("Study", "_portunus._tcp");
awaitable<result<mdns_found>> mdns_find(std::string_view name, std::string_view type,
                                        const mdns_browse_options& options = {});

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/mdns_browse.ipp>
#endif

#endif
