// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_MDNS_QUESTION_HPP
#define PORTUNUS_NET_DETAIL_MDNS_QUESTION_HPP

#include <portunus/net/detail/mdns_asker.hpp>

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace portunus::detail {

/// Whether a name is one of those that multicast DNS is responsible for (RFC 6762 3): "x.local", "x.local.".
bool is_local_name(std::string_view name) noexcept;
/// 169.254.0.0/16 and fe80::/10: their names are asked for by multicast alone (RFC 6762 4).
bool is_link_local(const boost::asio::ip::address& address) noexcept;
/// Private addresses (RFC 1918, RFC 4193) of a subnet that we are on: nobody else is likely to know a name.
bool is_private_on_link(const boost::asio::ip::address& address);

/// Global IPv6, IPv4, local IPv6 (RFC 4193), then those that are good on the link alone.
std::vector<boost::asio::ip::address> by_reach(std::vector<boost::asio::ip::address> all);
std::string in_milliseconds(steady_clock::duration d);

/// A question that is asked once (RFC 6762 5.1), for the addresses of a name or for the name of an address.
///
/// It leaves from a free port, so the answers come by unicast to us alone, with the number of our question in
/// them: nothing has to be joined or shared with the responder of this machine, several questions do not hear
/// each other's answers, and a forger who sees no question has to guess the number and the port.
class mdns_question final : public mdns_asker {
  public:
    struct wanted {
        dns::name owner;
        bool v4 = false, v6 = false, name = false;
    };

    mdns_question(const boost::asio::any_io_executor& executor, const settings& s, wanted w);

    /// `family`: 4, 6, or 0 for both. `errc::invalid_name` where no question can be made of it.
    static result<wanted> addresses_of(std::string_view name, int family);
    static wanted name_of(const boost::asio::ip::address& address);

    bool answered() const noexcept { return !addresses_.empty() || !name_.empty(); }
    /// Global IPv6, IPv4, local IPv6, link-local ones.
    std::vector<boost::asio::ip::address> addresses() const { return by_reach(addresses_); }
    const std::string& name() const noexcept { return name_; }
    /// Why there is no answer.
    error failure(steady_clock::duration limit) const;

  private:
    /// The others who own a name send their part at about the same time.
    static constexpr steady_clock::duration grace = std::chrono::milliseconds(200);

    std::string_view write(std::size_t n, std::span<char> room) override;
    bool take(const dns::message& m, const datagram& d) override;

    wanted wanted_;
    std::uint16_t id_;
    std::vector<std::uint16_t> types_;
    std::vector<boost::asio::ip::address> addresses_;
    std::string name_;
    bool denied_ = false;
};

/// Completes with the question when it was answered. The error is that of `failure`, of `start`, or
/// `errc::canceled`. `counters`: null, or where to tell what came.
awaitable<result<std::shared_ptr<mdns_question>>> ask_mdns(mdns_question::wanted w, mdns_asker::settings s,
                                                           steady_clock::duration limit,
                                                           mdns_counters* counters);

} // namespace portunus::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/detail/impl/mdns_question.ipp>
#endif

#endif
