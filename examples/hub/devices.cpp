// SPDX-License-Identifier: BSL-1.0
#include "devices.hpp"

#include <charconv>

namespace hub {

using namespace portunus;

devices::devices()
    : all_{{"dimmer", {kind::percent, "40"}},
           {"heating", {kind::on_off, "on"}},
           {"humidity", {kind::sensor, "47 %"}},
           {"lamp", {kind::on_off, "off"}},
           {"temperature", {kind::sensor, "21.5 C"}}} {}

std::size_t devices::count() const {
    return all_.size();
}

std::string devices::list() const {
    const std::lock_guard lock(mutex_);
    std::string text;
    for (const auto& [name, each] : all_)
        text.append(text.empty() ? "" : ", ").append(name).append(" = ").append(each.value);
    return text;
}

std::vector<device_state> devices::all() const {
    const auto named = [](kind what) {
        return what == kind::on_off ? "on_off" : what == kind::percent ? "percent" : "sensor";
    };
    const std::lock_guard lock(mutex_);
    std::vector<device_state> each_of_them;
    for (const auto& [name, each] : all_) each_of_them.push_back({name, named(each.what), each.value});
    return each_of_them;
}

result<std::string> devices::get(std::string_view name) const {
    const auto found = all_.find(name);
    if (found == all_.end()) return unknown(name);
    const std::lock_guard lock(mutex_);
    return found->second.value;
}

result<std::string> devices::set(std::string_view name, std::string_view value) {
    const auto found = all_.find(name);
    if (found == all_.end()) return unknown(name);
    device& chosen = found->second;
    if (chosen.what == kind::sensor)
        return error(errc::denied, std::string(name) + " is a sensor: it can only be read");
    if (chosen.what == kind::on_off && value != "on" && value != "off")
        return error(errc::invalid_option, std::string(name) + " can be set to on or off");
    if (chosen.what == kind::percent) {
        int percent = -1;
        const auto [end, wrong] = std::from_chars(value.data(), value.data() + value.size(), percent);
        if (wrong != std::errc{} || end != value.data() + value.size() || percent < 0 || percent > 100)
            return error(errc::invalid_option, std::string(name) + " can be set to 0 to 100");
    }
    const std::lock_guard lock(mutex_);
    chosen.value = value;
    return chosen.value;
}

error devices::unknown(std::string_view name) {
    return error(errc::invalid_option, "there is no device \"" + std::string(name) + "\"; try list");
}

} // namespace hub
