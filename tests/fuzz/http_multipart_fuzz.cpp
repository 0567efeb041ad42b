// SPDX-License-Identifier: BSL-1.0
// Any bytes as a multipart body with the boundary "b": byte 0 chooses limits, the rest comes whole, by the
// byte and in pieces.
#include "../unit/http/multipart_support.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

using namespace http_test;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1,
                                 std::min<std::size_t>(size - 1, 600));
    portunus::http::multipart_limits limits;
    if (data[0] % 2 == 1)
        limits = {.max_parts = 2, .max_part_head = 60, .max_part = data[0] / 16u, .max_total = data[0] / 8u};
    const std::string_view boundary = data[0] % 8 < 6 ? "b" : "--";
    const form_outcome whole = read_form(std::span(&bytes, 1), boundary, limits);
    if (read_form_by_byte(bytes, boundary, limits) != whole) std::abort();
    std::vector<std::string_view> pieces;
    for (std::size_t at = 0, step = 2 + data[0] % 11; at < bytes.size(); at += step)
        pieces.push_back(bytes.substr(at, step));
    if (read_form(pieces, boundary, limits) != whole) std::abort();
    return 0;
}
