// SPDX-License-Identifier: BSL-1.0
// Any text as JSON: Boost.JSON and we accept the same, what is read is what was written, and what types read,
// validates.
#include <portunus/json/read.hpp>
#include <portunus/json/write.hpp>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/json/src.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace json = portunus::json;

namespace json_fuzz {

enum class mode { off, on };
BOOST_DESCRIBE_ENUM(mode, off, on)

struct all {
    std::optional<bool> b{};
    std::optional<std::int16_t> i{};
    std::optional<std::uint64_t> u{};
    std::optional<double> d{};
    std::optional<float> f{};
    std::optional<std::string> s{};
    std::optional<mode> m{};
    std::optional<std::array<int, 2>> a{};
    std::map<std::string, json::raw> x{};
    std::vector<all> v{};
    friend bool operator==(const all&, const all&) = default;
};
BOOST_DESCRIBE_STRUCT(all, (), (b, i, u, d, f, s, m, a, x, v))

} // namespace json_fuzz

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const bool valid = json::validate(text).has_value();

    boost::json::parse_options options;
    options.max_depth = json::max_depth;
    boost::json::error_code ec;
    const boost::json::value value =
        boost::json::parse(boost::json::string_view(text.data(), size), ec, {}, options);
    // A number with a huge exponent is JSON, but no number of theirs.
    if (ec != boost::json::error::exponent_overflow) require(valid == !ec);

    if (const auto string = json::read<std::string>(text)) {
        require(valid && value.is_string() && *string == std::string_view(value.get_string()));
        require(json::read<std::string>(json::to_text(*string).value()).value() == *string);
    }
    std::string escaped;
    if (json::escape(escaped, text)) require(json::read<std::string>(escaped).value() == text);

    const auto number = json::read<double>(text);
    if (number) require(valid && json::read<double>(json::to_text(*number).value()).value() == *number);
    if (const auto integer = json::read<std::int64_t>(text)) {
        require(number.has_value() && static_cast<double>(*integer) == *number);
        require(json::to_text(*integer).value().size() <= 20);
    }

    if (const auto any = json::read<json::raw>(text)) require(valid && json::to_text(*any).has_value());
    const auto all = json::read<json_fuzz::all>(text);
    if (all) {
        require(valid);
        const std::string written = json::to_text(*all).value();
        require(json::validate(written).has_value());
        json_fuzz::all again;
        again.s = "old";
        again.v.resize(2);
        require(json::read_into(written, again).has_value() && again == *all);
    } else {
        require(!all.error().detail().empty());
    }
    return 0;
}
