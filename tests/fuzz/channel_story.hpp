// SPDX-License-Identifier: BSL-1.0
// Bytes as a story: what a peer of a handshake sends, and when.
#ifndef PORTUNUS_TESTS_FUZZ_CHANNEL_STORY_HPP
#define PORTUNUS_TESTS_FUZZ_CHANNEL_STORY_HPP

#include <portunus/channel/message.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace portunus_fuzz {

/// One line an event. Its first character says what happens, the next two are the service and the data id as
/// digits, the next one is the status, and the rest is the JSON.
struct story {
    std::string_view rest;

    bool next(char& what, portunus::message& m) {
        if (rest.empty()) return false;
        const std::size_t end = rest.find('\n');
        std::string_view line = rest.substr(0, end);
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        const auto digit = [&line] {
            const unsigned d = line.empty() ? 0U : static_cast<unsigned char>(line[0]) - unsigned{'0'};
            if (!line.empty()) line.remove_prefix(1);
            return d;
        };
        what = line.empty() ? 't' : line[0];
        if (!line.empty()) line.remove_prefix(1);
        m.service = portunus::service_id(digit());
        m.id = portunus::data_id(digit());
        m.status = portunus::message_status(digit());
        m.data = std::string(line);
        return true;
    }
};

} // namespace portunus_fuzz

#endif
