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
#include <cstring>
#include <string>
#include <utility>

namespace portunus::json::detail {

/// The end of a text that grows. What is written is gathered in a small buffer, so that the text is touched
/// once for all that is small: a string of the standard library checks its capacity and writes its terminator
/// each time.
class writer {
  public:
    explicit writer(std::string& out) noexcept : out_(out) {}

    /// Everything that was written stands in the text.
    void flush() {
        out_.append(buffer_, size_);
        size_ = 0;
    }

    void put(char c) {
        if (size_ == sizeof buffer_) [[unlikely]]
            flush();
        buffer_[size_++] = c;
    }
    void put(std::string_view text) {
        if (text.size() > sizeof buffer_ - size_) [[unlikely]] {
            flush();
            if (text.size() > sizeof buffer_) {
                out_.append(text);
                return;
            }
        }
        // (A null pointer may be the address of no bytes.)
        if (!text.empty()) std::memcpy(buffer_ + size_, text.data(), text.size());
        size_ += text.size();
    }
    bool string(std::string_view text) {
        put('"');
        const char* const end = text.data() + text.size();
        const char* const plain = plain_end(text.data(), end);
        put(text.substr(0, static_cast<std::size_t>(plain - text.data())));
        if (plain != end && !difficult(plain, text)) [[unlikely]]
            return false;
        put('"');
        return true;
    }
    template <class T>
    bool number(T value) {
        make_room();
        if constexpr (std::same_as<T, double>)
            if (decimal(value)) return true;
        char* const from = buffer_ + size_;
        size_ += static_cast<std::size_t>(std::to_chars(from, from + longest_number, value).ptr - from);
        return true;
    }
    bool enter(char bracket) {
        if (depth_left_ == 0) [[unlikely]]
            return trouble_.is("nested deeper than " + std::to_string(max_depth) + " levels");
        --depth_left_;
        put(bracket);
        return true;
    }
    /// Every element is followed by a comma; the last one becomes the bracket.
    bool leave(char open, char close) {
        ++depth_left_;
        char& last = size_ != 0 ? buffer_[size_ - 1] : out_.back();
        if (last == open)
            put(close);
        else
            last = close;
        return true;
    }
    PORTUNUS_DECL bool raw_text(std::string_view text);

    detail::trouble& trouble() noexcept { return trouble_; }

  private:
    static constexpr std::size_t longest_number = 32; // -1.7976931348623157e+308 has 24

    void make_room() {
        if (sizeof buffer_ - size_ < longest_number) [[unlikely]]
            flush();
    }

    /// A number with a few decimals, as sensors send them, is a whole number with a point in it. That it is
    /// read back as the same double is tried; with less than 15 digits no shorter text can be (every such
    /// text is another double).
    bool decimal(double value) {
        const double magnitude = std::fabs(value);
        if (!(magnitude < 1e9) || magnitude < 1e-3) return false;
        double power = 1;
        for (std::size_t places = 0; places <= 4; ++places, power *= 10) {
            const double scaled = magnitude * power;
            const auto whole = static_cast<std::uint64_t>(scaled);
            if (static_cast<double>(whole) != scaled || scaled / power != magnitude) continue;
            if (value < 0) put_digit('-');
            char digits[24];
            std::size_t count =
                static_cast<std::size_t>(std::to_chars(digits, digits + sizeof digits, whole).ptr - digits);
            const char* from = digits;
            if (count <= places) { // 0.0025
                put_digit('0');
                put_digit('.');
                for (std::size_t zeros = places - count; zeros != 0; --zeros) put_digit('0');
            } else {
                for (; count != places; --count) put_digit(*from++);
                if (places != 0) put_digit('.');
            }
            for (; count != 0; --count) put_digit(*from++);
            return true;
        }
        return false;
    }
    void put_digit(char c) noexcept { buffer_[size_++] = c; }

    PORTUNUS_DECL bool difficult(const char* plain, std::string_view text);

    std::string& out_;
    std::size_t size_ = 0;
    unsigned depth_left_ = max_depth;
    detail::trouble trouble_;
    char buffer_[256];
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
    if (detail::write_value(to, value)) [[likely]] {
        to.flush();
        return {};
    }
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
