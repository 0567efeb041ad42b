// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_POLICY_INTERFACE_LIST_HPP
#define PORTUNUS_POLICY_INTERFACE_LIST_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace portunus {

/// The network interfaces that something is about, by name: "eth0,wlan0". Empty = all of them.
///
///     interface_list inside("eth0, wlan0");
///     interface_list inside{"eth0", "wlan0"};  // the same
///
/// Only names are handled here, and only their form is checked. Whether this machine has such an interface is
/// found out when a listener opens (`errc::no_such_interface`), because interfaces come and go. Names are
/// case-sensitive, as the system's are; the order of the list is kept and means nothing.
///
/// Semantics rows T-7 (allowed interfaces; unlike there, a name that is unknown is an error and not dropped
/// in silence), Q-2 (a way to listen on one interface only).
class interface_list {
  public:
    /// All interfaces.
    interface_list() noexcept = default;

    /// From text; throws `failure` where `parse` returns the error.
    explicit interface_list(std::string_view text) : interface_list(parse(text).value()) {}

    /// From several texts: the same as one text with commas between them.
    interface_list(std::initializer_list<std::string_view> names) : interface_list(joined(names)) {}

    /// Reads names separated by commas; blanks around them are ignored; a text without any name means all.
    ///
    /// Errors: `errc::invalid_option`, with a detail that quotes the text and the part that is wrong and says
    /// what is allowed: an empty part, a name that no interface can have (longer than 15 bytes, with a blank,
    /// a slash or a colon in it, "." or ".."), a name given twice.
    static result<interface_list> parse(std::string_view text);

    /// Whether no interface is named, so that all are meant.
    bool all() const noexcept { return names_.empty(); }

    /// Whether the interface of this name is meant. The empty name stands for "not known", and is only meant
    /// by all.
    bool matches(std::string_view name) const noexcept {
        return all() || std::find(names_.begin(), names_.end(), name) != names_.end();
    }

    /// The names as given; none where all are meant.
    auto begin() const noexcept { return names_.begin(); }
    auto end() const noexcept { return names_.end(); }
    std::size_t size() const noexcept { return names_.size(); }

    friend bool operator==(const interface_list&, const interface_list&) = default;

  private:
    static std::string joined(std::initializer_list<std::string_view> names);

    std::vector<std::string> names_;
};

/// "eth0,wlan0": what `parse` reads back as an equal list. Empty where all are meant.
PORTUNUS_DECL std::string to_string(const interface_list& list);

inline std::ostream& operator<<(std::ostream& out, const interface_list& list) {
    return out << to_string(list);
}

namespace policy_detail {

/// What is wrong with a name, or nothing. The rules are those of Linux (dev_valid_name in net/core/dev.c) and
/// the comma, which is ours.
constexpr std::string_view wrong_with_interface_name(std::string_view name) noexcept {
    constexpr std::size_t longest = 15; // IFNAMSIZ less the final zero
    if (name.size() > longest) return "is longer than 15 bytes";
    if (name == "." || name == "..") return "cannot be the name of an interface";
    for (const char c : name) {
        if (c == ':') return "has a colon: an alias (\"eth0:1\") is an address, not an interface";
        if (c == '/' || c == ' ' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            return "has a character that no interface's name can have";
    }
    return {};
}

} // namespace policy_detail

} // namespace portunus

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/policy/impl/interface_list.ipp>
#endif

#endif
