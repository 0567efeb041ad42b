// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_INTERFACE_NAME_HPP
#define PORTUNUS_NET_INTERFACE_NAME_HPP

#include <portunus/core/error.hpp>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include <net/if.h>

namespace portunus {

/// The name of a network interface ("eth0") in an option that must own nothing: at most 15 bytes, as Linux
/// has it. Empty: any interface. Whether there is one of that name is seen when it is used.
class interface_name {
  public:
    constexpr interface_name() noexcept = default;
    /// Throws `failure` with `errc::no_such_interface` for a text that no interface can have as its name.
    interface_name(std::string_view name) { // NOLINT: a text is a name
        if (name.size() >= sizeof text_ || name.find_first_of(std::string_view("/ \0\n\t", 5)) != name.npos)
            throw failure(error(errc::no_such_interface, "no interface can be named \"" + std::string(name) +
                                                             "\": 1 to 15 bytes without blanks or \"/\""));
        std::copy(name.begin(), name.end(), text_);
    }
    interface_name(const char* name) : interface_name(std::string_view(name)) {}        // NOLINT
    interface_name(const std::string& name) : interface_name(std::string_view(name)) {} // NOLINT

    std::string_view view() const noexcept { return text_; }
    bool empty() const noexcept { return text_[0] == '\0'; }
    friend bool operator==(const interface_name& a, const interface_name& b) noexcept {
        return a.view() == b.view();
    }

  private:
    char text_[IF_NAMESIZE] = {};
};
static_assert(std::is_trivially_destructible_v<interface_name>);

} // namespace portunus

#endif
