// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_MDNS_BROWSER_HPP
#define PORTUNUS_NET_DETAIL_MDNS_BROWSER_HPP

#include <portunus/net/detail/mdns_asker.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portunus::detail {

/// Gathers the services of a type, or the one of a name, from what is said on the links.
class mdns_browser final : public mdns_asker {
  public:
    struct service {
        dns::name owner;
        dns::name host; // the root: not known yet
        std::uint16_t port = 0;
        std::vector<std::pair<std::string, std::string>> text;
        std::vector<boost::asio::ip::address> addresses;
        std::uint32_t ttl = 0;
        steady_clock::time_point heard{};
        bool has_text = false;
        bool asked = false; // for what is missing
        bool complete() const noexcept { return !host.is_root() && has_text && !addresses.empty(); }
    };

    /// `name`: the one that is looked for; empty: all.
    mdns_browser(const boost::asio::any_io_executor& executor, const settings& s, dns::name type,
                 std::string_view name, std::size_t most);

    const std::vector<service>& services() const noexcept { return services_; }

  private:
    /// Those who answer have up to 0.12 s; what belongs together mostly comes together.
    static constexpr steady_clock::duration grace = std::chrono::milliseconds(200);

    std::string_view write(std::size_t n, std::span<char> room) override;
    bool take(const dns::message& m, const datagram& d) override;
    bool take_pointer(const dns::record_view& r);
    bool take_details(const dns::record_view& r);
    bool take_address(const dns::record_view& r, std::uint32_t interface);

    dns::name type_;
    std::vector<service> services_;
    std::size_t most_;
    bool one_ = false;
};

} // namespace portunus::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/detail/impl/mdns_browser.ipp>
#endif

#endif
