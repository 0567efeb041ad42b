// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_JSON_IMPL_READ_HPP
#define PORTUNUS_JSON_IMPL_READ_HPP

#include <portunus/json/read.hpp>

#include <portunus/json/detail/cursor.hpp>
#include <portunus/json/detail/described.hpp>

#include <cfloat>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <system_error>
#include <utility>

namespace portunus::json::detail {

/// Where the long way is the only right one: many digits, great exponents, fractions in front of a whole
/// number.
PORTUNUS_DECL bool read_double(cursor& in, const number& n, double& value);
PORTUNUS_DECL bool read_float(cursor& in, const number& n, float& value);
PORTUNUS_DECL bool read_integer(cursor& in, const number& n, std::uint64_t& magnitude);
PORTUNUS_DECL bool out_of_range(cursor& in, const number& n, std::string range);

template <class T>
bool read_value(cursor& in, T& value, const read_options& options);

inline bool read_floating(cursor& in, double& value) {
    number n;
    if (!in.numeric(n)) return false;
    // Both factors are exact, so their product is the nearest double (Clinger 1990). What devices send is of
    // that kind.
    static constexpr double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                        1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                        1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (FLT_EVAL_METHOD == 0 && n.exact && n.mantissa <= std::uint64_t{1} << 53 && n.exponent >= -22 &&
        n.exponent <= 22) [[likely]] {
        const double whole = static_cast<double>(n.mantissa);
        const double result = n.exponent < 0 ? whole / powers[-n.exponent] : whole * powers[n.exponent];
        value = n.negative ? -result : result;
        return true;
    }
    return read_double(in, n, value);
}

inline bool read_floating(cursor& in, float& value) {
    number n;
    return in.numeric(n) && read_float(in, n, value);
}

template <class T>
bool read_number(cursor& in, T& value) {
    if constexpr (std::floating_point<T>) {
        static_assert(!std::same_as<T, long double>, "long double has no form of its own: use double");
        return read_floating(in, value);
    } else {
        number n;
        if (!in.numeric(n)) return false;
        std::uint64_t magnitude = n.mantissa;
        if (!n.integral || !n.exact) [[unlikely]]
            if (!read_integer(in, n, magnitude)) return false;
        using limits = std::numeric_limits<T>;
        // Modulo 2^64, so that the lowest number has its magnitude too.
        const std::uint64_t most = n.negative ? std::uint64_t{0} - static_cast<std::uint64_t>(limits::min())
                                              : static_cast<std::uint64_t>(limits::max());
        if (magnitude > most) [[unlikely]]
            return out_of_range(in, n,
                                std::to_string(limits::min()) + " to " + std::to_string(limits::max()));
        value = static_cast<T>(n.negative ? std::uint64_t{0} - magnitude : magnitude);
        return true;
    }
}

template <class T>
bool read_enum(cursor& in, T& value) {
    std::string_view name;
    if (!in.string_view(name)) return false;
    bool found = false;
    std::string names; // only for the error
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>([&](auto each) {
        if (found || name != each.name) return;
        value = each.value;
        found = true;
    });
    if (found) [[likely]]
        return true;
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>(
        [&](auto each) { names.append(names.empty() ? "" : ", ").append(each.name); });
    return in.trouble().is(shown(name) + " is none of " + names);
}

template <class T>
class object_reader {
  public:
    object_reader(cursor& in, T& value, const read_options& options)
        : in_(in), value_(value), options_(options) {}

    bool read() {
        if (!in_.open('{', "an object")) return false;
        if (!in_.take('}')) {
            std::size_t likely = 0; // most senders keep to an order
            do {
                if (!field(likely, std::make_index_sequence<count>())) return false;
            } while (in_.more('}'));
        }
        return in_.closed() && complete(std::make_index_sequence<count>());
    }

  private:
    static constexpr std::size_t count = member_count<T>;
    static_assert(count <= 64, "a struct with more than 64 members: make structs of it");

    template <std::size_t I>
    bool read_member() {
        using member = detail::member<T, I>;
        constexpr std::uint64_t bit = std::uint64_t{1} << I;
        if ((seen_ & bit) != 0) [[unlikely]] {
            in_.trouble().is("appears twice");
            return in_.trouble().in_member(member::name);
        }
        seen_ |= bit;
        if (read_value(in_, value_.*member::pointer, options_)) [[likely]]
            return true;
        return in_.trouble().in_member(member::name);
    }

    template <std::size_t I>
    bool is(std::string_view key) const {
        return key == std::string_view(member<T, I>::name, member<T, I>::name_size);
    }

    template <std::size_t... I>
    bool field(std::size_t& likely, std::index_sequence<I...>) {
        bool good = false;
        if (((likely == I && in_.template key_is<member<T, I>::name_size>(member<T, I>::name) &&
              (good = read_member<I>(), true)) ||
             ...)) [[likely]] {
            ++likely;
            return good;
        }
        std::string_view key;
        if (!in_.key(key)) return false;
        if (((is<I>(key) && (likely = I + 1, good = read_member<I>(), true)) || ...)) return good;
        if (!options_.refuse_unknown) return in_.skip();
        return in_.trouble().is("unknown key " + shown(key));
    }

    template <std::size_t... I>
    bool complete(std::index_sequence<I...>) {
        constexpr std::uint64_t all = ((std::uint64_t{1} << I) | ... | 0);
        if (seen_ == all) [[likely]]
            return true;
        return (absent<I>() && ...);
    }

    template <std::size_t I>
    bool absent() {
        using member = detail::member<T, I>;
        if ((seen_ & std::uint64_t{1} << I) != 0) return true;
        if constexpr (member::optional) {
            (value_.*member::pointer).reset();
            return true;
        } else {
            in_.trouble().is("missing");
            return in_.trouble().in_member(member::name);
        }
    }

    cursor& in_;
    T& value_;
    const read_options& options_;
    std::uint64_t seen_ = 0;
};

template <class T>
bool read_vector(cursor& in, T& values, const read_options& options) {
    if (!in.open('[', "an array")) return false;
    std::size_t size = 0;
    if (!in.take(']')) do {
            bool good;
            if constexpr (std::same_as<typename T::value_type, bool>) {
                bool element = false;
                good = read_value(in, element, options);
                size < values.size() ? void(values[size] = element) : values.push_back(element);
            } else {
                if (size == values.size()) values.emplace_back();
                good = read_value(in, values[size], options);
            }
            if (!good) return in.trouble().in_element(size);
            ++size;
        } while (in.more(']'));
    values.resize(size);
    return in.closed();
}

template <class T>
bool read_array(cursor& in, T& values, const read_options& options) {
    constexpr std::size_t expected = std::tuple_size_v<T>;
    if (!in.open('[', "an array")) return false;
    std::size_t size = 0;
    if (!in.take(']')) do {
            if (size == expected)
                return in.trouble().is("expected " + std::to_string(expected) + " elements, found more");
            if (!read_value(in, values[size], options)) return in.trouble().in_element(size);
            ++size;
        } while (in.more(']'));
    if (!in.closed()) return false;
    return size == expected || in.trouble().is("expected " + std::to_string(expected) + " elements, found " +
                                               std::to_string(size));
}

template <class T>
bool read_map(cursor& in, T& values, const read_options& options) {
    if (!in.open('{', "an object")) return false;
    values.clear();
    if (!in.take('}')) do {
            std::string_view key;
            if (!in.key(key)) return false;
            const auto [place, is_new] = values.try_emplace(std::string(key));
            if (!is_new) {
                in.trouble().is("appears twice");
                return in.trouble().in_key(key);
            }
            // The cursor may need the memory of `key` for what comes now.
            if (!read_value(in, place->second, options)) return in.trouble().in_key(place->first);
        } while (in.more('}'));
    return in.closed();
}

template <class T>
bool read_value(cursor& in, T& value, const read_options& options) {
    if constexpr (std::same_as<T, bool>) {
        return in.boolean(value);
    } else if constexpr (integer<T> || std::floating_point<T>) {
        return read_number(in, value);
    } else if constexpr (std::same_as<T, std::string>) {
        return in.string(value);
    } else if constexpr (described_enum<T>) {
        return read_enum(in, value);
    } else if constexpr (is_optional<T>) {
        if (in.null()) {
            value.reset();
            return true;
        }
        if (!value) value.emplace();
        return read_value(in, *value, options);
    } else if constexpr (is_vector<T>) {
        return read_vector(in, value, options);
    } else if constexpr (is_array<T>) {
        return read_array(in, value, options);
    } else if constexpr (std::same_as<T, std::monostate>) {
        return in.null() || in.mismatch("null");
    } else if constexpr (std::same_as<T, raw>) {
        in.next();
        const char* const from = in.at();
        if (!in.skip()) return false;
        value.text.assign(from, in.at());
        return true;
    } else if constexpr (text_map<T>) {
        return read_map(in, value, options);
    } else if constexpr (described_struct<T>) {
        return object_reader<T>(in, value, options).read();
    } else {
        static_assert(never<T>, "this type has no form in JSON: describe it (BOOST_DESCRIBE_STRUCT, "
                                "BOOST_DESCRIBE_ENUM), or use one of the types in portunus/json/read.hpp");
    }
}

} // namespace portunus::json::detail

namespace portunus::json {

template <class T>
result<void> read_into(std::string_view text, T& value, read_options options) {
    detail::cursor in(text);
    if (detail::read_value(in, value, options) && in.finished()) [[likely]]
        return {};
    return in.trouble().as(errc::malformed_data);
}

template <class T>
result<T> read(std::string_view text, read_options options) {
    T value{};
    detail::cursor in(text);
    if (detail::read_value(in, value, options) && in.finished()) [[likely]]
        return result<T>(std::move(value));
    return in.trouble().as(errc::malformed_data);
}

} // namespace portunus::json

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/json/impl/read.ipp>
#endif

#endif
