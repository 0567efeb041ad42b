// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_MDNS_ANNOUNCER_HPP
#define PORTUNUS_NET_MDNS_ANNOUNCER_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/logger.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/detail/mdns_asker.hpp>
#include <portunus/net/mdns_service.hpp>
#include <portunus/policy/interface_list.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace portunus {

namespace detail {
/// The first label of this machine's name.
PORTUNUS_DECL std::string machine_name();
} // namespace detail

/// What is announced, and where. It owns things: give it a name, then pass it to a constructor or a plain
/// function, never in place inside a `co_await` expression.
struct mdns_announcer_options {
    /// The first part of "hub.local". Empty: this machine's name.
    std::string host{};
    /// At most 64. None: the name of the host alone is announced.
    std::vector<mdns_service> services{};
    /// Empty: all interfaces that work and do multicast, but the loopback; also those that come later.
    interface_list interfaces{};
    /// Called when somebody else had the name of the host or of a service already.
    std::function<void(const std::string& before, const std::string& now)> on_renamed{};
    /// Another one is for closed worlds and tests.
    std::uint16_t port{5353};
    logger log{};
};

/// Tells the links what this machine is called and what it offers, and answers who asks for it: multicast DNS
/// and DNS-SD (RFC 6762, RFC 6763), known as Bonjour.
///
///     mdns_announcer_options what;
///     what.services.push_back({"Study", "_portunus._tcp", 7001, {{"rooms", "4"}}});
///     mdns_announcer announcer(rt.get_executor(), what);
///     auto ready = co_await announcer.ready();      // about a second later
///
/// A thin handle, move-only, of one context; it works from construction on until `close` or its destruction,
/// which take back what was announced.
///
/// - Names are probed first. Where somebody else has one, the service becomes "Study (2)" and the host
///   "hub-2"; after 100 names it is given up. The same name with the same data is no conflict, so it lives
///   beside another responder of this machine. Names that are found twice later on are probed again.
/// - Each interface hears of its own addresses alone, by IPv4 and IPv6. One that comes later, or comes back,
///   is announced to; a change of its addresses, too.
/// - The port is shared with other responders (RFC 6762 15). Questions and probes therefore go out without a
///   wish for an answer by unicast, of which the system gives each to one of the sharers alone.
/// - A record goes out at most once a second on each interface, whoever asks. What is malformed or comes from
///   another network is counted and ignored.
///
/// Semantics row X-11 (names of Bonjour).
class mdns_announcer {
  public:
    /// Throws `failure` where `open` returns the error.
    mdns_announcer(const boost::asio::any_io_executor& executor, mdns_announcer_options options);

    /// `errc::invalid_name` (host, name or type of a service), `errc::invalid_port`, `errc::invalid_option`
    /// (text, too many services, one of them twice), `errc::no_such_interface`; `errc::address_in_use` where
    /// somebody has the port who does not share it.
    static result<mdns_announcer> open(const boost::asio::any_io_executor& executor,
                                       mdns_announcer_options options);

    mdns_announcer(mdns_announcer&&) noexcept;
    mdns_announcer& operator=(mdns_announcer&&) noexcept;
    ~mdns_announcer();

    /// Completes when all names are ours on every interface and were announced once: 0.75 to 1 s after the
    /// beginning where nobody has them. Any number may wait; the announcer goes on, whatever the outcome.
    ///
    /// Errors: `errc::connect_timeout` after `limit`, also where there is no interface;
    /// `errc::address_in_use` where a name was given up; `errc::closed_locally`, or what ended the announcer
    /// otherwise; `errc::canceled`.
    awaitable<result<void>> ready(steady_clock::duration limit = std::chrono::seconds(15));

    /// Says goodbye on every link, so that nobody offers what is not there any more, and closes at once.
    void close();
    bool is_open() const noexcept;

    /// "hub.local", as it is now.
    std::string host() const;
    /// The services with the names that they have now.
    std::vector<mdns_service> services() const;
    /// On how many interfaces it is, each family counted.
    std::size_t links() const noexcept;
    /// How often somebody else had one of the names.
    std::uint64_t conflicts() const noexcept;
    mdns_counters counters() const noexcept;

  private:
    class state;
    explicit mdns_announcer(std::shared_ptr<state> s) noexcept;
    std::shared_ptr<state> state_;
};

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/impl/mdns_announcer.ipp>
#endif

#endif
