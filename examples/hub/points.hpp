// SPDX-License-Identifier: BSL-1.0
// The hub's data points, for programs: what may be read, written and executed over the message channel, by
// those who know the secret. examples/message_client.py speaks it from Python.
#pragma once

#include "commands.hpp"
#include "devices.hpp"
#include "journal.hpp"
#include "options.hpp"
#include "scoreboard.hpp"

#include <portunus/channel/channel_server.hpp>
#include <portunus/channel/points.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hub {

struct device_setting {
    std::string name;
    std::string value;
};
BOOST_DESCRIBE_STRUCT(device_setting, (), (name, value))

/// The interface, as a client would include it: `co_await link.request(hub::all_devices)`.
inline constexpr portunus::read_of<std::vector<device_state>> all_devices(portunus::data_id(1));
inline constexpr portunus::write_of<device_setting> set_device(portunus::data_id(1));
inline constexpr portunus::read_of<std::string> introduction(portunus::data_id(2));
inline constexpr portunus::execute_of<std::string, std::string> run_command(portunus::data_id(1));
static_assert(portunus::points_are_distinct(all_devices, set_device, introduction, run_command));

/// A point, as the page shows it.
struct point_state {
    std::string name;
    std::string kind; ///< read, write, execute
    std::uint64_t data_id = 0;
    std::uint64_t asked = 0; ///< how often
};
BOOST_DESCRIBE_STRUCT(point_state, (), (name, kind, data_id, asked))

class points {
  public:
    /// Opens the ports where there is a secret; throws `portunus::failure`. Has to live until the runtime has
    /// ended, as everything has that it is given.
    points(portunus::runtime& rt, const options& chosen, const devices& house, const commands& handle,
           journal& passing, port& at, std::string about_us);
    points(const points&) = delete;
    points& operator=(const points&) = delete;

    bool are_open() const noexcept { return server_.has_value(); }
    std::vector<point_state> all() const;

  private:
    void set_up(portunus::channel& peer, const portunus::peer_info& who);
    void note(std::size_t which, std::string_view who);

    struct described {
        std::string_view name, kind;
        std::uint64_t id;
        std::atomic<std::uint64_t> asked{0};
    };
    described points_[4];

    const devices& house_;
    const commands& handle_;
    journal& passing_;
    port& at_;
    std::string introduction_;
    std::optional<portunus::channel_server> server_;
};

} // namespace hub
