// SPDX-License-Identifier: BSL-1.0
// Types to read and write, and texts in memory of exactly their size.
#ifndef PORTUNUS_TESTS_UNIT_JSON_JSON_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_JSON_JSON_SUPPORT_HPP

#include <portunus/json/raw.hpp>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace json_test {

enum class mode { off, automatic, manual, unnamed = 77 };
BOOST_DESCRIBE_ENUM(mode, off, automatic, manual)

struct sensor {
    std::string name{};
    double value = 0;
    friend bool operator==(const sensor&, const sensor&) = default;
};
BOOST_DESCRIBE_STRUCT(sensor, (), (name, value))

struct room {
    std::string name{};
    std::vector<sensor> sensors{};
    friend bool operator==(const room&, const room&) = default;
};
BOOST_DESCRIBE_STRUCT(room, (), (name, sensors))

struct house {
    json_test::room room{};
    friend bool operator==(const house&, const house&) = default;
};
BOOST_DESCRIBE_STRUCT(house, (), (room))

struct everything {
    bool flag = false;
    std::int8_t small = 0;
    std::uint64_t large = 0;
    double real = 0;
    std::string text{};
    json_test::mode mode = mode::off;
    std::optional<std::string> maybe{};
    std::vector<bool> bits{};
    std::array<int, 3> three{};
    std::map<std::string, std::vector<int>> lists{};
    portunus::json::raw rest{};
    std::monostate nothing{};
    friend bool operator==(const everything&, const everything&) = default;
};
BOOST_DESCRIBE_STRUCT(everything, (),
                      (flag, small, large, real, text, mode, maybe, bits, three, lists, rest, nothing))

struct base {
    int first = 0;
};
BOOST_DESCRIBE_STRUCT(base, (), (first))
struct derived : base {
    int second = 0;
};
BOOST_DESCRIBE_STRUCT(derived, (base), (second))

struct tree {
    std::vector<tree> branches{};
};
BOOST_DESCRIBE_STRUCT(tree, (), (branches))

struct empty {};
BOOST_DESCRIBE_STRUCT(empty, (), ())

/// A copy without a byte behind it, so that AddressSanitizer sees what is read beyond.
class exact {
  public:
    explicit exact(std::string_view text) : bytes_(new char[text.size()]), size_(text.size()) {
        if (size_ != 0) std::memcpy(bytes_.get(), text.data(), size_);
    }
    operator std::string_view() const { return {bytes_.get(), size_}; }

  private:
    std::unique_ptr<char[]> bytes_;
    std::size_t size_;
};

} // namespace json_test

#endif
