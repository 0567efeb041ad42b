// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_JSON_WRITE_HPP
#define PORTUNUS_JSON_WRITE_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>
#include <portunus/json/limits.hpp>
#include <portunus/json/raw.hpp>

#include <string>
#include <string_view>

/// \file
/// The types of a program as JSON text. The types are those of `json::read`, and each value that is written
/// is read back as the same one.

namespace portunus::json {

/// Appends `value` to `out`, without any white space; allocates nothing when `out` has room. Optional members
/// that are empty are left out; elsewhere an empty optional is null. Numbers have the fewest digits from
/// which the same number is read.
///
/// `errc::unencodable_payload` with the path of the field for what JSON cannot say: NaN and infinity, strings
/// that are no UTF-8, enumerators without a name, nesting deeper than `max_depth`, `raw` text that is not
/// valid. Then `out` is as it was.
template <class T>
[[nodiscard]] result<void> write(std::string& out, const T& value);

/// The same as a text of its own.
template <class T>
[[nodiscard]] result<std::string> to_text(const T& value);

/// Appends `text` as a JSON string, with its quotes. `errc::unencodable_payload` when it is no UTF-8; then
/// `out` is as it was.
[[nodiscard]] PORTUNUS_DECL result<void> escape(std::string& out, std::string_view text);

} // namespace portunus::json

#include <portunus/json/impl/write.hpp>

#endif
