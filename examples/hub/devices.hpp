// SPDX-License-Identifier: BSL-1.0
// The devices of a small house: what the hub is asked about.
#pragma once

#include <portunus/core/result.hpp>

#include <boost/describe.hpp>

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace hub {

struct device_state {
    std::string name;
    std::string kind; ///< on_off, percent, sensor
    std::string value;
};
BOOST_DESCRIBE_STRUCT(device_state, (), (name, kind, value))

/// Every function may be called from any thread: sessions of several contexts share the one house.
class devices {
  public:
    devices();

    std::size_t count() const;
    /// "dimmer=40 lamp=off ..."
    std::string list() const;
    std::vector<device_state> all() const;
    /// Fails with `errc::invalid_option` when there is no such device; so does `set`.
    portunus::result<std::string> get(std::string_view name) const;
    /// Gives the new value. Fails with `errc::denied` for a sensor, and with `errc::invalid_option` for a
    /// value that the device cannot take.
    portunus::result<std::string> set(std::string_view name, std::string_view value);

  private:
    enum class kind { on_off, percent, sensor };
    struct device {
        kind what;
        std::string value;
    };
    static portunus::error unknown(std::string_view name);

    mutable std::mutex mutex_; // guards the values; the names never change
    std::map<std::string, device, std::less<>> all_;
};

} // namespace hub
