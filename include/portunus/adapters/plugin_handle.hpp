// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_PLUGIN_HANDLE_HPP
#define PORTUNUS_ADAPTERS_PLUGIN_HANDLE_HPP

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace portunus {

/// How a plugin names what it has: a connection, a listener, a page that waits for its answer. A plain value:
/// it may be copied, stored, passed through C and kept for ever. When the thing itself is gone, commands give
/// an error for it, also after its place was given to another one: the generation tells them apart.
///
/// A default-made handle names nothing.
template <class Tag>
struct plugin_handle {
    std::uint32_t index{0};
    std::uint32_t generation{0}; ///< from 1; 0 names nothing

    explicit constexpr operator bool() const noexcept { return generation != 0; }

    /// The same as one number, never 0 for a handle that names something: for systems that know numbers.
    constexpr std::uint64_t value() const noexcept { return (std::uint64_t(generation) << 32) | index; }
    static constexpr plugin_handle from_value(std::uint64_t value) noexcept {
        return {static_cast<std::uint32_t>(value), static_cast<std::uint32_t>(value >> 32)};
    }

    friend constexpr bool operator==(const plugin_handle&, const plugin_handle&) noexcept = default;
    friend constexpr auto operator<=>(const plugin_handle&, const plugin_handle&) noexcept = default;
};

using connection_id = plugin_handle<struct connection_id_tag>;
using listener_id = plugin_handle<struct listener_id_tag>;
using page_id = plugin_handle<struct page_id_tag>;

} // namespace portunus

template <class Tag>
struct std::hash<portunus::plugin_handle<Tag>> {
    std::size_t operator()(const portunus::plugin_handle<Tag>& handle) const noexcept {
        return std::hash<std::uint64_t>()(handle.value());
    }
};

#endif
