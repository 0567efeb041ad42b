// SPDX-License-Identifier: BSL-1.0
// The command line of the hub.
#pragma once

#include <portunus/core/logger.hpp>
#include <portunus/policy/accept_policy.hpp>
#include <portunus/policy/port_list.hpp>

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hub {

struct options {
    std::vector<boost::asio::ip::address> hosts;
    portunus::port_list line_ports{7101};
    portunus::port_list packet_ports{7102};
    portunus::port_list refused_ports{7103};
    portunus::port_list udp_ports{7104};
    portunus::port_list web_ports{7180};
    portunus::port_list https_ports{7143};
    portunus::port_list message_ports{7106};
    std::string secret_file;                      // of the message channel; none: it is not opened
    std::string web_root = PORTUNUS_HUB_WEB_ROOT; // the page's files
    std::string udp_interface = "lo";
    boost::asio::ip::address group = boost::asio::ip::make_address_v4("239.255.71.4");
    std::uint16_t news_port = 7105; // of the group's members
    std::string name;               // that it is announced by; none: it is not
    portunus::accept_policy policy; // of all ports but the refused one
    unsigned contexts = 1;
    std::size_t max_frame = 64 * 1024;
    std::size_t max_connections = 1000; // of each kind of port
    std::chrono::seconds grace{10};
    portunus::log_level log = portunus::log_level::warning;
    bool help = false;
};

extern const std::string_view usage;

/// Throws `portunus::failure` with a text that quotes what is wrong and says what is allowed.
options parse_options(const std::vector<std::string_view>& arguments);

} // namespace hub
