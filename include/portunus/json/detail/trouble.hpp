// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_JSON_DETAIL_TROUBLE_HPP
#define PORTUNUS_JSON_DETAIL_TROUBLE_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace portunus::json::detail {

/// What went wrong, and where: the path is put together from the inside out, by each level that the failure
/// passes on its way up. Nothing is kept for it while all goes well.
class trouble {
  public:
    bool any() const noexcept { return !what_.empty(); }

    /// Always false, so that a failure is `return t.is(...)`. The first one counts.
    PORTUNUS_DECL bool is(std::string what);
    PORTUNUS_DECL bool in_member(std::string_view name);
    PORTUNUS_DECL bool in_element(std::size_t index);
    /// A key that the peer chose: in quotes, without anything that would harm a log.
    PORTUNUS_DECL bool in_key(std::string_view key);

    /// "room.sensors[3].value: expected a number, found a string"
    PORTUNUS_DECL error as(errc code) const;

  private:
    std::string what_;
    std::string path_;
};

/// Text of a peer for a message to humans: in quotes, at most 40 bytes of it, what is not printable ASCII in
/// hexadecimal digits.
PORTUNUS_DECL std::string shown(std::string_view text);

} // namespace portunus::json::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/json/detail/impl/trouble.ipp>
#endif

#endif
