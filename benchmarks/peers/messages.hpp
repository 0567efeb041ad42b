// What the workload `messages` asks and is answered, a line each:
//
//     {"status":0,"service_id":10,"data_id":7,"data":{"room":"room
//     00003","sequence":100017,"celsius":21.5,"ok":true}}
//     {"data_id":7,"service_id":11,"status":0,"data":{"room":"room 00003","sequence":100017,"tenths":215}}
//
// Answers are compared byte by byte, so all servers write these members in this order.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

namespace messages {

struct question {
    std::string room;
    std::uint32_t sequence = 0;
    double celsius = 0;
    bool ok = false;
};

struct answer {
    std::string room;
    std::uint32_t sequence = 0;
    std::uint32_t tenths = 0;
};

inline constexpr std::uint32_t asked_service = 10, answer_service = 11, asked_data = 7;

inline std::uint32_t tenths_of(double celsius) {
    return static_cast<std::uint32_t>(std::lround(celsius * 10));
}

// With Boost.JSON, in message_trees.cpp. False for what is no question.

// The whole line to a tree and the answer from one, as one writes it without any library for messages.
bool answer_by_tree(std::string_view line, std::string& out);

// The same for the data alone.
bool answer_data_by_tree(std::string_view data, std::string& out);

} // namespace messages
