// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_JSON_DETAIL_DESCRIBED_HPP
#define PORTUNUS_JSON_DETAIL_DESCRIBED_HPP

#include <portunus/json/raw.hpp>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/describe/enumerators.hpp>
#include <boost/describe/members.hpp>
#include <boost/describe/modifiers.hpp>
#include <boost/mp11/list.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

/// \file
/// Which form in JSON a type has.

namespace portunus::json::detail {

/// Members of the struct and of what it inherits, all of them public.
template <class T>
using members_of =
    boost::describe::describe_members<T, boost::describe::mod_public | boost::describe::mod_inherited>;

template <class T>
concept described_struct = std::is_class_v<T> && boost::describe::has_describe_members<T>::value;

template <class T>
concept described_enum = std::is_enum_v<T> && boost::describe::has_describe_enumerators<T>::value;

template <class T>
concept character = std::same_as<T, char> || std::same_as<T, wchar_t> || std::same_as<T, char8_t> ||
    std::same_as<T, char16_t> || std::same_as<T, char32_t>;

template <class T>
concept integer = std::integral<T> && !std::same_as<T, bool> && !character<T>;

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

template <class T>
inline constexpr bool is_vector = false;
template <class T, class A>
inline constexpr bool is_vector<std::vector<T, A>> = true;

template <class T>
inline constexpr bool is_array = false;
template <class T, std::size_t N>
inline constexpr bool is_array<std::array<T, N>> = true;

/// std::map, std::unordered_map and what looks like them, with text for keys.
template <class T>
concept text_map = std::same_as<typename T::key_type, std::string> &&
    requires(T map, typename T::mapped_type value) {
    map.try_emplace(std::string());
    map.clear();
};

template <class T>
inline constexpr bool never = false;

/// The members as an index: name, pointer, whether it may be absent.
template <class T, std::size_t I>
struct member {
    using descriptor = boost::mp11::mp_at_c<members_of<T>, I>;
    static constexpr const char* name = descriptor::name;
    static constexpr std::size_t name_size = std::char_traits<char>::length(descriptor::name);
    static constexpr auto pointer = descriptor::pointer;
    using type = std::remove_cvref_t<decltype(std::declval<T&>().*pointer)>;
    static constexpr bool optional = is_optional<type>;
};

template <class T>
inline constexpr std::size_t member_count = boost::mp11::mp_size<members_of<T>>::value;

} // namespace portunus::json::detail

#endif
