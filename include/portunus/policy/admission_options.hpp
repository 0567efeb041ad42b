// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_ADMISSION_OPTIONS_HPP
#define PORTUNUS_POLICY_ADMISSION_OPTIONS_HPP

#include <portunus/policy/verdict.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace portunus {

/// How many may be in the house. Checked by the constructor of `admission`.
struct admission_options {
    /// Connections open at the same time, 1 to 10 000 000. There is no "unlimited", here or elsewhere.
    std::size_t max_connections = 10'000;

    /// Connections open at the same time from one address; 0 = as many as `max_connections`, which is the
    /// default: one address is not one peer. Behind a proxy or a NAT everybody has the same, and a default
    /// that was generous for a device would turn users of such a site away at the busiest hour. Where the
    /// peers are devices on the same network, set it: 4 to 16 stops one that leaks connections from locking
    /// out the others.
    std::size_t max_per_address = 0;

    /// Connections that one address may make in `rate_interval`, up to 1 000 000; 0 = any number, the default
    /// for the same reason. The rate is kept by a token bucket: `burst` connections may come at once, after
    /// that one each `rate_interval / rate`. Only admitted connections take a token, so a peer that hammers
    /// still gets its rate.
    std::uint32_t rate = 0;
    std::chrono::milliseconds rate_interval{1000}; ///< 1 ms to 24 h
    std::uint32_t burst = 0; ///< 0 = `rate`; up to 1 000 000, and refilled within 30 days

    /// How many leading bits of an IPv6 address are counted as one address, 1 to 128. A host chooses freely
    /// within its /64, so counting single addresses would count nothing. On a network of devices that share
    /// one prefix, set 128. Link-local addresses always count one by one (their /64 is everybody's).
    std::uint8_t v6_prefix = 64;

    /// Addresses without an open connection whose recent rate is remembered. This bounds the memory: at most
    /// `max_connections + max_remembered` entries of about 200 bytes, and none at all without per-address
    /// limits.
    std::size_t max_remembered = 16'384;

    /// What a listener does when `max_connections` are open.
    when_full full = when_full::wait;

    /// How those are turned away who exceed the limits of one address.
    refusal refuse_with = refusal::reset;
};
static_assert(std::is_trivially_destructible_v<admission_options>);

/// What an `admission` has counted since it was made, and how it stands. Plain values of one moment.
struct admission_snapshot {
    std::size_t open = 0;      ///< connections that are open now
    std::size_t most_open = 0; ///< the most that ever were
    std::size_t tracked = 0;   ///< entries of the table of addresses
    std::uint64_t admitted = 0;
    std::uint64_t refused_total_cap = 0;
    std::uint64_t refused_address_cap = 0;
    std::uint64_t refused_address_rate = 0;
    std::uint64_t forgotten = 0; ///< addresses whose rate was forgotten early because the table was full
};

} // namespace portunus

#endif
