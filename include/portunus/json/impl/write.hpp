// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_JSON_IMPL_WRITE_HPP
#define PORTUNUS_JSON_IMPL_WRITE_HPP

#include <portunus/json/write.hpp>

#include <portunus/json/detail/described.hpp>
#include <portunus/json/detail/trouble.hpp>
#include <portunus/json/detail/utf8.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace portunus::json::detail {

/// The end of a text that grows.
class writer {
  public:
    explicit writer(std::string& out) : out_(out) {}

    void put(char c) { out_.push_back(c); }
    void put(std::string_view text) { out_.append(text); }
    bool string(std::string_view text) {
        out_.push_back('"');
        const char* const end = text.data() + text.size();
        const char* const plain = plain_end(text.data(), end);
        out_.append(text.data(), static_cast<std::size_t>(plain - text.data()));
        if (plain != end && !difficult(plain, text)) [[unlikely]]
            return false;
        out_.push_back('"');
        return true;
    }
    template <class T>
    bool number(T value) {
        char digits[40];
        const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
        out_.append(digits, static_cast<std::size_t>(end - digits));
        return true;
    }
    bool enter(char bracket) {
        if (depth_left_ == 0) [[unlikely]]
            return trouble_.is("nested deeper than " + std::to_string(max_depth) + " levels");
        --depth_left_;
        out_.push_back(bracket);
        return true;
    }
    /// Every element is followed by a comma; the last one becomes the bracket.
    bool leave(char open, char close) {
        ++depth_left_;
        if (out_.back() == open)
            out_.push_back(close);
        else
            out_.back() = close;
        return true;
    }
    PORTUNUS_DECL bool raw_text(std::string_view text);

    detail::trouble& trouble() noexcept { return trouble_; }

  private:
    PORTUNUS_DECL bool difficult(const char* plain, std::string_view text);

    std::string& out_;
    unsigned depth_left_ = max_depth;
    detail::trouble trouble_;
};

/// `"name":` as a literal, so that it is appended in one go.
template <class Member>
inline constexpr auto key_text = [] {
    std::array<char, Member::name_size + 3> text{};
    text[0] = text[Member::name_size + 1] = '"';
    text[Member::name_size + 2] = ':';
    for (std::size_t i = 0; i < Member::name_size; ++i) text[i + 1] = Member::name[i];
    return text;
}();

template <class T>
bool write_value(writer& out, const T& value);

template <class Member, class T>
bool write_member(writer& out, const T& value) {
    const auto& field = value.*Member::pointer;
    if constexpr (Member::optional)
        if (!field.has_value()) return true;
    out.put(std::string_view(key_text<Member>.data(), key_text<Member>.size()));
    if (!write_value(out, field)) return out.trouble().in_member(Member::name);
    out.put(',');
    return true;
}

template <class T, std::size_t... I>
bool write_members(writer& out, const T& value, std::index_sequence<I...>) {
    return (write_member<member<T, I>>(out, value) && ...);
}

template <class T>
bool write_elements(writer& out, const T& values) {
    if (!out.enter('[')) return false;
    std::size_t at = 0;
    for (const auto& each : values) {
        bool good;
        if constexpr (std::same_as<typename T::value_type, bool>)
            good = write_value(out, static_cast<bool>(each));
        else
            good = write_value(out, each);
        if (!good) return out.trouble().in_element(at);
        out.put(',');
        ++at;
    }
    return out.leave('[', ']');
}

template <class T>
bool write_map(writer& out, const T& values) {
    if (!out.enter('{')) return false;
    for (const auto& [key, value] : values) {
        const bool good = out.string(key) && (out.put(':'), write_value(out, value));
        if (!good) return out.trouble().in_key(key);
        out.put(',');
    }
    return out.leave('{', '}');
}

template <class T>
bool write_enum(writer& out, T value) {
    const char* name = nullptr;
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>([&](auto each) {
        if (each.value == value) name = each.name;
    });
    if (name) return out.string(name);
    return out.trouble().is("the value " + std::to_string(static_cast<std::underlying_type_t<T>>(value)) +
                            " has no name");
}

template <class T>
bool write_value(writer& out, const T& value) {
    if constexpr (std::same_as<T, bool>) {
        out.put(value ? std::string_view("true") : std::string_view("false"));
        return true;
    } else if constexpr (integer<T>) {
        return out.number(value);
    } else if constexpr (std::floating_point<T>) {
        static_assert(!std::same_as<T, long double>, "long double has no form of its own: use double");
        if (!std::isfinite(value)) [[unlikely]]
            return out.trouble().is(std::isnan(value) ? "NaN has no form in JSON"
                                                      : "infinity has no form in JSON");
        return out.number(value);
    } else if constexpr (std::same_as<T, std::string>) {
        return out.string(value);
    } else if constexpr (described_enum<T>) {
        return write_enum(out, value);
    } else if constexpr (is_optional<T>) {
        if (value) return write_value(out, *value);
        out.put(std::string_view("null"));
        return true;
    } else if constexpr (is_vector<T> || is_array<T>) {
        return write_elements(out, value);
    } else if constexpr (std::same_as<T, std::monostate>) {
        out.put(std::string_view("null"));
        return true;
    } else if constexpr (std::same_as<T, raw>) {
        return out.raw_text(value.text);
    } else if constexpr (text_map<T>) {
        return write_map(out, value);
    } else if constexpr (described_struct<T>) {
        return out.enter('{') && write_members(out, value, std::make_index_sequence<member_count<T>>()) &&
               out.leave('{', '}');
    } else {
        static_assert(never<T>, "this type has no form in JSON: describe it (BOOST_DESCRIBE_STRUCT, "
                                "BOOST_DESCRIBE_ENUM), or use one of the types in portunus/json/read.hpp");
    }
}

} // namespace portunus::json::detail

namespace portunus::json {

template <class T>
result<void> write(std::string& out, const T& value) {
    const std::size_t before = out.size();
    detail::writer to(out);
    if (detail::write_value(to, value)) [[likely]]
        return {};
    out.resize(before);
    return to.trouble().as(errc::unencodable_payload);
}

template <class T>
result<std::string> to_text(const T& value) {
    std::string text;
    if (auto written = write(text, value); !written) return written.error();
    return result<std::string>(std::move(text));
}

} // namespace portunus::json

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/json/impl/write.ipp>
#endif

#endif
