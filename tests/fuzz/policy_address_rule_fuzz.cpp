// SPDX-License-Identifier: BSL-1.0
// Any text: an address rule either says what is wrong with it, or prints itself in a form that it reads back
// as equal and that matches the same peers.
#include <portunus/policy/address_rule.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto rule = portunus::address_rule::parse(text);
    if (!rule) {
        const bool told =
            rule.error() == portunus::errc::invalid_address || rule.error() == portunus::errc::invalid_port;
        if (!told || rule.error().detail().empty()) std::abort();
        return 0;
    }
    const auto again = portunus::address_rule::parse(to_string(*rule));
    if (!again || !(*again == *rule) || to_string(*again) != to_string(*rule)) std::abort();

    boost::asio::ip::address_v6::bytes_type bytes{};
    for (std::size_t i = 0; i < bytes.size() && i < size; ++i) bytes[i] = data[i];
    const boost::asio::ip::address peer = boost::asio::ip::address_v6(bytes);
    if (rule->matches(peer, 1000) != again->matches(portunus::normalised(peer), 1000)) std::abort();
    return 0;
}
