// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_DNS_NAME_HPP
#define PORTUNUS_NET_DETAIL_DNS_NAME_HPP

#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace portunus::detail::dns {

constexpr unsigned char lower(char c) noexcept {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 'A' && byte <= 'Z' ? static_cast<unsigned char>(byte + 32) : byte;
}

/// Names are compared without regard to case, of the ASCII letters alone (RFC 1035 2.3.3, RFC 6762 16).
inline bool same_label(std::string_view a, std::string_view b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

/// A label as text: a dot or a backslash in it is written with a backslash, what cannot be printed as \DDD
/// (RFC 1035 5.1). Bytes above 127 are UTF-8 (RFC 6762 16) and stay.
inline void append_label(std::string& text, std::string_view label) {
    for (const char c : label) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '.' || c == '\\') {
            text += '\\';
            text += c;
        } else if (byte < ' ' || byte == 127) {
            text += '\\';
            text += static_cast<char>('0' + byte / 100);
            text += static_cast<char>('0' + byte / 10 % 10);
            text += static_cast<char>('0' + byte % 10);
        } else {
            text += c;
        }
    }
}

/// A domain name: labels of 1 to 63 bytes, at most 255 with their length bytes and the root. Owns its bytes.
class name {
  public:
    static constexpr std::size_t most_label = 63;
    static constexpr std::size_t most_bytes = 255;

    name() = default; // the root

    /// "hub.local", "hub.local.", "Hub No\. 1._portunus._tcp.local": `errc::invalid_name`.
    static result<name> parse(std::string_view text);

    /// Appends a label, or all labels of another name. False, and nothing changes, where that is no label or
    /// the whole gets too long.
    bool append(std::string_view label);
    bool append(const name& other);

    /// The labels, each behind its length, without the root's zero.
    std::string_view wire() const noexcept { return wire_; }
    bool is_root() const noexcept { return wire_.empty(); }
    /// The first label as it is, and what is behind it; not of the root.
    std::string_view first() const noexcept { return std::string_view(wire_).substr(1, first_size()); }
    name parent() const {
        name rest;
        rest.wire_ = wire_.substr(1 + first_size());
        return rest;
    }
    /// Whether it is `other` or below it.
    bool within(const name& other) const noexcept;

    /// Without a dot at the end; "." for the root.
    std::string text() const;

    /// A length byte is never a letter, so the wire can be compared as a whole.
    friend bool operator==(const name& a, const name& b) noexcept { return same_label(a.wire_, b.wire_); }

  private:
    std::size_t first_size() const noexcept { return static_cast<unsigned char>(wire_.front()); }

    std::string wire_;
};

inline bool name::append(std::string_view label) {
    if (label.empty() || label.size() > most_label) return false;
    if (wire_.size() + label.size() + 2 > most_bytes) return false;
    wire_ += static_cast<char>(label.size());
    wire_ += label;
    return true;
}

inline bool name::append(const name& other) {
    if (wire_.size() + other.wire_.size() + 1 > most_bytes) return false;
    wire_ += other.wire_;
    return true;
}

inline bool name::within(const name& other) const noexcept {
    std::string_view rest = wire_;
    while (rest.size() > other.wire_.size()) rest.remove_prefix(1 + static_cast<unsigned char>(rest.front()));
    return rest.size() == other.wire_.size() && same_label(rest, other.wire_);
}

inline std::string name::text() const {
    if (wire_.empty()) return ".";
    std::string all;
    for (std::string_view rest = wire_; !rest.empty();) {
        const std::size_t size = static_cast<unsigned char>(rest.front());
        if (!all.empty()) all += '.';
        append_label(all, rest.substr(1, size));
        rest.remove_prefix(1 + size);
    }
    return all;
}

inline result<name> name::parse(std::string_view text) {
    const auto refuse = [text](const char* why) {
        return error(errc::invalid_name, '"' + std::string(text.substr(0, 300)) + "\": " + why);
    };
    if (text.empty()) return refuse("the name is empty");
    name whole;
    if (text == ".") return whole;
    std::string label;
    const auto finish = [&] {
        const bool good = whole.append(label);
        label.clear();
        return good;
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '.') {
            if (label.empty()) return refuse("the name has an empty label");
            if (!finish()) return refuse("a label exceeds 63 bytes, or the name 255");
            continue;
        }
        if (c == '\\') {
            const auto digit = [&](std::size_t at) {
                return at < text.size() && text[at] >= '0' && text[at] <= '9' ? text[at] - '0' : -1;
            };
            if (i + 1 == text.size()) return refuse("a backslash stands at the end");
            if (digit(i + 1) >= 0) {
                const int number = digit(i + 1) * 100 + digit(i + 2) * 10 + digit(i + 3);
                if (digit(i + 2) < 0 || digit(i + 3) < 0 || number > 255)
                    return refuse("a backslash wants three digits up to 255, or a character");
                c = static_cast<char>(number);
                i += 3;
            } else {
                c = text[++i];
            }
        }
        label += c;
        if (label.size() > most_label) return refuse("a label exceeds 63 bytes");
    }
    if (!label.empty() && !finish()) return refuse("the name exceeds 255 bytes");
    return whole;
}

} // namespace portunus::detail::dns

#endif
