// SPDX-License-Identifier: BSL-1.0
#include <portunus/framing/detail/length_field.hpp>

#include "support/catch.hpp"

#include <bit>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

using namespace portunus::detail;

TEST_CASE(
    "a length field has the bytes of its width and order, and reads back, with and without bytes behind it") {
    const std::uint64_t number = 0x8182838485868788;
    const std::string_view big = "\x81\x82\x83\x84\x85\x86\x87\x88";
    const std::string_view little = "\x88\x87\x86\x85\x84\x83\x82\x81";
    for (unsigned width = 1; width <= 8; ++width) {
        const std::uint64_t value = number & largest_of_width(width);
        for (std::size_t behind = 0; behind < 10; ++behind) {
            const std::unique_ptr<char[]> field(new char[width + behind]);
            std::memset(field.get(), 0x77, width + behind);
            store_length(field.get(), value, width, std::endian::big);
            CHECK(std::string_view(field.get(), width) == big.substr(8 - width));
            CHECK(load_length(field.get(), width + behind, width, std::endian::big) == value);
            store_length(field.get(), value, width, std::endian::little);
            CHECK(std::string_view(field.get(), width) == little.substr(0, width));
            CHECK(load_length(field.get(), width + behind, width, std::endian::little) == value);
            CHECK(std::string_view(field.get() + width, behind) == std::string(behind, 0x77));
        }
    }
}

TEST_CASE("the largest number of a width has all its bits") {
    CHECK(largest_of_width(1) == 255);
    CHECK(largest_of_width(3) == 0xFFFFFF);
    CHECK(largest_of_width(8) == UINT64_MAX);
}
