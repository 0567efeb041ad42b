// SPDX-License-Identifier: BSL-1.0
// Any bytes as a chunked body: bytes 0 and 1 are the limits, the rest comes whole, by the byte and in pieces.
#include "../unit/http/chunked_support.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

using namespace http_test;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const portunus::http::chunked_limits limits{.max_extensions = data[0], .max_trailers = data[1]};
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
    const chunked_outcome whole = decode_chunked(std::span(&bytes, 1), limits);
    must(decode_chunked_by_byte(bytes, limits) == whole, "by the byte differs from whole");
    std::vector<std::string_view> pieces;
    for (std::size_t at = 0, step = 1 + data[0] % 7; at < bytes.size(); at += step)
        pieces.push_back(bytes.substr(at, step));
    must(decode_chunked(pieces, limits) == whole, "in pieces differs from whole");
    must(whole.body.size() <= bytes.size(), "a body is longer than what carried it");
    return 0;
}
