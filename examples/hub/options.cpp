// SPDX-License-Identifier: BSL-1.0
#include "options.hpp"

#include <charconv>
#include <string>

namespace hub {

using namespace portunus;

const std::string_view usage = R"(usage: portunus_hub [option value]...

  --host ADDRESS         listen on this address of ours; may be repeated      127.0.0.1
  --line-ports PORTS     commands as lines of text, for nc and devices        7101
  --packet-ports PORTS   the same commands behind a length of 4 bytes         7102
  --refused-ports PORTS  a door that lets nobody in: they see a reset         7103
  --udp-ports PORTS      the same commands as datagrams                       7104
  --message-ports PORTS  the message channel, for programs                    7106
  --secret-file FILE     its secret, in the first line                        none: no channel
  --web-ports PORTS      a page that shows all of it, for browsers            7180
  --https-ports PORTS    the same over TLS, with a certificate made at start  7143
  --web-root DIRECTORY   where the page's files are                           beside the hub's source
  --udp-interface NAME   datagrams come and go by this interface alone        lo
  --group ADDRESS        a multicast group that may ask "who"                 239.255.71.4
  --news-port PORT       where its members listen for what has changed       7105
  --name NAME            be found by this name: _portunus._tcp by mDNS       not
  --allow PEERS          an address, prefix or range that may come in; may be repeated
  --deny PEERS           one that may not; the first that matches decides     then: allow loopback, deny all others
  --contexts N           threads that serve connections, 1 to 256             1
  --max-frame BYTES      the longest message, 1024 to 16777216                65536
  --max-connections N    open at the same time, each kind of port, 1 to 1000000       1000
  --grace SECONDS        how long the end may take, 0 to 3600                 10
  --log LEVEL            debug, info, warning, error or off                   warning

PORTS is a list such as 7101,7110-7119, or 0 for a free port. SIGTERM or Ctrl-C ends the hub in good order; SIGUSR1
prints all counters in the format of Prometheus.
)";

namespace {

[[noreturn]] void refuse(std::string_view value, const std::string& allowed) {
    throw failure(error(errc::invalid_option, "\"" + std::string(value) + "\"; allowed: " + allowed));
}

std::size_t number(std::string_view value, std::size_t least, std::size_t most) {
    std::size_t n = 0;
    const auto [end, wrong] = std::from_chars(value.data(), value.data() + value.size(), n);
    if (wrong != std::errc{} || end != value.data() + value.size() || n < least || n > most)
        refuse(value, "a number from " + std::to_string(least) + " to " + std::to_string(most));
    return n;
}

boost::asio::ip::address address(std::string_view value) {
    boost::system::error_code wrong;
    auto parsed = boost::asio::ip::make_address(value, wrong);
    if (wrong) refuse(value, "an address such as 127.0.0.1, 0.0.0.0 or ::1");
    return parsed;
}

boost::asio::ip::address group(std::string_view value) {
    const auto parsed = address(value);
    if (!parsed.is_multicast()) refuse(value, "a multicast group such as 239.255.71.4 or ff15::7104");
    return parsed;
}

log_level level(std::string_view value) {
    for (const auto each :
         {log_level::debug, log_level::info, log_level::warning, log_level::error, log_level::off})
        if (value == to_string(each)) return each;
    refuse(value, "debug, info, warning, error, off");
}

} // namespace

options parse_options(const std::vector<std::string_view>& arguments) {
    options chosen;
    std::string_view option; // the one that is being read
    try {
        for (std::size_t i = 0; i < arguments.size(); ++i) {
            option = arguments[i];
            const auto value = [&] {
                if (++i == arguments.size()) throw failure(error(errc::invalid_option, "a value is missing"));
                return arguments[i];
            };
            if (option == "--host")
                chosen.hosts.push_back(address(value()));
            else if (option == "--line-ports")
                chosen.line_ports = port_list(value());
            else if (option == "--packet-ports")
                chosen.packet_ports = port_list(value());
            else if (option == "--refused-ports")
                chosen.refused_ports = port_list(value());
            else if (option == "--udp-ports")
                chosen.udp_ports = port_list(value());
            else if (option == "--message-ports")
                chosen.message_ports = port_list(value());
            else if (option == "--secret-file")
                chosen.secret_file = value();
            else if (option == "--web-ports")
                chosen.web_ports = port_list(value());
            else if (option == "--https-ports")
                chosen.https_ports = port_list(value());
            else if (option == "--web-root")
                chosen.web_root = value();
            else if (option == "--udp-interface")
                chosen.udp_interface = value();
            else if (option == "--group")
                chosen.group = group(value());
            else if (option == "--news-port")
                chosen.news_port = static_cast<std::uint16_t>(number(value(), 1, 65535));
            else if (option == "--name")
                chosen.name = value();
            else if (option == "--allow")
                chosen.policy.allow(value());
            else if (option == "--deny")
                chosen.policy.deny(value());
            else if (option == "--contexts")
                chosen.contexts = static_cast<unsigned>(number(value(), 1, 256));
            else if (option == "--max-frame")
                chosen.max_frame = number(value(), 1024, 16777216);
            else if (option == "--max-connections")
                chosen.max_connections = number(value(), 1, 1000000);
            else if (option == "--grace")
                chosen.grace = std::chrono::seconds(number(value(), 0, 3600));
            else if (option == "--log")
                chosen.log = level(value());
            else if (option == "--help" || option == "-h")
                chosen.help = true;
            else
                throw failure(error(errc::invalid_option, "there is no such option; --help lists them"));
        }
    } catch (const failure& e) { // the same, and where it stood
        throw failure(
            error(e.reason().code(), std::string(option) + ": " + std::string(e.reason().detail())));
    }
    if (chosen.hosts.empty()) chosen.hosts.push_back(boost::asio::ip::address_v4::loopback());
    chosen.policy.allow("127.0.0.0/8").allow("::1");
    return chosen;
}

} // namespace hub
