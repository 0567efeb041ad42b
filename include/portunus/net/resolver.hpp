// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_RESOLVER_HPP
#define PORTUNUS_NET_RESOLVER_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/result.hpp>

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace portunus {

/// Which addresses of a name are wanted.
enum class address_family : unsigned char {
    any, ///< all, in the order of RFC 6724 (the system's)
    v4,  ///< those of A records
    v6,  ///< those of AAAA records
};

/// How to ask. Trivially destructible, so it may be written in place in a `co_await` expression.
struct resolve_options {
    /// How long to wait for an answer (`errc::resolve_timeout`).
    steady_clock::duration limit{std::chrono::seconds(5)};
    address_family family{address_family::any};
    /// Ask the link by multicast DNS, too, where the name, or the address, is one of the link's.
    bool mdns{true};
};
static_assert(std::is_trivially_destructible_v<resolve_options>);

/// Completes with the addresses of a name, at least one, as the system knows them (files, DNS, mDNS: what
/// nsswitch.conf says). An address as text is its own answer. Nothing is cached here: asking again asks the
/// system again.
///
/// Errors: `errc::host_not_found`: there is no such name, or it has no address of that family;
/// `errc::no_answer`: no name server answered, or only with a failure of its own; `errc::resolve_timeout`;
/// `errc::invalid_name`: the text cannot be a name (empty, a label over 63 bytes, over 253 in all, RFC 1035
/// 2.3.4, or a byte that no name has); nobody was asked. `errc::queue_full`: 1000 questions wait already.
/// Each names the name.
///
/// The system's resolver blocks a thread for as long as it likes. Nobody waits for it: a limit, a
/// cancellation (`errc::canceled`) and the end of the context leave the question alone, and its answer is
/// thrown away. A context has at most eight such threads, so one name whose servers are silent does not hold
/// up the others.
///
/// For a name that ends with ".local" the machines on our links are asked at the same time (RFC 6762), as
/// many a system is not set up to do that. The files of the machine still have the first word: the link's
/// answer waits for that of the system, 0.25 s at most. Nobody on the link has answered after 2 s; then the
/// error is the system's.
///
/// Row M-24 of the semantics (StrToAddr, AddrToName).
awaitable<result<std::vector<boost::asio::ip::address>>> resolve(std::string_view name,
                                                                 const resolve_options& options = {});

/// Completes with the name of an address (PTR). The same errors; `errc::host_not_found` where the address has
/// none. The name is what the owner of the address says: nothing to base trust on.
///
/// For 169.254.0.0/16 and fe80::/10 the owner himself is asked at the same time, by multicast DNS; for a
/// private address (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, fc00::/7) on one of our subnets after the
/// system did not know it, for 2 s at most and within the limit.
awaitable<result<std::string>> resolve_name(const boost::asio::ip::address& address,
                                            const resolve_options& options = {});

} // namespace portunus

#include <portunus/net/impl/resolver.hpp>

#endif