// SPDX-License-Identifier: BSL-1.0
// Any bytes as the head of a response: byte 0 chooses limits, the rest comes whole, by the byte, and as each
// of its beginnings.
#include "../unit/http/head_support.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

using namespace http_test;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t tight = data[0] % 3;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1,
                                 std::min<std::size_t>(size - 1, 400));
    head_limits limits;
    if (tight == 1) limits = {.max_head = 64, .max_line = 8192, .max_fields = 100};
    if (tight == 2) limits = {.max_head = 16384, .max_line = 32, .max_fields = 2};
    const verdict v = read_head_every_way<http::response_parser>(bytes, limits, 30, 1 + bytes.size() / 16);
    if (v.what == head_step::kind::complete)
        demand(bytes.substr(0, 7) == "HTTP/1.", "another protocol was accepted");
    return 0;
}
