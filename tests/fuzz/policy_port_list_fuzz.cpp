// SPDX-License-Identifier: BSL-1.0
// Any text: a port list either says what is wrong with it, or is sorted, without overlaps, and reads back
// what it prints.
#include <portunus/policy/port_list.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto list = portunus::port_list::parse(text);
    if (!list) {
        if (!(list.error() == portunus::errc::invalid_port) || list.error().detail().empty()) std::abort();
        return 0;
    }
    if (list->empty()) std::abort();
    std::size_t count = 0;
    int before = -2;
    for (const auto& range : list->ranges()) {
        if (range.first() <= before + 1) std::abort(); // neighbours are joined, so there is a gap
        before = range.last();
        count += range.size();
        if (!list->contains(range.first()) || !list->contains(range.last())) std::abort();
    }
    if (count != list->size()) std::abort();
    const auto again = portunus::port_list::parse(to_string(*list));
    if (!again || !(*again == *list)) std::abort();
    return 0;
}
