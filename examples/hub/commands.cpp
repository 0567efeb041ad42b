// SPDX-License-Identifier: BSL-1.0
#include "commands.hpp"

#include <portunus/net/interfaces.hpp>

#include <boost/crc.hpp>

#include <array>
#include <charconv>
#include <utility>

namespace hub {

using namespace portunus;

namespace {

constexpr std::string_view help =
    "list | count | get DEVICE | set DEVICE VALUE | echo TEXT | checksum BYTES | "
    "stats [line|packet|refused] | peers | interfaces | help | quit";

/// What stands before the first blank, and what behind it.
std::pair<std::string_view, std::string_view> split(std::string_view text) {
    const std::size_t blank = text.find(' ');
    if (blank == std::string_view::npos) return {text, {}};
    return {text.substr(0, blank), text.substr(blank + 1)};
}

/// CRC-32 as zip, Ethernet and Python's zlib.crc32 have it, in eight hexadecimal digits.
std::string checksum(std::string_view bytes) {
    boost::crc_32_type crc;
    crc.process_bytes(bytes.data(), bytes.size());
    std::array<char, 8> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), crc.checksum(), 16).ptr;
    const auto count = static_cast<std::size_t>(end - digits.data());
    return std::string(digits.size() - count, '0').append(digits.data(), count);
}

answer ok(std::string_view text) {
    return {std::string("ok ").append(text)};
}

answer from(const result<std::string>& outcome) {
    if (outcome) return ok(*outcome);
    return {std::string("error ").append(outcome.error().detail())};
}

/// "lo up 127.0.0.1/8 ::1/128; eth0 up mtu 1500 mac 02:00:00:00:00:01 192.168.1.7/24".
answer describe_interfaces() {
    const auto all = interfaces();
    if (!all) return {"error " + all.error().message()};
    std::string text;
    for (const auto& each : *all) {
        text.append(text.empty() ? "" : "; ").append(each.name).append(each.up ? " up" : " down");
        text.append(" mtu ").append(std::to_string(each.mtu));
        if (!each.mac.is_zero()) text.append(" mac ").append(to_string(each.mac));
        for (const auto& own : each.addresses)
            text.append(" ")
                .append(own.address.to_string())
                .append("/")
                .append(std::to_string(own.prefix_length));
    }
    return ok(text);
}

} // namespace

answer commands::operator()(std::string_view command) const {
    const auto [verb, rest] = split(command);
    if (verb == "echo") return ok(rest);
    if (verb == "checksum") return ok(checksum(rest));
    if (verb == "get") return from(house_.get(rest));
    if (verb == "set") {
        const auto [name, value] = split(rest);
        const auto now = house_.set(name, value);
        if (now && tell_) tell_(std::string(name) + " = " + *now);
        return from(now);
    }
    if (verb == "list") return ok(house_.list());
    if (verb == "count") return ok(std::to_string(house_.count()));
    if (verb == "stats") return rest.empty() ? ok(board_.stats()) : from(board_.stats(rest));
    if (verb == "interfaces") return describe_interfaces();
    if (verb == "help") return ok(help);
    if (verb == "quit") return {"ok bye", true};
    return {"error unknown command; try help"};
}

} // namespace hub
