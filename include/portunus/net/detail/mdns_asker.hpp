// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_MDNS_ASKER_HPP
#define PORTUNUS_NET_DETAIL_MDNS_ASKER_HPP

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/event.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/detail/dns_message.hpp>
#include <portunus/net/detail/mdns_link.hpp>
#include <portunus/net/interface_choice.hpp>
#include <portunus/net/udp_socket.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace portunus {

/// What came while multicast DNS was asked, or spoken. `malformed` and `foreign` never end anything.
struct mdns_counters {
    std::uint64_t received{0};  ///< messages that were understood and meant us
    std::uint64_t malformed{0}; ///< not a DNS message, or one that breaks a rule of RFC 1035
    std::uint64_t foreign{0};   ///< from another network, another port, or an answer to what we did not ask
    std::uint64_t sent{0};      ///< datagrams that the system took, one for each interface and family
    std::uint64_t unsent{0};    ///< datagrams that it did not take
};

namespace detail {

/// Asks a question by multicast until it is answered, or until the limit: 0, 1, 3, 7, ... s after the
/// beginning (RFC 6762 5.2). What to ask and what an answer means is a derived class's.
///
/// It lives as long as its receiving coroutine or whoever waits for it. Whoever waits closes it when he
/// leaves.
class mdns_asker : public std::enable_shared_from_this<mdns_asker> {
  public:
    struct settings {
        interface_choice on{};
        std::uint16_t port = 5353;
        /// Receive the groups on the port itself, shared with others (RFC 6762 15); else a free port is used,
        /// and the answers come to us alone (RFC 6762 6.7).
        bool member = false;
    };

    mdns_asker(const boost::asio::any_io_executor& executor, const settings& s);
    mdns_asker(const mdns_asker&) = delete;
    mdns_asker& operator=(const mdns_asker&) = delete;
    virtual ~mdns_asker() = default;

    /// Opens the socket, asks, and goes on by itself. `whom` is notified when `done()` becomes true, for as
    /// long as nobody calls `close`.
    result<void> start(steady_clock::duration limit, event& whom);
    void close() noexcept;

    bool done() const noexcept { return done_; }
    const mdns_counters& counters() const noexcept { return counters_; }
    /// Set when it is done because of this: nothing could be sent, or received.
    const error& broken() const noexcept { return broken_; }
    /// "(1 malformed and 2 foreign messages were ignored)", or nothing.
    std::string ignored() const;

  protected:
    /// Called for each link with room for one message. Gives the bytes of question number `n`, or empty when
    /// there are no more.
    virtual std::string_view write(std::size_t n, std::span<char> room) = 0;
    /// A message that came from a place that may answer. False: it does not concern us.
    virtual bool take(const dns::message& m, const datagram& d) = 0;

    void finish() noexcept;
    /// Ends it soon, unless that happens before.
    void finish_within(steady_clock::duration d);
    /// Asks again soon, beside the times that it does anyway.
    void ask_within(steady_clock::duration d);
    steady_clock::time_point now() const noexcept { return time_.now(); }

  private:
    result<void> open();
    void ask();
    void ask_again();
    void arrived(const datagram& d);
    static awaitable<void> receive(std::shared_ptr<mdns_asker> s);

    boost::asio::any_io_executor executor_;
    deadline_service& time_;
    settings settings_;
    std::optional<udp_socket> socket_;
    std::vector<network_interface> present_;
    std::vector<mdns_link> links_;
    deadline limit_, again_, extra_;
    steady_clock::duration pause_ = std::chrono::seconds(1);
    steady_clock::time_point end_{};
    mdns_counters counters_;
    error broken_;
    event* whom_ = nullptr;
    bool done_ = false;
};

} // namespace detail
} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/detail/impl/mdns_asker.ipp>
#endif

#endif
