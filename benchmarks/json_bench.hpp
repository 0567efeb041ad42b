// SPDX-License-Identifier: BSL-1.0
// What the parsers of json_bench have to agree on.
#ifndef PORTUNUS_BENCHMARKS_JSON_BENCH_HPP
#define PORTUNUS_BENCHMARKS_JSON_BENCH_HPP

#include <cstdint>
#include <string>
#include <string_view>

namespace json_bench {

struct reading {
    std::string room{};
    double celsius = 0;
    bool ok = false;
    friend bool operator==(const reading&, const reading&) = default;
};

struct envelope {
    std::uint32_t status = 0;
    std::uint32_t service_id = 0;
    std::uint32_t data_id = 0;
    reading data{};
    friend bool operator==(const envelope&, const envelope&) = default;
};

/// Boost.JSON's basic_parser with a handler written for this one message, in a source file of its own.
bool boost_sax(std::string_view text, envelope& into);

} // namespace json_bench

#endif
