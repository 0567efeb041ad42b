// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_MDNS_RESOLVE_HPP
#define PORTUNUS_NET_MDNS_RESOLVE_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/detail/mdns_question.hpp>
#include <portunus/net/interface_choice.hpp>
#include <portunus/net/resolver.hpp>

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace portunus {

/// How to ask the link. Trivially destructible, so it may be written in place in a `co_await` expression.
struct mdns_options {
    /// How long to wait for answers. In it the question is sent 0, 1, 3, 7, ... s after the beginning.
    steady_clock::duration limit{std::chrono::seconds(2)};
    /// Which addresses are wanted; means nothing for `mdns_resolve_name`.
    address_family family{address_family::any};
    /// Ask on one interface; left out: on all that work and do multicast, but the loopback.
    interface_choice on{};
    /// Where the responders are; another one is for closed worlds and tests.
    std::uint16_t port{5353};
    /// Where to tell, at the end, what came; null: nowhere. It must be valid until the call has completed.
    mdns_counters* counters{nullptr};
};
static_assert(std::is_trivially_destructible_v<mdns_options>);

/// Asks the machines on the links of this one for the addresses of a name, by multicast DNS (RFC 6762), and
/// nobody else: no file, no name server. `resolve` does it, too, for names that end with ".local".
///
/// The question is asked once by IPv4 and IPv6, from a free port (RFC 6762 5.1), and completes as soon as
/// there is an address of each family that is wanted, or 0.2 s after the first answer. Global IPv6 addresses
/// come first, then IPv4, local IPv6, and those that are good on the link alone, with their scope id.
///
/// An answer counts when it comes from a responder's port on one of our subnets (RFC 6762 11), with the
/// number of the question, and is about this name. Everything else is counted and ignored. Whoever is on the
/// link can claim any name: nothing to base trust on.
///
/// Errors: `errc::no_answer`: nobody answered within the limit, which is how the link says that there is no
/// such name; the detail tells how much was ignored. `errc::host_not_found`: the owner of the name answered,
/// and has no address of that family. `errc::invalid_name`, `errc::no_such_interface` (no interface works, or
/// not the chosen one), the system's where nothing could be sent; `errc::canceled`. A packet filter that
/// drops what comes from port 5353 looks like silence.
awaitable<result<std::vector<boost::asio::ip::address>>> mdns_resolve(std::string_view name,
                                                                      const mdns_options& options = {});

/// The same for the name of an address, as "hub.local". `errc::host_not_found` where the owner answered
/// without one.
awaitable<result<std::string>> mdns_resolve_name(const boost::asio::ip::address& address,
                                                 const mdns_options& options = {});

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/mdns_resolve.ipp>
#endif

#endif
