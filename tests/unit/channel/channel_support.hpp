// SPDX-License-Identifier: BSL-1.0
// What the tests of channels share: a pair of them in memory, points, options.
#ifndef PORTUNUS_TESTS_UNIT_CHANNEL_CHANNEL_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_CHANNEL_CHANNEL_SUPPORT_HPP

#include <portunus/channel/channel.hpp>
#include <portunus/channel/channel_secrets.hpp>
#include <portunus/testing/memory_stream.hpp>
#include <portunus/testing/run.hpp>
#include <portunus/testing/start.hpp>

#include "support/catch.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/describe.hpp>

#include <optional>
#include <string>
#include <utility>

namespace portunus_tests {

using namespace portunus;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using portunus::testing::advance;
using portunus::testing::make_memory_stream_pair;
using portunus::testing::memory_stream;
using portunus::testing::run;
using portunus::testing::settle;
using portunus::testing::start;

struct reading {
    std::string room;
    double celsius = 0;
    bool ok = false;
    friend bool operator==(const reading&, const reading&) = default;
    friend std::ostream& operator<<(std::ostream& out, const reading& r) {
        return out << r.room << ' ' << r.celsius << (r.ok ? " ok" : " bad");
    }
};
BOOST_DESCRIBE_STRUCT(reading, (), (room, celsius, ok))

inline constexpr read_of<reading> temperature(data_id(7));
inline constexpr write_of<double> set_point(data_id(7));
inline constexpr write_of<reading> calibration(data_id(8));
inline constexpr execute_of<int, int> twice(data_id(1));

inline channel_options quiet() {
    channel_options o;
    o.log = logger::silent();
    return o;
}

/// Two channels over memory.
struct channel_pair {
    explicit channel_pair(const asio::any_io_executor& executor, channel_options c = quiet(),
                          channel_options s = quiet()) {
        auto ends = make_memory_stream_pair(executor);
        client.emplace(channel_role::client, any_stream(std::move(ends.first)), std::move(c));
        server.emplace(channel_role::server, any_stream(std::move(ends.second)), std::move(s));
    }
    std::optional<channel> client;
    std::optional<channel> server;
};

} // namespace portunus_tests

#endif
