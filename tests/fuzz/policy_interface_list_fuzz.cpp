// SPDX-License-Identifier: BSL-1.0
// Any text: an interface list either says what is wrong with it, or reads back what it prints and matches its
// names.
#include <portunus/policy/interface_list.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto list = portunus::interface_list::parse(text);
    if (!list) {
        if (!(list.error() == portunus::errc::invalid_option) || list.error().detail().empty()) std::abort();
        return 0;
    }
    for (const std::string& name : *list)
        if (name.empty() || name.size() > 15 || !list->matches(name)) std::abort();
    const auto again = portunus::interface_list::parse(to_string(*list));
    if (!again || !(*again == *list)) std::abort();
    return 0;
}
