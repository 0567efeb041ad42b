// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_JSON_READ_HPP
#define PORTUNUS_JSON_READ_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>
#include <portunus/json/limits.hpp>
#include <portunus/json/raw.hpp>

#include <string_view>

/// \file
/// JSON text into the types of a program, without a tree in between.
///
///     struct sensor  { std::string name; double value = 0; };
///     struct reading { std::string room; std::vector<sensor> sensors; std::optional<int> battery; };
///     BOOST_DESCRIBE_STRUCT(sensor, (), (name, value))
///     BOOST_DESCRIBE_STRUCT(reading, (), (room, sensors, battery))
///
///     const result<reading> r = json::read<reading>(text);
///     if (!r) log(r.error()); // malformed data: sensors[3].value: expected a number, found a string
///
/// | type | in JSON |
/// |---|---|
/// | a struct described by Boost.Describe | object: each member has to be there, in any order |
/// | `std::optional<T>` | what T is, or null; as a member it may be absent |
/// | an enum described by Boost.Describe | string: the name of an enumerator |
/// | `bool`, `std::string` | true and false; string |
/// | integers | number in the range of the type; `5.0` and `5e0` are 5 |
/// | `float`, `double` | number; too large for the type is an error, too small is 0 |
/// | `std::vector<T>`, `std::array<T, N>` | array; of exactly N elements |
/// | `std::map<std::string, T>`, `unordered_map` | object |
/// | `std::monostate` | null: no value |
/// | `json::raw` | anything, kept as text |
///
/// The public members of a struct count, with those that it inherits; 64 at most.
///
/// What is accepted is JSON as RFC 8259 has it, and no more: no comments, no trailing commas, no byte order
/// mark, no invalid UTF-8, no half surrogates. Refused as well: a key that appears twice among those that are
/// read, nesting deeper than `max_depth`, anything behind the value. Keys that nobody asked for are passed
/// over, which includes looking whether they are valid (but not whether they repeat), so that a peer may be
/// newer than this program.

namespace portunus::json {

struct read_options {
    /// An unknown key is an error: for configuration files, where it is a misspelt one.
    bool refuse_unknown = false;
};

/// The value that `text` is. `errc::malformed_data` with the path of the field and what was expected there.
template <class T>
[[nodiscard]] result<T> read(std::string_view text, read_options options = {});

/// The same into a value that is there, which keeps its memory: strings and vectors are assigned to, so
/// reading messages of the same kind into the same object allocates nothing after the first ones. (Maps do,
/// for each key.) Nothing of the old value stays. After an error the value is valid, and partly the old one.
template <class T>
[[nodiscard]] result<void> read_into(std::string_view text, T& value, read_options options = {});

/// Whether `text` is one JSON value, whatever it is. Allocates nothing, but for the error.
[[nodiscard]] PORTUNUS_DECL result<void> validate(std::string_view text);

} // namespace portunus::json

#include <portunus/json/impl/read.hpp>

#endif
